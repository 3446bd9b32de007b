"""The process that `benchmarks.feasible` starts anew: count a space of 10^10 TinyViTs under a budget, then draw 1,000."""

import json

import numpy as np

from benchmarks.problem import AXES, SEED, budget
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space

feasible = FeasibleSet(open_space(SEED, axes=AXES), budget())
drawn = feasible.sample(1000, np.random.default_rng(0))
print(json.dumps({"space_size": feasible.space.size, "feasible": feasible.size, "drawn": len(drawn)}))
