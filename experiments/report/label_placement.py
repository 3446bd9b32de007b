"""Names beside the points of a plot, placed so that they cover neither each other nor, where that can be had, any point."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

# Directions from the point to the label's middle, the most natural ones first, and distances in pixels. A label that is not
# right beside its point, at the first distance, is tied to it by a thin line.
_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
_GAPS = (14, 24, 44, 70, 100, 140)
_MARKER = 10  # half of a labelled marker's width, in pixels
_CLEAR = 9  # room between a label and points that are not its own, in pixels; below the smallest distance of its own


@dataclass(frozen=True, kw_only=True)
class Label:
    """``text`` for the point at ``x``, ``y``, in data coordinates.

    Attributes:
        bar: lowest and highest ``y`` of the point's error bar, which no label covers.
        optional: left out where there is no free place right beside the point.
    """

    x: float
    y: float
    text: str
    colour: str
    size: float = 10.0
    bar: tuple[float, float] | None = None
    optional: bool = False


def place(axes: Axes, labels: Sequence[Label], dots: Sequence[tuple[float, float]]) -> None:
    """Write ``labels`` into ``axes``, whose limits are final, in their order: earlier ones have the better choice.

    Args:
        dots: other points, in data coordinates, that labels had better not cover.
    """
    frame, points = axes.get_window_extent(), _pixels(axes, dots)
    taken = [_marker(axes, label) for label in labels if not label.optional]
    for label in labels:
        (anchor,) = _pixels(axes, [(label.x, label.y)])
        options = list(_options(anchor, _extent(axes, label)))
        costs = [_cost(box, frame, taken, points) for _, box in options]
        best = int(np.argmin(costs))
        gap, box = options[best]
        tied = gap > _GAPS[0]
        if label.optional and (tied or costs[best] > 0):
            continue
        _write(axes, label, box, anchor, tied=tied)
        taken.append(box)


def _options(anchor: NDArray[np.float64], extent: Bbox) -> Iterator[tuple[int, Bbox]]:
    for gap in _GAPS:
        for dx, dy in _DIRECTIONS:
            reach = gap / np.hypot(dx, dy)  # the same distance on diagonals
            left = anchor[0] + dx * (reach + extent.width / 2) - extent.width / 2
            bottom = anchor[1] + dy * (reach + extent.height / 2) - extent.height / 2
            yield gap, Bbox.from_bounds(left, bottom, extent.width, extent.height)


def _cost(box: Bbox, frame: Bbox, taken: Sequence[Bbox], points: NDArray[np.float64]) -> float:
    """How bad a place is: leaving the frame, then overlapping labels and markers, then each dot that is covered."""
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    overlap = sum(_area(Bbox.intersection(box, other)) for other in taken) / _area(box)
    covered = box.padded(_CLEAR).count_contains(points) if len(points) else 0
    return (not inside) * 10_000.0 + 100 * (overlap > 0) + 100 * overlap + float(covered)


def _write(axes: Axes, label: Label, box: Bbox, anchor: NDArray[np.float64], *, tied: bool) -> None:
    right, up = (box.x0 + box.x1) / 2 - anchor[0], (box.y0 + box.y1) / 2 - anchor[1]
    points = 72 / axes.figure.dpi
    axes.annotate(
        label.text, (label.x, label.y), xytext=(right * points, up * points), textcoords="offset points",
        ha="center", va="center", fontsize=label.size, color=label.colour, zorder=6,
        bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 5} if tied else None,
    )  # fmt: skip


def _extent(axes: Axes, label: Label) -> Bbox:
    """The label's size, in pixels, with a little room around it."""
    text = axes.text(label.x, label.y, label.text, fontsize=label.size)
    extent = text.get_window_extent().padded(2)
    text.remove()
    return extent


def _pixels(axes: Axes, points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    return np.asarray(axes.transData.transform(np.array(points, dtype=float).reshape(-1, 2)))


def _marker(axes: Axes, label: Label) -> Bbox:
    """What a label's point and its error bar cover, in pixels."""
    low, high = label.bar or (label.y, label.y)
    (x, y0), (_, y1) = _pixels(axes, [(label.x, low), (label.x, high)])
    return Bbox.from_extents(x - _MARKER, y0 - _MARKER / 2, x + _MARKER, y1 + _MARKER / 2)


def _area(box: Bbox | None) -> float:
    return box.width * box.height if box is not None else 0.0
