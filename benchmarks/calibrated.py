"""Calibrated scores against the table of truth: a cheap score of every network, corrected by full trainings of a few.

The networks that teach are left out where the order is judged. Which networks teach depends on those at hand, so that the figures
are means over draws: each lets the calibration choose among seven tenths of the networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.measure import Figures
from benchmarks.ranking_group import Group
from experiments.ranking.agreement import Floats, interval, precision, regret, taus, taus_with_others
from scaler.arrays import Ints
from scaler.results.calibration import CheapScores, calibrate, spread_out

CHEAP, CALIBRATED = "inherited_42_top1", "calibrated_inherited_42"
_TAUGHT, _TEACHINGS, _SHARE = 8, 20, 0.7


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """One draw: the calibrated score of every network, and the networks that did not teach."""

    values: Floats
    others: Ints


def calibrated(group: Group) -> Figures:
    """Return the figures of `CHEAP` with `_TAUGHT` full trainings; empty if the group has no such score or too few networks."""
    if CHEAP not in group.readings or len(group.truth) < 3 * _TAUGHT:
        return {}
    order = group.orders[CHEAP]
    teachings = list(_teachings(group, order.values[0]))
    tau = _mean(group, teachings, group.truth, None)
    cheap = [Teaching(values=order.values[0], others=one.others) for one in teachings]
    taught = len(teachings[0].values) - len(teachings[0].others)
    return {
        "tau": interval(tau),
        "within_resolution": interval(_mean(group, teachings, group.truth, group.resolutions)),
        f"minus_{CHEAP}": interval(tau - _mean(group, cheap, group.truth, None)),
        **({"minus_ceiling": interval(_ahead_of_ceiling(group, teachings))} if group.has_ceiling else {}),
        "precision_top_tenth": float(np.mean([_precision(group, one) for one in teachings])),
        "regret": float(np.mean([regret(one.values[one.others], group.truth[one.others]) for one in teachings])),
        "cost_fraction": order.flops + taught / len(group.truth),
        "seconds_fraction": order.seconds + taught / len(group.truth),
        "taught": taught,
    }


def _teachings(group: Group, scores: Floats) -> Iterator[Teaching]:
    rng, number = np.random.default_rng(0), len(scores)
    axes = np.log([[row.params, row.flops, sum(row.arch["depths"])] for row in group.rows[0]])
    noise = float(np.mean([reading.uncertainty for reading in group.readings[CHEAP]]))

    def cheap(nets: Ints) -> CheapScores:
        return CheapScores(scores=scores[nets], noise=noise, groups=group.resolutions[nets], axes=axes[nets])

    for _ in range(_TEACHINGS):
        some = np.sort(rng.choice(number, round(_SHARE * number), replace=False))
        taught = some[spread_out(cheap(some), _TAUGHT)]
        posterior = calibrate(cheap(np.arange(number)), {int(net): [group.tops[0, net]] for net in taught})
        yield Teaching(values=posterior.mean, others=np.setdiff1d(np.arange(number), taught))


def _mean(group: Group, teachings: list[Teaching], truth: Floats, groups: Ints | None) -> Floats:
    """Return tau among the networks that did not teach, for every draw of networks; the mean over the teachings."""
    return np.mean([taus(one.values, truth, _without_taught(group, one), groups) for one in teachings], axis=0)


def _ahead_of_ceiling(group: Group, teachings: list[Teaching]) -> Floats:
    found = []
    for one in teachings:
        weights, values = _without_taught(group, one), np.tile(one.values, (len(group.tops), 1))
        found.append(taus_with_others(values, group.tops, weights) - taus_with_others(group.tops, group.tops, weights))
    return np.mean(found, axis=0)


def _without_taught(group: Group, one: Teaching) -> Floats:
    return group.weights * np.isin(np.arange(len(one.values)), one.others)


def _precision(group: Group, one: Teaching) -> float:
    return precision(one.values[one.others], group.truth[one.others], max(1, len(one.others) // 10))
