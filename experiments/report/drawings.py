"""The architectures on a page, each listed once."""

import json
from collections.abc import Mapping
from typing import Any

from experiments.report.stages import Stage, stages_of


class Drawings:
    """Collects architectures and numbers them from 0 by their stages."""

    def __init__(self) -> None:
        self._index: dict[tuple[Stage, ...], int] = {}

    def add(self, arch: str | Mapping[str, Any]) -> int | None:
        """Return the number of an architecture, given as JSON or as an object; None if its stages are not known."""
        stages = stages_of(json.loads(arch) if isinstance(arch, str) else arch)
        return self._index.setdefault(stages, len(self._index)) if stages else None

    @property
    def stages(self) -> tuple[tuple[Stage, ...], ...]:
        return tuple(self._index)
