"""The messages of unknown names."""

import pytest

from scaler.errors import UnknownNameError


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("recipe", "did you mean 'small'? (`scaler list recipes` shows all)"),
        ("data set", "did you mean 'small'? (`scaler list data` shows all)"),
        ("axis", "did you mean 'small'?"),
        ("pruner", "did you mean 'small'?"),
    ],
)
def test_only_names_that_are_listed_send_to_the_list(kind: str, ending: str) -> None:
    assert str(UnknownNameError(kind, "smal", ["small", "large"])) == f"unknown {kind} 'smal': {ending}"


def test_several_names_may_be_suggested_and_none() -> None:
    error = UnknownNameError("axis", "x", ["aa", "bb", "cc"], near=["cc", "aa", "bb"])
    assert str(error) == "unknown axis 'x': did you mean 'cc', 'aa' or 'bb'?"
    assert str(UnknownNameError("axis", "x", ["bb", "aa"])) == "unknown axis 'x': known: aa, bb"
    assert str(UnknownNameError("axis", "x", map(str, range(100, 115)))).endswith("109, 110, 111 and 3 more")
