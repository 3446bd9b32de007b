"""`scaler elastic`: a seed whose members work as they are cut.

Torch is loaded only once the request is known to have members, so that a request which cannot be met is refused at once.
"""

from typing import Any

from experiments.commands.feasible_sets import member_plan
from experiments.data.datasets import peek_num_classes
from experiments.options.train import ElasticOptions


def elastic(options: ElasticOptions) -> dict[str, Any]:
    """Train a seed with its members into ``options.out``, and return what is kept in ``result.json``.

    Raises:
        ScalerError: if the seed has no weights or is of a family that gives none, no member has so few FLOPs, an input cannot be
            opened, or ``options.out`` holds something else.
    """
    num_classes = peek_num_classes(options.data)
    plan = None if num_classes is None else member_plan(options, num_classes)
    from experiments.commands.start_elastic import start_elastic  # loads torch

    return start_elastic(options, plan)
