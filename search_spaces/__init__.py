"""The search spaces, one file for each family."""

from search_spaces.spaces import SPACES, architecture, open_space

__all__ = ["SPACES", "architecture", "open_space"]
