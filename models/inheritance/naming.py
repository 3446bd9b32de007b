"""The tensors of a seed that a tensor of a network comes from."""

import re
from collections.abc import Iterable, Mapping

from models.inheritance.depth import Kept

Sources = dict[str, tuple[str, ...]]


def sources_of(names: Iterable[str], shared: Mapping[str, str], known: Mapping[str, str], kept: Kept) -> Sources:
    """Return, for each of ``names``, the seed's tensors that it replaces: several where only the network shares.

    Args:
        names: of the network's state dict.
        shared: the network's further names of shared tensors, with the name in the state dict.
        known: the seed's names of tensors, those of shared ones included, with the name in its state dict.
        kept: the seed's block for every block.

    Returns:
        Names of the seed's state dict, each once, in the order of blocks; none for a tensor that the seed lacks.
    """
    passes = {name: [name] for name in names}
    for alias, first in shared.items():
        passes[first].append(alias)
    theirs = {name: [in_seed(own, kept) for own in listed] for name, listed in passes.items()}
    return {name: tuple(dict.fromkeys(known[source] for source in listed if source in known)) for name, listed in theirs.items()}


def in_seed(name: str, kept: Kept) -> str:
    """Return ``name`` with the number of its block replaced by that of the seed's."""
    for container, blocks in kept.items():
        found = re.match(rf"{re.escape(container)}\.(\d+)\.", name)
        if found:
            return f"{container}.{blocks[int(found[1])]}.{name[found.end() :]}"
    return name
