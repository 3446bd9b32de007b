"""Tables show paths as they are."""

import pytest

from experiments.runtime.console import print_table


@pytest.mark.parametrize("path", ["[/x]", "[x]", "[bold]a[/bold]", ":smile:", "runs/[/]"])
def test_a_path_is_printed_as_it_is(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("variant", path), [("a", path)])
    assert capsys.readouterr().out.count(path) == 2
