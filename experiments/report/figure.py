"""The frontier's figures for papers: accuracy against FLOPs and against parameters, one column wide, as PNG, SVG and PDF.

A figure shows one view of the page, whose scores are of one kind: the models trained in full, or the trials where there are none.
It depends on its points alone.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from experiments.report.label_placement import Label, place_labels
from experiments.report.palette import BLACK, CHOSEN, GREEN, SEED
from experiments.report.picture_data import Band, Pictures, Point, Series
from scaler.files import write_atomic
from scaler.results.frontier import PLOTTED_COSTS
from scaler.units import format_quantity

AXIS = {"flops": "FLOPs (one multiply-add is one)", "params": "parameters"}
STEM = {"flops": "frontier", "params": "frontier_params"}
_MARKERS = {"rectRot": "D", "rect": "s", "star": "*", "circle": "o", "triangle": "^", "crossRot": "x"}
_AREAS = {"rectRot": 18, "rect": 16, "star": 60, "circle": 7, "triangle": 16, "crossRot": 8}
_NAMED = (SEED.label, CHOSEN.label)  # begin the labels of series whose points have their names beside them

SIZE_INCHES, DPI = (3.35, 2.75), 400
# Text stays text in SVG and PDF, so that it can be searched and read aloud; the salt makes the SVG's ids the same in every run.
# No text is a formula: a "$" in the name of a model or of a data folder is drawn as it is.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scaler",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.size": 7,
    "axes.linewidth": 0.6,
    "text.parse_math": False,
}
_NO_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def draw_figures(pictures: Pictures, out_dir: Path) -> dict[str, Path]:
    """Write ``frontier.{png,svg,pdf}`` (against FLOPs) and ``frontier_params.*``; return their paths by kind."""
    found = {}
    for cost in PLOTTED_COSTS:
        figure = figure_of(pictures, cost)
        for kind in _NO_METADATA:
            path = out_dir / f"{STEM[cost]}.{kind}"
            _save(figure, path, kind)
            found[kind if cost == PLOTTED_COSTS[0] else f"{cost}_{kind}"] = path
    return found


def _save(figure: Figure, path: Path, kind: str) -> None:
    with style.context(_STYLE):
        write_atomic(path, lambda file: figure.savefig(file, format=kind, dpi=DPI, metadata=_NO_METADATA[kind]))


def figure_of(pictures: Pictures, cost: str) -> Figure:
    """Draw accuracy against ``cost``, ``"flops"`` or ``"params"``."""
    shown = {i: series for i, series in enumerate(pictures.series) if series.view == pictures.first_view}
    points = [point for point in pictures.points if point.series in shown]
    bands = [band for band in pictures.bands if band.cost == _column(cost)]
    with style.context(_STYLE):
        figure = Figure(figsize=SIZE_INCHES)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for number, series in shown.items():
            _draw_series(axes, series, [point for point in points if point.series == number], _column(cost))
        _draw_bands(axes, bands)
        _set_axes(axes, *_limits(points, bands, _column(cost)), AXIS[cost])
        _set_frame(figure, axes, pictures.kinds.get(pictures.first_view, ""))
        _name_points(axes, pictures, points, _column(cost))
    return figure


def _column(cost: str) -> int:
    return PLOTTED_COSTS.index(cost)


def _draw_series(axes: Axes, series: Series, points: Sequence[Point], cost: int) -> None:
    """Draw the points of one series, joined by its line, with their intervals if they were trained in full."""
    ordered = sorted(points, key=lambda point: point.cost[cost] or 0)
    x, y = [point.cost[cost] or 0 for point in ordered], [point.top1 for point in ordered]
    layer = 2.0 if series.is_lost else 4.0
    if series.joined:
        drawn = "steps-post" if series.joined == "step" else "default"
        axes.plot(x, y, color=series.colour, linewidth=0.9, drawstyle=drawn, zorder=layer - 0.5)
    if series.view == "trained":
        ends = [[p.top1 - p.low for p in ordered], [p.high - p.top1 for p in ordered]]
        axes.errorbar(x, y, ends, fmt="none", ecolor=series.colour, elinewidth=0.8, capsize=1.8, capthick=0.8, zorder=layer - 0.5)
    marker = _MARKERS[series.marker]
    edge = series.colour if marker == "x" else "white"
    axes.scatter(
        x,
        y,
        s=_AREAS[series.marker],
        marker=marker,
        c=series.colour,
        edgecolors=edge,
        linewidths=0.5,
        zorder=layer,
        label=series.label,
    )


def _draw_bands(axes: Axes, bands: Sequence[Band]) -> None:
    """Draw a dotted line at each budget's upper bound (the lower one of a budget without an upper), and shade bands."""
    for i, band in enumerate(bands):
        if band.low is not None and band.high is not None:
            axes.axvspan(band.low, band.high, color=GREEN, alpha=0.10, linewidth=0, zorder=0)
        axes.axvline(_edge(band), color=GREEN, linestyle=":", linewidth=0.9, zorder=1, label="_" if i else "budgets")


def _edge(band: Band) -> float:
    return (band.high if band.high is not None else band.low) or 0


def _set_axes(axes: Axes, low: float, high: float, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value)))
    axes.margins(y=0.12)
    axes.set_ylim(max(axes.get_ylim()[0], -1.5), min(axes.get_ylim()[1], 101.5))
    axes.set_xlabel(label, labelpad=2)
    axes.set_axisbelow(True)
    axes.grid(color="#e6e6e6", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", width=0.6, length=2, pad=2)


def _set_frame(figure: Figure, axes: Axes, kind: str) -> None:
    """Add the kind of score and, below the plot, the legend; the plot takes the height that they leave."""
    rows = math.ceil(len(axes.get_legend_handles_labels()[0]) / 2)
    bottom = (0.36 + 0.13 * rows) / SIZE_INCHES[1]
    axes.set_position((0.115, bottom, 0.865, 0.97 - bottom))
    axes.set_ylabel(f"top-1 accuracy (%), {kind}" if kind else "top-1 accuracy (%)", fontsize=6.2, labelpad=2)
    if rows:
        figure.legend(
            loc="lower left", bbox_to_anchor=(0.09, -0.01), ncols=2, frameon=False, fontsize=6.2, columnspacing=1.2,
            handletextpad=0.3, labelspacing=0.25, handlelength=1.4,
        )  # fmt: skip


def _limits(points: Sequence[Point], bands: Sequence[Band], cost: int) -> tuple[float, float]:
    """Return a range of costs that holds every point and every budget, with room at both ends."""
    drawn = [value for point in points if (value := point.cost[cost])] or [1.0]
    edges = [edge for band in bands for edge in (band.low, band.high) if edge]
    low, high = min(drawn + edges), max(drawn + edges)
    room = max((high / low) ** 0.07, 1.02)
    return low / room, high * room


def ticks(low: float, high: float) -> list[float]:
    """Return round values in a range of a log scale; they are evenly spaced in a short range."""
    if high / low < 4:
        values = list(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    else:
        digits = (1, 2, 3, 5) if high / low < 12 else (1, 2, 5) if high / low < 200 else (1,)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [digit * 10.0**power for power in powers for digit in digits]
    return [float(value) for value in values if low <= value <= high]


def _name_points(axes: Axes, pictures: Pictures, points: Sequence[Point], cost: int) -> None:
    """Write the accuracy beside the chosen models and the seed, then as many names of published models as there is room for."""
    found: list[Label] = []
    for point in points:
        series, x = pictures.series[point.series], point.cost[cost]
        is_named = series.label.startswith(_NAMED)
        if x and (is_named or series.marker == "triangle"):
            text = f"{point.top1:.1f}" if is_named else point.name
            colour = BLACK if series.label == SEED.label else series.colour
            found.append(
                Label(x=x, y=point.top1, text=text, colour=colour, size=6, bar=(point.low, point.high), optional=not is_named)
            )
    place_labels(axes, found, [(point.cost[cost] or 0, point.top1) for point in points])
