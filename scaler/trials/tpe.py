"""Optuna's own sampler as a strategy, for comparison: TPE that learns the budget as a constraint.

It proposes any point of the space. A point that does not meet the budget is told to it as infeasible, without training, until it
proposes one that does.
"""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from scaler.budget import Budget
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace
from scaler.trials.storage import quiet_optuna
from scaler.trials.strategy import Proposal, ProposalContext, Uniform

Point = tuple[int, ...]

# After so many infeasible proposals in a row a feasible architecture is drawn instead, and noted as random.
_MOST_REJECTED = 200


class Tpe:
    """Makes each proposal by a new study, filled with the trials so far and the points that were rejected before them."""

    def propose(self, context: ProposalContext) -> Proposal:
        """Return the first of TPE's proposals that meets the budget and was not tried."""
        study, variables = _study(context), _variables(context.space)
        budget = context.sets[context.budget].budget
        tried = {tuple(map(int, point)) for point in context.history.points}
        rejected: list[Point] = []
        for _ in range(_MOST_REJECTED):
            point = _ask(study, context)
            violations = _violations(context.space, point, budget)
            is_new = point not in tried or len(rejected) == _MOST_REJECTED - 1
            if is_new and not any(violations.values()):
                return Proposal(point, context.budget, "tpe", notes={"rejected": rejected})
            rejected.append(point)
            study.add_trial(_told(variables, point, violations, None))
        drawn = Uniform().propose(context)
        return Proposal(drawn.point, drawn.budget, drawn.origin, notes={"rejected": rejected})


def _study(context: ProposalContext) -> optuna.Study:
    """A study of the trials so far, with the constraints of the trial's budget."""
    sampler = TPESampler(seed=int(context.rng.integers(1 << 31)), constant_liar=True)
    with quiet_optuna():
        study = optuna.create_study(direction="maximize", sampler=sampler)
    space, variables, budget = context.space, _variables(context.space), context.sets[context.budget].budget
    history = context.history
    for point, score, is_scored, notes in zip(history.points, history.scores[:, 0], history.scored, history.notes, strict=True):
        for other in notes.get("rejected", ()):
            study.add_trial(_told(variables, tuple(other), _violations(space, tuple(other), budget), None))
        if is_scored:
            at = tuple(int(i) for i in point)
            study.add_trial(_told(variables, at, _violations(space, at, budget), float(score)))
    return study


def _ask(study: optuna.Study, context: ProposalContext) -> Point:
    """TPE's next proposal, with the values that the user fixed."""
    if context.fixed:
        choices = context.space.variables
        study.enqueue_trial({name: choices[name].index(value) for name, value in context.fixed.items()})
    trial = study.ask(_variables(context.space))
    study.tell(trial, state=TrialState.FAIL)  # TPE passes over it; its outcome is added as another trial
    return tuple(int(trial.params[name]) for name in context.space.variables)


def _told(
    variables: Mapping[str, BaseDistribution], point: Point, violations: Mapping[str, float], score: float | None
) -> FrozenTrial:
    """A finished trial for TPE; one without a score was rejected."""
    return create_trial(
        state=TrialState.PRUNED if score is None else TrialState.COMPLETE,
        value=score,
        params=dict(zip(variables, point, strict=True)),
        distributions=dict(variables),
        constraints=dict(violations),
    )


def _violations(space: SearchSpace, point: Point, budget: Budget) -> dict[str, float]:
    """By how much each bound is violated, 0 if it is met; ``rule`` is violated by a network that cannot be built."""
    try:
        arch = space.arch(point)
        return {"rule": 0.0, **budget.violations(space.quantities(arch))}
    except ScalerError:
        return {"rule": 1.0}


def _variables(space: SearchSpace) -> dict[str, Any]:
    """Indices into each variable's choices: TPE learns from their order."""
    return {name: IntDistribution(0, len(choices) - 1) for name, choices in space.variables.items()}
