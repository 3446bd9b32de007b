"""`scaler shrink`: from a trained seed to a smaller trained model.

Torch is loaded only once the request is known to be feasible, so that a request which cannot be met is refused at once.
"""

from typing import Any

from experiments.commands.feasible_sets import smaller_set
from experiments.data.datasets import peek_num_classes
from experiments.options.train import ShrinkOptions
from experiments.runtime.determinism import deterministic_algorithms
from scaler.errors import ScalerError


def shrink(options: ShrinkOptions) -> dict[str, Any]:
    """Choose a smaller architecture, cut it out of the seed's weights, tune it, and return what is kept in ``result.json``.

    Raises:
        InfeasibleError: if no architecture meets the budget; nothing is written then.
        ScalerError: if the seed meets the budget itself or has no weights, an input cannot be opened, or ``options.out`` holds
            something else.
    """
    tuning = ("teacher", "logits", "epochs", "train_images")
    given = [f"--{name.replace('_', '-')}" for name in tuning if getattr(options, name) is not None]
    if options.data is None and given:
        raise ScalerError(f"{given[0]} is for tuning, which takes images: give --data too")
    num_classes = None if options.data is None else peek_num_classes(options.data)
    is_known = options.data is None or num_classes is not None
    problem = smaller_set(options, num_classes) if is_known else None
    from experiments.commands.start_shrink import start_shrink  # loads torch

    with deterministic_algorithms(options.deterministic):
        return start_shrink(options, problem)
