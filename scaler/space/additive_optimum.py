"""The best architecture under a budget, exactly, where its score is a sum over the space's segments as its cost is.

The two halves of a space (`scaler.space.meet_in_the_middle`) carry the score as a third sum. For the optimum under any budget,
left rows are taken in order of the most that they could reach, until none can beat what has been found. For the frontier (the
best for every amount of FLOPs), rows that another one beats in everything are left out while the halves are made.
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

_PAIRS = 1 << 16  # so many pairs of rows are looked at in one go


def score_shapes(space: SearchSpace) -> list[tuple[int, ...]]:
    """The shape of each segment's score table: one axis for each variable that decides it, as `SearchSpace.read_by` lists."""
    return [tuple(len(space.variables[name]) for name in space.read_by(segment)) for segment in space.segments]


def exact_optimum(feasible: FeasibleSet, scores: Sequence[Floats]) -> tuple[Architecture, float]:
    """The architecture of ``feasible`` whose score is greatest, and that score.

    Args:
        scores: for each segment of ``feasible.space`` what it adds to the score, by `score_shapes`.

    Raises:
        InfeasibleError: the set is empty; the message names the nearest architecture.
        ScalerError: ``scores`` do not have those shapes.
    """
    halves, (first, second) = Halves.of(feasible.space, _scored(feasible, scores)), feasible.bounds_on_costs
    left, right = halves.left, halves.right.only(halves.order)
    greatest = RangeMax(_score(right), halves.longest)
    top, pair = -np.inf, (-1, -1)
    for row, start, stop, *_ in find_ranges(halves, first, second):
        reach = _score(left)[row] + greatest(start, stop)
        hopeful = np.flatnonzero(reach > top)
        hopeful = hopeful[np.argsort(-reach[hopeful])]
        row, reach = row[hopeful], reach[hopeful]
        for i, position in _pairs(start[hopeful], stop[hopeful]):
            if reach[i[0]] <= top:
                break
            cost, score = left.params[row[i]] + right.params[position], _score(left)[row[i]] + _score(right)[position]
            score[(cost < second.low) | (cost > second.high)] = -np.inf
            at = int(score.argmax())
            if score[at] > top:
                top, pair = float(score[at]), (row[i[at]], position[at])
    if top == -np.inf:
        feasible.require()
    return _archs(feasible.space, left, right, *np.array([pair]).T)[0], top


def exact_frontier(feasible: FeasibleSet, scores: Sequence[Floats]) -> list[tuple[Architecture, float]]:
    """By rising FLOPs, every architecture of ``feasible`` that scores more than all with no more FLOPs, and its score.

    Under a bound on latency, latency is in the place of FLOPs. Of architectures with equal FLOPs and score one is listed. An
    empty set has no frontier.

    Args:
        scores: for each segment of ``feasible.space`` what it adds to the score, by `score_shapes`.

    Raises:
        ScalerError: the budget has a lower bound on cost, or ``scores`` do not have those shapes.
    """
    flops, params = feasible.bounds_on_costs
    if flops.low or params.low:
        raise ScalerError(f"a frontier takes upper bounds only, not {feasible.budget}: drop the lower ones")
    halves = Halves.of(feasible.space, _scored(feasible, scores), lambda rows: rows.only(undominated(rows)))
    left, right = halves.left, halves.right.only(halves.order)
    front = np.empty((4, 0))  # FLOPs, score, left row, right row; float64 holds such integers exactly
    for row, start, stop, *_ in find_ranges(halves, flops, params):
        for i, position in _pairs(start, stop):
            cost, score = left.flops[row[i]] + right.flops[position], _score(left)[row[i]] + _score(right)[position]
            to_beat = np.concatenate([[-np.inf], front[1]])[np.searchsorted(front[0], cost, side="right")]
            good = (score > to_beat) & (left.params[row[i]] + right.params[position] <= params.high)
            front = _staircase(np.hstack([front, np.stack([cost, score, row[i], position])[:, good]]))
    return list(zip(_archs(feasible.space, left, right, *front[2:].astype(np.int64)), front[1].tolist(), strict=True))


def undominated(rows: Rows) -> Ints:
    """The rows for which no other of the same code has no more FLOPs, no more parameters and no lower score; of equals, one.

    In order of FLOPs, a row is compared with those before it only: over blocks of 2, 4, 8, ... the second half with the first,
    in order of parameters, by a running maximum of scores. Rows drop out as soon as they are beaten.
    """
    order = np.lexsort((-_score(rows), rows.params, rows.flops, rows.code))
    code, params, score = rows.code[order], rows.params[order], _score(rows)[order]
    kept = np.lexsort((params, code))
    rank = _dense_rank(code, score)  # higher in later codes, so that no running maximum reaches from one code into the next
    for bit in range(len(order).bit_length()):
        place = kept[np.argsort(kept >> (bit + 1), kind="stable")]
        height = (place >> (bit + 1)) * len(order) + rank[place]
        is_later = (place >> bit) & 1 == 1
        is_beaten = is_later & (np.maximum.accumulate(np.where(is_later, -1, height)) >= height)
        beaten = np.zeros(len(order), np.bool_)
        beaten[place[is_beaten]] = True
        kept = kept[~beaten[kept]]
    return order[np.sort(kept)]


def _scored(feasible: FeasibleSet, scores: Sequence[Floats]) -> list[SegmentTable]:
    space = feasible.space
    given = [np.shape(score) for score in scores]
    if given != score_shapes(space):
        raise ScalerError(f"scores have shapes {given}: the segments of {space.name} need {score_shapes(space)}")
    tables = segment_tables(space, feasible.costs)
    free = [np.zeros(len(table.flops)) for table in tables[len(given) :]]  # variables that no segment reads
    return [replace(table, score=np.ravel(score)) for table, score in zip(tables, [*scores, *free], strict=True)]


def _pairs(start: Ints, stop: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Every (i, position in [start[i], stop[i])), by rising i: both of shape (pairs,), some `_PAIRS` at a time."""
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
    """The columns of ``points`` (FLOPs, score, ...) that are on the frontier, by rising FLOPs, equal ones once."""
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
    way = np.zeros(len(left_row), np.int64)
    digits = unrank(left, left_row, way) | unrank(right, right_row, way)
    return [space.arch(point) for point in np.stack([digits[name] for name in space.variables], axis=1)]


def _score(rows: Rows) -> Floats:
    """The rows' scores; the one row of no segments, which carries none, scores nothing."""
    return np.zeros(len(rows)) if rows.score is None else rows.score
