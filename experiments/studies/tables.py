"""`python -m experiments.studies.tables`: the tables of docs/inheritance_results.md and docs/elastic.md, from docs/studies/."""

import json

from experiments.runtime.console import say
from experiments.studies import elastic, inheritance_rules, inherited_start, small_or_shrunk, torch_pruning
from experiments.studies.results import KEPT

STUDIES = (inheritance_rules, inherited_start, torch_pruning, small_or_shrunk, elastic)


def tables() -> dict[str, str]:
    """Return the tables in Markdown, by study, of those that are kept."""
    names = {study.__name__.rpartition(".")[2]: study for study in STUDIES}
    kept = {name: KEPT / f"{name}.json" for name in names}
    return {name: names[name].table(json.loads(path.read_text("utf-8"))) for name, path in kept.items() if path.exists()}


if __name__ == "__main__":
    for name, table in tables().items():
        say(name)
        print(table)
