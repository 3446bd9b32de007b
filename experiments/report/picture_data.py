"""The data of the page's pictures: series of points, budgets, progress of searches, curves of trainings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one kind and colour.

    Attributes:
        view: "trained" or "trials", whose scores are of unlike kind.
        marker: a point style of Chart.js.
        joined: "" for no line, "line" for a line from point to point, "step" for a front.
        is_lost: drawn behind the others.
    """

    label: str
    view: str
    colour: str
    marker: str
    joined: str
    is_lost: bool


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of the frontier.

    Attributes:
        series: index in `Pictures.series`.
        cost: by the names of `Pictures.costs`; None where it is not known.
        arch: the architecture in words, and ``drawing`` as in `Card`.
    """

    series: int
    name: str
    budget: str
    origin: str
    cost: tuple[float | None, ...]
    top1: float
    low: float
    high: float
    arch: str
    drawing: int | None


@dataclass(frozen=True, kw_only=True)
class Band:
    """The bounds of one budget on the cost of that index; None for an open side."""

    cost: int
    low: float | None
    high: float | None
    label: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The best held-out top-1 under one budget after each trial of a search.

    Attributes:
        spent: training FLOPs so far, or trials so far where a ledger does not hold FLOPs (``is_flops``).
        best: of all trials that meet the budget; None before the first.
        random: likewise, of random draws alone.
        uniform: the score of uniform scaling; None if it was not tried.
    """

    run: str
    budget: str
    is_flops: bool
    spent: tuple[float, ...]
    best: tuple[float | None, ...]
    random: tuple[float | None, ...]
    uniform: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The training loss of one model by epoch."""

    label: str
    colour: str
    is_dashed: bool
    epochs: tuple[float, ...]
    loss: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The data of the pictures, which the page's script reads as JSON.

    Attributes:
        costs: names of the horizontal axes, and ``units`` for them.
        drawings: architectures, each as rows of (width, depth, side, passes per block), one for each stage.
        seed_drawing: index of the seed's; None if it is not known.
        first_view: "trained" if a model of the family was trained in full, "trials" otherwise.
        kinds: of the scores of each view, in words.
    """

    costs: tuple[str, ...]
    units: tuple[str, ...]
    drawings: tuple[tuple[tuple[int, int, int, int], ...], ...]
    seed_drawing: int | None
    first_view: str
    kinds: dict[str, str]
    series: tuple[Series, ...]
    points: tuple[Point, ...]
    bands: tuple[Band, ...]
    progress: tuple[Progress, ...]
    curves: tuple[Curve, ...]
    colours: dict[str, str]
