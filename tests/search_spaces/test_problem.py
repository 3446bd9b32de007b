"""From a request's words to its space and budgets."""

from pathlib import Path

import pytest

from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.cost.latency import LatencyModel
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace
from search_spaces.problem import spaces

SEED = "tiny_vit_1m_32"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


FORMS = r"write a number with k, M, G or T \(1.3G\), a band \(1.2G..1.3G\), a percentage of the seed's \(60%\) or a model's name"


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("flops=abc", rf"budget 'flops=abc': 'abc' is not a value: {FORMS}$"),
        ("params=1M,flops=..fast", rf"'fast' is not a value: {FORMS}; did you mean 'fast"),
        ("flops=tinyvit_21m", rf"{FORMS}; did you mean 'tiny_vit_21m_224', 'tiny_vit_21m_384' or 'tiny_vit_21m_512'\?$"),
        ("flops=resnet18.nosuch", rf"{FORMS}; did you mean 'resnet18', 'resnet18\."),
        ("flops=no/where", "no folder 'no/where'"),
        ("flop=1M", "unknown key 'flop'; the keys are"),
        ("latency=1ms,flops=1M,latency=2ms", "latency is bounded twice"),
        ("latency", "'latency' is not KEY=VALUE"),
    ],
)
def test_a_budget_that_is_none_is_told_the_forms_before_latencies_are_asked_for(budget: str, message: str) -> None:
    def refuse(_: SearchSpace) -> LatencyModel:
        raise AssertionError("asked for latencies")

    with pytest.raises(ScalerError, match=message):
        spaces(SEED, ["flops=1M", budget], latency=refuse)


def test_latencies_are_asked_for_where_a_key_is_latency_and_a_models_name_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def learned(space: SearchSpace) -> LatencyModel:
        asked.append(space.name)
        return LatencyModel({}, 0.0, 10, "made up")

    monkeypatch.chdir(tmp_path)
    spec = model_spec_of(SEED, SEEDS[SEED])
    spec.write(tmp_path / "latency-study", variant_info(spec, SEED))
    _, (feasible,) = spaces(SEED, ["flops=latency-study"], latency=learned)
    assert feasible.budget["flops"].high == open_model_spec(SEED).count().flops
    assert asked == []
    assert spaces(SEED, ["flops=1M", "latency=1ms"], latency=learned)[0].latency is not None
    assert asked == [SEED]


def test_a_models_name_stands_for_its_cost() -> None:
    space, (by_seed, by_timm) = spaces(SEED, [f"flops={SEED},params={SEED}", "params=resnet18.a1_in1k"])
    assert {key: bound.high for key, bound in by_seed.budget.bounds} == space.cost(SEEDS[SEED])._asdict()
    assert by_timm.budget["params"].high == 11_689_512
