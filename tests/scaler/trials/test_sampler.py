"""The sampler in studies that are not the search's own: threads, values that users set, other parameters, several studies."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import PartialFixedSampler
from optuna.trial import TrialState, create_trial

from scaler.budget import Bound, Budget
from scaler.cost.architecture import Architecture
from scaler.errors import InfeasibleError, ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.attributes import ERROR, NOTES
from scaler.trials.history_reader import HistoryReader
from scaler.trials.sampler import FeasibleSampler, distributions
from scaler.trials.strategies import STRATEGIES, strategy
from search_spaces.problem import spaces
from tests.scaler.toy import toy_space

optuna.logging.set_verbosity(optuna.logging.WARNING)
pytestmark = pytest.mark.filterwarnings("ignore:PartialFixedSampler is experimental")

QUICK = [name for name in STRATEGIES if name != "gp"]  # which takes a second for each proposal
SPACE = toy_space({"widths": [[1, 2, 4]] * 3, "kinds": [[1, 2]] * 3, "scale": [1, 2]})
SETS = [
    FeasibleSet(SPACE, Budget((("flops", Bound(40, 300)),), "flops=40..300")),
    FeasibleSet(SPACE, Budget((("params", Bound(0, 9)),), "params=9")),
]


def sampler(name: str, sets: list[FeasibleSet] = SETS, seed: int = 3) -> FeasibleSampler:
    return FeasibleSampler(sets[0].space, sets, strategy(name, 24), seed)


def suggested(trial: optuna.Trial, sets: list[FeasibleSet] = SETS) -> Architecture:
    space = sets[0].space
    return space.arch_of({name: trial.suggest_categorical(name, choices) for name, choices in space.variables.items()})


def objective(sets: list[FeasibleSet] = SETS) -> Callable[[optuna.Trial], float]:
    """Scores what meets its budget, or its limits on the way to one; anything else fails the test."""

    def score(trial: optuna.Trial) -> float:
        arch = suggested(trial, sets)
        note = trial.study.trials[trial.number].user_attrs[NOTES]
        limits = Budget(tuple((key, Bound(low, high)) for key, low, high in note["limits"] or ()))
        values = sets[0].space.quantities(arch)
        assert limits.admits(values) if note["limits"] else arch in sets[note["budget"]]
        return float(values["flops"])

    return score


def alone(method: Callable[..., Any]) -> Callable[..., Any]:
    """``method``, which fails where two threads are in it at once."""
    entered = Lock()

    def call(*arguments: Any) -> Any:
        assert entered.acquire(blocking=False), "two threads at once"
        try:
            time.sleep(0.002)
            return method(*arguments)
        finally:
            entered.release()

    return call


@pytest.mark.parametrize("name", QUICK)
def test_threads_of_one_study_propose_one_after_the_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = sampler(name)
    monkeypatch.setattr(shared.strategy, "propose", alone(shared.strategy.propose))
    monkeypatch.setattr(HistoryReader, "before", alone(HistoryReader.before))
    study = optuna.create_study(sampler=shared, direction="maximize")
    study.optimize(objective(), n_trials=20, n_jobs=4)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("fixed", [{"widths[1]": 2}, {"scale": 2, "kinds[2]": 2}, {"scale": 1, "lr": 0.1}])
def test_an_enqueued_trial_keeps_the_values_that_were_set(name: str, fixed: dict[str, Any]) -> None:
    study = optuna.create_study(sampler=sampler(name), direction="maximize")
    study.optimize(objective(), n_trials=9)
    for _ in range(4):
        study.enqueue_trial(fixed)
    study.optimize(objective(), n_trials=12)
    for trial in study.trials[9:13]:
        assert {**trial.params, "lr": 0.1}.items() >= fixed.items()
    assert len({tuple(trial.params.values()) for trial in study.trials[9:13]}) > 1


def test_a_waiting_trial_keeps_the_parameters_that_it_has() -> None:
    study = optuna.create_study(sampler=sampler("uniform", SETS[:1]))
    has = {"scale": 2, "widths[0]": 4}
    some = {name: distributions(SPACE)[name] for name in has}
    for _ in range(6):
        study.add_trial(create_trial(state=TrialState.WAITING, params=has, distributions=some))
    study.optimize(objective(SETS[:1]), n_trials=6)
    assert all(trial.params.items() >= has.items() for trial in study.trials)


@pytest.mark.parametrize("name", QUICK)
def test_a_partial_fixed_sampler_keeps_its_values(name: str) -> None:
    study = optuna.create_study(direction="maximize")
    study.sampler = PartialFixedSampler({"widths[1]": 4, "scale": 1}, sampler(name, SETS[:1]))
    study.optimize(objective(SETS[:1]), n_trials=14)
    assert {(trial.params["widths[1]"], trial.params["scale"]) for trial in study.trials} == {(4, 1)}
    assert len({tuple(trial.params.values()) for trial in study.trials}) > 5


def test_fixed_values_of_tiny_vits_stay_under_a_tight_budget() -> None:
    """Of ten whole points drawn without them, none has this resolution and ratio under the budget."""
    space, sets = spaces("tiny_vit_1m_32", ["flops=1M"])
    fixed = {"resolution": max(space.variables["resolution"]), "mlp_ratio": max(space.variables["mlp_ratio"])}
    study = optuna.create_study(direction="maximize")
    study.sampler = PartialFixedSampler(fixed, sampler("surrogate", sets))
    study.optimize(objective(sets), n_trials=12)
    assert all(trial.params.items() >= fixed.items() for trial in study.trials)


def test_only_budgets_that_the_fixed_values_can_meet_are_drawn_for() -> None:
    study = optuna.create_study(sampler=sampler("uniform"))
    wide = {f"widths[{i}]": 4 for i in range(3)}
    for _ in range(4):
        study.enqueue_trial(wide)
    study.optimize(objective(), n_trials=4)
    assert {trial.user_attrs[NOTES]["budget"] for trial in study.trials} == {0}


def test_an_enqueued_architecture_is_noted_for_a_budget_that_it_meets() -> None:
    study = optuna.create_study(sampler=sampler("contraction"), direction="maximize")
    chosen = SPACE.values(next(point for point in SETS[0].points(range(20)) if SPACE.arch(point) not in SETS[1]))
    study.optimize(objective(), n_trials=1)
    study.enqueue_trial(chosen)
    study.optimize(objective(), n_trials=30)
    assert study.trials[1].params == chosen
    point = list(SPACE.point_of(chosen))
    assert study.trials[1].user_attrs[NOTES] == {"point": point, "budget": 0, "origin": "enqueued", "limits": None}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict.fromkeys(("widths[0]", "widths[1]", "widths[2]"), 4) | {"scale": 2}, r"flops=40\.\.300; the nearest has"),
        ({name: choices[-1] for name, choices in SPACE.variables.items()}, r"flops=40\.\.300; the nearest has"),
        ({"widths[0]": 3}, r"widths\[0\] = 3 is not among the choices of toy under flops=40\.\.300: \[1, 2, 4\]"),
        ({"widths[0]": 1, "kinds[0]": 2}, "no combination of the axes of toy can be built"),
    ],
)
def test_enqueued_values_that_nothing_feasible_has_are_refused(values: dict[str, Any], message: str) -> None:
    study = optuna.create_study(sampler=sampler("uniform", SETS[:1]))
    study.enqueue_trial(values)
    with pytest.raises(InfeasibleError, match=rf"trial 0 cannot have .*{message}") as error:
        study.optimize(objective(), n_trials=2)
    assert "\n" not in str(error.value)
    assert (study.trials[0].state, study.trials[0].user_attrs[ERROR]) == (TrialState.FAIL, str(error.value))
    study.optimize(objective(SETS[:1]), n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_values_that_a_partial_fixed_sampler_cannot_have_are_refused() -> None:
    study = optuna.create_study()
    study.sampler = PartialFixedSampler({f"widths[{i}]": 4 for i in range(3)} | {"scale": 2}, sampler("uniform"))
    with pytest.raises(InfeasibleError, match=r"trial 0 cannot have widths\[0\] = 4, .* scale = 2: "):
        study.optimize(objective(), n_trials=1)
    assert study.trials[0].state == TrialState.FAIL


def test_a_sampler_that_hides_variables_is_refused() -> None:
    class Hiding(FeasibleSampler):
        def infer_relative_search_space(self, *_: Any) -> Any:
            return {name: d for name, d in distributions(self.space).items() if name != "scale"}

    study = optuna.create_study(sampler=Hiding(SPACE, SETS, strategy("uniform", 1), 0))
    with pytest.raises(ScalerError, match=r"Hiding samples scale apart from FeasibleSampler: fix them with"):
        study.optimize(objective(), n_trials=1)


def test_two_studies_of_one_name_are_told_apart() -> None:
    def run(used: FeasibleSampler, sign: int) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=used, study_name="s", direction="maximize")
        study.optimize(lambda trial: sign * objective(SETS[:1])(trial), n_trials=14)
        return [trial.params for trial in study.trials]

    shared = sampler("surrogate", SETS[:1])
    run(shared, 1)
    assert run(shared, -1) == run(sampler("surrogate", SETS[:1]), -1) != run(shared, 1)


def test_a_study_with_other_choices_is_refused_by_trial_and_value() -> None:
    study = optuna.create_study(sampler=sampler("uniform"), study_name="old")
    wider = {name: CategoricalDistribution((*choices, 64)) for name, choices in SPACE.variables.items()}
    study.add_trial(create_trial(params=dict.fromkeys(wider, 64), distributions=wider, value=1.0))
    with pytest.raises(ScalerError, match=r"trial 0 of study 'old' does not fit: widths\[0\] = 64 .*\[1, 2, 4\]; use the axes"):
        study.optimize(objective(), n_trials=1)


def test_trials_that_were_added_without_a_proposal_teach_every_strategy() -> None:
    for name in QUICK:
        study = optuna.create_study(sampler=sampler(name), direction="maximize")
        for point in SETS[0].points(range(9)):
            study.add_trial(create_trial(params=SPACE.values(point), distributions=distributions(SPACE), value=1.0))
        study.optimize(objective(), n_trials=30)


def test_a_users_own_parameter_is_drawn_from_the_seed_and_the_trial() -> None:
    def run(seed: int) -> tuple[list[float], list[Architecture]]:
        study, archs = optuna.create_study(sampler=sampler("uniform", seed=seed)), []

        def score(trial: optuna.Trial) -> float:
            rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
            archs.append(suggested(trial))
            return rate

        study.optimize(score, n_trials=8)
        return [trial.params["lr"] for trial in study.trials], archs

    study = optuna.create_study(sampler=sampler("uniform"))
    study.optimize(objective(), n_trials=8)
    rates, archs = run(3)
    assert (rates, archs) == run(3)
    assert run(4)[0] != rates
    assert len(set(rates)) == 8
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    assert archs == [SPACE.arch_of(trial.params) for trial in study.trials]
