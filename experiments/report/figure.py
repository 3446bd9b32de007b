"""The frontier's figures: accuracy against FLOPs and against parameters, as PNG and SVG.

Trials and models trained in full differ in marker, colour and legend, and no line joins the two kinds. A figure depends on its
`FrontierInfo` alone. The colours are those of Okabe and Ito, "Color Universal Design", 2008, which colour-blind readers can tell
apart.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from experiments.report.label_placement import Label, place_labels
from experiments.report.wording import COST_NAMES, counted, kind_of_score
from models.zoo.published import Published, published
from scaler.budget import Bound
from scaler.files import write_atomic
from scaler.results.frontier import PLOTTED_COSTS, TRAINED, TRIALS, FrontierInfo
from scaler.results.intervals import wilson
from scaler.results.ledger import Record
from scaler.units import format_quantity

BLUE, VERMILION, BLACK, GREY, PURPLE, GREEN = "#0072B2", "#D55E00", "#1a1a1a", "#8c8c8c", "#A0527F", "#009E73"
SKY, ROSE = "#56B4E9", "#CC79A7"
# Of each role: the marker, its size and its colour.
_MARKS = {"chosen": ("D", 64, VERMILION), "baseline": ("s", 60, SKY), "variant": ("P", 80, ROSE), "seed": ("*", 190, BLACK)}
AXIS = {"flops": "FLOPs at batch 1 (one multiply-add is one)", "params": "parameters"}
STEM = {"flops": "frontier", "params": "frontier_params"}

SIZE_INCHES, DPI = (9.6, 6.4), 150
# Text stays text in the SVG, so that it can be searched and read aloud; the salt makes the SVG's ids the same in every run.
# No text is a formula: a "$" in the name of a model or of a data folder is drawn as it is.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scaler",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,
}
_NO_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}


def draw_figures(info: FrontierInfo, out_dir: Path) -> list[Path]:
    """Write ``frontier.{png,svg}`` (against FLOPs) and ``frontier_params.{png,svg}``, and return their paths, in that order."""
    return [
        _save(figure_of(info, cost), out_dir / f"{STEM[cost]}.{kind}", kind) for cost in PLOTTED_COSTS for kind in _NO_METADATA
    ]


def _save(figure: Figure, path: Path, kind: str) -> Path:
    with style.context(_STYLE):
        write_atomic(path, lambda file: figure.savefig(file, format=kind, dpi=DPI, metadata=_NO_METADATA[kind]))
    return path


def figure_of(info: FrontierInfo, cost: str) -> Figure:
    """Draw accuracy against ``cost``, ``"flops"`` or ``"params"``."""
    with style.context(_STYLE):
        figure = Figure(figsize=SIZE_INCHES)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for draw_layer in (_draw_trials, _draw_trained, _draw_published, _draw_budgets):
            draw_layer(axes, info, cost)
        _set_axes(axes, *_limits(info, cost), cost)
        _set_frame(figure, axes, f"Accuracy against {COST_NAMES[cost]} on {info.data_name}")
        _name_budgets(axes, info, cost)
        _name_models(axes, info, cost)
    return figure


def is_imagenet_1k(info: FrontierInfo) -> bool:
    """Return True if the scores are on ImageNet-1k, so that they compare with published accuracies."""
    classes = {json.loads(record.arch).get("num_classes") for record in info.records} - {None}
    return "imagenet" in info.data_name.lower() and classes == {1000}


def _draw_trials(axes: Axes, info: FrontierInfo, cost: str) -> None:
    trials, front = info.of(TRIALS), info.front(cost, TRIALS)
    if not trials:
        return
    label = f"{counted(len(trials), 'trial')} of the search ({kind_of_score(trials)})"
    axes.scatter(*_xy(trials, cost), s=26, color=GREY, alpha=0.55, linewidths=0, zorder=2, label=label)
    axes.plot(
        *_xy(front, cost),
        label="front of the trials: no cheaper one is as accurate",
        color=BLUE,
        marker="o",
        markersize=5.5,
        linewidth=1.6,
        drawstyle="steps-post",
        zorder=3,
    )


def _draw_trained(axes: Axes, info: FrontierInfo, cost: str) -> None:
    for role, (marker, size, colour) in _MARKS.items():
        records = info.of((role,))
        if not records:
            continue
        x, y = _xy(records, cost)
        ends = np.abs(np.array([wilson(record.top1, record.images) for record in records]).T - y)
        axes.errorbar(x, y, ends, fmt="none", ecolor=colour, elinewidth=1.1, capsize=3, zorder=4)
        label = f"{role}, trained in full ({kind_of_score(records)})"
        axes.scatter(x, y, s=size, marker=marker, color=colour, edgecolors="white", linewidths=0.8, zorder=5, label=label)


def _draw_published(axes: Axes, info: FrontierInfo, cost: str) -> None:
    models = _references(info)
    if not models:
        return
    x, y = [getattr(model, cost) for model in models], [model.top1 for model in models]
    label = "published models (ImageNet-1k, authors' figures)"
    axes.scatter(x, y, s=34, marker="^", facecolors="none", edgecolors=PURPLE, linewidths=1.0, zorder=2.5, label=label)


def _set_axes(axes: Axes, low: float, high: float, cost: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value)))
    axes.margins(y=0.12)
    axes.set_ylim(max(axes.get_ylim()[0], -1.5), min(axes.get_ylim()[1], 101.5))
    axes.set_xlabel(AXIS[cost], labelpad=6)
    axes.set_ylabel("top-1 accuracy (%), bars: 95 % interval")


def _set_frame(figure: Figure, axes: Axes, title: str) -> None:
    """Add the title and, below the plot, the legend; the plot takes the height that they leave."""
    rows = math.ceil(len(axes.get_legend_handles_labels()[0]) / 2)
    bottom = (0.72 + 0.21 * rows) / SIZE_INCHES[1]
    axes.set_position((0.075, bottom, 0.9, 0.875 - bottom))
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0")
    figure.suptitle(title, x=0.075, y=0.97, ha="left", fontsize=14, fontweight="bold", color=BLACK)
    if rows:
        figure.legend(loc="lower left", bbox_to_anchor=(0.065, 0.005), ncols=2, frameon=False, fontsize=9.5, columnspacing=2.5)


def _limits(info: FrontierInfo, cost: str) -> tuple[float, float]:
    """Return a range of costs that holds every point and every budget, with room at both ends."""
    drawn = [getattr(point, cost) for point in (*info.records, *_references(info))]
    edges = [edge for bound in _bounds(info, cost) for edge in (bound.low, bound.high) if 0 < edge < math.inf]
    low, high = min(drawn + edges), max(drawn + edges)
    room = max((high / low) ** 0.07, 1.02)
    return low / room, high * room


def ticks(low: float, high: float) -> list[float]:
    """Return round values in a range of a log scale; they are evenly spaced in a short range."""
    if high / low < 4:
        values = list(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    else:
        digits = (1, 1.5, 2, 3, 5, 7) if high / low < 25 else (1, 2, 5) if high / low < 2000 else (1,)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [digit * 10.0**power for power in powers for digit in digits]
    return [float(value) for value in values if low <= value <= high]


def _draw_budgets(axes: Axes, info: FrontierInfo, cost: str) -> None:
    """Draw a dotted line at each budget's upper bound (the lower one of a budget without an upper), and shade bands."""
    for i, bound in enumerate(_bounds(info, cost)):
        if bound.low > 0 and bound.high < math.inf:
            axes.axvspan(bound.low, bound.high, color=GREEN, alpha=0.10, linewidth=0, zorder=0)
        label = "_" if i else "budgets"
        axes.axvline(_edge(bound), color=GREEN, linestyle=":", linewidth=1.4, zorder=1, label=label)


def _name_budgets(axes: Axes, info: FrontierInfo, cost: str) -> None:
    """Write each budget's value above its line, in two rows; a line has no text where both rows are full."""
    ends = [-math.inf, -math.inf]  # of each row, in pixels
    for bound in _bounds(info, cost):
        where = axes.get_xaxis_transform()
        text = axes.text(_edge(bound), 1.015, _bound_text(bound), transform=where, color=GREEN, ha="center", fontsize=9)
        extent = text.get_window_extent()
        free = [row for row, end in enumerate(ends) if extent.x0 > end]
        if free:
            ends[free[0]] = extent.x1 + 6
            text.set_y(1.015 + 0.035 * free[0])
        else:
            text.remove()


def _edge(bound: Bound) -> float:
    return bound.high if bound.high < math.inf else bound.low


def _bounds(info: FrontierInfo, cost: str) -> list[Bound]:
    """Return each bound on ``cost`` once, by rising upper end."""
    return sorted({budget[cost] for budget in info.budgets} - {Bound()}, key=lambda bound: (bound.high, bound.low))


def _bound_text(bound: Bound) -> str:
    if bound.high == math.inf:
        return f"≥ {format_quantity(bound.low)}"
    return f"{format_quantity(bound.low)} to {format_quantity(bound.high)}" if bound.low else f"≤ {format_quantity(bound.high)}"


def _name_models(axes: Axes, info: FrontierInfo, cost: str) -> None:
    """Name the trained variants and the seed, then as many published models as there is room for."""
    trained = {(r.role, r.name, getattr(r, cost)): r for r in info.of(TRAINED)}
    models = [
        Label(x=getattr(r, cost), y=r.top1, text=r.name, colour=_MARKS[r.role][2], bar=wilson(r.top1, r.images))
        for _, r in sorted(trained.items())
    ]
    models += [
        Label(x=getattr(model, cost), y=model.top1, text=model.model, colour=PURPLE, size=8, optional=True)
        for model in _references(info)
    ]
    points: list[Record | Published] = [*info.records, *_references(info)]
    place_labels(axes, models, [(getattr(point, cost), point.top1) for point in points])


def _references(info: FrontierInfo) -> tuple[Published, ...]:
    return published() if is_imagenet_1k(info) else ()


def _xy(records: Sequence[Record], cost: str) -> tuple[list[int], list[float]]:
    return [getattr(record, cost) for record in records], [record.top1 for record in records]
