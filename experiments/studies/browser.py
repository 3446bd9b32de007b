"""A headless Chromium under selenium's control, for pictures of the report and for its tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


def find_chromium() -> tuple[str, str] | None:
    """Return the paths of Chromium and of its driver; None if one of them is missing."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def open_browser() -> "Iterator[Chrome]":
    """Yield a browser that keeps logs of its console and its requests; its profile is new and deleted at the end.

    Raises:
        RuntimeError: if Chromium or its driver is missing.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    found = find_chromium()
    if found is None:
        raise RuntimeError("Chromium or its driver is missing: apt-get install chromium chromium-driver")
    with TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = found[0]
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options=options, service=Service(found[1]))
        try:
            yield driver
        finally:
            driver.quit()
