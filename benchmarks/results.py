"""`python -m benchmarks.results`: the table of docs/benchmarks.md, from the JSON of runs that are kept beside this file."""

import json
from pathlib import Path

from benchmarks.measure import Figures

KEPT = Path(__file__).parent / "results"

# By benchmark: what a row says, and its figure, as formats over the figures of a run.
ROWS: dict[str, list[tuple[str, str]]] = {
    "cost": [
        ("costs that differ from fvcore's, of {checked:,} random draws ({families})", "{mismatches}"),
        ("architectures costed per second, in bulk, one core", "{bulk_per_s:.3g}"),
        ("one architecture alone", "{single_us:.1f} µs"),
        ("fvcore, network built / ours", "{speedup_vs_fvcore:,.0f}"),
        ("torch's FlopCounterMode / ours", "{speedup_vs_flop_counter_mode:,.0f}"),
        ("ptflops / ours", "{speedup_vs_ptflops:,.0f}"),
        ("calflops / ours", "{speedup_vs_calflops:,.0f}"),
    ],
    "feasible": [
        ("members of a space of {space_size:,} within 1 % of 1.27 GFLOPs and 5.4 M parameters", "{feasible:,}"),
        ("from a cold start: that count, exact, and the first 1,000 uniform draws", "{cold_s:.2f} s"),
        ("draws per second after that", "{draws_per_s:,.0f}"),
        ("draws that miss the budget", "{bad_draws}"),
        ("uniform over {uniform_cells:,} cells: p of the chi-square test", "{uniform_p:.2f}"),
        ("150,000 distinct members; rejection with fvcore, from its rate", "{distinct_150k_s:.1f} s; {rejection_150k_s:,.0f} s"),
        ("an empty set proved empty", "{empty_s:.3f} s"),
    ],
    "first_feasible": [
        ("first member within 1 % of 1.27 GFLOPs and 5.4 M parameters, counted again by fvcore", "{ours_s:.2f} s"),
        ("the same with Python's start and torch's import, which the ratios leave out", "{ours_with_imports_s:.1f} s"),
        ("Optuna's TPE with constraints and fvcore / ours", "{speedup_vs_tpe:.0f}"),
        ("uniform rejection with fvcore / ours", "{speedup_vs_rejection:.0f}"),
    ],
    "optimum": [
        ("best additive score under the budget: gap to the exact one", "{gap:.0e} in {ours_s:.2f} s"),
        ("pymoo's genetic algorithm after 1 s and 10 s", "{pymoo_gap_1s:.1%} and {pymoo_gap_10s:.1%}"),
        ("Optuna's TPE after 1 s and 10 s", "{optuna_gap_1s:.0%} and {optuna_gap_10s:.0%}"),
        ("the same over a space of {large_space_size:,}", "{large_ours_s:.2f} s"),
        (
            "exact frontier of score against FLOPs; hypervolume of pymoo and Optuna after 10 s",
            "{frontier_s:.2f} s; {pymoo_hypervolume_10s:.4f} and {optuna_hypervolume_10s:.4f} of it",
        ),
    ],
    "layerwise": [
        ("per-layer space of {space_size:.2g} points: exact count and optimum", "{ours_s:.3f} s"),
        ("a mixed-integer solver (CBC), optimum alone / ours", "{speedup_vs_mip:.1f}"),
    ],
    "store": [
        ("bytes of a stored view, K = 10 of 1,000 (original 44)", "{bytes_per_view_k10:.0f}"),
        ("bytes of a stored view, K = 100 of 21,841 (original 404)", "{bytes_per_view_k100:.0f}"),
        (
            "views per second, K = 10: written, in order, at random",
            "{write_per_s:,.0f}, {sequential_per_s:,.0f}, {random_per_s:,.0f}",
        ),
        (
            "the original's format, likewise",
            "{write_per_s_k10_original:,.0f}, {sequential_per_s_k10_original:,.0f}, {random_per_s_k10_original:,.0f}",
        ),
    ],
    "step": [
        ("a training step from stored logits / from labels alone", "{stored_over_plain:.3f}"),
        ("with the teacher online / from labels alone", "{online_over_plain:.2f}"),
    ],
    "shrink": [
        (
            "TinyViT-21M to 1.27 GFLOPs and 5.4 M parameters: choice, cut; miss of the FLOPs",
            "{tiny_vit_choice_s:.2f} s, {tiny_vit_cut_s:.2f} s; {tiny_vit_gap:.2%}",
        ),
        ("half of DeiT-S, likewise", "{deit_choice_s:.2f} s, {deit_cut_s:.2f} s; {deit_gap:.2%}"),
        ("half of Swin-T, likewise", "{swin_choice_s:.2f} s, {swin_cut_s:.2f} s; {swin_gap:.2%}"),
        (
            "the structure of the three, traced once for all cuts",
            "{tiny_vit_structure_s:.2f} s, {deit_structure_s:.2f} s, {swin_structure_s:.2f} s",
        ),
        (
            "of the three cuts, timm's building of the smaller network",
            "{tiny_vit_build_s:.2f} s, {deit_build_s:.2f} s, {swin_build_s:.2f} s",
        ),
        ("NVIDIA modelopt (FastNAS): TinyViT-21M", "{tiny_vit_modelopt}"),
        ("NVIDIA modelopt: half of DeiT-S; of Swin-T", "{deit_modelopt}; {swin_modelopt}"),
        ("Torch-Pruning (isomorphic, Taylor): TinyViT-21M", "{tiny_vit_torch_pruning}"),
        ("Torch-Pruning: half of DeiT-S; of Swin-T", "{deit_torch_pruning}; {swin_torch_pruning}"),
    ],
    "loop": [
        ("a training step of TinyViT-5M at 224 px / that of a bare PyTorch loop", "{ours_over_bare:.3f}"),
        ("the same / that of a loop as in timm's train.py", "{ours_over_timm:.3f}"),
        ("peak memory / the bare loop's, timm's", "{peak_memory_over_bare:.2f}, {peak_memory_over_timm:.2f}"),
    ],
}
COLUMNS = {
    "ours": "ours", "uniform": "uniform scaling", "random": "random", "tpe": "TPE", "contraction": "contraction",
    "ours_minus_uniform": "ours ahead of uniform scaling", "ours_minus_random": "ours ahead of random",
}  # fmt: skip


def table(day: str) -> str:
    """The runs of ``day`` as a table in Markdown."""
    lines = ["| `python -m benchmarks` | measured | figure |", "| --- | --- | --- |"]
    for name, rows in ROWS.items():
        path = KEPT / day / f"{name}.json"
        if path.exists():
            figures: Figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
            lines += [f"| `{name}` | {what.format(**figures)} | {figure.format(**figures)} |" for what, figure in rows]
    return "\n".join(lines)


def search_table(day: str) -> str:
    """The search study of ``day``: test top-1 in percent by budget and strategy, mean and 95 % interval over the seeds."""
    figures: Figures = json.loads((KEPT / day / "search.json").read_text(encoding="utf-8"))["figures"]
    lines = ["| budget | " + " | ".join(COLUMNS.values()) + " |", "| --- " * (len(COLUMNS) + 1) + "|"]
    for budget, scores in figures.items():
        if isinstance(scores, dict):
            lines.append(f"| `{budget}` | " + " | ".join(_interval(scores[name]) for name in COLUMNS) + " |")
    return "\n".join(lines)


def _interval(score: dict[str, float]) -> str:
    return f"{score['mean']:.1f} ({score['low']:.1f} to {score['high']:.1f})"


if __name__ == "__main__":
    day = max(folder.name for folder in KEPT.iterdir())
    print(table(day))
    print(search_table(day))
