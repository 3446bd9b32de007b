"""`scaler export`: write a variant as a file that runs without this project, and compare their outputs."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experiments.options.train import ExportOptions
from experiments.runtime.console import say
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError
from scaler.files import write_atomic

Runner = Callable[[torch.Tensor], torch.Tensor]
INPUT, OUTPUT = "images", "logits"
# Images at once for which the file is compared; the graph is traced with another number, so that the batch is seen to be free.
BATCHES, _TRACED = (1, 8), 2
# The largest difference that passes, as a share of the largest output: thirty times what other orders of summation came to with
# random weights in TinyViT-5M, Swin-T, Mini-Swin-T and Mini-DeiT-Ti.
TOLERANCE = 1e-4


def export(options: ExportOptions) -> dict[str, Any]:
    """Write a variant to a file with a free batch size, at the variant's resolution.

    Returns:
        ``difference`` is the largest between outputs of the file and the variant on random images, by batch size.

    Raises:
        ScalerError: if packages are missing, the network cannot be exported, or the outputs differ; no file is left then.
    """
    variant, kind, out = options.variant, options.format, options.out
    if out.is_dir():
        raise ScalerError(f"{out} is a folder: --out is the file to write")
    write, load, packages = FORMATS[kind]
    _require(packages)
    spec = open_model_spec(variant)
    if spec.weights is None:
        say(f"{variant} has no weights: the file gets random ones, which serve for timing only")
    torch.manual_seed(0)
    network, differences = spec.build().eval(), {}

    def fill(path: Path) -> None:
        _write(write, network, _images(spec, _TRACED), path, variant, kind)
        differences.update(_compare(network, load(path), spec, kind))

    write_atomic(out, fill)
    return {
        "file": str(out), "format": kind, "variant": variant, "input": ["batch", *_images(spec, 1).shape[1:]],
        "mean": spec.mean, "std": spec.std, "difference": differences, "tolerance": TOLERANCE,
    }  # fmt: skip


def _images(spec: ModelSpec, batch: int) -> torch.Tensor:
    """Return noise with a random mean per channel: zero-mean noise gives much the same outputs for every image."""
    draws = torch.Generator().manual_seed(batch)
    channels, height, width = spec.config["pretrained_cfg"]["input_size"]
    return torch.randn(batch, channels, height, width, generator=draws) + torch.randn(batch, channels, 1, 1, generator=draws)


def _require(packages: tuple[str, ...]) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ScalerError(f"this format needs {', '.join(missing)}: pip install {' '.join(missing)}")


def _write(write: Callable[..., None], network: nn.Module, images: torch.Tensor, path: Path, variant: str, kind: str) -> None:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            write(network, images, path)
    except OSError as error:
        raise ScalerError(f"cannot write {path.parent}: {error}") from error
    except Exception as error:  # the exporters raise errors of a dozen classes of their own, without a common base
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ScalerError(f"{variant} has no {kind} form: {reason[0][:200]}; PyTorch's exporter could not trace it") from error


def _compare(network: nn.Module, run: Runner, spec: ModelSpec, kind: str) -> dict[str, float]:
    """Return the largest absolute difference by batch size.

    Raises:
        ScalerError: if a difference is above `TOLERANCE` of the largest output, or an output is not finite.
    """
    found = {}
    for batch in BATCHES:
        images = _images(spec, batch)
        with torch.no_grad():
            expected, got = network(images), run(images)
        found[str(batch)] = difference = float((got - expected).abs().max())
        largest = float(expected.abs().max())
        if not difference <= TOLERANCE * largest:
            raise ScalerError(
                f"the {kind} file's outputs differ by {difference:.2g} at batch {batch}, where the largest is {largest:.2g} and "
                f"{TOLERANCE:g} of it would pass: no file is kept; try another format or PyTorch"
            )
    return found


def _write_onnx(network: nn.Module, images: torch.Tensor, path: Path) -> None:
    torch.onnx.export(
        network, (images,), path, dynamo=True, external_data=False, verbose=False, input_names=[INPUT], output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip


def _load_onnx(path: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _write_program(network: nn.Module, images: torch.Tensor, path: Path) -> None:
    program = torch.export.export(network, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    with path.open("wb") as file:
        torch.export.save(program, file)


def _load_program(path: Path) -> Runner:
    with path.open("rb") as file:
        module: Runner = torch.export.load(file).module()
    return module


# By name: the function that writes the file, the one that loads it as a function of images, and the packages needed.
FORMATS: dict[str, tuple[Callable[[nn.Module, torch.Tensor, Path], None], Callable[[Path], Runner], tuple[str, ...]]] = {
    "onnx": (_write_onnx, _load_onnx, ("onnx", "onnxscript", "onnxruntime")),
    "torch-export": (_write_program, _load_program, ()),
}
