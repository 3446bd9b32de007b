"""Checkpoint files as plain state dicts. Nothing in a file is ever run: pickles are read with ``weights_only=True``."""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from scaler.errors import ScalerError

# Where training scripts put a state dict, first choice first: timm's and the authors' of DeiT, Swin, TinyViT and MiniViT.
WRAPPERS = ("model", "state_dict", "model_state_dict", "module", "net", "weights", "model_ema", "state_dict_ema", "ema")
# Put before every name by DistributedDataParallel and by torch.compile.
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by their names in it.

    Attributes:
        wrapper: the entry that held them; empty if they are the file's top level.
        others: further entries that could be state dicts.
    """

    tensors: dict[str, torch.Tensor]
    wrapper: str = ""
    others: tuple[str, ...] = ()


def read(path: Path) -> Checkpoint:
    """Read the state dict in a ``.safetensors`` file, or in one that ``torch.save`` wrote.

    Raises:
        ScalerError: if there is no such file, or it is no checkpoint, holds more than tensors, or has no state dict.
    """
    if not path.is_file():
        raise ScalerError(f"no file {str(path)!r}: give a checkpoint (.pth, .pt, .bin or .safetensors)")
    return _unwrap(load_safetensors(path) if path.suffix == ".safetensors" else _load_pickle(path), path)


def load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ScalerError(f"{path} is not a safetensors file ({error}): download or save it again") from error


def _load_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"(?:GLOBAL|function|class) (?:<class ')?([\w.]+)", str(error).partition("WeightsUnpickler error")[2])
        raise (_holds_more(path, refused[1]) if refused else _unreadable(path, error)) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _holds_more(path: Path, found: str) -> ScalerError:
    out = path.with_suffix(".weights.pth").name
    code = f"import torch; torch.save(torch.load('{path.name}', weights_only=False)['model'], '{out}')"
    return ScalerError(
        f"{path} holds more than tensors ({found}), and reading that could run code: it is not opened; "
        f'if you trust its source, save the weights alone and import those: python -c "{code}"'
    )


def _unreadable(path: Path, error: Exception) -> ScalerError:
    reason = str(error).rpartition("WeightsUnpickler error: ")[2].strip().splitlines() or [type(error).__name__]
    return ScalerError(f"{path} is not a checkpoint that torch.save wrote ({reason[0][:100]}): download or save it again")


def _unwrap(data: Any, path: Path) -> Checkpoint:
    if _is_state(data):
        return Checkpoint(_without_prefixes(data))
    found = [name for name in WRAPPERS if isinstance(data, Mapping) and _is_state(data.get(name))]
    if not found:
        held = ", ".join(map(str, list(data)[:8])) if isinstance(data, Mapping) else type(data).__name__
        raise ScalerError(f"{path} has no state dict ({held}): it should be one, or hold one under {', '.join(WRAPPERS)}")
    return Checkpoint(_without_prefixes(data[found[0]]), found[0], tuple(found[1:]))


def _is_state(data: Any) -> bool:
    named = isinstance(data, Mapping) and bool(data)
    return named and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in data.items())


def _without_prefixes(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefixes({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return dict(state)
