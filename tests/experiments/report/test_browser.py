"""The report in a browser: headless Chromium opens the file as a reader does."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.report.build_page import build_page
from experiments.report.html import write_page
from experiments.report.runs import frontier_info
from scaler.results.frontier import FrontierInfo
from tests.experiments.report.fake_ledger import fake_info, fake_run
from tests.scaler.results.records import changed

selenium = pytest.importorskip("selenium", reason="selenium is not installed: `pip install --group dev`")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from experiments.studies.browser import find_chromium, open_browser  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_chromium() is None, reason="Chromium or its driver is missing: apt-get install chromium chromium-driver"
    ),
]
MARKUP = "<img src=x onerror=alert(1)>"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as driver:
        yield driver


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Open:
    """Open the page of records at a width of the window, light or dark."""

    def open_page(info: FrontierInfo, width: int = 1280, *, scheme: str = "light") -> Any:
        run = fake_run(info, request={"seed_model": "big_seed", "trials": 30})
        path = write_page(build_page(frontier_info([run]), [run]), tmp_path)
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        )
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # what was before
        browser.get(path.as_uri())
        return browser

    return open_page


def with_baselines(trials: int = 30) -> FrontierInfo:
    info = fake_info(trials)
    scaled = tuple(changed(r, role="baseline", name=f"scaled-{r.name}", top1=r.top1 - 1) for r in info.of(("chosen",)))
    return replace(info, records=(*info.records, *scaled))


def point(driver: Any, name: str) -> tuple[int, int]:
    """Return where a point of the chart is, from the middle of its canvas."""
    code = """const found = visible().find(({point}) => point.name === arguments[0]), {x, y} = chart.scales;
        return [x.getPixelForValue(found.x) - chart.width / 2, y.getPixelForValue(found.y) - chart.height / 2];"""
    x, y = driver.execute_script(code, name)
    return round(x), round(y)


def compared(driver: Any) -> str:
    return str(driver.find_element(By.ID, "compare").text)


def press(driver: Any, *keys: str) -> None:
    canvas = driver.find_element(By.ID, "frontier")
    driver.execute_script("arguments[0].focus()", canvas)
    ActionChains(driver).send_keys(*keys).perform()


def choose(driver: Any, group: str, text: str) -> None:
    (label,) = [one for one in driver.find_elements(By.CSS_SELECTOR, f"#{group} label") if one.text == text]
    label.click()


def test_it_opens_from_the_disk_without_a_request_or_an_error(opened: Open) -> None:
    driver = opened(with_baselines())
    assert driver.current_url.startswith("file://")
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", driver.current_url))] == []
    assert driver.execute_script("return chart.data.datasets.length") == 3
    assert len(driver.find_elements(By.CSS_SELECTOR, ".card svg.arch rect.body")) >= 3


def test_hover_click_and_axes(opened: Open) -> None:
    driver = opened(with_baselines())
    canvas = driver.find_element(By.ID, "frontier")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(driver).move_to_element_with_offset(canvas, *point(driver, "big_seed")).perform()
    assert "big_seed" in compared(driver)
    assert "98.90 %" in compared(driver)
    assert "(kept)" not in compared(driver)
    ActionChains(driver).click().perform()
    assert "big_seed (kept)" in compared(driver)
    ActionChains(driver).move_to_element_with_offset(canvas, *point(driver, "small-flops=5M")).click().perform()
    assert "small-flops=5M (kept)" in compared(driver)
    assert "points, " in compared(driver)
    assert "the intervals overlap" in compared(driver)
    assert driver.find_elements(By.CSS_SELECTOR, "#compare mark") == [], "equal architectures"
    title = "return chart.options.scales.x.title.text + ' ' + chart.options.scales.x.type"
    assert driver.execute_script(title) == "FLOPs logarithmic"
    choose(driver, "costs", "parameters")
    choose(driver, "scales", "linear")
    assert driver.execute_script(title) == "parameters linear"
    assert driver.execute_script("return chart.data.datasets[0].data[0].x") < 2_000_000
    choose(driver, "views", "trials of the search")
    assert "do not compare with those of trained models" in driver.find_element(By.ID, "kind").text
    driver.find_element(By.XPATH, "//button[contains(., 'candidates that lost')]").click()
    assert driver.execute_script("return chart.data.datasets.map((one) => Boolean(one.hidden))") == [False, True]


def test_the_keyboard_moves_keeps_and_lets_go(opened: Open) -> None:
    driver = opened(with_baselines())
    press(driver, Keys.HOME)
    first = compared(driver).splitlines()[0]
    press(driver, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    assert f"{first} (kept)" in compared(driver)
    assert compared(driver).count("(kept)") == 2
    press(driver, Keys.END)
    assert driver.execute_script("return page.points[state.shown].name") == "big_seed"
    press(driver, Keys.ESCAPE)
    assert compared(driver).startswith("Point at a model")
    radio = driver.find_element(By.CSS_SELECTOR, "#costs input")
    radio.send_keys(Keys.ARROW_RIGHT)
    assert driver.execute_script("return state.cost") == 1


CONTRAST = """
const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const back = (one) => { for (; one; one = one.parentElement) { const c = getComputedStyle(one).backgroundColor;
  if (!c.endsWith(', 0)')) return c; } };
return [...document.querySelectorAll('h1, p, dd, dt, td, th, li, label, summary, code, aside div')]
  .filter((one) => one.offsetParent)
  .map((one) => [light(getComputedStyle(one).color), light(back(one))])
  .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).reduce((a, b) => Math.min(a, b));
"""


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible(opened: Open, width: int, scheme: str) -> None:
    driver = opened(with_baselines(), width, scheme=scheme)
    driver.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = "return [...document.querySelectorAll('p, td, dd, li')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
    assert min(driver.execute_script(sizes)) >= 12
    is_dark = driver.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert is_dark == (scheme == "dark")
    choose(driver, "scales", "log")  # a disabled choice is pale on purpose; its label is left out
    driver.execute_script("document.querySelectorAll('label:has(:disabled)').forEach((one) => one.remove())")
    assert driver.execute_script(CONTRAST) >= 4.5, "WCAG AA"


def test_names_with_markup_are_text(opened: Open) -> None:
    info = with_baselines()
    records = tuple(changed(record, name=MARKUP, budget=MARKUP) for record in info.of(("chosen", "baseline")))
    driver = opened(FrontierInfo(records=records))
    press(driver, Keys.HOME, Keys.ENTER, Keys.ARROW_RIGHT)
    assert driver.find_elements(By.TAG_NAME, "img") == []
    assert MARKUP in compared(driver)
    assert MARKUP in driver.find_element(By.CSS_SELECTOR, ".card").text
    assert driver.get_log("browser") == []


def test_ten_thousand_points_open_and_answer_within_two_seconds(opened: Open, tmp_path: Path) -> None:
    info = fake_info(10_000, finished=False)
    driver = opened(info)
    # Processor time of the page's thread: a test runs beside others, a reader does not.
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    driver.refresh()
    opening = seconds_of(driver)
    assert (tmp_path / "report.html").stat().st_size < 6_000_000
    assert driver.execute_script("return page.points.length") == 10_000
    assert 0 < opening < 2
    driver.execute_script("""canvas.dispatchEvent(new KeyboardEvent('keydown', {key: 'End'}));
        const {left, top} = canvas.getBoundingClientRect(), at = {clientX: left + 300, clientY: top + 200, bubbles: true};
        canvas.dispatchEvent(new MouseEvent('mousemove', at)); draw();""")
    assert 0 < seconds_of(driver) - opening < 2


def seconds_of(driver: Any) -> float:
    """Return the processor time that the page's thread has spent since it was opened."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))
