"""The walk through ``docs/adding_a_family.md`` works as it is written there."""

import random
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import search_spaces
from models.zoo.families import FAMILIES, Family
from models.zoo.seeds import SEEDS
from scaler.budget import Bound, Budget
from scaler.space.feasible_set import FeasibleSet
from tests.models import conformance

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_family.md"


@pytest.fixture
def beit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page's code, each block as the module that it is headed by; the class of architectures."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for name in ("models.beit", "models.beit.arch", "search_spaces.beit"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    arch, space = sys.modules["models.beit.arch"], sys.modules["search_spaces.beit"]
    exec(compile(blocks[0], "models/beit/arch.py", "exec"), vars(arch))
    exec(compile(blocks[1], "search_spaces/beit.py", "exec"), vars(space))
    with patch.dict(FAMILIES), patch.dict(search_spaces.SPACES), patch.dict(SEEDS):
        registries = {"FAMILIES": FAMILIES, "SPACES": search_spaces.SPACES, "SEEDS": SEEDS}
        exec(blocks[2], registries | {"Family": Family, "BeitArch": arch.BeitArch, "space": space.space})
        yield arch.BeitArch


def some(kind: Any, rng: random.Random) -> Any:
    heads = rng.randint(1, 4)
    return kind(
        embed_dim=heads * rng.choice([4, 8, 16]),
        depth=rng.randint(2, 4),
        num_heads=heads,
        mlp_ratio=rng.choice([0.7, 2.3, 4.0]),
        patch_size=rng.choice([4, 7]),
        resolution=rng.randint(16, 40),
        num_classes=rng.randint(1, 20),
    )


@pytest.mark.slow
def test_the_example_passes_the_suite(beit: Any) -> None:
    rng = random.Random(0)
    for arch in (some(beit, rng) for _ in range(20)):
        conformance.costs_what_fvcore_counts(arch)
        conformance.survives_json_and_its_own_values(arch)
        conformance.remembers_its_segments(arch)
    conformance.is_a_network_as_timms_are(some(beit, rng))


def test_its_seed_has_a_space_and_an_exact_feasible_set(beit: Any) -> None:
    space = search_spaces.open_space("beit_base_patch16_224")
    budget = Budget((("flops", Bound(4e9, 5e9)), ("params", Bound(0, 30e6))))
    costs = [space.cost(space.arch(point)) for point in product(*map(range, map(len, space.variables.values())))]
    feasible = FeasibleSet(space, budget)
    assert 0 < feasible.size == sum(4e9 <= cost.flops <= 5e9 and cost.params <= 30e6 for cost in costs)
    assert all(isinstance(arch, beit) for arch in feasible.sample(10, np.random.default_rng(0)))
