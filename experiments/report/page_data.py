"""The values on the report's page, without markup; ``template.html`` lays them out."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key of the runs' requests, with its value in each run; empty where a run has none."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One scored model.

    Attributes:
        budget: the text of the budget that the model was drawn for.
        arch: the architecture in words.
        top1: in percent, with its 95 % interval from ``low`` to ``high``.
        score: the split and the epochs of the score, in words.
    """

    name: str
    budget: str
    arch: str
    flops: int
    params: int
    resolution: int
    top1: float
    low: float
    high: float
    score: str
    epochs: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best model under one budget, or the seed, and the fraction of the budget that it uses, in words."""

    budget: str
    model: Model
    use: str


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A trial that was trained again from other seeds.

    Attributes:
        again: top-1 of each other training, in percent, and ``mean`` over them.
        chosen_for: the texts of the budgets that this trial was chosen for.
    """

    trial: Model
    again: tuple[float, ...]
    mean: float
    chosen_for: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as an SVG element; ``cost`` is the name of its horizontal axis."""

    cost: str
    svg: str


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The best candidate of one origin."""

    origin: str
    name: str
    top1: float


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A candidate close to the chosen one, with the points of top-1 that it lacks and the axes in which it differs."""

    name: str
    lost_by: float
    changed: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice under one budget: the reason, the best candidate of each origin, the neighbours, the steps from the seed."""

    budget: str
    name: str
    origin: str
    reason: str
    baselines: tuple[Baseline, ...]
    neighbours: tuple[Neighbour, ...]
    path: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The fraction of the scores' variance that one axis explains."""

    axis: str
    fraction: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The choices of one search, and its most important axes."""

    choices: tuple[Choice, ...]
    importances: tuple[Importance, ...]


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
class Front:
    """The front of the trials over the cost of this name."""

    cost: str
    trials: tuple[Model, ...]


@dataclass(frozen=True, kw_only=True)
class PageData:
    """The values of the page, in its order.

    Attributes:
        settings: the requests of the runs named ``run_names``.
        trials: those trained for the whole of their recipe, the most accurate first.
        stopped: trials that the pruner stopped, those with the most epochs first.
    """

    title: str
    summary: str
    run_names: tuple[str, ...]
    settings: tuple[Setting, ...]
    best: tuple[Best, ...]
    finalists: tuple[Finalist, ...]
    drawings: tuple[Drawing, ...]
    explanations: tuple[Explanation, ...]
    scorings: tuple[Scoring, ...]
    fronts: tuple[Front, ...]
    trials: tuple[Model, ...]
    stopped: tuple[Model, ...]
