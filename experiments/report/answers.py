"""The answer for each budget: the model to take, how sure its score is, and its gain over uniform scaling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from experiments.report.page_data import Estimate, Gain
from experiments.report.runs import INNER, Run, budget_of
from scaler.budget import Bound, Budget
from scaler.results.frontier import BASELINE, FrontierInfo
from scaler.results.intervals import difference, mean_interval, wilson
from scaler.results.ledger import Record

UNIFORM = "uniform scaling"  # the origin of such trials
OTHER = "variant"  # a model that was trained in full and that no search chose
_FULL = ("chosen", BASELINE, OTHER)
_OF_TRAINING = ("role", "budget", "arch", "recipe", "epochs", "start")  # that trainings from several seeds have in common


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One architecture in one role, with a record for each seed that it was trained from.

    Attributes:
        budget: that it was trained for; None if its text names none of the runs' budgets.
    """

    run: Run
    records: tuple[Record, ...]
    budget: Budget | None

    @property
    def record(self) -> Record:
        return self.records[0]

    @property
    def top1(self) -> float:
        """Mean over the trainings, in percent."""
        return mean(record.top1 for record in self.records)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The model to take under a budget.

    Attributes:
        own: the model that was chosen for this budget; another one if a cheaper model is more accurate.
        baseline: uniform scaling under this budget, with a score of the same kind; None if there is none.
    """

    budget: Budget
    model: Trained
    own: Trained
    baseline: Trained | None

    @property
    def is_trained(self) -> bool:
        return self.model.record.role in _FULL


def trained_models(runs: Sequence[Run]) -> list[Trained]:
    """Return the models that were trained in full, trainings of one architecture from several seeds as one."""
    found: list[Trained] = []
    for run in runs:
        for record in run.records:
            if record.role in _FULL:
                before = next((i for i, model in enumerate(found) if _is_another_seed(model, run, record)), None)
                if before is None:
                    found.append(Trained(run=run, records=(record,), budget=budget_of(record, run, runs)))
                else:
                    found[before] = replace(found[before], records=(*found[before].records, record))
    return found


def family_of(run: Run) -> str:
    """Return the search that a trained model belongs to: the one whose folder holds it, or else the folder that it is in."""
    path = run.path
    return str(path.parent.parent) if path.parent.name in INNER else str(path.parent)


def _is_another_seed(model: Trained, run: Run, record: Record) -> bool:
    """Return True if ``record`` is of the same training as ``model``, but for the seed."""
    same = all(getattr(model.record, name) == getattr(record, name) for name in _OF_TRAINING)
    is_new = record.seed not in {known.seed for known in model.records}
    return same and is_new and family_of(model.run) == family_of(run)


def answers(info: FrontierInfo, runs: Sequence[Run]) -> list[Answer]:
    """Return one answer for each budget that has a model, by rising cost of the budget."""
    models = trained_models(runs)
    found = [_trained_answer(budget, models) or _trial_answer(budget, runs) for budget in info.budgets]
    known = sorted(filter(None, found), key=lambda answer: _size(answer.budget))
    return [*known, *_unbudgeted(models)]


def _unbudgeted(models: Sequence[Trained]) -> Iterator[Answer]:
    """Yield the chosen models whose bounds are not known, as one shown without its search; any model where none was chosen."""
    role = "chosen" if any(model.record.role == "chosen" for model in models) else OTHER
    for model in models:
        if model.budget is None and model.record.role == role:
            budget = Budget(text=model.record.budget or model.record.name)
            yield Answer(budget=budget, model=model, own=model, baseline=_baseline(budget, models))


def _size(budget: Budget) -> tuple[float, ...]:
    return tuple(budget[key].high for key in ("flops", "params", "latency"))


def _trained_answer(budget: Budget, models: Sequence[Trained]) -> Answer | None:
    """Return the most accurate trained model that is within the upper bounds; None if none was trained for this budget.

    A family is so monotone: a larger budget is never given a less accurate model than a smaller one.
    """
    chosen = [model for model in models if model.record.role == "chosen" and model.budget]
    own = [model for model in chosen if _is_of(model, budget)]
    if not own:
        return None
    meant = max(own, key=lambda model: model.top1)
    fitting = [model for model in chosen if _costs_no_more(model, budget)]
    best = max(fitting, key=lambda model: model.top1, default=meant)
    return Answer(budget=budget, model=best if best.top1 > meant.top1 else meant, own=meant, baseline=_baseline(budget, models))


def _costs_no_more(model: Trained, budget: Budget) -> bool:
    """Return True if ``model`` meets the upper bounds; a latency that was measured is among them only for its own budget."""
    if "latency" in dict(budget.bounds):
        return False
    upper = Budget(tuple((key, Bound(high=bound.high)) for key, bound in budget.bounds))
    return upper.admits(model.record.quantities)


def _baseline(budget: Budget, models: Sequence[Trained]) -> Trained | None:
    fitting = [model for model in models if model.record.role == BASELINE and _is_of(model, budget)]
    return max(fitting, key=lambda model: model.top1, default=None)


def _is_of(model: Trained, budget: Budget) -> bool:
    """Return True if ``model`` was trained for ``budget``, by its bounds or, where they are not known, by its text."""
    return model.budget.bounds == budget.bounds if model.budget else model.record.budget == budget.text


def _trial_answer(budget: Budget, runs: Sequence[Run]) -> Answer | None:
    """Return the best trial that meets a budget, whichever budget it was drawn for; None if no trial does."""
    pairs = [(run, r) for run in runs for r in run.records if r.role == "trial" and budget.admits(r.quantities)]
    if not pairs:
        return None
    run, best = max(pairs, key=lambda pair: (_is_chosen(pair[0], pair[1], budget), pair[1].top1, -pair[1].loss))
    scaled = [r for other, r in pairs if r.origin == UNIFORM and other is run]
    baseline = max(scaled, key=lambda r: r.top1, default=None)
    model = Trained(run=run, records=(best,), budget=budget)
    return Answer(
        budget=budget, model=model, own=model, baseline=Trained(run=run, records=(baseline,), budget=budget) if baseline else None
    )


def _is_chosen(run: Run, record: Record, budget: Budget) -> bool:
    """Return True if the finished search chose ``record`` for the budget, by finalists or by a measured latency."""
    choices = run.result.get("budgets", ())
    return any(choice["budget"] == budget.text and choice["chosen"]["name"] == record.name for choice in choices)


def as_trials(answer: Answer, runs: Sequence[Run]) -> Answer | None:
    """Return the trial that a trained model was chosen by, against the trial of uniform scaling; None if one is not there."""
    for run in runs:
        trials = [record for record in run.records if record.role == "trial"]
        mine = [record for record in trials if record.arch == answer.model.record.arch]
        scaled = [r for r in trials if r.origin == UNIFORM and answer.budget.admits(r.quantities)]
        if mine and scaled:
            best = max(scaled, key=lambda record: record.top1)
            model, baseline = (Trained(run=run, records=(one,), budget=answer.budget) for one in (mine[0], best))
            return Answer(budget=answer.budget, model=model, own=model, baseline=baseline)
    return None


def estimate(records: Sequence[Record]) -> Estimate:
    """Return the top-1 of one architecture: over seeds if there are several trainings, over the images otherwise."""
    first = records[0]
    if len(records) > 1:
        tops = [record.top1 for record in records]
        low, high = mean_interval(tops)
        basis = f"mean of {len(tops)} trainings from different seeds, {first.images:,} {_split(first)} images"
        return Estimate(value=mean(tops), low=max(low, 0.0), high=min(high, 100.0), basis=basis)
    low, high = wilson(first.top1, first.images)
    return Estimate(value=first.top1, low=low, high=high, basis=f"one training, {first.images:,} {_split(first)} images")


def _split(record: Record) -> str:
    return "held-out" if record.split == "holdout" else record.split


def gain_of(answer: Answer) -> Gain | None:
    """Return the gain over uniform scaling: paired by seed if both have two common seeds or more, over the images otherwise."""
    if answer.baseline is None or answer.baseline.record.arch == answer.model.record.arch:
        return None
    mine, theirs = answer.model, answer.baseline
    other = {record.seed: record.top1 for record in theirs.records}
    pairs = [record.top1 - other[record.seed] for record in mine.records if record.seed in other]
    if len(pairs) > 1:
        (low, high), basis = mean_interval(pairs), f"paired over {len(pairs)} seeds"
        value = mean(pairs)
    else:
        low, high = difference(mine.top1, theirs.top1, mine.record.images, theirs.record.images)
        value, basis = mine.top1 - theirs.top1, "over the images, one training each"
    return Gain(
        estimate=Estimate(value=value, low=low, high=high, basis=basis), baseline=theirs.record.name, baseline_top1=theirs.top1
    )
