"""A trained model to distil from."""

from dataclasses import dataclass
from hashlib import sha256

from torch import nn

from experiments.data.input_format import InputFormat
from models.networks.model_spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained model to distil from.

    Attributes:
        network: in any mode; losses set it to evaluation.
        input_format: of the images that it expects.
        digest: of its weights file; "random" if it has none.
    """

    network: nn.Module
    input_format: InputFormat
    digest: str = "random"

    @classmethod
    def of(cls, spec: ModelSpec) -> "Teacher":
        """Return the model of ``spec``, built, as a teacher."""
        return cls(network=spec.build(), input_format=InputFormat.of(spec), digest=weights_digest(spec))


def weights_digest(spec: ModelSpec) -> str:
    """Return a digest of the weights file of ``spec``, or "random" if it has none."""
    return sha256(spec.weights.read_bytes()).hexdigest()[:16] if spec.weights else "random"
