"""The figures: what they show, that they can be read, and that drawing leaves no trace."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from PIL import Image

from experiments.report.build_page import build_page
from experiments.report.figure import DPI, SIZE_INCHES, draw_figures, figure_of, ticks
from experiments.report.palette import UNIFORM
from experiments.report.picture_data import Pictures
from models.zoo.published import published
from scaler.results.frontier import TRIALS, FrontierInfo
from scaler.units import format_quantity
from tests.experiments.report.fake_ledger import SEED, fake_info, fake_run
from tests.scaler.results.records import changed

SVG = "{http://www.w3.org/2000/svg}"


def pictures(info: FrontierInfo, *, with_published: bool = False) -> Pictures:
    return build_page(info, [fake_run(info)], published() if with_published else ()).pictures


def texts(path: Path) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter(f"{SVG}text")]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.slow
def test_the_files_open_and_fit_one_column(tmp_path: Path) -> None:
    paths = draw_figures(pictures(fake_info()), tmp_path)
    assert sorted(path.name for path in paths.values()) == sorted(path.name for path in tmp_path.iterdir())
    assert list(paths) == ["png", "svg", "pdf", "params_png", "params_svg", "params_pdf"]
    for kind, path in paths.items():
        if kind.endswith("png"):
            with Image.open(path) as image:
                image.load()
                assert image.size == tuple(round(side * DPI) for side in SIZE_INCHES)
                assert len(image.convert("RGB").getcolors(2**24) or ()) > 20
        elif kind.endswith("svg"):
            assert {"98.9", "97.0", "97.5", "98.0"} <= set(texts(path))
        else:
            assert path.read_bytes().startswith(b"%PDF")
    assert SIZE_INCHES[0] <= 3.4, "a column of a two-column page"


@pytest.mark.slow
def test_the_same_points_give_the_same_files(tmp_path: Path) -> None:
    first, second = (draw_figures(pictures(fake_info()), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first.values()] == [path.read_bytes() for path in second.values()]


def test_drawing_changes_no_global_setting() -> None:
    before = dict(matplotlib.rcParams)
    figure_of(pictures(fake_info(3)), "flops")
    assert dict(matplotlib.rcParams) == before


def test_scores_of_one_kind_are_in_a_figure() -> None:
    trained, trials = (figure_of(pictures(fake_info(30, finished=finished)), "flops") for finished in (True, False))
    assert legend(trained) == ["chosen by the search", "seed", "budgets"]
    assert "test split, 60 epochs" in trained.axes[0].get_ylabel()
    assert legend(trials) == ["front of the trials", "candidates that lost", "budgets"]
    assert "holdout split, 3 epochs" in trials.axes[0].get_ylabel()


def test_uniform_scaling_is_a_curve_of_its_own_colour() -> None:
    info = fake_info()
    scaled = tuple(changed(record, role="baseline", top1=90.0 + i) for i, record in enumerate(info.of(("chosen",))))
    figure = figure_of(pictures(replace(info, records=(*info.records, *scaled))), "flops")
    assert UNIFORM.label in legend(figure)
    (line,) = [line for line in figure.axes[0].lines if line.get_color() == UNIFORM.colour and line.get_linestyle() == "-"]
    assert sorted(line.get_ydata()) == [90.0, 91.0, 92.0]


def test_a_step_joins_the_front_of_the_trials_and_nothing_else() -> None:
    info = fake_info(finished=False)
    (axes,) = figure_of(pictures(info), "flops").axes
    (line,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    front = info.front("flops", TRIALS)
    assert list(line.get_xdata()) == [record.flops for record in front]
    assert list(line.get_ydata()) == [record.top1 for record in front]


@pytest.mark.parametrize("cost", ["flops", "params"])
@pytest.mark.parametrize("trials", [3, 60])
def test_names_overlap_neither_each_other_nor_the_frame(trials: int, cost: str) -> None:
    figure = figure_of(pictures(fake_info(trials)), cost)
    (axes,) = figure.axes
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    for name in names:
        name.update_positions(figure.canvas.get_renderer())
    boxes = [Text.get_window_extent(name) for name in names]  # without the lines that tie some of them to their points
    frame = axes.get_window_extent()
    assert len(names) == 4
    assert all(Bbox.intersection(a, b) is None for a, b in combinations(boxes, 2))
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    (legends,) = figure.legends
    assert legends.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("role", ["trial", "pruned", "seed", "chosen", "baseline"])
def test_any_one_role_is_enough(role: str) -> None:
    for cost in ("flops", "params"):
        figure_of(pictures(FrontierInfo(records=(changed(SEED, role=role),))), cost).canvas.draw()


def test_a_dollar_sign_is_drawn_as_it_is(tmp_path: Path) -> None:
    models = [replace(model, model=f"$x_${i}") for i, model in enumerate(published()[:1])]
    info = FrontierInfo(records=(changed(SEED, top1=10.0),))
    paths = draw_figures(build_page(info, [fake_run(info)], models).pictures, tmp_path)
    assert "$x_$0" in texts(paths["svg"])


def test_the_axis_holds_every_published_model() -> None:
    (axes,) = figure_of(pictures(FrontierInfo(records=(SEED,)), with_published=True), "params").axes
    low, high = axes.get_xlim()
    assert all(low < model.params < high for model in published())


@pytest.mark.parametrize(("low", "high"), [(9.9e6, 10.1e6), (1.2e9, 1.3e9), (3e6, 4e7), (1e6, 1e9), (1e5, 1e11)])
def test_ticks_are_round_and_neither_too_few_nor_too_many(low: float, high: float) -> None:
    values = ticks(low, high)
    labels = [format_quantity(value) for value in values]
    assert 3 <= len(values) <= 10
    assert low <= values[0] < values[-1] <= high
    assert len(set(labels)) == len(labels)
