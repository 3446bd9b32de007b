"""The report: whole in one file, and it says what was asked, what was found, and how sure it is."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.report.figure import draw_figures
from experiments.report.html import budget_use, page, words, write_report
from experiments.report.reasons import reasons
from scaler.budget import Bound, Budget
from scaler.results.frontier import FrontierInfo
from scaler.results.intervals import wilson
from tests.experiments.report.fake_ledger import ARCH, BUDGETS, SEED, fake_info
from tests.scaler.results.records import changed

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


def report(tmp_path: Path, info: FrontierInfo, request: dict[str, object]) -> Checker:
    path = write_report(info, {"run-1": request}, draw_figures(info, tmp_path), tmp_path)
    assert path == tmp_path / "report.html"
    return parsed(path.read_text(encoding="utf-8"))


def test_it_needs_no_other_file_and_no_script(tmp_path: Path) -> None:
    found = report(tmp_path, fake_info(), {"seed": "big_seed"})
    assert found.links, "the figures' markers are drawn by reference"
    assert all(link.startswith("#") for link in found.links)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert found.tags.count("svg") == 2
    assert "@import" not in found.text
    assert not re.search(r"url\((?!['\"]?#)", (tmp_path / "report.html").read_text(encoding="utf-8"))


def test_it_says_what_was_asked_and_what_was_found(tmp_path: Path) -> None:
    info = fake_info()
    request = {"seed": "big_seed", "budgets": [b.text for b in BUDGETS], "draw_seed": 0, "teacher": None, "bounds": [{}]}
    text = report(tmp_path, info, request).text
    for phrase in ("flops=5M, flops=10M, flops=20M", "draw seed", "random initialisation", "holdout", "widths 32, 64, 96"):
        assert phrase in text
    assert "teacher" not in text
    for record in info.of(("chosen",)):
        low, high = wilson(record.top1, record.images)
        assert record.name in text
        assert f"{record.top1:.2f} % ({low:.1f} to {high:.1f})" in text
    assert all(record.name in text for record in info.of(("trial",)))


def test_the_best_trial_that_meets_a_budget_stands_in_for_what_is_not_trained_yet(tmp_path: Path) -> None:
    info = fake_info(finished=False)
    # Drawn for the smallest budget, and better than all that were drawn for the largest one.
    star = changed(info.records[0], name="star", top1=99.0, flops=1_000_000)
    text = report(tmp_path, replace(info, records=(*info.records, star)), {}).text
    section = text[text.index("Best under each budget") : text.index("Frontier")]
    assert section.count("star") == 3
    assert section.count("holdout split, 3 epochs") == 3


def test_text_is_escaped(tmp_path: Path) -> None:
    sly = replace(SEED, name="<b>&name", budget="<script>", data="<i>data")
    assert "<b>&name" in report(tmp_path, FrontierInfo(records=(sly,)), {"data": "<u>"}).text


def test_runs_stand_side_by_side() -> None:
    found = parsed(
        page(fake_info(), {"a": {"seed": "x", "trials": 0}, "b": {"seed": "y", "axes": {"depths": [1]}}}, ["<svg/>"] * 2)
    )
    assert re.search(r"seed\s*x\s*y", found.text)
    assert 'axes{"depths": [1]}' in found.text
    assert "trials0" in found.text


def test_words() -> None:
    assert words(ARCH) == "widths 32, 64, 96; depths 1, 2, 1; MLP ratio 3.0; resolution 32; classes 10"
    assert words("{}") == ""


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"flops": Bound(high=70_000_000)}, "50.0 % of the FLOPs"),
        ({"flops": Bound(high=70_000_000), "params": Bound(1, 4_000_000)}, "50.0 % of the FLOPs, 25.0 % of the parameters"),
        ({"flops": Bound(low=1)}, ""),
        ({"resolution": Bound(high=64)}, ""),
    ],
)
def test_share_of_the_budget(bounds: dict[str, Bound], text: str) -> None:
    assert budget_use(Budget(tuple(bounds.items())), SEED) == text


def test_it_says_why() -> None:
    chosen = {"name": "trial-0003", "origin": "surrogate"}
    found = {
        "budget": "flops=5M", "chosen": chosen, "reason": "the highest top-1 of 9", "path": [{"step": 0}, {"step": 1}],
        "baselines": [{"name": "trial-0000", "origin": "uniform scaling", "top1": 61.0}],
        "neighbours": [{"name": "trial-0007", "lost_by": 0.5, "changed": {"depths[1]": [2, 1]}}],
    }  # fmt: skip
    text = reasons({"budgets": [found], "importances": {"resolution": 0.7, "depths[1]": 0.3}})
    for said in ("trial-0003 (surrogate), the highest top-1 of 9.", "uniform scaling: trial-0000, 61.00 %", "resolution 70 %",
                 "trial-0007, 0.50 points behind: depths[1] 1 instead of 2", "step 1 → step 2"):  # fmt: skip
        assert said in text
