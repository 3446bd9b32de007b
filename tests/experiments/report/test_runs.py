"""Runs together: their budgets are joined by bounds, not by text."""

from dataclasses import replace

from experiments.report.runs import Run, budget_of, frontier_info
from scaler.budget import Bound, Budget
from scaler.results.frontier import FrontierInfo
from scaler.results.ledger import Record
from tests.experiments.report.fake_ledger import SEED, fake_run

CHOSEN = replace(SEED, role="chosen", budget="flops=60%", name="a", flops=9_000_000)


def flops(most: float, text: str) -> Budget:
    return Budget((("flops", Bound(high=most)),), text)


def run(*budgets: Budget, records: tuple[Record, ...] = (CHOSEN,)) -> Run:
    return fake_run(FrontierInfo(records=records, budgets=budgets))


def test_equal_bounds_are_one_budget_and_equal_texts_may_be_two() -> None:
    same = run(flops(1e6, "flops=1M")), run(flops(1e6, "flops=1000k"))
    assert frontier_info(same).budgets == (flops(1e6, "flops=1M"),)
    other = run(flops(10e6, "flops=60%")), run(flops(20e6, "flops=60%"))
    assert len(frontier_info(other).budgets) == 2


def test_a_record_takes_the_budget_of_its_own_run() -> None:
    small, large = run(flops(10e6, "flops=60%")), run(flops(20e6, "flops=60%"))
    assert budget_of(CHOSEN, small, [small, large]) == flops(10e6, "flops=60%")
    assert budget_of(CHOSEN, large, [small, large]) == flops(20e6, "flops=60%")


def test_a_training_takes_the_budget_of_the_search_where_one_alone_can_be_meant() -> None:
    small, large, training = run(flops(10e6, "flops=60%")), run(flops(20e6, "flops=60%")), run()
    assert budget_of(CHOSEN, training, [small, training]) == flops(10e6, "flops=60%")
    assert budget_of(CHOSEN, training, [small, large, training]) is None
    above = replace(CHOSEN, flops=15_000_000)
    assert budget_of(above, training, [small, large, training]) == flops(20e6, "flops=60%")
    assert budget_of(above, training, [small, training]) == flops(10e6, "flops=60%"), "the only one, met or not"
    assert budget_of(SEED, training, [small, training]) is None
