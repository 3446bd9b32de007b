"""The report's document: whole in one file, and it says what was found, how sure it is, and what was asked."""

import json
import re
import tomllib
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.report.build_page import build_page
from experiments.report.html import render, write_page
from experiments.report.page_data import PageData
from experiments.report.runs import Run, frontier_info
from scaler.results.frontier import FrontierInfo
from scaler.results.intervals import difference, wilson
from tests.experiments.report.fake_ledger import BUDGETS, SEED, fake_info, fake_result, fake_run
from tests.scaler.results.records import changed

SCRIPT = "<script>alert(1)</script>"
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Checker(HTMLParser):
    """Collects links, scripts and text, and checks that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.text += data


def parsed(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def built(*runs: Run) -> PageData:
    return build_page(frontier_info(runs), runs)


def page_of(*runs: Run) -> Checker:
    """Return what the page of ``runs`` holds."""
    return parsed(render(built(*runs)))


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_it_needs_no_other_file(tmp_path: Path) -> None:
    path = write_page(built(fake_run(fake_info(), request={"seed_model": "big_seed"})), tmp_path)
    html = path.read_text(encoding="utf-8")
    found = parsed(html)
    assert path == tmp_path / "report.html"
    assert found.links == ["data:,"]
    assert not {"img", "iframe", "object"} & set(found.tags)
    assert "@import" not in html
    assert "sourceMappingURL" not in html
    assert not re.search(r"url\((?!['\"]?#)", html)
    assert "Permission is hereby granted, free of charge" in html, "Chart.js goes with its licence"


def test_a_card_tells_cost_accuracy_and_how_to_load_the_model() -> None:
    info = fake_info()
    text = one_line(page_of(fake_run(info)).text)
    for record in info.of(("chosen",)):
        low, high = wilson(record.top1, record.images)
        assert f"{record.budget} {record.top1:.1f} % test top-1 95 %: {low:.1f} to {high:.1f}" in text
        assert f"Keeps {100 * record.top1 / SEED.top1:.1f} % of the seed's accuracy" in text
        assert f"saves {100 - 100 * record.flops / SEED.flops:.0f} % of its FLOPs" in text
    assert text.count('model = timm.create_model("local-dir:run-1", pretrained=True).eval()') == 3
    assert text.count("scaler export run-1 --format onnx --out model.onnx") == 3


def test_the_gain_over_uniform_scaling_has_an_interval_and_says_if_it_is_noise() -> None:
    info = fake_info()
    chosen = info.of(("chosen",))
    scaled = [changed(record, role="baseline", name="scaled", arch=SEED.arch.replace("2", "1")) for record in chosen]
    records = (changed(scaled[0], top1=60.0), changed(scaled[1], top1=chosen[1].top1 - 1))
    text = one_line(page_of(fake_run(replace(info, records=(*info.records, *records)))).text)
    low, high = difference(chosen[0].top1, 60.0, 360, 360)
    assert f"{chosen[0].top1 - 60:+.1f} points against uniform scaling ({low:+.1f} to {high:+.1f}): better." in text
    assert re.search(r"\+1\.0 points against uniform scaling \(-[\d.]+ to \+[\d.]+\): within the noise\.", text)
    assert text.count("Uniform scaling was not trained for this budget") == 1
    assert "the choice is better beyond the noise under 1 of 2 budgets." in text


def test_without_a_trained_baseline_the_gain_is_that_of_the_trials() -> None:
    info = fake_info()
    chosen = changed(info.of(("chosen",))[0], arch=SEED.arch.replace("96", "80"))
    mine = changed(info.records[0], arch=chosen.arch, top1=70.0)
    scaled = changed(info.records[0], origin="uniform scaling", name="scaled", top1=40.0)
    text = one_line(page_of(fake_run(FrontierInfo(records=(mine, scaled, chosen), budgets=info.budgets))).text)
    low, high = difference(70.0, 40.0, 144, 144)
    assert f"As short trials the choice was +30.0 points ahead of it ({low:+.1f} to {high:+.1f}), beyond the noise" in text


def test_a_choice_that_is_uniform_scaling_says_so() -> None:
    info = fake_info()
    chosen = info.of(("chosen",))[0]
    scaled = changed(info.records[0], origin="uniform scaling", arch=chosen.arch)
    text = one_line(page_of(fake_run(FrontierInfo(records=(scaled, chosen), budgets=info.budgets))).text)
    assert "Uniform scaling itself is the choice here" in text
    assert "the gain is not known" not in text


def test_several_seeds_give_the_mean_and_a_paired_gain() -> None:
    info = fake_info()
    first = info.of(("chosen",))[0]
    other = changed(first, role="baseline", arch=SEED.arch.replace("2", "1"), name="scaled")
    trained = [changed(first, seed=seed, top1=top1) for seed, top1 in ((1, 98.0), (2, 99.0))]
    scaled = [changed(other, seed=seed, top1=top1) for seed, top1 in ((1, 97.0), (2, 97.9))]
    info = FrontierInfo(records=(*info.of(("trial",)), *trained, *scaled), budgets=info.budgets)
    text = one_line(page_of(fake_run(info)).text)
    assert "98.5 % test top-1" in text
    assert "mean of 2 trainings from different seeds" in text
    assert re.search(r"\+1\.\d points against uniform scaling \(\+0\.4 to \+1\.7\): better", text)
    assert "paired over 2 seeds" in text


def test_the_best_trial_that_meets_a_budget_stands_in_for_what_is_not_trained_yet() -> None:
    info = fake_info(finished=False)
    # Drawn for the smallest budget, and better than all that were drawn for the largest one.
    star = changed(info.records[0], name="star", top1=99.0, flops=1_000_000)
    cards = built(fake_run(replace(info, records=(*info.records, star)))).cards
    assert [card.name for card in cards] == ["star"] * 3
    assert not any(card.is_trained for card in cards)
    assert cards[0].train == "scaler train run-1/trials/star --data digits --start random --out run-1/trained/star"


def test_a_larger_budget_is_never_given_a_worse_model() -> None:
    info = fake_info()
    small, middle, large = info.of(("chosen",))
    worse = changed(large, top1=90.0)
    cards = built(fake_run(replace(info, records=(*info.of(("trial", "seed")), small, middle, worse)))).cards
    assert [card.name for card in cards] == [small.name, middle.name, middle.name]
    assert f"This is the model of {middle.budget}." in cards[2].note
    assert f"{worse.name}, trained for this budget, scored 90.00 %" in cards[2].note
    assert not cards[1].note


def test_a_trained_variant_serves_a_budget_that_is_written_in_other_words() -> None:
    info = fake_info()
    reworded = tuple(replace(budget, text=f"{budget.text}, reworded") for budget in BUDGETS)
    searched = fake_run(FrontierInfo(records=info.of(("trial",)), budgets=reworded), name="run-2")
    for runs in ((searched, fake_run(info)), (fake_run(info), searched)):
        cards = built(*runs).cards
        assert len(cards) == 3
        assert all(card.is_trained for card in cards)


def test_a_trained_model_without_its_search_has_a_card() -> None:
    (card,) = built(fake_run(FrontierInfo(records=fake_info().of(("chosen",))[:1]))).cards
    assert (card.budget, card.is_trained) == (fake_info().of(("chosen",))[0].budget, True)


def test_every_value_is_escaped() -> None:
    sly = replace(SEED, name=f"{SCRIPT}name", budget=SCRIPT, data=SCRIPT, arch=f'{{"{SCRIPT}": "{SCRIPT}"}}', recipe=SCRIPT)
    trial, chosen = replace(sly, role="trial", trial=0), replace(sly, role="chosen")
    result = fake_result(SCRIPT)
    result["budgets"][0]["neighbours"][0]["changed"] = {SCRIPT: [SCRIPT, SCRIPT]}
    run = fake_run(
        FrontierInfo(records=(sly, trial, chosen)),
        request={SCRIPT: SCRIPT, "a": [SCRIPT], "b": {SCRIPT: 1}, "command": SCRIPT},
        result=result,
        name=SCRIPT,
    )
    found = page_of(run)
    assert found.tags.count("script") == 1 + 4, "the data and the page's own scripts"
    assert found.text.count(SCRIPT) > 20
    assert f"{SCRIPT}name" in found.text
    data = json.loads(next(script for script in found.scripts if script.startswith("{")))
    assert data["points"][0]["name"] == f"{SCRIPT}name"


def test_the_record_has_runs_side_by_side_and_the_command() -> None:
    info = fake_info()
    first = fake_run(info, request={"seed": "x", "trials": 0, "command": "scaler search x"}, name="a")
    second = fake_run(info, request={"seed": "y", "axes": {"depths": [1]}, "teacher": None}, name="b")
    text = page_of(first, second).text
    assert re.search(r"seed\s*x\s*y", text)
    assert 'axes{"depths": [1]}' in text
    assert "trials0" in text
    assert "teacher" not in text[text.index("Run record") :]
    assert "scaler search x" in text


def test_it_says_why() -> None:
    text = one_line(page_of(fake_run(fake_info(), result=fake_result())).text)
    for said in ("trial-0003 (surrogate): the highest top-1 of 9. Path from the seed: step 1 → step 2.",
                 "candidate points behind depths[1]", "trial-0003 chosen 2", "trial-0007 0.50 1"):  # fmt: skip
        assert said.replace(" ", "") in text.replace(" ", "")


def test_an_unfinished_search_says_how_far_it_is() -> None:
    run = fake_run(fake_info(6, finished=False), request={"trials": 30})
    assert built(run).remarks == ("The search in run-1 is not finished: 6 of 30 candidates are scored.",)
    assert built(replace(run, result=fake_result())).remarks == ()


def test_finalists_show_their_scores_and_the_chosen_one() -> None:
    info = fake_info(6)
    best, second = info.records[3], info.records[1]
    scores = ((best, 60.0), (best, 61.5), (second, 80.0), (second, 80.5))
    again = [changed(record, role="finalist", top1=top1) for record, top1 in scores]
    run = fake_run(replace(info, records=(*info.records, *again)), result=fake_result(best.name))
    text = page_of(run).text
    table = one_line(text[text.index("Finalists") :])
    assert f"{best.top1:.2f} %60.00 %, 61.50 %60.75 %" in table
    assert f"{best.name}flops=5M" in table
    assert f"{second.top1:.2f} %80.00 %, 80.50 %80.25 %" in table
    assert table.index(second.name) < table.index(best.name), "the highest mean comes first"
    assert "Finalists" not in page_of(fake_run(info)).text


def test_a_trial_number_is_its_own_runs() -> None:
    info = fake_info(1, finished=False)
    again = changed(info.records[0], role="finalist", top1=12.34)
    runs = fake_run(replace(info, records=(*info.records, again))), fake_run(info, name="run-2")
    assert page_of(*runs).text.count("12.34 %") == 2  # the score and the mean of the one finalist


def test_the_trials_table_is_short() -> None:
    text = page_of(fake_run(fake_info(200, finished=False))).text
    assert "The most accurate trials (50 of 200)" in text


def test_a_model_that_no_search_chose_is_shown() -> None:
    other = changed(fake_info().of(("chosen",))[0], role="variant", budget="", name="mine")
    page = built(fake_run(FrontierInfo(records=(other,))))
    assert [(card.name, card.is_trained) for card in page.cards] == [("mine", True)]
    both = built(fake_run(FrontierInfo(records=(other, fake_info().of(("chosen",))[1]))))
    assert [card.name for card in both.cards] == ["small-flops=10M"]
    assert [series.label for series in both.pictures.series] == ["chosen by the search", "other models trained in full"]


@pytest.mark.parametrize("roles", [("seed",), ("chosen",), ("pruned",), ("baseline",), ("variant",)])
def test_any_one_role_is_enough(roles: tuple[str, ...]) -> None:
    records = tuple(changed(SEED, role=role) for role in roles)
    assert "digits" in page_of(fake_run(FrontierInfo(records=records))).text


def test_chart_js_is_as_npm_has_it() -> None:
    folder = Path(__file__).parents[3] / "experiments" / "report" / "page"
    noted = [line.split() for line in (folder / "chart.sha256").read_text().splitlines()]
    assert {name for _, name in noted} == {"chart.umd.min.js", "chart.LICENSE.md"}
    for digest, name in noted:
        assert sha256((folder / name).read_bytes()).hexdigest() == digest, "`make vendor` fetches it again"


def test_all_files_of_the_page_are_package_data() -> None:
    root = Path(__file__).parents[3]
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    folder = root / "experiments" / "report"
    packed = {file for pattern in declared["experiments.report"] for file in folder.glob(pattern)}
    assert {file for file in folder.rglob("*.*") if file.suffix in (".html", ".css", ".js", ".md")} <= packed
