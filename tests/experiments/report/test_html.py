"""The report: whole in one file, and it says what was asked, what was found, and how sure it is."""

import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.report.build_page import build_page
from experiments.report.figure import draw_figures
from experiments.report.html import render, write_page
from experiments.report.runs import Run, frontier_info
from scaler.results.frontier import FrontierInfo
from scaler.results.intervals import wilson
from tests.experiments.report.fake_ledger import BUDGETS, SEED, fake_info, fake_result, fake_run
from tests.scaler.results.records import changed

SCRIPT = "<script>alert(1)</script>"
VOID = {"meta", "br", "link", "img", "hr"}


class Checker(HTMLParser):
    """Collects links, scripts and text, and checks that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def report(tmp_path: Path, run: Run) -> Checker:
    """Write the report of one run with its figures, and return what it holds."""
    info = frontier_info([run])
    drawings = [file.read_text(encoding="utf-8") for file in draw_figures(info, tmp_path) if file.suffix == ".svg"]
    path = write_page(build_page(info, [run], drawings), tmp_path)
    assert path == tmp_path / "report.html"
    return parsed(path.read_text(encoding="utf-8"))


def page_of(*runs: Run) -> Checker:
    """Return what the page of ``runs`` holds, with empty figures."""
    return parsed(render(build_page(frontier_info(runs), runs, ["<svg></svg>"] * 2)))


@pytest.mark.slow
def test_it_needs_no_other_file_and_no_script(tmp_path: Path) -> None:
    found = report(tmp_path, fake_run(fake_info(), request={"seed": "big_seed"}))
    assert found.links, "the figures' markers are drawn by reference"
    assert all(link.startswith("#") for link in found.links)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert found.tags.count("svg") == 2
    assert "@import" not in found.text
    assert not re.search(r"url\((?!['\"]?#)", (tmp_path / "report.html").read_text(encoding="utf-8"))


def test_it_says_what_was_asked_and_what_was_found(tmp_path: Path) -> None:
    info = fake_info()
    request = {"seed": "big_seed", "budgets": [b.text for b in BUDGETS], "draw_seed": 0, "teacher": None, "bounds": [{}]}
    text = report(tmp_path, fake_run(info, request=request)).text
    for phrase in ("flops=5M, flops=10M, flops=20M", "draw seed", "random initialisation", "holdout", "widths 32, 64, 96"):
        assert phrase in text
    assert "teacher" not in text
    for record in info.of(("chosen",)):
        low, high = wilson(record.top1, record.images)
        assert record.name in text
        assert f"{record.top1:.2f} % ({low:.1f} to {high:.1f})" in text
    assert all(record.name in text for record in info.of(("trial",)))


def test_the_best_trial_that_meets_a_budget_stands_in_for_what_is_not_trained_yet() -> None:
    info = fake_info(finished=False)
    # Drawn for the smallest budget, and better than all that were drawn for the largest one.
    star = changed(info.records[0], name="star", top1=99.0, flops=1_000_000)
    section = best_section(page_of(fake_run(replace(info, records=(*info.records, star)))))
    assert section.count("star") == 3
    assert section.count("holdout split, 3 epochs") == 3


def best_section(found: Checker) -> str:
    return found.text[found.text.index("Best under each budget") : found.text.index("Frontier")]


def test_a_trained_variant_serves_a_budget_that_is_written_in_other_words() -> None:
    info = fake_info()
    reworded = tuple(replace(budget, text=f"{budget.text}, reworded") for budget in BUDGETS)
    searched = fake_run(FrontierInfo(records=info.of(("trial",)), budgets=reworded), name="run-2")
    for runs in ((searched, fake_run(info)), (fake_run(info), searched)):
        section = best_section(page_of(*runs))
        assert "reworded" not in section
        assert "trial-" not in section


def test_every_value_is_escaped(tmp_path: Path) -> None:
    sly = replace(SEED, name=f"{SCRIPT}name", budget=SCRIPT, data=SCRIPT, arch=f'{{"{SCRIPT}": "{SCRIPT}"}}', recipe=SCRIPT)
    trial, chosen = replace(sly, role="trial", trial=0), replace(sly, role="chosen")
    result = fake_result(SCRIPT)
    result["budgets"][0]["neighbours"][0]["changed"] = {SCRIPT: [SCRIPT, SCRIPT]}
    run = fake_run(
        FrontierInfo(records=(sly, trial, chosen)),
        request={SCRIPT: SCRIPT, "a": [SCRIPT], "b": {SCRIPT: 1}},
        result=result,
        name=SCRIPT,
    )
    found = report(tmp_path, run)
    assert "script" not in found.tags
    assert found.text.count(SCRIPT) > 20
    assert f"{SCRIPT}name" in found.text


def test_runs_stand_side_by_side() -> None:
    info = fake_info()
    first = fake_run(info, request={"seed": "x", "trials": 0}, name="a")
    second = fake_run(info, request={"seed": "y", "axes": {"depths": [1]}}, name="b")
    text = page_of(first, second).text
    assert re.search(r"seed\s*x\s*y", text)
    assert 'axes{"depths": [1]}' in text
    assert "trials0" in text


def test_it_says_why() -> None:
    text = page_of(fake_run(fake_info(), result=fake_result())).text
    for said in ("flops=5M: trial-0003 (surrogate), the highest top-1 of 9.", "uniform scaling: trial-0000, 61.00 %",
                 "trial-0007, 0.50 points behind: depths[1] 1 instead of 2", "step 1 → step 2.",
                 "What explained the scores (functional ANOVA): resolution 70 %, depths[1] 30 %."):  # fmt: skip
        assert said in text


def test_pruned_trials_stand_below_the_others_with_their_epochs() -> None:
    info = fake_info(6)
    late = changed(info.records[0], role="pruned", trial=7, name="late", epochs=2, top1=50.0)
    early = changed(late, trial=8, name="early", epochs=1 / 3, top1=99.0)
    text = page_of(fake_run(replace(info, records=(early, late, *info.records)))).text
    assert "6 trials of the search, 2 trials stopped early" in text
    table = text[text.index("6, the most accurate first; then 2 that were stopped early") :]
    assert re.search(r"late.*\)2stopped.*early.*\)0\.333stopped", table, re.DOTALL)
    assert table.count("stopped") == 3, "in the line above and in two rows"
    assert all(table.index(record.name) < table.index("late") for record in info.of(("trial",)))
    front = text[text.index("Front of the trials") : text.index("All trials")]
    assert "early" not in front


def test_a_search_whose_trials_were_all_stopped_shows_them() -> None:
    stopped = changed(SEED, role="pruned", trial=0, name="trial-0000", epochs=1)
    assert ")1stopped" in page_of(fake_run(FrontierInfo(records=(stopped,)))).text


def test_finalists_show_their_scores_and_the_chosen_one() -> None:
    info = fake_info(6)
    best, second = info.records[3], info.records[1]
    scores = ((best, 60.0), (best, 61.5), (second, 80.0), (second, 80.5))
    again = [changed(record, role="finalist", top1=top1) for record, top1 in scores]
    run = fake_run(replace(info, records=(*info.records, *again)), result=fake_result(best.name))
    text = best_section(page_of(run))
    table = re.sub(r"\s+", " ", text[text.index("Finalists") :])
    assert f"{best.top1:.2f} %60.00 %, 61.50 %60.75 %" in table
    assert f"{best.name}flops=5M" in table
    assert f"{second.top1:.2f} %80.00 %, 80.50 %80.25 %" in table
    assert table.index(second.name) < table.index(best.name), "the highest mean comes first"
    assert "Finalists" not in page_of(fake_run(info)).text


def test_a_trial_number_is_its_own_runs() -> None:
    info = fake_info(1, finished=False)
    again = changed(info.records[0], role="finalist", top1=12.34)
    runs = fake_run(replace(info, records=(*info.records, again))), fake_run(info, name="run-2")
    assert page_of(*runs).text.count("12.34 %, ") == 0
    assert page_of(*runs).text.count("12.34 %") == 2  # the score and the mean of the one finalist


def test_the_template_is_declared_as_package_data() -> None:
    root = Path(__file__).parents[3]
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    folder = root / "experiments" / "report"
    assert folder / "template.html" in [file for pattern in declared["experiments.report"] for file in folder.glob(pattern)]
