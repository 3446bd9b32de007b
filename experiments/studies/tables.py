"""`python -m experiments.studies.tables`: the tables of the pages of results, from the results kept in docs/studies/."""

import json

from experiments.runtime.console import say
from experiments.studies import (
    elastic,
    families,
    inheritance_rules,
    inherited_start,
    published_scale,
    small_or_shrunk,
    torch_pruning,
)
from experiments.studies.results import KEPT

STUDIES = (inheritance_rules, inherited_start, torch_pruning, small_or_shrunk, elastic)


def tables() -> dict[str, str]:
    """Return the tables in Markdown, by study, of those that are kept."""
    names = {study.__name__.rpartition(".")[2]: study for study in STUDIES}
    kept = {name: KEPT / f"{name}.json" for name in names}
    return {name: names[name].table(json.loads(path.read_text("utf-8"))) for name, path in kept.items() if path.exists()}


def tables_of_results() -> dict[str, list[str]]:
    """Return the tables of docs/results.md in Markdown, by study, of those that are kept."""
    makers = {
        "families": (families.table, families.parts_table),
        "published_scale": (published_scale.table, published_scale.latency_table),
    }
    kept = {name: KEPT / f"{name}.json" for name in makers}
    found = {name: json.loads(path.read_text("utf-8")) for name, path in kept.items() if path.exists()}
    return {name: [make(results) for make in makers[name]] for name, results in found.items()}


if __name__ == "__main__":
    for name, table in tables().items():
        say(name)
        print(table)
    for name, found in tables_of_results().items():
        say(name)
        print("\n\n".join(found))
