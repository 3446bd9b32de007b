"""The reasons of a choice: its rivals, the baselines, the neighbours that scored lower, and the path of a contraction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from experiments.search.confidence import Confidence
from scaler.results.intervals import mean_interval, wilson
from scaler.results.ledger import Record
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace

_LOST = 5  # so many neighbours are listed


@dataclass(frozen=True)
class Contender:
    """A trial that meets a budget, with the top-1 of its repeated trainings in percent.

    Attributes:
        expected: its expected top-1, from all trainings of the budget's candidates; see `scaler.results.calibration`.
        probability: that it is the best of them, likewise.
    """

    record: Record
    again: tuple[float, ...] = ()
    expected: float = 0.0
    probability: float = 0.0

    @property
    def top1(self) -> float:
        """Mean over the repeated trainings, or the trial's own score if there are none."""
        return mean(self.again) if self.again else self.record.top1

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval: over seeds (Student's t) if it was trained again, over held-out images (Wilson) otherwise."""
        if len(self.again) < 2:
            return wilson(self.top1, self.record.images)
        return mean_interval(self.again)


def contenders(fitting: Sequence[Record], finals: Sequence[Record]) -> list[Contender]:
    """Return the trials of a budget, the best first: repeated ones by their expected top-1, then the others by their score."""
    known = Confidence(fitting, finals)
    best = known.probability_best()
    found = [
        Contender(row, tuple(one.top1 for one in finals if one.trial == row.trial), known.expected(row), best.get(row.trial, 0.0))
        for row in fitting
    ]
    return sorted(found, key=_place)


def _place(contender: Contender) -> tuple[bool, float, float]:
    score = contender.expected if contender.again else contender.record.top1
    return not contender.again, -score, contender.record.loss


def explain(
    ranked: Sequence[Contender], notes: Mapping[int, Mapping[str, Any]], feasible: FeasibleSet, space: SearchSpace
) -> dict[str, Any]:
    """Return the entry of one budget in ``result.json``; ``ranked`` are its contenders, the best first."""
    best = ranked[0]
    return {
        "budget": feasible.budget.text,
        "chosen": _row(best),
        "reason": _reason(ranked),
        "selection": _selection(ranked),
        "finalists": [_row(contender) for contender in ranked if contender.again],
        "baselines": _baselines(ranked),
        "neighbours": _neighbours(ranked, notes, space),
        "path": _path(best.record.trial, notes, space),
    }


def _row(contender: Contender) -> dict[str, Any]:
    row = contender.record
    return {
        "name": row.name, "origin": row.origin, "flops": row.flops, "params": row.params, "top1": contender.top1,
        "interval": list(contender.interval), "trial_top1": row.top1, "again": list(contender.again), "images": row.images,
        "epochs": row.epochs, "arch": row.arch,
    }  # fmt: skip


def _selection(ranked: Sequence[Contender]) -> dict[str, Any]:
    """Return how sure the choice is: the probability of being the best of all candidates, and the number of finalists."""
    likely = sorted(ranked, key=lambda contender: -contender.probability)[:_LOST]
    return {
        "probability_best": ranked[0].probability,
        "candidates": len(ranked),
        "finalists": sum(bool(contender.again) for contender in ranked),
        "repeats": sum(len(contender.again) for contender in ranked),
        "most_probable": [
            {"name": one.record.name, "probability": one.probability, "expected_top1": one.expected} for one in likely
        ],
    }


def _reason(ranked: Sequence[Contender]) -> str:
    best = ranked[0]
    once = "one training" if best.record.epochs else "as it is cut, without training"
    again = f"mean of {len(best.again)} other seeds" if best.again else f"{once}, {best.record.images} held-out images"
    text = f"the highest top-1 of {len(ranked)} candidates that meet the budget: {best.top1:.2f} % ({again})"
    if best.again:
        text = f"the highest expected top-1 of {len(ranked)} candidates that meet the budget; it has {best.top1:.2f} % ({again})"
    if len(ranked) > 1:
        rival = ranked[1]
        sure = "beyond" if best.interval[0] > rival.top1 else "within"
        text += f"; the next, {rival.record.name}, has {rival.top1:.2f} %, {sure} the uncertainty"
    return f"{text}; it is the best of all with a probability of {best.probability:.0%}"


def _baselines(ranked: Sequence[Contender]) -> list[dict[str, Any]]:
    """Return the best contender of every origin: uniform scaling, random, published sizes, the strategy."""
    best: dict[str, Contender] = {}
    for contender in sorted(ranked, key=lambda c: -c.top1):
        best.setdefault(contender.record.origin, contender)
    return [_row(contender) for contender in best.values()]


def _neighbours(ranked: Sequence[Contender], notes: Mapping[int, Mapping[str, Any]], space: SearchSpace) -> list[dict[str, Any]]:
    """Return the candidates that differ least from the chosen one, with the differing values."""
    mine = space.values(notes[ranked[0].record.trial]["point"])
    found: list[dict[str, Any]] = []
    for contender in ranked[1:]:
        other = space.values(notes[contender.record.trial]["point"])
        changed = {name: [mine[name], other[name]] for name in mine if mine[name] != other[name]}
        found.append({"name": contender.record.name, "top1": contender.top1, "lost_by": ranked[0].top1 - contender.top1,
                      "changed": changed})  # fmt: skip
    return sorted(found, key=lambda row: (len(row["changed"]), row["lost_by"]))[:_LOST]


def _path(number: int, notes: Mapping[int, Mapping[str, Any]], space: SearchSpace) -> list[dict[str, Any]]:
    """Return the bases from the seed to the chosen architecture, if contraction proposed it."""
    path: list[dict[str, Any]] = []
    note: Mapping[str, Any] | None = notes[number]
    while note is not None and "base" in note:
        path.append({"step": note["step"], "arch": space.arch(note["point"]).to_dict()})
        at, base = note["step"], note["base"]
        note = next((n for n in notes.values() if n.get("point") == base and n.get("step", -1) < at), None)
    return path[::-1]
