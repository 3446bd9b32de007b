"""Values in the form in which JSON holds them."""

from typing import Any


def to_lists(value: Any) -> Any:
    """Return ``value`` with a list in the place of every tuple, at any depth of lists and dicts."""
    if isinstance(value, dict):
        return {key: to_lists(entry) for key, entry in value.items()}
    return [to_lists(entry) for entry in value] if isinstance(value, list | tuple) else value
