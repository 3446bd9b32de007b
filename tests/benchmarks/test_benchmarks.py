"""The benchmarks' pieces at tiny sizes: every promised figure is there, and right where it can be known."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import feasible, first_feasible, layerwise, optimum, propose, results, step, store
from benchmarks.measure import cold, median_s, peer
from benchmarks.original_format import Original
from benchmarks.peers import Problem
from benchmarks.problem import AXES, SEED, SMALL_SEED, additive_scores, budget
from scaler.budget import Budget
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space


def installed(*packages: str) -> Any:
    missing = [package for package in packages if _is_missing(package)]
    return pytest.mark.skipif(bool(missing), reason=f"the dependency group `bench` brings {', '.join(missing)}")


def _is_missing(package: str) -> bool:
    try:
        peer(package, package)
    except ScalerError:
        return True
    return False


def test_a_peer_that_is_missing_is_one_line_with_the_way_out() -> None:
    with pytest.raises(ScalerError, match=r"no_such_peer cannot be imported .*`pip install --group bench`") as error:
        peer("no_such_peer", "no_such_peer")
    assert "\n" not in str(error.value)


def test_an_unknown_benchmark_ends_with_status_2_and_a_failed_process_with_its_last_line() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "coast"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("unknown benchmark 'coast': did you mean 'cost'?")
    done = subprocess.run([sys.executable, "-m", "benchmarks", "cost", "--train"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "--train: cost has no such mode; `python -m benchmarks search --train` has\n")
    with pytest.raises(ScalerError, match="No module named no_such_module"):
        cold("no_such_module")


@pytest.mark.slow
def test_proposals_are_timed_on_a_space_of_ten_to_the_ten() -> None:
    figures = propose.run(quick=True)
    assert figures["space_size"] > 10**10
    assert 0 < figures["surrogate_s"] < figures["law_s"]
    assert figures["surrogate_s"] < figures["surrogate_first_s"]


def test_json_is_one_document_with_the_promised_figures() -> None:
    pytest.importorskip("pulp")
    command = [sys.executable, "-m", "benchmarks", "layerwise", "--quick", "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert {"ours_s", "speedup_vs_mip"} <= report["figures"].keys()
    assert report["figures"]["space_size"] == 3 * (9**12 + 9**13 + 9**14)
    assert report["figures"]["gap_to_mip"] < 1e-6


def test_the_median_is_over_all_runs() -> None:
    runs: list[int] = []
    assert 0 < median_s(lambda: runs.append(sum(range(10_000))), 5) < 1
    assert len(runs) == 5


def test_the_axes_file_holds_ten_to_the_ten() -> None:
    assert open_space(SEED, axes=AXES).size >= 10**10


@installed("ptflops", "calflops")
def test_costs_are_compared_for_every_family() -> None:
    from benchmarks import cost

    figures = cost.compare(checked=1, peers=1, bulk=1000, repeats=1)
    assert figures["mismatches"] == 0
    assert figures["families"] == "tiny_vit, deit, swin, mini_deit, mini_swin, mini_tiny_vit"
    assert {"checked", "bulk_per_s", "single_us", "speedup_vs_fvcore", "speedup_vs_ptflops"} <= figures.keys()
    assert {"speedup_vs_flop_counter_mode", "speedup_vs_calflops"} <= figures.keys()
    assert figures["distinct"] <= figures["checked"] == 6


@installed("ptflops", "calflops")
def test_other_tools_differ_from_fvcore_by_as_much_as_the_page_says() -> None:
    """Their counts over fvcore's, where a multiply-add is one; calflops' second answer counts those."""
    from benchmarks.cost import _counters
    from models.zoo.families import build
    from models.zoo.seeds import SEEDS

    def shares(name: str) -> list[float]:
        arch = SEEDS[name]
        found = {tool: counter(build(arch).eval(), arch.resolution) for tool, counter in _counters().items()}
        counted = found["flop_counter_mode"] / 2, found["ptflops"][0], found["calflops"][1]
        return [float(flops) / cost_of(arch).flops for flops in counted]

    assert shares("tiny_vit_5m_224")[0] == pytest.approx(0.99, abs=0.005)
    assert shares("deit_tiny_patch16_224")[1:] == pytest.approx([1 - 0.27, 1 - 0.15], abs=0.005)
    assert shares("mini_deit_tiny_patch16_224")[1:] == pytest.approx([1.65, 1.65], abs=0.01)


def test_draws_of_a_feasible_set_are_counted_right() -> None:
    space = open_space(SEED)
    members = FeasibleSet(space, budget())
    assert feasible.drawing(members, n=1000, repeats=1)["bad_draws"] == 0
    outside = FeasibleSet(space, Budget()).points(np.arange(1000))
    expected = sum(space.arch(point) in members for point in outside)
    assert feasible._admitted(members, outside) == expected < 1000
    assert len(set(feasible.distinct(members, 500))) == 500
    figures = feasible.rejection(members, timed=1) | feasible.bands(space, repeats=1)
    assert {"rejection_150k_s", "band_1pct_s", "empty_s"} <= figures.keys()


def test_uniformity_is_judged_over_every_cell_of_a_set_that_brute_force_confirms() -> None:
    figures = feasible.uniformity(open_space(SMALL_SEED), n=50_000)
    assert figures["brute_force_difference"] == 0
    assert 1e-3 < float(figures["uniform_p"]) <= 1


@pytest.mark.slow
def test_a_first_feasible_architecture_in_a_new_process() -> None:
    took, printed = cold("benchmarks.cold_first", "ours", "0", "1")
    assert 0 < json.loads(printed)["s"] < took
    assert first_feasible._timed("rejection", 1, 1.0)[1][0]["trials"] == 5


@installed("pymoo.optimize")
def test_optimisers_are_compared_with_the_exact_optimum() -> None:
    figures = optimum.compare(open_space(SEED), times=(0.2, 0.4), seeds=[0], repeats=1)
    assert {"gap", "ours_s", "best_peer_gap", "frontier_s", "pymoo_gap_0.4s", "optuna_gap_0.2s"} <= figures.keys()
    assert abs(float(figures["gap"])) < 1e-12
    assert 0 <= float(figures["best_peer_gap"]) <= float(figures["optuna_gap_0.4s"]) <= float(figures["optuna_gap_0.2s"])
    assert 0 < float(figures["pymoo_hypervolume_0.4s"]) <= 1 + 1e-12


def test_the_area_under_a_staircase() -> None:
    top = optimum.TARGET_FLOPS
    assert optimum.area([top - 10, top - 30, top - 20], [3.0, 1.0, 0.5]) == 1.0 * 20 + 3.0 * 10


def test_a_problem_traces_what_is_feasible_alone() -> None:
    space = open_space(SEED)
    problem = Problem(space, additive_scores(space, np.random.default_rng(0)), budget())
    points = np.vstack([FeasibleSet(space, budget()).points(np.arange(3)), np.zeros((1, len(space.variables)), np.int64)])
    flops, score, violations = problem.evaluate(points)
    assert (violations <= 0).all(axis=1).tolist() == [True, True, True, False]
    assert flops.tolist() == [cost_of(space.arch(point)).flops for point in points]
    assert [entry[1:] for entry in problem.trace] == list(zip(flops[:3], score[:3], strict=True))
    assert problem.best_by(1e9) == score[:3].max()
    assert problem.best_by(-1) == 0


def test_a_layer_that_does_not_exist_costs_nothing_and_is_counted_once() -> None:
    space = layerwise.space(layers=14)
    short = space.arch_of({"embed_dim": 320, "depth": 12})
    longer = space.arch_of({"embed_dim": 320, "depth": 13})
    layer = [part.total for part in space.segments[1].parts(320, 12, 3.0, 5)]
    added = tuple(sum(column) for column in zip(*layer, strict=True))
    assert (cost_of(longer).flops - cost_of(short).flops, cost_of(longer).params - cost_of(short).params) == added
    assert FeasibleSet(space, Budget()).size == 3 * (9**12 + 9**13 + 9**14)


@installed("pulp")
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.filterwarnings("ignore:PULP_CBC_CMD is deprecated")
def test_the_solvers_optimum_is_that_of_brute_force(layers: int) -> None:
    space = layerwise.space(layers)
    scores = additive_scores(space, np.random.default_rng(1))
    points = np.array(list(product(*(range(len(choices)) for choices in space.variables.values()))))
    _, score, violations = Problem(space, scores, layerwise.budget()).evaluate(points)
    expected = score[(violations <= 0).all(axis=1)].max()
    assert layerwise.solve(peer("pulp", "pulp"), space, scores, layerwise.budget()) == pytest.approx(expected)


def test_stores_are_compared_with_the_originals_format() -> None:
    figures = store.compare(10, 1000, shards=1, repeats=1) | store.opening(epochs=1)
    assert float(figures["bytes_per_view_k10"]) <= 0.6 * 44 < float(figures["bytes_per_view_k10_fp16"]) <= 48
    assert {"write_per_s_k10", "sequential_per_s_k10", "random_per_s_k10_original", "opened_90_epochs_s"} <= figures.keys()
    assert figures["opened_files"] == 867


def test_the_originals_format_gives_back_what_was_written(tmp_path: Path) -> None:
    classes, values = np.arange(12).reshape(4, 3), np.linspace(0, 1, 12).reshape(4, 3)
    original = Original(tmp_path / "original", 3)
    original.write([(classes, values), (classes + 100, values)])
    original.open()
    assert original.values.stat().st_size == 8 * (4 + 4 * 3)
    found, probabilities = original.read(np.array([6, 1]))
    assert found.tolist() == [[106, 107, 108], [3, 4, 5]]
    assert np.allclose(probabilities, values[[2, 1]], atol=1e-3)


def test_steps_of_each_kind_are_timed() -> None:
    figures = step.compare(topk=3, classes=10, batch=4, rounds=1, student="tiny_vit_1m_32", teacher="tiny_vit_1m_32")
    assert {"stored_over_plain", "online_over_plain"} <= figures.keys()
    assert all(float(value) > 0 for value in figures.values())


def test_the_page_has_the_figures_of_the_runs_that_are_kept() -> None:
    days = sorted(folder.name for folder in results.KEPT.iterdir())
    page = (results.KEPT.parents[1] / "docs" / "benchmarks.md").read_text()
    assert results.table(days[-1]) in page
    assert results.search_table(days[-1]) in page
    assert days[-1] in page
    kept = {path.stem: json.loads(path.read_text()) for path in (results.KEPT / days[-1]).glob("*.json")}
    assert results.ROWS.keys() <= kept.keys()
    assert all(run["benchmark"] == name and not run["quick"] for name, run in kept.items() if name in results.ROWS)


@pytest.mark.slow
def test_a_cut_is_chosen_and_timed_and_peers_that_fail_say_so() -> None:
    pytest.importorskip("torch_pruning")
    from benchmarks import shrink

    figures = shrink.ours({"deit": shrink.TASKS["deit"]}, repeats=1)
    assert {"deit_s", "deit_structure_s", "deit_build_s", "worst_gap"} <= figures.keys()
    assert figures["deit_s"] == figures["deit_choice_s"] + figures["deit_cut_s"] > figures["deit_build_s"] > 0
    assert figures["worst_gap"] == figures["deit_gap"] < 0.01

    def fails(*_: Any) -> Any:
        raise IndexError("index 160 is out of bounds\nand more")

    found = shrink.peers(["deit"], {"whole": lambda network, *_: network, "broken": fails})
    assert found["deit_broken"] == "IndexError: index 160 is out of bounds"
    assert found["deit_whole_gap"] == pytest.approx(1, abs=1e-6)
    assert found["deit_whole"].endswith("+100.0% FLOPs")


def test_starts_are_compared_by_family_part_and_length() -> None:
    from benchmarks.inherit import by_family

    interval = {"mean": 70.0, "low": 69.0, "high": 71.0}
    rows = [{"family": "deit", "part": "1/2", "epochs": e, "inherited": interval, "random": interval} for e in (1, 2)]
    figures = by_family(rows)
    assert figures.keys() == {"deit 1/2"}
    assert list(figures["deit 1/2"]) == [f"{e} epochs, {start}" for e in (1, 2) for start in ("inherited", "random")]


def test_loops_are_compared_on_the_same_network(tmp_path: Path) -> None:
    """Each trains the same network: after some steps its weights have moved."""
    from benchmarks.loop import KINDS, seeded, training_loop

    for kind in KINDS:
        model, spec = seeded("tiny_vit_1m_32")
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        training_loop(kind, model, spec, 4, tmp_path / kind)(2)
        moved = [not torch.equal(before[name], parameter.cpu()) for name, parameter in model.named_parameters()]
        assert sum(moved) > 0.9 * len(moved), kind
