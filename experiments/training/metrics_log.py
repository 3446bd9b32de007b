"""What a training writes down epoch by epoch: a CSV file always, TensorBoard's files where asked for."""

import csv
import io
from pathlib import Path
from typing import Any

from scaler.errors import ScalerError
from scaler.files import write_text

METRICS = "metrics.csv"

Row = dict[str, float]


class MetricsLog:
    """``rows``, one for each finished epoch, as ``metrics.csv`` in ``folder``."""

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        self.folder, self.rows = folder, list[Row]()
        self._events = _open_events(folder / "tensorboard") if tensorboard else None

    def add(self, row: Row) -> None:
        self.rows.append(row)
        if self._events is not None:
            for name, value in row.items():
                self._events.add_scalar(name, value, int(row["epoch"]))

    def write(self) -> None:
        if not self.rows:
            return
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.folder / METRICS, buffer.getvalue())
        if self._events is not None:
            self._events.flush()


def _open_events(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ScalerError(f"--tensorboard needs it ({error}): `pip install 'vit-scaler[tensorboard]'`") from error
    return SummaryWriter(folder)
