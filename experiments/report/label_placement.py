"""The placement of names beside the points of a plot: they cover no other name and, where there is room, no point."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

# Directions from the point to the label's middle, the preferred ones first, and distances in pixels. A label at any distance but
# the first is tied to its point by a thin line.
_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
_GAPS = (14, 24, 44, 70, 100, 140)
_MARKER = 10  # half of a labelled marker's width, in pixels
_CLEAR = 9  # room between a label and other points, in pixels; less than the smallest distance to the label's own point


@dataclass(frozen=True, kw_only=True)
class Label:
    """The name of one point.

    Attributes:
        x, y: the point, in data coordinates.
        bar: lowest and highest ``y`` of the point's error bar, which no label covers.
        optional: True if the label is left out where there is no free place right beside the point.
    """

    x: float
    y: float
    text: str
    colour: str
    size: float = 10.0
    bar: tuple[float, float] | None = None
    optional: bool = False


def place_labels(axes: Axes, labels: Sequence[Label], dots: Sequence[tuple[float, float]]) -> None:
    """Write ``labels`` into ``axes``, one after the other; the first has the choice of all places.

    Args:
        axes: the limits must be final.
        dots: points, in data coordinates, that labels avoid where there is room.
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
    """Yield the places for a label of size ``extent``, the preferred ones first, each with its distance from the point."""
    for gap in _GAPS:
        for dx, dy in _DIRECTIONS:
            reach = gap / np.hypot(dx, dy)  # the same distance on diagonals
            left = anchor[0] + dx * (reach + extent.width / 2) - extent.width / 2
            bottom = anchor[1] + dy * (reach + extent.height / 2) - extent.height / 2
            yield gap, Bbox.from_bounds(left, bottom, extent.width, extent.height)


def _cost(box: Bbox, frame: Bbox, taken: Sequence[Bbox], points: NDArray[np.float64]) -> float:
    """Return the cost of a place: high outside of the frame, lower for overlap with labels, lowest for covered dots."""
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    overlap = sum(_area(Bbox.intersection(box, other)) for other in taken) / _area(box)
    covered = box.padded(_CLEAR).count_contains(points) if len(points) else 0
    return (not inside) * 10_000.0 + 100 * (overlap > 0) + 100 * overlap + float(covered)


def _write(axes: Axes, label: Label, box: Bbox, anchor: NDArray[np.float64], *, tied: bool) -> None:
    right, up = (box.x0 + box.x1) / 2 - anchor[0], (box.y0 + box.y1) / 2 - anchor[1]
    points = 72 / axes.figure.dpi
    line = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 5}
    axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(right * points, up * points),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=label.size,
        color=label.colour,
        zorder=6,
        bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        arrowprops=line if tied else None,
    )


def _extent(axes: Axes, label: Label) -> Bbox:
    """Return the label's size, in pixels, with a little room around it."""
    text = axes.text(label.x, label.y, label.text, fontsize=label.size)
    extent = text.get_window_extent().padded(2)
    text.remove()
    return extent


def _pixels(axes: Axes, points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    return np.asarray(axes.transData.transform(np.array(points, dtype=float).reshape(-1, 2)))


def _marker(axes: Axes, label: Label) -> Bbox:
    """Return the box around a label's point and its error bar, in pixels."""
    low, high = label.bar or (label.y, label.y)
    (x, y0), (_, y1) = _pixels(axes, [(label.x, low), (label.x, high)])
    return Bbox.from_extents(x - _MARKER, y0 - _MARKER / 2, x + _MARKER, y1 + _MARKER / 2)


def _area(box: Bbox | None) -> float:
    return box.width * box.height if box is not None else 0.0
