"""The recipe that the options of a training or a search choose."""

from dataclasses import fields, replace

from experiments.options.search import SearchOptions
from experiments.options.train import TrainOptions
from experiments.recipes import DEFAULT_RECIPE, Recipe, get_recipe


def recipe_of(options: TrainOptions | SearchOptions) -> Recipe:
    """Return the named recipe with the values of those options that are fields of `Recipe`."""
    names = {item.name for item in fields(Recipe)} & {item.name for item in fields(options)}
    changes = {name: value for name in names if (value := getattr(options, name)) is not None}
    return replace(get_recipe(options.recipe or DEFAULT_RECIPE), **changes)
