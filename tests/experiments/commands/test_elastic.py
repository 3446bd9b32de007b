"""`scaler elastic` and searches that score members: what is made, resumed and refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.cli import run
from experiments.commands.elastic import elastic
from experiments.commands.evaluate import evaluate
from experiments.commands.search import search
from experiments.commands.train import train
from experiments.options.search import SearchOptions
from experiments.options.train import ElasticOptions, EvaluateOptions, TrainOptions
from experiments.scoring.elastic import MemberBackend
from experiments.training.trainer import Trainer
from models.common.architecture import VisionTransformer
from models.inheritance.members import Members
from models.inheritance.prepared_seed import at_resolution
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError
from scaler.results.ledger import Ledger
from scaler.results.variant import read_info
from search_spaces.elastic import read_note
from tests.experiments.small_seed import ARCH, seed_in

IMAGES: dict[str, Any] = {"data": "digits", "train_images": 60}


def made(seed: Path, out: Path, **more: Any) -> dict[str, Any]:
    return elastic(
        ElasticOptions(seed_model=str(seed), out=out, **{"epochs": 2, "batch_size": 16, "threads": 1, **IMAGES, **more})
    )


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "seed"
    seed_in(folder)
    return folder


@pytest.fixture(scope="module")
def made_once(seed: Path) -> tuple[Path, dict[str, Any]]:
    return seed.parent / "elastic", made(seed, seed.parent / "elastic")


@pytest.mark.slow
def test_the_folder_is_an_ordinary_model_and_says_which_members_it_has(made_once: tuple[Path, dict[str, Any]]) -> None:
    folder, found = made_once
    note, info = read_note(folder), read_info(folder)
    assert note is not None
    assert info is not None
    assert (note.axes, note.least_flops) == (found["axes"], found["least_flops"])
    assert note.axes["embed_dims"][1:] == [[16, 32], [16, 32], [32, 48]]
    assert (info.start, info.trained_on.part, info.trained_on.train_images) == ("", "train", 60)
    full, *members = found["members"]
    assert full["top1"] == evaluate(EvaluateOptions(variant=str(folder), data="digits"))["top1"]
    assert full["flops"] == found["seed"]["flops"] == info.flops
    assert all(note.least_flops <= member["flops"] < info.flops for member in members)
    assert found["train_flops"] > 2 * 2 * 48 * info.flops  # of 48 images a update and epoch, members included
    (folder / "model.safetensors").rename(folder / "aside")
    (folder / "model.safetensors").write_bytes(b"others")
    assert read_note(folder) is None
    (folder / "aside").replace(folder / "model.safetensors")


@pytest.mark.slow
def test_a_repeated_command_continues_an_interrupted_training_to_the_same_bits(
    seed: Path, tmp_path: Path, made_once: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = made_once
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_end_interval", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            made(seed, tmp_path / "elastic")
    again = made(seed, tmp_path / "elastic")
    assert again["members"] == found["members"]
    weights = [(place / "model.safetensors").read_bytes() for place in (folder, tmp_path / "elastic")]
    assert weights[0] == weights[1]
    monkeypatch.setattr("experiments.commands.start_elastic._trained", None)
    assert made(seed, tmp_path / "elastic") == again  # read, not made again
    with pytest.raises(ScalerError, match=r"holds a elastic training with least = 0.5, not 0.6"):
        made(seed, tmp_path / "elastic", least=0.6)


def _interrupt(trainer: Trainer, loss_sum: float) -> None:
    trainer.save()
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_search_cuts_and_scores_members_and_its_choice_is_trained_on(
    made_once: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, _ = made_once
    request: dict[str, Any] = {"seed_model": str(folder), "budget": "flops=80%", "score": "elastic", "trials": 3, **IMAGES}
    (chosen,) = search(SearchOptions(out=tmp_path / "run", workers=1, **request))
    rows = list(Ledger(tmp_path / "run" / "ledger.csv"))
    note = read_note(folder)
    assert note is not None
    assert len(rows) == 3
    assert {(row.recipe, row.start, row.epochs, row.score.train_flops) for row in rows} == {("elastic", "inherited", 0.0, 0)}
    assert all(note.least_flops <= row.flops for row in rows)
    assert "as it is cut, without training" in chosen.why["reason"]
    spec = open_model_spec(str(chosen.folder))
    trial = open_model_spec(str(tmp_path / "run" / "trials" / chosen.record.name))
    torch.testing.assert_close(spec.build().state_dict(), trial.build().state_dict(), rtol=0, atol=0)
    images = torch.randn(4, 3, ARCH.resolution, ARCH.resolution)
    arch = trial.arch
    assert isinstance(arch, VisionTransformer)
    elastic_network = open_model_spec(str(folder)).build(drop_path_rate=0.0).train()
    member = trial.build(drop_path_rate=0.0).train()
    cut = Members(elastic_network, ARCH)(arch, images)
    assert torch.equal(cut, member(at_resolution(images, arch.resolution)))
    with monkeypatch.context() as patched:  # the kept scores are read when the study is lost
        (tmp_path / "run" / "study.db").unlink()
        patched.setattr(MemberBackend, "_evaluate", None)
        patched.setattr(MemberBackend, "estimate", lambda *_, **__: 0.0)
        patched.setattr("experiments.report.frontier.write_frontier", lambda *_: {})
        (again,) = search(SearchOptions(out=tmp_path / "run", workers=1, **request))
    assert again.record == chosen.record
    capsys.readouterr()
    more: dict[str, Any] = {"epochs": 1, "out": tmp_path / "trained", **IMAGES}
    record = train(TrainOptions(variant=str(chosen.folder), start="weights", **more))
    assert record.start == "inherited"
    assert "starts from inherited weights" in capsys.readouterr().err


@pytest.mark.slow
def test_other_values_smaller_budgets_and_options_of_trainings_are_refused(
    seed: Path, made_once: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = made_once
    axes = tmp_path / "axes.json"
    axes.write_text(json.dumps({"resolution": [12, 16], "mlp_ratio": [2.5]}))
    for changes, message in [
        ({"seed_model": str(seed)}, "seed is no elastic seed: make one of a trained seed"),
        ({"axes": axes}, r"axis \S+ offers \S+, and the members of the elastic seed have"),
        ({"budget": "flops=20%"}, "budget flops=20%: members of the elastic seed have"),
        ({"start": "random"}, "--start random: --score elastic scores candidates as they are cut"),
        ({"pruner": "halving"}, "--pruner halving: --score elastic"),
        ({"finalists": 2}, "--finalists 2: --score elastic"),
        ({"teacher": str(seed)}, "--teacher .*: --score elastic"),
    ]:
        request = {"seed_model": str(folder), "budget": "flops=80%", "score": "elastic", "out": tmp_path / "x", **IMAGES}
        with pytest.raises(ScalerError, match=message) as caught:
            search(SearchOptions(**(request | changes)))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny_vit_1m_32", "tiny_vit_1m_32 has no weights: train it first"),
        ("resnet10t", "resnet10t is of no family whose weights can be cut: take a TinyViT, a DeiT or a Swin"),
    ],
)
def test_a_model_that_gives_no_weights_is_refused_in_one_line(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["scaler", "elastic", name, "--data", "digits", "--out", str(tmp_path / "x")])
    assert run() == 2
    assert message in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_seed_for_other_classes_is_refused(tmp_path: Path) -> None:
    seed_in(tmp_path / "seed", replace(ARCH, num_classes=7))
    with pytest.raises(ScalerError, match="tells 7 classes apart and digits has 10: tune it to them first"):
        made(tmp_path / "seed", tmp_path / "x")
