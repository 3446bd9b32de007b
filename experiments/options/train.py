"""Options of the commands around one variant: train, teach, evaluate, latency, import, export."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from experiments.options.common import (
    MAX_EPOCHS,
    MAX_PROCESSES,
    MAX_SIDE,
    MIN_SIDE,
    RUNNING,
    TRAINING,
    WHAT,
    BadImageOptions,
    DataOptions,
    DeterminismOptions,
    ImageOptions,
    LoaderOptions,
    OutOptions,
    RandomOptions,
    SeedOptions,
    SpaceOptions,
    SubsetOptions,
    TaskOptions,
    TeacherOptions,
    ThreadOptions,
    recipes,
)
from experiments.options.declare import Options, argument, option
from experiments.options.setup import SetupOptions
from experiments.recipes import DEFAULT_RECIPE, HEAD_RECIPE

ENCODINGS = ("compact", "fp16")
STARTS = ("weights", "random")
SPLITS = ("test", "holdout", "train")
FORMATS = ("onnx", "torch-export")


@dataclass(frozen=True, kw_only=True)
class TrainOptions(SetupOptions, DeterminismOptions, ThreadOptions, LoaderOptions, TeacherOptions, OutOptions, DataOptions):
    """Train a variant on all training images and score it on the test split.

    A variant with weights for other classes than those of the data gets a new head. Interrupted, the same command continues.
    """

    EXAMPLE: ClassVar = "scaler train runs/search/variants/flops-1M --data digits --out runs/flops-1M"

    variant: str = argument(help="A variant's folder, a seed or a timm model.")
    start: str | None = option(
        None,
        help="Initial weights: the variant's own, which is the default if it has some, or random ones.",
        group=TRAINING,
        choices=lambda: STARTS,
    )
    recipe: str | None = option(
        None,
        help=f"How to train: {DEFAULT_RECIPE} by default, {HEAD_RECIPE} where weights get a new head; `scaler list recipes` has "
        "the epochs.",
        group=TRAINING,
        choices=recipes,
    )
    epochs: int | None = option(None, help="Epochs, instead of the recipe's.", group=TRAINING, minimum=1, maximum=MAX_EPOCHS)
    batch_size: int | None = option(
        None, help="Images of an update, over all processes.", group=TRAINING, minimum=2, maximum=10**6
    )
    drop_path: float | None = option(
        None, help="Stochastic depth, instead of the recipe's.", group=TRAINING, minimum=0, maximum=0.9
    )
    resolution: int | None = option(None, help="Side of the input in pixels.", group=TRAINING, minimum=MIN_SIDE, maximum=MAX_SIDE)


@dataclass(frozen=True, kw_only=True)
class TeachOptions(DeterminismOptions, LoaderOptions, OutOptions, DataOptions):
    """Store a teacher's logits for every augmented view of some epochs.

    Interrupted or damaged, the same command completes the store.
    """

    EXAMPLE: ClassVar = "scaler teach runs/seed --data digits --epochs 30 --topk 5 --out runs/logits"

    teacher: str = argument(help="Folder of a trained variant.")
    epochs: int | None = option(
        None,
        help="Epochs to store, the recipe's by default; students that train longer see them again.",
        group=TRAINING,
        minimum=1,
        maximum=MAX_EPOCHS,
    )
    topk: int | None = option(
        None, help="Logits to keep of each view: 10 by default, 100 of over 1,000 classes.", group=TRAINING, minimum=1
    )
    recipe: str = option(
        "small", help="Recipe of the students: its augmentation and temperature.", group=TRAINING, choices=recipes
    )
    encoding: str = option(
        "compact", help="Encoding of the logits; fp16 takes twice the size.", group=TRAINING, choices=lambda: ENCODINGS
    )
    processes: int = option(1, help="Processes that run the teacher.", group=RUNNING, minimum=1, maximum=MAX_PROCESSES)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(LoaderOptions, ImageOptions):
    """Measure top-1, top-5, loss and images per second of a trained variant."""

    EXAMPLE: ClassVar = "scaler evaluate runs/flops-1M --data digits"

    variant: str = argument(help="Folder of a trained variant.")
    split: str = option("test", help="Images to score.", group=WHAT, choices=lambda: SPLITS)


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(SpaceOptions):
    """Measure the time that one image takes on this machine.

    With --learn, networks around a seed are measured, from which budgets such as latency=12ms predict all others.
    """

    EXAMPLE: ClassVar = "scaler latency tiny_vit_1m_32"

    target: str = argument(help="A seed, any timm model, or a variant's folder.")
    resolution: int | None = option(None, help="Side of the input in pixels.", group=WHAT, minimum=MIN_SIDE, maximum=MAX_SIDE)
    learn: bool = option(False, help="Learn what the networks around a seed take, for budgets.", group=WHAT)


@dataclass(frozen=True, kw_only=True)
class ImportOptions(TaskOptions, OutOptions):
    """Import pretrained weights into a variant's folder: timm's by name, or a published checkpoint.

    timm:NAME takes them through the Hugging Face cache. A file is TinyViT's, Mini-DeiT's, Mini-Swin's, DeiT's, Swin's or timm's.
    --resolution allows position tables to be resized; --num-classes puts zeros in place of another head.
    """

    EXAMPLE: ClassVar = "scaler import timm:tiny_vit_21m_224.dist_in22k_ft_in1k --out runs/tiny_vit_21m"

    checkpoint: str | Path = argument(
        help="timm:NAME or timm:NAME.TAG, or a .pth, .pt, .bin or .safetensors file.", metavar="SOURCE"
    )
    model: str | None = option(None, help="The seed or timm model that the file holds.", group=WHAT, metavar="NAME")
    class_map: Path | None = option(
        None, help="File with a line for each class: its row in the head.", group=WHAT, metavar="FILE"
    )
    by_position: bool = option(
        False,
        help="Take the file's tensors in their order, whatever they are called; their kinds and shapes must agree.",
        group=WHAT,
    )
    mean: str | None = option(
        None, help="Mean of the input that the weights expect, for pixels of 0 to 1: 0.5 or 0.5,0.4,0.4.", group=WHAT
    )
    std: str | None = option(None, help="Standard deviation of that input, written alike.", group=WHAT)


@dataclass(frozen=True, kw_only=True)
class PredictOptions(LoaderOptions):
    """Classify images with a trained variant.

    Images are read, resized and cropped as in `scaler evaluate`.
    """

    EXAMPLE: ClassVar = "scaler predict runs/flops-2M photo.jpg holiday/ --topk 3"

    variant: str = argument(help="Folder of a trained variant.")
    images: tuple[Path, ...] = argument(help="Image files, and folders whose images are classified.", metavar="IMAGE...")
    topk: int = option(5, help="Classes to name for each image, the most probable first.", group=WHAT, minimum=1)


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Options):
    """Write a deployable file with a free batch size, its outputs compared with the variant's at batch 1 and 8."""

    EXAMPLE: ClassVar = "scaler export runs/flops-1M --out flops-1M.onnx"

    variant: str = argument(help="Folder of a trained variant.")
    out: Path = option(help="File to write.", group=WHAT, metavar="FILE")
    format: str = option("onnx", help="Form of the file.", group=WHAT, choices=lambda: FORMATS)


@dataclass(frozen=True, kw_only=True)
class ShrinkOptions(
    SetupOptions,
    DeterminismOptions,
    LoaderOptions,
    TeacherOptions,
    SeedOptions,
    OutOptions,
    SubsetOptions,
    BadImageOptions,
    RandomOptions,
):
    """Make a smaller trained model of a trained seed: choose it, cut it out of the seed's weights, tune it.

    Interrupted, the same command continues. Without --data the weights are cut and not tuned, which leaves a model near chance.
    """

    EXAMPLE: ClassVar = "scaler shrink runs/seed --budget flops=50% --data digits --out runs/half"

    budget: str = option(help="A budget such as flops=1.3G,params=60%; see `scaler space --help`.", group=WHAT)
    data: str | None = option(
        None, help="Images to tune on: digits, folder:PATH, or a timm data set; the cut is not tuned without.", group=WHAT
    )
    recipe: str = option("shrink", help="How to tune.", group=TRAINING, choices=recipes)
    epochs: int | None = option(None, help="Epochs, instead of the recipe's.", group=TRAINING, minimum=1, maximum=MAX_EPOCHS)
    batch_size: int | None = option(
        None, help="Images of an update, instead of the recipe's.", group=TRAINING, minimum=2, maximum=10**6
    )


@dataclass(frozen=True, kw_only=True)
class ElasticOptions(DeterminismOptions, ThreadOptions, LoaderOptions, TeacherOptions, SeedOptions, OutOptions, DataOptions):
    """Make an elastic seed of a trained seed: smaller networks that are cut out of it work without tuning.

    Its channels are sorted by importance, and it is trained together with members of a few coarse widths, depths and ratios.
    The folder opens as an ordinary model. Interrupted, the same command continues.
    """

    EXAMPLE: ClassVar = "scaler elastic runs/seed --data digits --epochs 10 --out runs/elastic"

    epochs: int | None = option(None, help="Epochs, instead of the recipe's.", group=TRAINING, minimum=1, maximum=MAX_EPOCHS)
    least: float = option(
        0.5, help="FLOPs of the smallest members, as a fraction of the seed's.", group=WHAT, minimum=0.001, maximum=0.99
    )
    recipe: str = option("shrink", help="How to train.", group=TRAINING, choices=recipes)
    batch_size: int | None = option(
        None, help="Images of an update, instead of the recipe's.", group=TRAINING, minimum=2, maximum=10**6
    )
