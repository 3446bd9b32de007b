"""Commands that run side by side."""

import pytest

from experiments.runtime.side_by_side import run_side_by_side
from scaler.errors import ScalerError


def test_the_command_that_fails_is_named_and_the_others_run(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ScalerError, match="`scaler list nonsense` failed: its message is above"):
        run_side_by_side([["list", "nonsense"], ["list", "seeds"]], at_once=2)
    found = capfd.readouterr()
    assert "nonsense" in found.err
    assert found.out == ""
    run_side_by_side([["list", "seeds"]], at_once=1)
