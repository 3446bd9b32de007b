"""Options of the commands that only decide: list, count, space, sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from experiments.options.common import MAX_CLASSES, WHAT, RandomOptions, SeedOptions, TaskOptions
from experiments.options.declare import Options, argument, option


def rules() -> list[str]:
    """Return the names of the rules of thumb."""
    from search_spaces.scaling_rules import RULES  # loads NumPy

    return list(RULES)


KINDS = ("all", "seeds", "families", "spaces", "strategies", "recipes", "data")


@dataclass(frozen=True, kw_only=True)
class ListOptions(Options):
    """List the names that other commands take, one line each."""

    EXAMPLE: ClassVar = "scaler list seeds"

    kind: str = option("all", help="The kind of name.", is_argument=True, choices=lambda: KINDS)


@dataclass(frozen=True, kw_only=True)
class CountOptions(TaskOptions):
    """Count FLOPs and parameters of a model with fvcore."""

    EXAMPLE: ClassVar = "scaler count tiny_vit_21m_224 --parts"

    target: str = argument(help="A seed, any timm model, or a variant's folder.")
    parts: bool = option(False, help="Break the cost down.", group=WHAT)


@dataclass(frozen=True, kw_only=True)
class DescribeOptions(SeedOptions):
    """Show the axes around a seed model, and exactly how many architectures meet a budget.

    A budget is KEY=VALUE[,KEY=VALUE]: keys are flops, params, latency and resolution; a value is an upper bound (1.3G, 12ms), a
    band (1.25G..1.3G), a percentage of the seed's (60%), or a model's name.
    """

    EXAMPLE: ClassVar = "scaler space tiny_vit_21m_224 --budget flops=1.3G,params=5.4M"

    budget: tuple[str, ...] = option(
        (), help="Count only architectures within this budget; several are counted one by one.", group=WHAT
    )
    num_classes: int | None = option(None, help="Number of classes.", group=WHAT, minimum=1, maximum=MAX_CLASSES)


@dataclass(frozen=True, kw_only=True)
class SampleOptions(RandomOptions, SeedOptions):
    """Draw architectures uniformly from all that meet a budget, or take the one that a rule of thumb gives."""

    EXAMPLE: ClassVar = "scaler sample tiny_vit_21m_224 --budget flops=60% -n 3"

    budget: str = option(help="A budget such as flops=1.3G,params=60%; see `scaler space --help`.", group=WHAT)
    out: Path | None = option(None, help="Folder to write the architectures to, each as a variant.", group=WHAT)
    n: int = option(1, help="Number of architectures.", group=WHAT, minimum=1, maximum=100_000, flag="-n")
    rule: str | None = option(
        None, help="The one architecture that a rule of thumb gives, instead of random draws.", group=WHAT, choices=rules
    )
    num_classes: int | None = option(None, help="Number of classes.", group=WHAT, minimum=1, maximum=MAX_CLASSES)
