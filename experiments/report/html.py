"""The report of one or more searches: one HTML file that needs no other file, no network and no script."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import inf
from pathlib import Path
from typing import Any

from experiments.report.figure import data_name, kind_of_score
from experiments.report.reasons import reasons
from scaler.budget import Budget
from scaler.files import write_text
from scaler.results.frontier import PLOTTED_COSTS, TRIALS, FrontierInfo
from scaler.results.intervals import wilson
from scaler.results.ledger import Record
from scaler.units import format_quantity

_COST = {"flops": "FLOPs", "params": "parameters"}
_START = {"random": "random initialisation"}
# How people call the arguments of timm's constructors; others are shown as they are written, with spaces.
_WORDS = {
    "embed_dims": "widths", "embed_dim": "width", "num_heads": "heads", "window_sizes": "windows", "window_size": "window",
    "mlp_ratio": "MLP ratio", "mbconv_expand_ratio": "MBConv ratio", "num_classes": "classes", "in_chans": "input channels",
}  # fmt: skip

_STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --soft: #5c5c5c; --line: #dcdcdc; --page: #ffffff; --card: #f6f7f8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #ececec; --soft: #a8a8a8; --line: #3a3d41; --page: #16181a; --card: #1f2225; }
}
body { color: var(--text); background: var(--page); font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem; } h2 { font-size: 1.2rem; margin-top: 2.4rem; }
p, small, figcaption { max-width: 46rem; } small, figcaption, .soft { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; } figure > div { background: #ffffff; border-radius: 8px; padding: .5rem; }
figure svg { width: 100%; height: auto; display: block; }
details > summary { cursor: pointer; margin: .5rem 0; } code { background: var(--card); padding: .1rem .3rem; }
"""


def write_report(
    info: FrontierInfo,
    requests: Mapping[str, Mapping[str, Any]],
    figures: Sequence[Path],
    out_dir: Path,
    results: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write ``report.html``.

    Args:
        requests: for each run's name what was asked of it, as its ``run.json`` holds it.
        figures: as `experiments.report.figure.draw_figures` returns them; the SVG ones become part of the page.
        results: what searches said of their choices, as their ``result.json`` holds it.
    """
    path = out_dir / "report.html"
    drawings = [file.read_text(encoding="utf-8") for file in figures if file.suffix == ".svg"]
    write_text(path, page(info, requests, drawings, results))
    return path


def page(
    info: FrontierInfo,
    requests: Mapping[str, Mapping[str, Any]],
    drawings: Sequence[str],
    results: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole HTML document; ``drawings`` are SVG documents, one for each of `PLOTTED_COSTS`."""
    title = f"Accuracy under compute budgets on {data_name(info)}"
    sections = (
        _section("What was asked", _asked(requests)) if any(requests.values()) else "",
        _section("Best under each budget", _picked(info)),
        _section("Frontier", "".join(_figure(svg, cost) for svg, cost in zip(drawings, PLOTTED_COSTS, strict=True))),
        _section("Why these", "".join(reasons(result) for result in results)) if results else "",
        _section("How the scores were made", _scores(info)),
        _section("Front of the trials", "".join(_front(info, cost) for cost in PLOTTED_COSTS)) if info.of(TRIALS) else "",
        _section("All trials", _trials(info)) if info.of(TRIALS) else "",
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n<p>{escape(_summary(info))}</p>\n"
        f"{''.join(sections)}</body>\n</html>\n"
    )


def words(arch: str) -> str:
    """An architecture's JSON in words: "widths 32, 64, 96; depths 1, 2, 1; resolution 32"."""
    return "; ".join(f"{_WORDS.get(key, key.replace('_', ' '))} {_plain(value)}" for key, value in json.loads(arch).items())


def budget_use(budget: Budget | None, record: Record) -> str:
    """How much of a budget's upper bounds a model uses: "98.2 % of the FLOPs"; empty if there are none."""
    limits = {cost: budget[cost].high for cost in PLOTTED_COSTS if budget[cost].high < inf} if budget else {}
    return ", ".join(f"{100 * getattr(record, cost) / limit:.1f} % of the {_COST[cost]}" for cost, limit in limits.items())


def _summary(info: FrontierInfo) -> str:
    counts = Counter(record.role for record in info.records)
    kinds = (("trial", "trial of the search"), ("chosen", "chosen variant trained in full"), ("seed", "seed"))
    found = [f"{counts[role]} {text if counts[role] == 1 else _plural(text)}" for role, text in kinds if counts[role]]
    budgets = f" under {len(info.budgets)} budget{'s' * (len(info.budgets) != 1)}" if info.budgets else ""
    return f"{', '.join(found)}{budgets}."


def _plural(text: str) -> str:
    """The first noun's plural: "trials of the search", "chosen variants trained in full"."""
    return re.sub(r"\b(trial|variant|seed)\b", r"\1s", text, count=1)


def _asked(requests: Mapping[str, Mapping[str, Any]]) -> str:
    """Everything that was given, one column for each run; what the budgets came to is in the other tables."""
    given = [
        {key: value for key, value in asked.items() if key != "bounds" and value not in (None, {}, [])}
        for asked in requests.values()
    ]
    keys = dict.fromkeys(key for asked in given for key in asked)
    rows = [(key.replace("_", " "), *(escape(_plain(asked.get(key, ""))) for asked in given)) for key in keys]
    return _table(["", *(escape(name) for name in requests)], rows)


def _picked(info: FrontierInfo) -> str:
    """The chosen variants, the best trial of each budget for which nothing was trained in full yet, and the seed."""
    budgets = {budget.text: budget for budget in info.budgets}
    trained = [(r.budget, r) for r in info.of(("chosen",))]
    waiting = budgets.keys() - {text for text, _ in trained}
    picked = trained + [(text, r) for text, r in _leaders(info) if text in waiting] + [("seed", r) for r in info.of(("seed",))]
    head = ["budget", "model and architecture", "#FLOPs", "#parameters", "#top-1 (95 % interval)", "score", "budget used"]
    rows = [
        (
            escape(text), f"<b>{escape(r.name)}</b><br><small>{escape(words(r.arch))}</small>",
            *_costs(r), _accuracy(r), escape(kind_of_score([r])), escape(budget_use(budgets.get(text), r)),
        )
        for text, r in picked
    ]  # fmt: skip
    return _table(head, rows)


def _leaders(info: FrontierInfo) -> list[tuple[str, Record]]:
    """For each budget the best of all trials that meet it, whichever budget they were drawn for."""
    fitting = {b.text: [r for r in info.of(TRIALS) if b.admits(r.quantities)] for b in info.budgets}
    return [(text, max(trials, key=lambda r: (r.top1, -r.loss))) for text, trials in fitting.items() if trials]


def _figure(svg: str, cost: str) -> str:
    """An SVG document as a part of the page: without its prologue, and with a name for those who listen to the page."""
    drawing = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="Accuracy against {_COST[cost]}"', 1)
    source = "Drawn from the runs' ledgers; every point is a row of <code>frontier.csv</code>."
    return f"<figure><div>{drawing}</div><figcaption>Accuracy against {_COST[cost]}. {source}</figcaption></figure>\n"


def _front(info: FrontierInfo, cost: str) -> str:
    rows = [(*_costs(r), _accuracy(r), escape(r.name), escape(r.budget)) for r in info.front(cost, TRIALS)]
    head = ["#FLOPs", "#parameters", "#top-1 (95 % interval)", "trial", "drawn for"]
    rule = f"Over {_COST[cost]}: no other trial is as accurate for less, nor more accurate at the same cost."
    return f"<p>{rule}</p>{_table(head, rows)}"


def _scores(info: FrontierInfo) -> str:
    """What stands behind the accuracies: one row for each way in which scores were made."""
    ways = Counter((r.role, r.split, r.images, r.epochs, r.recipe, _START.get(r.start, r.start)) for r in info.records)
    head = ["models", "role", "split", "#images", "#epochs", "recipe", "start of the weights"]
    rows = [
        (str(n), escape(role), escape(split), f"{images:,}", f"{epochs:.3g}", escape(recipe), escape(start))
        for (role, split, images, epochs, recipe, start), n in ways.items()
    ]
    note = (
        "Scores in different rows do not compare: trials rank candidates after a short training, the others say what a model "
        "reaches. The interval (Wilson, 95 %) covers which images were scored, not how another training of the same "
        "architecture would turn out. FLOPs are counted by fvcore at batch 1, one multiply-add as one."
    )
    return f"{_table(head, rows)}<p><small>{note}</small></p>"


def _trials(info: FrontierInfo) -> str:
    trials = sorted(info.of(TRIALS), key=lambda r: (-r.top1, r.flops))
    head = ["trial", "drawn for", "#FLOPs", "#parameters", "#resolution", "#top-1 (95 % interval)", "#seconds", "architecture"]
    rows = [
        (
            escape(r.name), escape(r.budget), *_costs(r), str(r.resolution), _accuracy(r), f"{r.seconds:.1f}",
            f"<small>{escape(words(r.arch))}</small>",
        )
        for r in trials
    ]  # fmt: skip
    return f"<details><summary>{len(trials)}, the most accurate first</summary>{_table(head, rows)}</details>"


def _costs(record: Record) -> tuple[str, str]:
    return tuple(
        f'<span title="{getattr(record, cost):,}">{format_quantity(getattr(record, cost))}</span>' for cost in PLOTTED_COSTS
    )  # type: ignore[return-value]


def _accuracy(record: Record) -> str:
    low, high = wilson(record.top1, record.images)
    return f'{record.top1:.2f} % <span class="soft">({low:.1f} to {high:.1f})</span>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML. A column whose head begins with # holds numbers."""
    kinds = [' class="n"' * title.startswith("#") for title in head]
    top = "".join(f"<th{kind}>{title.removeprefix('#')}</th>" for kind, title in zip(kinds, head, strict=True))
    body = "\n".join(f"<tr>{''.join(f'<td{k}>{c}</td>' for k, c in zip(kinds, row, strict=True))}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n'


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>\n"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
