"""The families: each one's architecture as data, beside its network.

Once this package is imported, timm knows the multiplexed networks, whichever of the two is imported first. Neither timm nor torch
is loaded for that.
"""

from importlib import import_module
from types import ModuleType

from wrapt import register_post_import_hook


def _register_networks(_timm: ModuleType) -> None:
    import_module("models.zoo.timm_registry")


register_post_import_hook(_register_networks, "timm")
