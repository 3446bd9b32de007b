"""Records as rows of the page's tables."""

from collections.abc import Iterator, Sequence

from experiments.report.answers import estimate
from experiments.report.page_data import Model
from experiments.report.runs import Run
from experiments.report.wording import describe
from scaler.results.frontier import TRAINED
from scaler.results.ledger import Record


def model_of(record: Record, run: str = "") -> Model:
    """Return one row of a table."""
    return Model(
        run=run,
        name=record.name,
        budget=record.budget,
        role=record.role,
        arch=describe(record.arch),
        flops=record.flops,
        params=record.params,
        resolution=record.resolution,
        top1=estimate([record]),
        epochs=record.epochs,
        seconds=record.seconds,
    )


def trained_rows(runs: Sequence[Run]) -> Iterator[Model]:
    """Yield the models that were trained in full, each with the folder of its run."""
    for run in runs:
        for record in run.records:
            if record.role in TRAINED:
                yield model_of(record, str(run.path))
