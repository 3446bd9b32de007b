"""The architecture under a budget that keeps most of a trained seed's importance."""

from models.common.architecture import VisionTransformer
from models.inheritance.importance import retained_importance
from models.inheritance.prepared_seed import PreparedSeed
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.space.additive_optimum import exact_optimum
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace

_FREE = ("resolution", "window", "share")  # axes along which weights fit any value, by the beginning of their names
_WHOLE = "head_dim"  # narrower heads would be more of them


def choose(feasible: FeasibleSet, seed: PreparedSeed) -> tuple[Architecture, float]:
    """Return the architecture of ``feasible`` that keeps most importance of ``seed``, and its score.

    It is the exact optimum over the whole set (`models.inheritance.importance`).

    Raises:
        InfeasibleError: the set is empty; the message names the nearest architecture.
        ScalerError: weights of the seed do not fit all architectures of the space.
    """
    check_space(feasible.space, seed.arch)
    return exact_optimum(feasible, retained_importance(feasible.space, seed))


def check_space(space: SearchSpace, seed: VisionTransformer) -> None:
    """Refuse a space that has architectures which cannot take their weights from ``seed``.

    Raises:
        ScalerError: with the first axis and choice at fault.
    """
    own = seed.values()
    for axis, choices in space.variables.items():
        named = {name: value for name, value in own.items() if name == axis or name.partition("[")[0] == axis}
        for choice in () if axis.startswith(_FREE) else choices:
            beyond = [f"{name} = {value}" for name, value in named.items() if _exceeds(axis, choice, value)]
            if beyond:
                raise ScalerError(
                    f"axis {axis} offers {choice} and the seed has {beyond[0]}: weights are only cut, and heads are kept whole"
                )


def _exceeds(axis: str, choice: float, own: float) -> bool:
    return choice != own if axis.startswith(_WHOLE) else choice > own
