"""Searches around timm's own models, with a backend that scores in closed form."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of, open_model_spec
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.strategies import strategy
from scaler.trials.study import SearchStudy
from search_spaces.baselines import baselines
from search_spaces.problem import spaces

SIDES = {"resolution": [32, 64]}
SEEDS: dict[str, Any] = {
    "convnext_atto": {"depths": [[1], [1], [1, 2], [1]], "dims": [[8, 16], [16], [24], [32]]},
    "vit_tiny_patch16_224": {"embed_dim": [24, 48], "depth": [1, 2], "num_heads": [3], "mlp_ratio": [1.5, 4.0]},
    "levit_128s": {"embed_dim": [[32, 64], [64], [96]], "depth": [[1], [1, 2], [1]]},
    "resnet18": {"layers": [[1], [1], [1, 2], [1]]},
}
TRIALS = 12  # beyond the scores that the surrogate starts from, where the space holds as many


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def problem(name: str, folder: Path) -> tuple[SearchSpace, list[FeasibleSet]]:
    """A space of small networks around timm's model ``name``, and budgets that leave out some of them."""
    axes = folder / "axes.json"
    axes.write_text(json.dumps(SEEDS[name] | SIDES))
    _, (every,) = spaces(name, ["flops=100G"], axes=axes, num_classes=10)
    low, high = every.bounds()["flops"]
    return spaces(name, [f"flops={low + (high - low) // 4}", f"flops={high - 1}"], axes=axes, num_classes=10)


def search(folder: Path, space: SearchSpace, sets: list[FeasibleSet], name: str, trials: int) -> list[str]:
    """Score ``trials`` candidates; the origin of each."""
    study = SearchStudy(folder, space, sets, strategy(name, trials), 0)
    study.enqueue(baselines(space, sets, 0))
    origins = []
    for candidate in study.ask(trials):
        spec = model_spec_of("trial", candidate.arch)
        note = variant_info(spec, space.name, "")  # compares fvcore's count with the cost
        assert candidate.limits.admits({"flops": note.flops, "params": note.params, "resolution": spec.resolution})
        spec.write(folder / str(candidate.number), note)
        assert open_model_spec(str(folder / str(candidate.number))).arch == candidate.arch
        study.tell(candidate, float(sum(candidate.arch.values().values())), {})
        origins.append(candidate.origin)
    return origins


@pytest.mark.slow
@pytest.mark.parametrize("strategy_name", ["uniform", "surrogate", "contraction"])
def test_every_strategy_searches_around_a_timm_model(strategy_name: str, tmp_path: Path) -> None:
    space, sets = problem("vit_tiny_patch16_224", tmp_path)
    origins = search(tmp_path / "run", space, sets, strategy_name, TRIALS)
    assert len(origins) == TRIALS
    assert origins[:4] == ["uniform scaling", "uniform scaling", "highest resolution", "highest resolution"]
    assert ("random" if strategy_name == "uniform" else strategy_name) in origins[6:]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_atto", "levit_128s", "resnet18"])
def test_a_search_goes_around_timm_models_of_every_kind(name: str, tmp_path: Path) -> None:
    space, sets = problem(name, tmp_path)
    assert search(tmp_path / "run", space, sets, "contraction", 6)[-1] == "contraction"
