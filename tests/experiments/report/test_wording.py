"""The words of figures and page."""

import pytest

from experiments.report.wording import budget_use, counted, describe
from scaler.budget import Bound, Budget
from tests.experiments.report.fake_ledger import ARCH, SEED


def test_an_architecture_in_words() -> None:
    assert describe(ARCH) == "widths 32, 64, 96; depths 1, 2, 1; MLP ratio 3.0; resolution 32; classes 10"
    assert describe("{}") == ""


def test_counts() -> None:
    assert [counted(number, "trial") for number in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"flops": Bound(high=70_000_000)}, "50.0 % of the FLOPs"),
        ({"flops": Bound(high=70_000_000), "params": Bound(1, 4_000_000)}, "50.0 % of the FLOPs, 25.0 % of the parameters"),
        ({"flops": Bound(low=1)}, ""),
        ({"resolution": Bound(high=64)}, ""),
    ],
)
def test_share_of_the_budget(bounds: dict[str, Bound], text: str) -> None:
    assert budget_use(Budget(tuple(bounds.items())), SEED) == text
