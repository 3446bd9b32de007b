"""Optuna's own sampler as a strategy, for comparison: TPE that learns the budget as a constraint.

It proposes any point of the space. What does not meet the budget is told to it as infeasible, without training, until it
proposes something that does.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from scaler.budget import Budget
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace
from scaler.trials.strategy import Proposal, ProposalContext, Uniform

Point = tuple[int, ...]

# After so many infeasible proposals in a row a feasible architecture is drawn instead, and noted as random.
_MOST = 200


class Tpe:
    """Each proposal is made by a new study, filled with the trials so far and with what was rejected before them."""

    def propose(self, ask: ProposalContext) -> Proposal:
        study, variables = _study(ask), _variables(ask.space)
        tried = {tuple(map(int, point)) for point in ask.history.points}
        rejected: list[Point] = []
        for _ in range(_MOST):
            trial = study.ask(variables)
            study.tell(trial, state=TrialState.FAIL)  # what TPE passes over; the outcome is told below or by the search
            point = tuple(int(trial.params[name]) for name in variables)
            missed = _missed(ask.space, point, ask.sets[ask.budget].budget)
            if not any(missed.values()) and (point not in tried or len(rejected) == _MOST - 1):
                return Proposal(point, ask.budget, "tpe", notes={"rejected": rejected})
            rejected.append(point)
            study.add_trial(_told(variables, point, missed, None))
        drawn = Uniform().propose(ask)
        return Proposal(drawn.point, drawn.budget, drawn.origin, notes={"rejected": rejected})


def _study(ask: ProposalContext) -> optuna.Study:
    """The trials so far, with the constraints of the budget whose turn it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant_liar and constraints are marked as experimental
        sampler = TPESampler(seed=int(ask.rng.integers(1 << 31)), constant_liar=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    variables, budget = _variables(ask.space), ask.sets[ask.budget].budget
    history = ask.history
    for point, score, scored, notes in zip(history.points, history.scores[:, 0], history.scored, history.notes, strict=True):
        for other in notes.get("rejected", ()):
            study.add_trial(_told(variables, tuple(other), _missed(ask.space, tuple(other), budget), None))
        if scored:
            place = tuple(int(i) for i in point)
            study.add_trial(_told(variables, place, _missed(ask.space, place, budget), float(score)))
    return study


def _told(
    variables: Mapping[str, BaseDistribution], point: Point, missed: Mapping[str, float], score: float | None
) -> optuna.trial.FrozenTrial:
    return create_trial(
        state=TrialState.PRUNED if score is None else TrialState.COMPLETE,
        value=score,
        params=dict(zip(variables, point, strict=True)),
        distributions=dict(variables),
        constraints=dict(missed),
    )


def _missed(space: SearchSpace, point: Point, budget: Budget) -> dict[str, float]:
    """By how much each bound is missed, 0 where it is met; ``rule`` is missed where the network cannot be built."""
    try:
        arch = space.arch(point)
        return {"rule": 0.0, **budget.violations(space.quantities(arch))}
    except ScalerError:
        return {"rule": 1.0}


def _variables(space: SearchSpace) -> dict[str, Any]:
    """Indices into each variable's choices: TPE learns from their order."""
    return {name: IntDistribution(0, len(choices) - 1) for name, choices in space.variables.items()}
