"""A search from a trained seed: its candidates, its variants and its records say where their weights come from."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.commands.search import search
from experiments.options.search import SearchOptions
from experiments.search.request import require_same
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError
from scaler.json_files import write_sealed
from scaler.results.ledger import Ledger, Record
from scaler.results.variant import read_info
from tests.experiments.small_seed import seed_in


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "seed"
    seed_in(folder)
    return folder


def searched(seed: Path, out: Path, **more: Any) -> list[Record]:
    options = {"budget": "flops=60%", "data": "digits", "train_images": 60, "trials": 2, "out": out}
    search(SearchOptions(seed_model=str(seed), **{**options, **more}))
    return list(Ledger(out / "ledger.csv"))


@pytest.mark.slow
def test_a_seed_with_weights_gives_them_and_every_record_says_so(
    seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = searched(seed, tmp_path / "run")
    assert "candidates start from weights cut out of" in capsys.readouterr().err
    assert {row.start for row in rows} == {"inherited"}
    kept = [json.loads((tmp_path / "run" / name).read_text()) for name in ("run.json", "result.json")]
    assert [found["start"] for found in kept] == ["inherited", "inherited"]
    assert "from inherited weights" in (tmp_path / "run" / "frontier" / "report.html").read_text()
    folder = tmp_path / "run" / "variants" / "flops-60pct"
    info, spec = read_info(folder), open_model_spec(str(folder))
    assert info is not None
    assert (info.start, info.trained_on.part, spec.mean) == ("inherited", "", open_model_spec(str(seed)).mean)
    theirs, ours = open_model_spec(str(seed)).build().state_dict(), spec.build().state_dict()
    assert set(ours["head.norm.weight"].tolist()) <= set(theirs["head.norm.weight"].tolist())
    seed_in(seed, random_seed=9)
    try:
        with pytest.raises(ScalerError, match="holds a search with start_weights = "):
            searched(seed, tmp_path / "run", trials=3)
    finally:
        seed_in(seed)


@pytest.mark.slow
def test_worker_processes_start_from_the_same_weights(seed: Path, tmp_path: Path) -> None:
    alone = searched(seed, tmp_path / "alone")
    together = searched(seed, tmp_path / "together", workers=2)
    assert [(row.trial, row.top1, row.loss) for row in alone] == sorted((row.trial, row.top1, row.loss) for row in together)


@pytest.mark.slow
def test_a_random_start_is_chosen_and_said(seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = searched(seed, tmp_path / "run", start="random", trials=1)
    assert "candidates start from random weights\n" in capsys.readouterr().err
    assert [row.start for row in rows] == ["random"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["start"] == "random"
    assert open_model_spec(str(tmp_path / "run" / "variants" / "flops-60pct")).weights is None


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="tiny_vit_1m_32 has no weights: train it first"):
        searched(Path("tiny_vit_1m_32"), tmp_path / "x", start="inherited")
    assert not (tmp_path / "x").exists()


def test_axes_beyond_the_seed_are_refused_with_the_way_out(seed: Path, tmp_path: Path) -> None:
    axes = tmp_path / "axes.json"
    axes.write_text('{"depths": [[1], [1, 4], [1], [1]]}')
    with pytest.raises(ScalerError, match=r"axis depths\[1\] offers 4 .* narrow the axis, or take --start random"):
        searched(seed, tmp_path / "x", axes=axes)
    assert not (tmp_path / "x").exists()


def test_a_search_that_recorded_no_start_continues_from_random_weights(tmp_path: Path) -> None:
    write_sealed(tmp_path / "run.json", {"seed": 0})
    require_same("search", tmp_path / "run.json", {"seed": 0, "start": "random", "start_weights": None})
    with pytest.raises(ScalerError, match="holds a search with start = random, not inherited"):
        require_same("search", tmp_path / "run.json", {"seed": 0, "start": "inherited", "start_weights": "x"})
