"""The report as one HTML file that needs no other file and no network."""

import json
import shlex
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.report.page_data import PageData
from scaler.files import write_text
from scaler.units import format_quantity

_FOLDER = "page"
_SCRIPTS = ("chart.umd.min.js", "architecture.js", "frontier.js", "pictures.js")
_SOURCE_MAP = "//# sourceMappingURL="  # a file that lies beside Chart.js where it is published, and not here


def write_page(page: PageData, out_dir: Path) -> Path:
    """Write ``report.html`` into ``out_dir`` and return its path."""
    path = out_dir / "report.html"
    write_text(path, render(page))
    return path


def render(page: PageData) -> str:
    """Return the HTML document; the template escapes every value but the package's own style and scripts."""
    environment = Environment(
        loader=PackageLoader("experiments.report", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"quantity": format_quantity, "shquote": shlex.quote, "pylit": json.dumps}
    scripts = [_asset(name).partition(_SOURCE_MAP)[0] for name in _SCRIPTS]
    licence, style = _asset("chart.LICENSE.md"), _asset("report.css")
    return environment.get_template("report.html").render(page=page, style=style, scripts=scripts, licence=licence)


def _asset(name: str) -> str:
    return files("experiments.report").joinpath(_FOLDER, name).read_text(encoding="utf-8")
