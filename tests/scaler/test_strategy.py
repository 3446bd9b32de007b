"""What every strategy must do, and the sampler that offers them to Optuna."""

import numpy as np
import optuna
import pytest

from scaler.budget import Bound, Budget
from scaler.errors import InfeasibleError, UnknownNameError
from scaler.feasible import FeasibleSet
from scaler.sampler import FeasibleSampler
from scaler.strategy import STRATEGIES, Trial, strategy
from tests.scaler.toy import toy_space

SPACE = toy_space({"widths": [[1, 2, 4]] * 3, "kinds": [[1, 2]] * 3, "scale": [1, 2]})
BUDGET = Budget((("flops", Bound(40, 300)),), "flops=40..300")


@pytest.mark.parametrize("name", STRATEGIES)
def test_proposals_are_feasible_and_follow_from_the_generator(name: str) -> None:
    feasible, trials = FeasibleSet(SPACE, BUDGET), []
    for number in range(30):
        proposals = [strategy(name).propose(feasible, trials, np.random.default_rng(number)) for _ in range(2)]
        assert proposals[0] == proposals[1]
        assert proposals[0] in feasible
        trials.append(Trial(proposals[0], float(number)))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_set_of_one_is_proposed_again_and_again(name: str) -> None:
    feasible = FeasibleSet(SPACE, Budget((("params", Bound(0, 6)), ("flops", Bound(0, 30))), "tight"))
    assert feasible.size == 1
    only = strategy(name).propose(feasible, [], np.random.default_rng(0))
    assert strategy(name).propose(feasible, [Trial(only, 1.0)], np.random.default_rng(0)) == only


def test_uniform_does_not_repeat_while_something_is_left() -> None:
    feasible, trials = FeasibleSet(SPACE, BUDGET), []
    for number in range(feasible.size // 2):
        trials.append(Trial(strategy("uniform").propose(feasible, trials, np.random.default_rng(number)), 0.0))
    assert len({trial.arch for trial in trials}) == feasible.size // 2


def test_an_unknown_strategy_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'uniform'"):
        strategy("unifrm")


def test_the_sampler_works_in_a_plain_optuna_study() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sets = [FeasibleSet(SPACE, BUDGET), FeasibleSet(SPACE, Budget((("params", Bound(0, 9)),), "params=9"))]

    def run() -> list[dict[str, object]]:
        study = optuna.create_study(sampler=FeasibleSampler(SPACE, sets, strategy("uniform"), seed=3))

        def objective(trial: optuna.Trial) -> float:
            arch = SPACE.arch_of({name: trial.suggest_categorical(name, c) for name, c in SPACE.variables.items()})
            assert arch in sets[trial.number % 2]
            return float(SPACE.cost(arch).flops)

        study.optimize(objective, n_trials=20)
        return [trial.params for trial in study.trials]

    assert run() == run()


def test_the_sampler_refuses_an_empty_set() -> None:
    empty = FeasibleSet(SPACE, Budget((("params", Bound(0, 1)),), "params=1"))
    with pytest.raises(InfeasibleError, match="no architecture of toy meets params=1"):
        FeasibleSampler(SPACE, [empty], strategy("uniform"), seed=0)
