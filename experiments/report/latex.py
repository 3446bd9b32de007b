"""The trained family as a LaTeX table, for papers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from experiments.report.page_data import Card, SeedLine
from scaler.files import write_text
from scaler.units import format_quantity


def write_table(cards: Sequence[Card], seed: SeedLine | None, path: Path) -> Path:
    """Write the seed and the cards as rows of a ``tabular`` with booktabs' rules, and return ``path``."""
    table = pd.DataFrame([*_seed_row(seed), *map(_row, cards)])
    styled = table.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    write_text(path, "% \\usepackage{booktabs}\n" + styled.to_latex(hrules=True, column_format="lrrrrr"))
    return path


def _row(card: Card) -> dict[str, str]:
    score = f"{card.top1.value:.2f} ({card.top1.low:.1f} to {card.top1.high:.1f})"
    gain = card.gain.estimate if card.gain else None
    return {
        "Budget": card.budget,
        "FLOPs": format_quantity(card.flops, 3),
        "Parameters": format_quantity(card.params, 3),
        "Top-1 (95 %)": score if card.is_trained else f"{score}, trial",
        "Over uniform scaling": f"{gain.value:+.2f} ({gain.low:+.1f} to {gain.high:+.1f})" if gain else "",
        "Of the seed (%)": f"{card.kept:.1f}" if card.kept is not None else "",
    }


def _seed_row(seed: SeedLine | None) -> Iterator[dict[str, str]]:
    if seed is not None:
        top1 = f"{seed.top1.value:.2f} ({seed.top1.low:.1f} to {seed.top1.high:.1f})" if seed.top1 else ""
        yield {
            "Budget": f"seed {seed.name}", "FLOPs": format_quantity(seed.flops, 3), "Parameters": format_quantity(seed.params, 3),
            "Top-1 (95 %)": top1, "Over uniform scaling": "", "Of the seed (%)": "",
        }  # fmt: skip
