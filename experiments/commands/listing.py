"""`scaler list`: the names that other commands take."""

from collections.abc import Sequence

from experiments.data.datasets import FORMS
from experiments.options.inspect import ListOptions
from experiments.recipes import RECIPES
from models.zoo.families import FAMILIES
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.trials.strategies import STRATEGIES
from scaler.units import format_quantity
from search_spaces import SPACES

Rows = Sequence[tuple[str, str]]


def listing(options: ListOptions) -> list[tuple[str, Rows]]:
    """Return titles with rows (name, summary) of one kind of name, or of all kinds."""
    kinds: dict[str, Rows] = {
        "seeds": [(name, _seed_summary(name)) for name in SEEDS],
        "families": [(name, family.summary) for name, family in FAMILIES.items()],
        "spaces": [(name, (space.__doc__ or "").splitlines()[0]) for name, space in SPACES.items()],
        "strategies": [(name, strategy.summary) for name, strategy in STRATEGIES.items()],
        "recipes": [(name, f"{recipe.epochs} epochs: {recipe.summary}") for name, recipe in RECIPES.items()],
        "data": list(FORMS.items()),
    }
    return [(kind, rows) for kind, rows in kinds.items() if options.kind in ("all", kind)]


def _seed_summary(name: str) -> str:
    arch = SEEDS[name]
    cost = cost_of(arch)
    size = f"{format_quantity(cost.flops)} FLOPs, {format_quantity(cost.params)} parameters"
    return f"{arch.family}, {arch.resolution} px, {arch.num_classes} classes, {size}"
