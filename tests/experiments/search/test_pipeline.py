"""The whole search with a backend that scores in closed form, so that it runs in moments."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
import timm
from optuna.trial import TrialState

from experiments.options.search import SearchOptions
from experiments.search import pipeline
from experiments.search.run_folder import LEDGER, RESULT, SearchContext
from experiments.search.selection import Chosen
from experiments.training.rungs import RungSchedule
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import DamagedFileError, DivergedError, InfeasibleError, ScalerError
from scaler.results import ledger
from scaler.results.ledger import Ledger, Record
from scaler.results.score import Metrics, Score
from scaler.results.variant import VariantInfo
from scaler.trials.storage import retry_trial
from search_spaces.baselines import baselines
from search_spaces.compound_scaling import compound_scaling
from search_spaces.problem import spaces

BUDGETS = ("flops=1M", "flops=2M,params=300k", "flops=60%")
whole_lines = ledger._whole_lines


class ClosedForm:
    """Accuracy grows with depth and resolution, whatever the cost; counts how often each folder was scored."""

    data_name, recipe_name = "made up", "closed form"

    def __init__(self, stop_at: int | None = None, diverge_at: int | None = None) -> None:
        self.scored: list[str] = []
        self.epochs = 0
        self.stop_at, self.diverge_at = stop_at, diverge_at

    def score(
        self, spec: ModelSpec, note: VariantInfo, folder: Path, *, seed: int, final: bool, rungs: RungSchedule | None = None
    ) -> Score:
        if len(self.scored) == self.stop_at:
            raise KeyboardInterrupt
        self.scored.append(folder.name)
        if len(self.scored) - 1 == self.diverge_at:
            raise DivergedError("the loss is nan at step 3")
        spec.write(folder, note)
        arch: Any = spec.arch
        top1 = 50 + 4 * sum(arch.depths) + arch.resolution / 8 + (seed if folder.parent.name == "finalists" else 0)
        for epoch in range(1, 10):
            self.epochs += 1
            if rungs is not None:
                rungs.trial.report(epoch, top1 - 9 + epoch)
                if rungs.trial.should_prune():
                    return made_score(top1 - 9 + epoch, final, epoch, pruned=True)
        return made_score(top1, final, seed)

    def estimate(self, spec: ModelSpec, *, seed: int, final: bool) -> float:
        return 60.0


def made_score(top1: float, final: bool, epochs: int, pruned: bool = False) -> Score:
    metrics, split = Metrics(top1=top1, top5=99.0, loss=1.0, images=100), "test" if final else "holdout"
    return Score(metrics=metrics, split=split, epochs=epochs, seconds=0.1, pruned=pruned)


def search(out: Path, backend: ClosedForm, trials: int | None = 9, **changes: Any) -> tuple[list[Chosen], list[str]]:
    space, sets = spaces("tiny_vit_1m_32", BUDGETS)
    options = SearchOptions(seed_model="tiny_vit_1m_32", budget=BUDGETS, data="made up", trials=trials, out=out, **changes)
    said: list[str] = []
    context = SearchContext(options=options, resolved={}, space=space, sets=sets, backend=backend, say=said.append)
    return pipeline.run_search(context), said


def rows(out: Path) -> list[Record]:
    return list(Ledger(out / LEDGER))


@pytest.mark.slow
def test_every_trial_and_every_variant_meets_its_budget_by_fvcore(tmp_path: Path) -> None:
    chosen, said = search(tmp_path, ClosedForm())
    _, sets = spaces("tiny_vit_1m_32", BUDGETS)
    wide = [line.partition(":")[0] for line in said if "keeps them near the bound" in line]
    assert wide == ["flops=1M", "flops=2M,params=300k", "flops=60%"]
    assert said[3] == "9 candidates to train: about 9 min in one process, by updates measured now"
    assert len(rows(tmp_path)) == len(said[4:]) == 9
    for number, row in enumerate(rows(tmp_path)):
        assert row.budget == BUDGETS[number % 3]
        assert sets[number % 3].budget.admits(row.quantities)
    for choice, feasible in zip(chosen, sets, strict=True):
        spec = open_model_spec(str(choice.folder))
        assert spec.count() == (choice.record.flops, choice.record.params)
        assert feasible.budget.admits({**spec.count()._asdict(), "resolution": spec.resolution})
        assert timm.create_model(f"local-dir:{choice.folder}").num_classes == 10
        note = json.loads((choice.folder / "scaler.json").read_text())
        assert (note["budget"], note["seed_model"], note["flops"]) == (choice.budget, "tiny_vit_1m_32", choice.record.flops)
    assert [choice.folder.name for choice in chosen] == ["flops-1M", "flops-2M-params-300k", "flops-60pct"]
    for choice, feasible in zip(chosen, sets, strict=True):
        spec, scaled = open_model_spec(str(choice.baseline)), compound_scaling(feasible.space, feasible)
        assert (choice.baseline.parent, choice.baseline.name) == (tmp_path / "baselines", choice.folder.name)
        assert spec.arch == feasible.space.arch(scaled)
        assert feasible.budget.admits({**spec.count()._asdict(), "resolution": spec.resolution})
        notes = [json.loads((folder / "scaler.json").read_text()) for folder in (choice.folder, choice.baseline)]
        assert [(note["role"], note["budget"]) for note in notes] == [("chosen", choice.budget), ("baseline", choice.budget)]


@pytest.mark.slow
def test_the_best_under_a_budget_may_come_from_another_ones_trials(tmp_path: Path) -> None:
    chosen, _ = search(tmp_path, ClosedForm())
    _, sets = spaces("tiny_vit_1m_32", BUDGETS)
    for choice, feasible in zip(chosen, sets, strict=True):
        fitting = [row for row in rows(tmp_path) if feasible.budget.admits(row.quantities)]
        assert choice.record.top1 == max(row.top1 for row in fitting)


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [0, 1, 5, 8])
def test_an_interrupted_search_repeats_an_uninterrupted_one(tmp_path: Path, stop_at: int) -> None:
    search(tmp_path / "whole", ClosedForm())
    broken = ClosedForm(stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "broken", broken)
    again = ClosedForm()
    search(tmp_path / "broken", again)
    assert rows(tmp_path / "broken") == rows(tmp_path / "whole")
    assert len(broken.scored) + len(again.scored) == 9


@pytest.mark.slow
def test_more_trials_continue_a_finished_search(tmp_path: Path) -> None:
    search(tmp_path, ClosedForm(), trials=4)
    backend = ClosedForm()
    search(tmp_path, backend, trials=6)
    assert backend.scored == ["trial-0004", "trial-0005"]
    assert [row.trial for row in rows(tmp_path)] == list(range(6))


def test_another_search_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    search(tmp_path, ClosedForm(), trials=3)
    with pytest.raises(ScalerError, match="holds a search with seed = 0, not 1: choose another --out"):
        search(tmp_path, ClosedForm(), seed=1)


@pytest.mark.slow
def test_a_trial_that_diverges_is_told_and_not_tried_again(tmp_path: Path) -> None:
    backend = ClosedForm(diverge_at=2)
    _, said = search(tmp_path, backend)
    assert len(backend.scored) == 9
    assert len(rows(tmp_path)) == 8
    assert any("trial 2 failed" in line and "the loss is nan" in line for line in said)
    search(tmp_path, backend)
    assert len(backend.scored) == 9


def test_an_infeasible_budget_writes_nothing(tmp_path: Path) -> None:
    space, sets = spaces("tiny_vit_1m_32", ["flops=1k"])
    options = SearchOptions(seed_model="tiny_vit_1m_32", budget="flops=1k", data="", out=tmp_path / "run")
    with pytest.raises(InfeasibleError):
        pipeline.run_search(SearchContext(options=options, resolved={}, space=space, sets=sets, backend=ClosedForm(), say=print))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_no_architecture_is_tried_twice(tmp_path: Path) -> None:
    search(tmp_path, ClosedForm(), trials=24)
    archs = [row.arch for row in rows(tmp_path)]
    assert len(set(archs)) == 24


@pytest.mark.slow
def test_baselines_are_tried_first_and_stand_in_the_result(tmp_path: Path) -> None:
    chosen, _ = search(tmp_path, ClosedForm(), strategy="surrogate", trials=12)
    origins = [row.origin for row in rows(tmp_path)]
    assert origins[:9] == ["uniform scaling"] * 3 + ["highest resolution"] * 3 + ["random"] * 3
    assert set(origins[9:]) == {"surrogate"}
    for choice in chosen:
        found = {row["origin"]: row["top1"] for row in choice.why["baselines"]}
        assert {"uniform scaling", "random"} <= set(found)
        assert max(found.values()) == choice.record.top1 == choice.why["chosen"]["top1"]
    by_cost = {choice.budget: choice.record for choice in chosen}
    assert by_cost["flops=1M"].top1 <= by_cost["flops=60%"].top1
    result = json.loads((tmp_path / RESULT).read_text())
    assert sum(result["importances"].values()) == pytest.approx(1)
    assert [budget["folder"] for budget in result["budgets"]] == [str(choice.folder) for choice in chosen]


@pytest.mark.slow
def test_the_result_names_the_neighbours_that_lost_and_the_path_of_a_contraction(tmp_path: Path) -> None:
    chosen, _ = search(tmp_path, ClosedForm(), strategy="contraction", trials=24)
    assert any(choice.why["path"] for choice in chosen)
    for choice in chosen:
        arch = json.loads(choice.record.arch)
        if choice.why["path"]:
            assert choice.why["path"][-1]["arch"] == arch
        for neighbour in choice.why["neighbours"]:
            other = json.loads(next(row.arch for row in rows(tmp_path) if row.name == neighbour["name"]))
            for name, (mine, theirs) in neighbour["changed"].items():
                axis, _, stage = name.partition("[")
                values = [a[axis][int(stage[:-1])] if stage and isinstance(a[axis], list) else a[axis] for a in (arch, other)]
                assert values == [mine, theirs]
            assert neighbour["lost_by"] >= 0


@pytest.mark.slow
def test_finalists_are_trained_again_and_their_mean_decides(tmp_path: Path) -> None:
    chosen, _ = search(tmp_path, ClosedForm(), trials=6, finalists=1, seeds=3)
    for choice in chosen:
        first, *others = choice.why["finalists"]
        selection = choice.why["selection"]
        assert (selection["finalists"], selection["repeats"]) == (1 + len(others), 3 + 3 * len(others))
        assert 0 < selection["probability_best"] <= 1
        assert first["again"] == [first["trial_top1"] + seed for seed in (1, 2, 3)]
        assert first["top1"] == first["trial_top1"] + 2 == max([first["top1"], *(other["top1"] for other in others)])
        low, high = first["interval"]
        # Source: Student's t for two degrees of freedom, 4.303; the scores' standard deviation is 1.
        assert (high - low) / 2 == pytest.approx(4.303 / 3**0.5, abs=5e-4)
    again = ClosedForm()
    search(tmp_path, again, trials=6, finalists=1, seeds=3)
    assert again.scored == []


@pytest.mark.slow
def test_a_trial_that_a_user_enqueued_is_explained_as_any_other(tmp_path: Path) -> None:
    search(tmp_path, ClosedForm(), trials=9, strategy="uniform")
    space, sets = spaces("tiny_vit_1m_32", BUDGETS)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path}/study.db")
    drawn = sets[2].sample_points(50, np.random.default_rng(0))
    large = [space.values(point) for point in drawn if space.arch(point) not in sets[1]][:2]
    study.enqueue_trial(large[0])
    study.enqueue_trial({"resolution": 32})
    study.enqueue_trial(large[1])  # trial 11, when it is the turn of a budget that it does not meet
    chosen, _ = search(tmp_path, ClosedForm(), trials=13, strategy="uniform")
    found = {row.trial: row for row in rows(tmp_path)}
    assert sorted(found) == list(range(13))
    assert [(found[number].origin, found[number].budget) for number in (9, 11)] == [("enqueued", BUDGETS[2])] * 2
    assert (found[10].origin, found[10].resolution) == ("random", 32)
    points = {name for choice in chosen for other in choice.why["neighbours"] for name in other["changed"]}
    assert points <= space.variables.keys()


@pytest.mark.slow
def test_the_ledger_is_read_at_the_start_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search(tmp_path, ClosedForm(), trials=6)
    read = []
    monkeypatch.setattr(ledger, "_whole_lines", lambda path: read.append(path) or whole_lines(path))
    search(tmp_path, ClosedForm(), trials=14)
    assert len(read) == 2  # to read it, and to cut off a torn last line
    assert [row.trial for row in rows(tmp_path)] == list(range(14))


@pytest.mark.slow
def test_halving_stops_what_lags_behind_its_own_budget(tmp_path: Path) -> None:
    backend = ClosedForm()
    chosen, said = search(tmp_path, backend, trials=18, strategy="uniform", pruner="halving")
    pruned = [row for row in rows(tmp_path) if row.role == "pruned"]
    assert len(rows(tmp_path)) == 18
    assert {row.epochs for row in pruned} <= {1, 3}
    assert backend.epochs < 18 * 9  # two candidates of each budget and resolution, which alone are compared
    assert {row.budget for row in rows(tmp_path) if row.role == "trial"} == set(BUDGETS)
    assert sum("stopped after" in line for line in said) == len(pruned) > 0
    assert {choice.record.role for choice in chosen} == {"trial"}


def test_the_published_sizes_that_fit_are_baselines() -> None:
    space, sets = spaces("tiny_vit_21m_224", ["flops=2.04G,params=11.0M", "flops=1.28G,params=5.4M"])
    found = {proposal.origin: proposal for proposal in baselines(space, sets, 0)}
    assert {"tiny_vit_11m_224", "tiny_vit_5m_224"} <= set(found)
    assert space.arch(found["tiny_vit_5m_224"].point) in sets[1]
    scaled = [proposal for proposal in baselines(space, sets, 0) if proposal.origin == "uniform scaling"]
    for proposal in scaled:
        arch: Any = space.arch(proposal.point)
        assert arch in sets[proposal.budget]
        assert arch.resolution < 224
        assert all(small <= large for small, large in zip(arch.embed_dims, (96, 192, 384, 576), strict=True))
        assert arch.embed_dims[3] < 576


@pytest.mark.parametrize("damage", ["edited", "flipped", "doubled", "cut in the middle"])
def test_the_study_overrules_the_ledger(tmp_path: Path, damage: str) -> None:
    """A damaged ledger is set aside and written again, finalists included."""
    options = {"trials": 6, "finalists": 1, "seeds": 2}
    chosen, _ = search(tmp_path, ClosedForm(), **options)
    before, path = rows(tmp_path), tmp_path / LEDGER
    losing = min(before, key=lambda row: row.top1)
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    if damage == "edited":  # by a program that writes the digest too
        Ledger(path).replace([replace(row, score=made_score(99.5, False, 1)) if row == losing else row for row in before])
    else:
        changes = {
            "flipped": text.replace("trial-0001", "trial-0009"),
            "doubled": text + lines[1],
            "cut in the middle": text[:300] + text[340:],
        }
        path.write_text(changes[damage])
    again, said = search(tmp_path, ClosedForm(), **options)
    assert [choice.record for choice in again] == [choice.record for choice in chosen]
    assert sorted(rows(tmp_path), key=str) == sorted(before, key=str)
    assert (tmp_path / "ledger.csv.damaged").exists()
    assert sum("set aside as ledger.csv.damaged and written again from the study" in line for line in said) == 1


def test_damaged_files_of_trials_do_not_stop_a_search(tmp_path: Path) -> None:
    """The study keeps all that the choice needs."""
    chosen, _ = search(tmp_path, ClosedForm(), trials=6)
    for path in [*(tmp_path / "trials").glob("*/scaler.json"), *(tmp_path / "trials").glob("*/config.json")]:
        path.write_text("{")
    again, _ = search(tmp_path, ClosedForm(), trials=6)
    assert [choice.record for choice in again] == [choice.record for choice in chosen]


def test_a_damaged_request_is_named(tmp_path: Path) -> None:
    search(tmp_path, ClosedForm(), trials=3)
    (tmp_path / "run.json").write_bytes((tmp_path / "run.json").read_bytes()[:200])
    with pytest.raises(DamagedFileError, match=r"run.json is damaged \(.+\): restore it, or choose another --out"):
        search(tmp_path, ClosedForm(), trials=3)


@pytest.mark.parametrize("name", ["../../../outside", "/tmp/outside", "x" * 256])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    """Neither from a ledger, which the study overrules, nor from a study that others can write to."""
    out = tmp_path / "deep" / "run"
    search(out, ClosedForm(), trials=3, finalists=1)
    Ledger(out / LEDGER).replace([replace(row, name=name) for row in rows(out) if row.role == "trial"])
    search(out, ClosedForm(), trials=3, finalists=1)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    other = tmp_path / "deep" / "other"
    search(other, ClosedForm(), trials=3, finalists=1)
    (other / LEDGER).unlink()
    storage = optuna.storages.RDBStorage(f"sqlite:///{other}/study.db")
    with storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE trial_user_attributes SET value_json = replace(value_json, 'trial-000', :name)"),
            {"name": name},
        )
    with suppress(ScalerError):  # refused, or made again without the trials that were changed
        search(other, ClosedForm(), trials=3, finalists=1)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


@pytest.mark.filterwarnings("ignore:Query string argument")
def test_a_storage_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="cannot be opened"):
        search(tmp_path / "run", ClosedForm(), trials=3, storage="sqlite:////nonexistent/x.db")
    assert list(tmp_path.iterdir()) == []
    search(tmp_path / "run", ClosedForm(), trials=3, storage=f"sqlite:///{tmp_path}/x.db?password=s3cret")
    assert "s3cret" not in (tmp_path / "run" / "run.json").read_text()


def test_the_request_records_the_command_and_the_versions(tmp_path: Path) -> None:
    search(tmp_path / "run", ClosedForm(), trials=3)
    asked = json.loads((tmp_path / "run" / "run.json").read_text())
    assert asked["command"].startswith("scaler search ")
    assert f"--out {tmp_path / 'run'}" in asked["command"]
    assert asked["environment"]["optuna"] == optuna.__version__


def test_a_folder_that_is_deleted_under_a_search_is_said(tmp_path: Path) -> None:
    class Deletes(ClosedForm):
        def score(self, *args: Any, **kwargs: Any) -> Score:
            if len(self.scored) == 2:
                (tmp_path / "run" / "run.json").unlink()
            return super().score(*args, **kwargs)

    with pytest.raises(ScalerError, match="was deleted or moved while the search ran: repeat the command"):
        search(tmp_path / "run", Deletes(), trials=3)


def test_a_candidate_that_another_worker_takes_over_is_said(tmp_path: Path) -> None:
    class GivenUp(ClosedForm):
        def score(self, *args: Any, **kwargs: Any) -> Score:
            if not self.scored:
                study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path}/study.db")
                retry_trial(study, next(trial for trial in study.trials if trial.state == TrialState.RUNNING))
            return super().score(*args, **kwargs)

    _, said = search(tmp_path, GivenUp(), trials=3)
    assert "candidate 0 was given up as its worker seemed dead; another worker scores it" in said
    assert sorted(row.trial for row in rows(tmp_path)) == [0, 1, 2]
