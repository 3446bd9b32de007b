"""The finalists of a search, which are trained again: the score that selects the best trials is biased upwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from experiments.options.search import ELASTIC_SCORE
from experiments.scoring.records import record_of, variant_info
from experiments.search.confidence import Confidence, half
from experiments.search.run_folder import FINALS, SearchContext
from experiments.search.selection import feasible_records, spec_of_record
from scaler.files import inside
from scaler.results.ledger import Record
from scaler.space.feasible_set import FeasibleSet


def train_finalists(context: SearchContext, feasible: FeasibleSet, rows: Sequence[Record]) -> list[Record]:
    """Train the finalists of a budget from other seeds, and return these trainings.

    The best trials are finalists. With another recipe for finalists, the first half of them are taken for their spread over
    resolutions and sizes, and the others by what is expected of them, given the trainings before.
    """
    finals, options = _Finals(context=context, fitting=feasible_records(feasible, rows)), context.options
    number = 0 if options.score == ELASTIC_SCORE else options.finalists
    if number is None:
        number = Confidence(finals.fitting).finalists(len(rows) // len(context.sets))
    for place in range(min(number, len(finals.fitting))):
        finals.add(place, half(number) if context.final_backend else 0)
    for seed in range(1, options.seeds if finals.rows else 0):
        if options.finalists is None and Confidence(finals.fitting, finals.found).is_sure(finals.rows):
            break
        for row in finals.rows:
            finals.train(row, seed)
    return finals.found


@dataclass(kw_only=True)
class _Finals:
    """The finalists of a budget.

    Attributes:
        fitting: the trials that meet it, the best first.
        rows: the trials that are finalists.
        found: their trainings.
    """

    context: SearchContext
    fitting: list[Record]
    rows: list[Record] = field(default_factory=list)
    found: list[Record] = field(default_factory=list)

    def add(self, place: int, teachers: int) -> None:
        """Choose finalist number ``place`` and train it once; ``teachers`` of the finalists are taken for their spread."""
        row: Record | None = self.fitting[place]
        if place < teachers:
            row = Confidence(self.fitting).teachers(teachers)[place]
        elif teachers:
            row = Confidence(self.fitting, self.found).best_but(self.rows)
        if row is not None:
            self.rows.append(row)
            self.train(row, 0)

    def train(self, row: Record, number: int) -> None:
        """Train a finalist from the seed ``number`` behind the first that is not its trial's, unless the ledger has it."""
        context, seed = self.context, row.seed + 1 + number
        known = {(known.trial, known.seed): known for known in context.ledger if known.role == "finalist"}
        if (row.trial, seed) not in known and not self._fits(row):
            return
        if (row.trial, seed) not in known:
            known[row.trial, seed] = _trained(context, row, seed)
            context.ledger.append(known[row.trial, seed])
            context.say(
                f"finalist {row.name}, seed {seed}: top-1 {known[row.trial, seed].top1:.2f} % (as a trial {row.top1:.2f} %)"
            )
        self.found.append(known[row.trial, seed])

    def _fits(self, row: Record) -> bool:
        """Return True if another training of ``row`` fits into the time of the search."""
        trials, finals = (
            [one.seconds for one in self.context.ledger if (one.role == "finalist") == is_final] for is_final in (0, 1)
        )
        return self.context.extent.allows(trials, finals, max([row.seconds, *finals]))


def _trained(context: SearchContext, row: Record, seed: int) -> Record:
    spec, backend = spec_of_record(row, context), context.final_backend or context.backend
    note = variant_info(spec, context.options.seed_model, row.budget)
    score = backend.score(spec, note, inside(context.out / FINALS, f"{row.name}-seed{seed}"), seed=seed, final=False)
    return record_of("finalist", row.trial, spec, note, score, backend, seed, row.origin)
