"""`scaler list`: what there is by name."""

from collections.abc import Iterable

from experiments.data.datasets import FORMS
from experiments.recipes import RECIPES
from models.zoo.families import FAMILIES
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.errors import UnknownNameError
from scaler.trials.strategy import STRATEGIES
from scaler.units import format_quantity
from search_spaces import SPACES

Rows = Iterable[tuple[str, str]]


def listing(what: str) -> list[tuple[str, Rows]]:
    """Titles with (name, summary) rows of one kind of thing, or of all."""
    kinds: dict[str, Rows] = {
        "seeds": [(name, _seed_summary(name)) for name in SEEDS],
        "families": [(name, family.summary) for name, family in FAMILIES.items()],
        "spaces": [(name, (space.__doc__ or "").splitlines()[0]) for name, space in SPACES.items()],
        "strategies": [(name, strategy.summary) for name, strategy in STRATEGIES.items()],
        "recipes": [(name, recipe.summary) for name, recipe in RECIPES.items()],
        "data": list(FORMS.items()),
    }
    if what != "all" and what not in kinds:
        raise UnknownNameError("kind of thing", what, kinds)
    return [(kind, rows) for kind, rows in kinds.items() if what in ("all", kind)]


def _seed_summary(name: str) -> str:
    arch = SEEDS[name]
    cost = cost_of(arch)
    size = f"{format_quantity(cost.flops)} FLOPs, {format_quantity(cost.params)} parameters"
    return f"{arch.family}, {arch.resolution} px, {arch.num_classes} classes, {size}"
