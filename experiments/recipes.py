"""Training recipes: named, sourced data."""

from dataclasses import dataclass

from scaler.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Attributes:
        lr: learning rate for a batch of 512; it scales with the batch.
        warmup_epochs: linear, from ``warmup_lr`` (for a batch of 512 too), then cosine per step down to ``min_lr``.
        mixup, cutmix: alpha of each; 0 is off. ``smoothing`` is of hard labels.
        scale, ratio: of the random crop, as shares of the image's area and as width over height.
        hflip: probability of mirroring, where the data set allows it. ``auto_augment``: timm's policy, empty for none.
        reprob: probability of erasing a box.
        drop_path: stochastic depth. ``clip_grad``: largest norm of the gradient, 0 for none.
        ema_decay: of the averaged weights that are evaluated and kept; 0 for none.
        distill: share of the teacher in the loss, where there is one; the rest is cross-entropy. ``temperature`` softens both.
    """

    summary: str
    epochs: int
    batch_size: int
    lr: float
    opt: str = "adamw"
    weight_decay: float = 0.05
    warmup_epochs: float = 0
    warmup_lr: float = 1e-6
    min_lr: float = 1e-5
    smoothing: float = 0.1
    mixup: float = 0.0
    cutmix: float = 0.0
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    hflip: float = 0.5
    auto_augment: str = ""
    color_jitter: float = 0.0
    reprob: float = 0.0
    interpolation: str = "bicubic"
    drop_path: float = 0.0
    clip_grad: float = 0.0
    ema_decay: float = 0.0
    distill: float = 0.7
    temperature: float = 1.0


RECIPES: dict[str, Recipe] = {
    "small": Recipe(
        summary="full training of a small model on small images, with or without a teacher",
        epochs=30,
        batch_size=64,
        lr=8e-3,
        warmup_epochs=2,
        scale=(0.6, 1.0),
        clip_grad=5.0,
        distill=0.7,
        temperature=2.0,
    ),
    "proxy": Recipe(
        summary="short training that scores a candidate in a search",
        epochs=6,
        batch_size=64,
        lr=8e-3,
        warmup_epochs=1,
        scale=(0.6, 1.0),
        clip_grad=5.0,
        distill=0.7,
        temperature=2.0,
    ),
    # Source: TinyViT's official configs/1k and docs/TRAINING.md: 300 epochs, 20 of warm-up, 8 x 128 images, base rate 5e-4 and
    # least rate 5e-6 for a batch of 512, weight decay 0.05, clip 5, smoothing 0.1, RandAugment m9, erasing 0.25, mixup 0.8,
    # cutmix 1.0; drop path is 0, 0.1 and 0.2 for 5M, 11M and 21M.
    "tiny_vit_in1k": Recipe(
        summary="TinyViT's published training on ImageNet-1k from random weights (drop path of the 11M)",
        epochs=300,
        batch_size=1024,
        lr=5e-4,
        warmup_epochs=20,
        warmup_lr=5e-7,
        min_lr=5e-6,
        mixup=0.8,
        cutmix=1.0,
        auto_augment="rand-m9-mstd0.5-inc1",
        reprob=0.25,
        drop_path=0.1,
        clip_grad=5.0,
    ),
}


def get_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
