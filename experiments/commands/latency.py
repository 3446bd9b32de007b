"""`scaler latency`: measure one network, or learn what the networks of a space take."""

from typing import Any

from experiments.options.train import LatencyOptions
from experiments.search.latency import learn_around, time_model
from models.networks.model_spec import open_model_spec


def latency(options: LatencyOptions) -> dict[str, Any]:
    """Return a measured latency in milliseconds, or the latency model that was learned."""
    if options.learn:
        return learn_around(options.target, options.axes)
    return time_model(open_model_spec(options.target, resolution=options.resolution))
