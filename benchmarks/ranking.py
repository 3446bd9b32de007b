"""Cheap scores of networks against the table of truth: `python -m benchmarks ranking`, from the files in docs/studies/truth.

`python -m benchmarks.ranking` prints the table of docs/ranking.md.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.calibrated import CALIBRATED, calibrated
from benchmarks.measure import Figures
from benchmarks.ranking_group import Group
from experiments.ranking.agreement import taus
from experiments.ranking.scores import read_scores
from experiments.ranking.truth import EQUAL, LONGER, RANGE, Settings, Training, TruthTable
from scaler.errors import ScalerError

KEPT = Path(__file__).parents[1] / "docs" / "studies" / "truth"
LOG_RANKS = "log_rank_mean"
_DRAWS, _QUICK_DRAWS = 5000, 500


def run(quick: bool) -> Figures:
    return compare(KEPT, _QUICK_DRAWS if quick else _DRAWS)


def compare(folder: Path, draws: int) -> Figures:
    """Return the figures of the trainings and of every score, among networks of equal FLOPs and, as ``range``, over the range."""
    table = TruthTable(folder)
    rows = table.trainings()
    groups = {name: _group(folder, table.settings, rows, name, draws) for name in (EQUAL, RANGE)}
    equal, whole = groups[EQUAL], groups[RANGE]
    if equal is None:
        raise ScalerError(
            f"{folder} holds the trainings of less than a third of its networks: run `python -m experiments.studies.truth` on"
        )
    figures: Figures = equal.summary()
    figures |= {name: equal.figures(order) for name, order in equal.orders.items()}
    if found := calibrated(equal):
        figures[CALIBRATED] = found
    if whole is not None:
        figures |= _of_range(equal, whole, figures)
    return figures | _longer(rows, equal)


def _of_range(equal: Group, whole: Group, figures: Figures) -> Figures:
    """Return the figures over the range, and those of the mean of log ranks: its members are the other group's best."""
    found: Figures = {"range": whole.summary()}
    for name, order in whole.orders.items():
        found[name] = figures.get(name, {}) | {"range": whole.figures(order)}
    if of_range := calibrated(whole):
        found[CALIBRATED] = figures.get(CALIBRATED, {}) | {"range": of_range}
    if members := [name for name in whole.best_cheap() if name in equal.orders]:
        others = [name for name in equal.best_cheap() if name in whole.orders]
        of_equal = equal.figures(equal.log_ranks(members)) | {"members": members}
        found[LOG_RANKS] = of_equal | {"range": whole.figures(whole.log_ranks(others)) | {"members": others}}
    return found


def _group(folder: Path, settings: Settings, rows: Sequence[Training], name: str, draws: int) -> Group | None:
    """Return the group ``name``, of an unfinished table the networks that have its repeats; None if it has no repeat.

    A repeat counts that a third of the networks have. Networks are drawn at random, so that the first ones are a fair sample.
    """
    by_key = {row.key: row for row in rows}
    had = {repeat: {net for net in range(settings.nets) if (name, net, repeat) in by_key} for repeat in range(settings.repeats)}
    repeats = [repeat for repeat, found in had.items() if 3 * len(found) >= settings.nets]
    if not repeats:
        return None
    nets = sorted(set.intersection(*(had[repeat] for repeat in repeats)))
    found = {(score.name, score.net): score.reading for score in read_scores(folder) if score.group == name}
    names = dict.fromkeys(score for score, _ in found)
    readings = {
        score: [found[score, net] for net in nets] for score in names if all((score, net) in found for net in nets)
    }  # fmt: skip
    return Group(
        settings=settings,
        rows=[[by_key[name, net, repeat] for net in nets] for repeat in repeats],
        readings=readings,
        draws=draws,
    )


def _longer(rows: Sequence[Training], equal: Group) -> Figures:
    """Return the order of networks that were trained longer, against their means."""
    longer = {row.net: row for row in rows if row.group == LONGER}
    if len(longer) < 2:
        return {}
    means, tops = equal.truth[list(longer)], np.array([row.test_top1 for row in longer.values()])
    tau = float(taus(means, tops, np.ones((1, len(longer))))[0])
    return {"longer": {"nets": list(longer), "tau": tau, "top1": means.round(2).tolist(), "longer_top1": tops.tolist()}}


def table(folder: Path = KEPT) -> str:
    """Return the figures of every score as a table in Markdown, the highest tau first."""
    figures = compare(folder, _DRAWS)
    scores = {name: found for name, found in figures.items() if isinstance(found, dict) and "tau" in found and "regret" in found}
    lines = [
        "| score | cost | tau | minus the ceiling | within a resolution | top tenth | regret | tau over the range |",
        "| --- " * 8 + "|",
    ]
    for name, found in sorted(scores.items(), key=lambda item: -item[1]["tau"][0]):
        cells = [
            f"`{name}`", f"{100 * found['cost_fraction']:.2g} %", _shown(found["tau"]), _shown(found.get("minus_ceiling", ())),
            _shown(found["within_resolution"]), f"{found['precision_top_tenth']:.2f}", f"{found['regret']:.2f}",
            _shown(found.get("range", {}).get("tau", ())),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(found: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*found) if found else ""


if __name__ == "__main__":
    print(table())
