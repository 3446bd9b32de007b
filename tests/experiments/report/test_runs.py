"""Runs together: their budgets are joined by bounds, not by text."""

from dataclasses import replace

from experiments.report.runs import Run, budget_of, frontier_info, named_apart
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


def test_models_of_equal_names_take_those_of_their_folders() -> None:
    def trained(path: str, name: str, role: str) -> Run:
        return fake_run(FrontierInfo(records=(replace(CHOSEN, name=name, role=role),)), name=path)

    search = fake_run(FrontierInfo(records=(replace(CHOSEN, name="1M", role="trial"),)), name="search")
    runs = [search, trained("t/1M", "1M", "chosen"), trained("t/baseline-1M", "1M", "baseline"), trained("t/2M", "2M", "chosen")]
    assert [run.records[0].name for run in named_apart(runs)] == ["1M", "1M", "baseline-1M", "2M"]
    alike = [trained("a/1M", "1M", "chosen"), trained("b/1M", "1M", "chosen")]
    assert [run.records[0].name for run in named_apart(alike)] == ["a/1M", "b/1M"]
    alone = [trained("t/other", "1M", "chosen")]
    assert [run.records[0].name for run in named_apart(alone)] == ["1M"]
