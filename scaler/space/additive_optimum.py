"""The exact best architecture under a budget, for a score that is a sum over the space's segments, as cost is.

The two halves of a space (`scaler.space.meet_in_the_middle`) carry the score as a third sum. For the optimum, left rows are taken
in order of an upper bound on the score of their pairs, until no bound exceeds the best score so far. For the frontier (the best
for every amount of FLOPs), rows that another one dominates are dropped while the halves are listed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from scaler.arrays import Floats, Ints
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.pareto import pareto_set
from scaler.space.feasible_set import FeasibleSet
from scaler.space.meet_in_the_middle import Halves, find_ranges
from scaler.space.partial_architectures import Rows, unrank
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import SegmentTable, segment_tables
from scaler.space.wavelet_matrix import RangeMax

_PAIRS = 1 << 16  # pairs of rows that are scored at once


def score_shapes(space: SearchSpace) -> list[tuple[int, ...]]:
    """Return the shape of each segment's score table: one axis for each variable of `SearchSpace.read_by`."""
    return [tuple(len(space.variables[name]) for name in space.read_by(segment)) for segment in space.segments]


def exact_optimum(feasible: FeasibleSet, scores: Sequence[Floats]) -> tuple[Architecture, float]:
    """Return the architecture of ``feasible`` with the greatest score, and that score.

    Args:
        scores: for each segment of ``feasible.space`` its part of the score, by `score_shapes`.

    Raises:
        InfeasibleError: the set is empty; the message names the nearest architecture.
        ScalerError: ``scores`` do not have those shapes.
    """
    halves, (first, second) = Halves.of(feasible.space, _scored(feasible, scores)), feasible.bounds_on_costs
    left, right = halves.left, halves.right.take(halves.order)
    best_right_score = RangeMax(_score(right), halves.longest_range)
    best, best_pair = -np.inf, (-1, -1)
    for row, start, stop, *_ in find_ranges(halves, first, second):
        upper_bound = _score(left)[row] + best_right_score(start, stop)
        kept = np.flatnonzero(upper_bound > best)
        kept = kept[np.argsort(-upper_bound[kept])]
        row, upper_bound = row[kept], upper_bound[kept]
        for i, position in _pairs(start[kept], stop[kept]):
            if upper_bound[i[0]] <= best:
                break
            cost, score = left.params[row[i]] + right.params[position], _score(left)[row[i]] + _score(right)[position]
            score[(cost < second.low) | (cost > second.high)] = -np.inf
            at = int(score.argmax())
            if score[at] > best:
                best, best_pair = float(score[at]), (row[i[at]], position[at])
    if best == -np.inf:
        feasible.require()
    return _archs(feasible.space, left, right, *np.array([best_pair]).T)[0], best


def exact_frontier(feasible: FeasibleSet, scores: Sequence[Floats]) -> list[tuple[Architecture, float]]:
    """Return, by rising FLOPs, every architecture of ``feasible`` that scores more than all with no more FLOPs, and its score.

    Under a bound on latency, latency takes the place of FLOPs. Of architectures with equal FLOPs and score one is listed. The
    frontier of an empty set is empty.

    Args:
        scores: for each segment of ``feasible.space`` its part of the score, by `score_shapes`.

    Raises:
        ScalerError: the budget has a lower bound on cost, or ``scores`` do not have those shapes.
    """
    flops, params = feasible.bounds_on_costs
    if flops.low or params.low:
        raise ScalerError(f"a frontier takes upper bounds only, not {feasible.budget}: drop the lower ones")
    halves = Halves.of(feasible.space, _scored(feasible, scores), lambda rows: rows.take(undominated(rows)))
    left, right = halves.left, halves.right.take(halves.order)
    front = np.empty((4, 0))  # FLOPs, score, left row, right row; float64 holds such integers exactly
    for row, start, stop, *_ in find_ranges(halves, flops, params):
        for i, position in _pairs(start, stop):
            cost, score = left.flops[row[i]] + right.flops[position], _score(left)[row[i]] + _score(right)[position]
            to_beat = np.concatenate([[-np.inf], front[1]])[np.searchsorted(front[0], cost, side="right")]
            kept = (score > to_beat) & (left.params[row[i]] + right.params[position] <= params.high)
            front = _staircase(np.hstack([front, np.stack([cost, score, row[i], position])[:, kept]]))
    return list(zip(_archs(feasible.space, left, right, *front[2:].astype(np.int64)), front[1].tolist(), strict=True))


def undominated(rows: Rows) -> Ints:
    """Return the rows that no other of the same code dominates in FLOPs, parameters and score; of equal ones, one.

    In order of FLOPs, a row can be dominated by those before it only. Over blocks of 2, 4, 8, ... rows, the second half is
    compared with the first, in order of parameters, by a running maximum of scores. Dominated rows are dropped after each size.
    """
    order = np.lexsort((-_score(rows), rows.params, rows.flops, rows.code))
    code, params, score = rows.code[order], rows.params[order], _score(rows)[order]
    kept = np.lexsort((params, code))
    rank = _dense_rank(code, score)  # higher in later codes, so that no running maximum reaches from one code into the next
    for bit in range(len(order).bit_length()):
        place = kept[np.argsort(kept >> (bit + 1), kind="stable")]
        height = (place >> (bit + 1)) * len(order) + rank[place]
        is_later = (place >> bit) & 1 == 1
        is_dominated = np.zeros(len(order), np.bool_)
        is_dominated[place[is_later & (np.maximum.accumulate(np.where(is_later, -1, height)) >= height)]] = True
        kept = kept[~is_dominated[kept]]
    return order[np.sort(kept)]


def _scored(feasible: FeasibleSet, scores: Sequence[Floats]) -> list[SegmentTable]:
    """The space's segment tables, with their scores."""
    space = feasible.space
    given = [np.shape(score) for score in scores]
    if given != score_shapes(space):
        raise ScalerError(f"scores have shapes {given}: the segments of {space.name} need {score_shapes(space)}")
    tables = segment_tables(space, feasible.costs)
    free = [np.zeros(len(table.flops)) for table in tables[len(given) :]]  # variables that no segment reads
    return [replace(table, score=np.ravel(score)) for table, score in zip(tables, [*scores, *free], strict=True)]


def _pairs(start: Ints, stop: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield (i, position) for every position in [start[i], stop[i]), by rising i; both of shape (n,), some `_PAIRS` at a time."""
    length = stop - start
    ends = np.cumsum(length)
    at = 0
    while at < len(start):
        done = ends[at] - length[at]
        end = max(at + 1, int(np.searchsorted(ends, done + _PAIRS, side="right")))
        i = np.repeat(np.arange(at, end), length[at:end])
        yield i, np.arange(len(i)) + (start - (ends - length - done))[i]
        at = end


def _staircase(points: Floats) -> Floats:
    """The columns of ``points`` (FLOPs, score, ...) on the frontier, by rising FLOPs, equal ones once."""
    points = points[:, pareto_set(points[0], points[1])]
    return points[:, np.unique(points[0], return_index=True)[1]]


def _dense_rank(major: Ints, minor: Floats) -> Ints:
    """The rank of each (major, minor), equal ones alike; shape (n,)."""
    order = np.lexsort((minor, major))
    differs = (np.diff(major[order]) != 0) | (np.diff(minor[order]) != 0)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.concatenate([[0], np.cumsum(differs)])
    return rank


def _archs(space: SearchSpace, left: Rows, right: Rows, left_row: Ints, right_row: Ints) -> list[Architecture]:
    """The architectures of pairs of rows, each of which stands for one combination."""
    rank = np.zeros(len(left_row), np.int64)
    chosen = unrank(left, left_row, rank) | unrank(right, right_row, rank)
    return [space.arch(point) for point in np.stack([chosen[name] for name in space.variables], axis=1)]


def _score(rows: Rows) -> Floats:
    """The rows' scores; the row of no segments, which has none, scores 0."""
    return np.zeros(len(rows)) if rows.score is None else rows.score
