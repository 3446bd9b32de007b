"""The metrics of a training, interval by interval: always a CSV file, and TensorBoard's files if asked for."""

import csv
import io
from pathlib import Path
from typing import Any

from scaler.errors import ScalerError
from scaler.files import write_text

METRICS = "metrics.csv"

# "top1" is measured on a few images (`experiments.training.interval_score`), in percent; NaN if it was not.
Row = dict[str, float]


class MetricsLog:
    """The rows of ``metrics.csv`` in ``folder``.

    Attributes:
        rows: one for each finished interval.
    """

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        self.folder, self.rows = folder, list[Row]()
        self._writer = _summary_writer(folder / "tensorboard") if tensorboard else None

    def add(self, row: Row, step: int) -> None:
        """Add the row of an interval that ended after ``step`` updates."""
        self.rows.append(row)
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name, value, step)

    def write(self) -> None:
        """Write all rows to the disk."""
        if not self.rows:
            return
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.folder / METRICS, buffer.getvalue())
        if self._writer is not None:
            self._writer.flush()


def _summary_writer(folder: Path) -> Any:
    """Return TensorBoard's writer. Accelerate's tracker would write nothing, and raise nothing, if TensorBoard is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ScalerError(f"--tensorboard needs it ({error}): `pip install 'vit-scaler[tensorboard]'`") from error
    return SummaryWriter(folder)
