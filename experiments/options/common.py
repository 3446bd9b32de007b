"""Options that several commands take."""

from dataclasses import dataclass
from pathlib import Path

from experiments.options.declare import Options, argument, option
from experiments.recipes import RECIPES

WHAT, SCORING, TRAINING, RUNNING = "What", "How to score", "How to train", "Where to run"
# Beyond these a command would not end, or the machine would not bear it; each is far above any use.
MIN_SIDE = 4  # in pixels; no family has smaller patches that are of use
ON_BAD_IMAGE = ("stop", "skip")
MAX_SIDE, MAX_CLASSES, MAX_EPOCHS, MAX_PROCESSES, MAX_TRIALS = 4096, 10**6, 10**5, 256, 10**6


@dataclass(frozen=True, kw_only=True)
class RandomOptions(Options):
    """The seed of every random draw."""

    seed: int = option(0, help="Seed of every random draw.", group=WHAT, minimum=0, maximum=2**32 - 1, metavar="N")


@dataclass(frozen=True, kw_only=True)
class BadImageOptions(Options):
    """The treatment of image files that cannot be read."""

    on_bad_image: str = option(
        "stop",
        help="At a file of folder:PATH that cannot be read: stop, or skip it and list it in skipped_images.json.",
        group=WHAT,
        choices=lambda: ON_BAD_IMAGE,
    )


@dataclass(frozen=True, kw_only=True)
class ImageOptions(BadImageOptions):
    """The images."""

    data: str = option(help="digits, folder:PATH, or a timm data set such as torch/fashion_mnist:ROOT.", group=WHAT)


@dataclass(frozen=True, kw_only=True)
class SubsetOptions(Options):
    """The part of the training images that is used."""

    train_images: int | None = option(None, help="Use only this many training images.", group=WHAT, minimum=2, maximum=10**9)


@dataclass(frozen=True, kw_only=True)
class DataOptions(SubsetOptions, ImageOptions, RandomOptions):
    """The images of a training."""


@dataclass(frozen=True, kw_only=True)
class OutOptions(Options):
    """The folder of the results."""

    out: Path = option(help="Folder for the results.", group=WHAT, is_recorded=False)


@dataclass(frozen=True, kw_only=True)
class TeacherOptions(Options):
    """The teacher to distil from, running or stored."""

    teacher: str | None = option(None, help="Folder of a trained variant to distil from.", group=TRAINING, metavar="DIR")
    logits: Path | None = option(None, help="Stored logits of a teacher (`scaler teach`) to distil from.", group=TRAINING)


@dataclass(frozen=True, kw_only=True)
class SpaceOptions(Options):
    """A seed model's search space."""

    axes: Path | None = option(None, help="JSON file of axes that replace the space's own.", group=WHAT, metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class SeedOptions(SpaceOptions):
    """A seed model and its search space."""

    seed_model: str = argument(help="The large model: a seed's name, a timm model or a variant's folder.", metavar="SEED")


@dataclass(frozen=True, kw_only=True)
class TaskOptions(Options):
    """The shape of a model's input and output."""

    resolution: int | None = option(None, help="Side of the input in pixels.", group=WHAT, minimum=MIN_SIDE, maximum=MAX_SIDE)
    num_classes: int | None = option(None, help="Number of classes.", group=WHAT, minimum=1, maximum=MAX_CLASSES)


@dataclass(frozen=True, kw_only=True)
class LoaderOptions(Options):
    """Processes that load images."""

    loader_workers: int | None = option(
        None,
        help="Processes that load images, for each training process: 1 where a lone training leaves a core idle, else 0.",
        group=RUNNING,
        minimum=0,
        maximum=MAX_PROCESSES,
        is_recorded=False,
    )


@dataclass(frozen=True, kw_only=True)
class ThreadOptions(Options):
    """The threads of a training."""

    threads: int | None = option(
        None,
        help="Threads of each process, by the network's size by default; whatever continues keeps their number.",
        group=RUNNING,
        minimum=1,
        maximum=MAX_PROCESSES,
    )


@dataclass(frozen=True, kw_only=True)
class DeterminismOptions(Options):
    """The algorithms of a GPU."""

    deterministic: bool = option(
        False,
        help="Use PyTorch's deterministic algorithms alone: slower on a GPU, and of the same bits each time.",
        group=RUNNING,
    )


def recipes() -> list[str]:
    """Return the names of the recipes."""
    return list(RECIPES)
