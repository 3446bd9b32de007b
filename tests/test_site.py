"""The documentation builds without a warning, its links lead somewhere, and its pages ask no network for anything."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import scaler
from tests.experiments.cli.test_cli import ROOT


class Page(HTMLParser):
    """The ids, links and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.links, self.loaded = set[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.add(found.get("id", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("script", "img", "source", "iframe"):
            self.loaded += [found[name] for name in ("src", "srcset") if name in found]
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(found["href"])


def built(out: Path, work: Path) -> dict[Path, Page]:
    """Build the site into ``out``, and return its pages."""
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--doctree-dir", str(work)]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path: Page(path.read_text("utf-8")) for path in out.glob("*.html")}


def is_lost(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    """Return True if a link of the page ``path`` leads to no file, or to no place of a page, of the site."""
    target, anchor = urldefrag(link)
    if re.match(r"[a-z]+:", target):
        return False
    place = (path.parent / unquote(target)).resolve() if target else path
    return not place.exists() or (anchor != "" and place in pages and unquote(anchor) not in pages[place].ids)


def is_foreign(name: str, path: Path) -> bool:
    """Return True if a file that the page ``path`` loads is not part of the site."""
    return not name.startswith("data:") and not (path.parent / unquote(name.partition("?")[0])).is_file()


@pytest.mark.slow
def test_the_site_is_whole(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pages = built(site, tmp_path / "doctrees")
    assert len(pages) > 25
    assert [(path.name, link) for path, page in pages.items() for link in page.links if is_lost(link, path, pages)] == []
    assert [(path.name, name) for path, page in pages.items() for name in page.loaded if is_foreign(name, path)] == []
    assert [
        path
        for path in site.rglob("*.css")
        if re.search(r"(url\(\s*['\"]?|@import\s*['\"])(https?:)?//", path.read_text("utf-8"))
    ] == []
    assert {f"scaler.{name}" for name in scaler.__all__} <= pages[site / "api.html"].ids
