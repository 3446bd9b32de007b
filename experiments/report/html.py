"""The report as one HTML file that needs no other file, no network and no script."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.report.page_data import PageData
from scaler.files import write_text
from scaler.units import format_quantity


def write_page(page: PageData, out_dir: Path) -> Path:
    """Write ``report.html`` into ``out_dir`` and return its path."""
    path = out_dir / "report.html"
    write_text(path, render(page))
    return path


def render(page: PageData) -> str:
    """Return the HTML document; the template escapes every value but the figures' SVG."""
    environment = Environment(
        loader=PackageLoader("experiments.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quantity"] = format_quantity
    return environment.get_template("template.html").render(page=page)
