"""The values on the report's page, without markup: ``page/report.html`` lays them out and its scripts draw the pictures."""

from dataclasses import asdict, dataclass
from typing import Any

from experiments.report.picture_data import Pictures


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value in percent or percentage points, its 95 % interval from ``low`` to ``high``, and the data behind it in words."""

    value: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The accuracy of a model less that of uniform scaling under the same budget, in percentage points."""

    estimate: Estimate
    baseline: str
    baseline_top1: float

    @property
    def is_noise(self) -> bool:
        """True if the interval holds 0."""
        return self.estimate.low <= 0 <= self.estimate.high


@dataclass(frozen=True, kw_only=True)
class Card:
    """The answer for one budget.

    Attributes:
        is_trained: the score is of the test images after a full training; otherwise it is a trial's.
        arch: the architecture in words.
        drawing: index of the architecture in `Pictures.drawings`; None if its stages are not known.
        latency_ms: measured; None if no budget bounds it.
        use: the fraction of the budget that the model uses, in words.
        gain: over uniform scaling; None if uniform scaling has no score of the same kind.
        trial_gain: of a trained model, the gain of the trials by which it was chosen.
        kept: the seed's accuracy that remains, in percent of it; None without a score of the seed.
        saved: the seed's FLOPs that are saved, in percent of them; None if they are not known.
        note: the reason for a model of another budget, or what is to be trained; empty if there is nothing to say.
        folder: of the model.
        train: the command that trains the model in full; empty if it is trained.
    """

    budget: str
    name: str
    is_trained: bool
    arch: str
    drawing: int | None
    flops: int
    params: int
    resolution: int
    latency_ms: float | None
    use: str
    top1: Estimate
    gain: Gain | None
    trial_gain: Gain | None
    kept: float | None
    saved: float | None
    note: str
    folder: str
    train: str


@dataclass(frozen=True, kw_only=True)
class SeedLine:
    """The seed; ``top1`` is None if it was not scored on the same images as the trained models."""

    name: str
    flops: int
    params: int
    resolution: int
    top1: Estimate | None
    drawing: int | None


@dataclass(frozen=True, kw_only=True)
class Model:
    """One scored model of a table; ``top1`` is in percent, its interval is over the images."""

    run: str
    name: str
    budget: str
    role: str
    arch: str
    flops: int
    params: int
    resolution: int
    top1: Estimate
    epochs: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A trial that was trained again: the top-1 of each other training in percent, their mean, the budgets that chose it."""

    trial: Model
    again: tuple[float, ...]
    mean: float
    chosen_for: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A candidate close to the chosen one: the points that it lacks, and its value of each axis of `Choice.axes`."""

    name: str
    lost_by: float
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice of one budget: the reason, the steps of a contraction, and the neighbours that lost.

    Attributes:
        axes: those in which a neighbour differs, and ``values``, the chosen one's.
    """

    budget: str
    name: str
    origin: str
    reason: str
    axes: tuple[str, ...]
    values: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]
    path: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """One way in which scores were made, and the number of models that were scored so."""

    models: int
    role: str
    split: str
    images: int
    epochs: float
    recipe: str
    start: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One entry of the run record, with its value in each run; empty where a run has none."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The change in held-out top-1, in points, from the least to the greatest value of an axis at equal FLOPs."""

    axis: str
    least: str
    greatest: str
    points: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Shares:
    """FLOPs and parameters of one model by part, in the order of the network."""

    label: str
    parts: tuple[str, ...]
    flops: tuple[int, ...]
    params: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PageData:
    """The values of the page, in its order.

    Attributes:
        findings: the answer in one or two sentences.
        remarks: on what is missing, such as trials that are still to come.
        effects_basis: the data behind the axes' effects, in words.
        trials: the most accurate ones, of ``trials_in_all``.
        commands: that repeat each search.
    """

    title: str
    findings: tuple[str, ...]
    remarks: tuple[str, ...]
    cards: tuple[Card, ...]
    seed: SeedLine | None
    trained: tuple[Model, ...]
    choices: tuple[Choice, ...]
    finalists: tuple[Finalist, ...]
    effects: tuple[Effect, ...]
    effects_basis: str
    shares: tuple[Shares, ...]
    scorings: tuple[Scoring, ...]
    trials: tuple[Model, ...]
    trials_in_all: int
    run_names: tuple[str, ...]
    settings: tuple[Setting, ...]
    commands: tuple[str, ...]
    pictures: Pictures

    @property
    def script_data(self) -> dict[str, Any]:
        """The pictures as JSON values, for the page's script."""
        return asdict(self.pictures)
