"""A trained model to distil from."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from experiments.losses.distillation import Guide
from models.networks.model_spec import ModelSpec


@dataclass(frozen=True)
class Teacher:
    """A trained model to distil from."""

    spec: ModelSpec
    digest: str

    @classmethod
    def of(cls, spec: ModelSpec) -> "Teacher":
        return cls(spec, file_digest(spec.weights) or "random")

    def guide(self) -> Guide:
        spec = self.spec
        return Guide(model=spec.build(), resolution=spec.resolution, mean=spec.mean, std=spec.std)


def file_digest(path: Path | None) -> str | None:
    return sha256(path.read_bytes()).hexdigest()[:16] if path else None
