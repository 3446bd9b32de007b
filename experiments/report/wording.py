"""The words for costs, scores, counts and architectures that the figures and the page share."""

import json
from collections.abc import Iterable
from math import inf
from typing import Any

from scaler.budget import Budget
from scaler.results.frontier import PLOTTED_COSTS
from scaler.results.ledger import Record

COST_NAMES = {"flops": "FLOPs", "params": "parameters"}
# The customary names of timm's constructor arguments; others are shown as they are written, with spaces.
_ARGUMENT_NAMES = {
    "embed_dims": "widths",
    "embed_dim": "width",
    "num_heads": "heads",
    "window_sizes": "windows",
    "window_size": "window",
    "mlp_ratio": "MLP ratio",
    "mbconv_expand_ratio": "MBConv ratio",
    "num_classes": "classes",
    "in_chans": "input channels",
}


def counted(number: int, noun: str) -> str:
    """Return a count with its noun, such as "1 trial" or "30 trials"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def data_label(name: str) -> str:
    """Return a data set's name for a title: "digits", or the last folder of "folder:/data/flowers"."""
    return name.rstrip("/").rpartition("/")[2] if name.startswith("folder:") else name


def kind_of_score(records: Iterable[Record]) -> str:
    """Return the split and the epochs behind scores, such as "holdout split, 3 epochs", and if weights were inherited."""
    records = list(records)
    epochs = sorted({record.epochs for record in records})
    splits = " and ".join(sorted({record.split for record in records}))
    span = f"{epochs[0]:.3g}" if len(epochs) == 1 else f"{epochs[0]:.3g} to {epochs[-1]:.3g}"
    start = " from inherited weights" if all(record.start == "inherited" for record in records) else ""
    return f"{splits} split, {span} epoch{'s' * (epochs[-1] != 1)}{start}"


def describe(arch: str) -> str:
    """Return an architecture's JSON in words, such as "widths 32, 64, 96; depths 1, 2, 1; resolution 32"."""
    values = json.loads(arch).items()
    return "; ".join(f"{_ARGUMENT_NAMES.get(key, key.replace('_', ' '))} {plain(value)}" for key, value in values)


def budget_use(budget: Budget | None, record: Record) -> str:
    """Return the fraction of a budget's upper bounds that a model uses, such as "98.2 % of the FLOPs"; empty without bounds."""
    limits = {cost: budget[cost].high for cost in PLOTTED_COSTS if budget[cost].high < inf} if budget else {}
    return ", ".join(f"{100 * getattr(record, cost) / limit:.1f} % of the {COST_NAMES[cost]}" for cost, limit in limits.items())


def plain(value: Any) -> str:
    """Return a JSON value as text: a list without brackets, an object as JSON, anything else as it is."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
