"""Progress where stderr is no terminal: the time left is said early, then now and then."""

import pytest

from experiments.runtime import progress
from experiments.runtime.progress import meter


@pytest.mark.parametrize(("total", "lines"), [(1000, [4, 25, 46]), (22, [])])
def test_the_first_line_comes_early_if_much_is_left(
    total: int, lines: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One image each second."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with meter("training", total) as shown:
        for _ in range(min(50, total - 2)):
            now[0] += 1
            shown.advance(1, "epoch 1/3")
    said = [f"training: {i}/{total} images, 1/s, {total - i} s left  epoch 1/3" for i in lines]
    assert capsys.readouterr().err.splitlines() == said
