"""Optuna's own samplers as strategies, for comparison: TPE and Gaussian processes that learn the budget as a constraint.

They propose any point of the space. A point that does not meet the budget is told to them as infeasible, without training, until
they propose one that does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from scaler.budget import Budget
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace
from scaler.trials.storage import quiet_optuna
from scaler.trials.strategy import Proposal, ProposalContext, Uniform

Point = tuple[int, ...]


@dataclass(kw_only=True)
class ConstrainedSampler:
    """Makes each proposal by a new study, filled with the trials so far and the points that were rejected before them.

    Attributes:
        name: the origin of its proposals.
        make: makes the sampler from a seed.
        most_rejected: infeasible proposals in a row after which a feasible architecture is drawn and noted as random.
    """

    name: str
    make: Callable[[int], BaseSampler]
    most_rejected: int

    def propose(self, context: ProposalContext) -> Proposal:
        """Return the first of the sampler's proposals that meets the budget and was not tried."""
        study, variables = _study(context, self.make), _variables(context.space)
        budget = context.sets[context.budget].budget
        tried = {tuple(map(int, point)) for point in context.history.points}
        rejected: list[Point] = []
        for _ in range(self.most_rejected):
            point = _ask(study, context)
            violations = _violations(context.space, point, budget)
            is_new = point not in tried or len(rejected) == self.most_rejected - 1
            if is_new and not any(violations.values()):
                return Proposal(point, context.budget, self.name, notes={"rejected": rejected})
            rejected.append(point)
            study.add_trial(_told(variables, point, violations, _least_score(context)))
        drawn = Uniform().propose(context)
        return Proposal(drawn.point, drawn.budget, drawn.origin, notes={"rejected": rejected})


def tpe() -> ConstrainedSampler:
    """Return Optuna's tree-structured Parzen estimator."""
    return ConstrainedSampler(name="tpe", make=lambda seed: TPESampler(seed=seed, constant_liar=True), most_rejected=200)


def gaussian_process() -> ConstrainedSampler:
    """Return Optuna's Gaussian process sampler, whose proposals take seconds, so that fewer are rejected."""
    return ConstrainedSampler(name="gp", make=lambda seed: GPSampler(seed=seed), most_rejected=20)


def _study(context: ProposalContext, make: Callable[[int], BaseSampler]) -> optuna.Study:
    """A study of the trials so far, with the constraints of the trial's budget."""
    sampler = make(int(context.rng.integers(1 << 31)))
    with quiet_optuna():
        study = optuna.create_study(direction="maximize", sampler=sampler)
    space, variables, budget = context.space, _variables(context.space), context.sets[context.budget].budget
    history = context.history
    for point, score, is_scored, notes in zip(history.points, history.scores[:, 0], history.scored, history.notes, strict=True):
        for other in notes.get("rejected", ()):
            study.add_trial(_told(variables, tuple(other), _violations(space, tuple(other), budget), _least_score(context)))
        if is_scored:
            at = tuple(int(i) for i in point)
            study.add_trial(_told(variables, at, _violations(space, at, budget), float(score)))
    return study


def _ask(study: optuna.Study, context: ProposalContext) -> Point:
    """The sampler's next proposal, with the values that the user fixed."""
    if context.fixed:
        choices = context.space.variables
        study.enqueue_trial({name: choices[name].index(value) for name, value in context.fixed.items()})
    trial = study.ask(_variables(context.space))
    study.tell(trial, state=TrialState.FAIL)  # samplers pass over it; its outcome is added as another trial
    return tuple(int(trial.params[name]) for name in context.space.variables)


def _told(variables: Mapping[str, BaseDistribution], point: Point, violations: Mapping[str, float], score: float) -> FrozenTrial:
    """A finished trial for the sampler."""
    return create_trial(
        state=TrialState.COMPLETE,  # Gaussian processes pass over pruned trials
        value=score,
        params=dict(zip(variables, point, strict=True)),
        distributions=dict(variables),
        constraints=dict(violations),
    )


def _least_score(context: ProposalContext) -> float:
    """The score that a rejected point is told with, since it has none."""
    known = context.history.scores[context.history.scored, 0]
    return float(known.min()) if len(known) else 0.0


def _violations(space: SearchSpace, point: Point, budget: Budget) -> dict[str, float]:
    """By how much each bound is violated, 0 if it is met; ``rule`` is violated by a network that cannot be built."""
    try:
        arch = space.arch(point)
        return {"rule": 0.0, **budget.violations(space.quantities(arch))}
    except ScalerError:
        return {"rule": 1.0}


def _variables(space: SearchSpace) -> dict[str, Any]:
    """Indices into each variable's choices: the samplers learn from their order."""
    return {name: IntDistribution(0, len(choices) - 1) for name, choices in space.variables.items()}
