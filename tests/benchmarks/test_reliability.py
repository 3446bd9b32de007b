"""The page on reliability says what was kept."""

from pathlib import Path

from benchmarks.reliability import tables

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_tables_of_the_kept_results() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for table in tables():
        assert table in page, "run `python -m benchmarks.reliability`"
    assert not any("faults" in table and not table.splitlines()[-2].endswith("| 0 |") for table in tables())
