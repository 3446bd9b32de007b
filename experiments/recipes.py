"""Training recipes by name, with the sources of their numbers."""

from dataclasses import dataclass, replace

from scaler.errors import ScalerError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training recipe.

    Attributes:
        batch_size: images per update, over all processes and accumulated parts.
        lr: learning rate for a batch of 512; it scales with the batch.
        warmup_epochs: epochs of linear warm-up from ``warmup_lr``; a cosine down to ``min_lr`` follows, update by update.
        warmup_lr, min_lr: for a batch of 512, as ``lr``.
        layer_decay: learning rate of a layer as a fraction of the next layer's; 1 for equal rates.
        smoothing: of labels.
        mixup, cutmix: alpha of each; 0 for none.
        scale, ratio: of the random crop: fraction of the image's area, and width over height.
        hflip: probability of mirroring, if the data set allows it.
        auto_augment: timm's policy; empty for none.
        reprob: probability of erasing a box.
        low_resolution: resolution of the images of the first third of the updates, as a fraction of the model's own.
        repeats: views of an image in one epoch, which then holds that many times fewer images (repeated augmentation).
        drop_path: rate of stochastic depth.
        clip_grad: largest norm of the gradient; 0 for no clipping.
        freeze_bn: keep the statistics of batch norms as they are.
        ema_decay: of the averaged weights, which are then evaluated and kept; 0 for none.
        distill: weight of the teacher's logits in the loss, if there is a teacher; the rest is cross-entropy with the labels.
        temperature: of the student's and the teacher's logits.
        hard: learn the teacher's most probable class instead of its probabilities.
        attention, hidden: weights of the token relations (see `experiments.losses.relations`), which are added; 0 for none.
        relation_heads: heads that the attention relation is cut into.

    Raises:
        ScalerError: if token relations are combined with two resolutions.
    """

    summary: str
    epochs: int
    batch_size: int
    lr: float
    opt: str = "adamw"
    weight_decay: float = 0.05
    layer_decay: float = 1.0
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
    low_resolution: float = 1.0
    repeats: int = 1
    drop_path: float = 0.0
    clip_grad: float = 0.0
    freeze_bn: bool = False
    ema_decay: float = 0.0
    distill: float = 0.7
    temperature: float = 1.0
    hard: bool = False
    attention: float = 0.0
    hidden: float = 0.0
    relation_heads: int = 1

    def __post_init__(self) -> None:
        if self.relates and self.low_resolution < 1:
            raise ScalerError(
                f"--low-resolution {self.low_resolution}: relations to the teacher are learned at one resolution; leave it out, "
                "or take a recipe without relations"
            )

    @property
    def relates(self) -> bool:
        """True if token relations of the teacher are learned, which stored logits do not hold."""
        return bool(self.attention or self.hidden)


# Source: TinyViT's config.py and configs/1k: 300 epochs, 20 of warm-up, 8 x 128 images, base rate 5e-4 and least rate 5e-6 for a
# batch of 512, weight decay 0.05, clip 5, smoothing 0.1, RandAugment m9, erasing 0.25, mixup 0.8, cutmix 1.0; drop path is 0, 0.1
# and 0.2 for 5M, 11M and 21M.
_TINY_VIT = Recipe(
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
)

# Source: TinyViT's configs/22kto1k: 30 epochs, 5 of warm-up, base rate 2.5e-4, least 1e-5, weight decay 1e-8, each block's rate
# 0.8 of the next one's (`experiments.training.optimizer.tiny_vit_lr_scales`), batch norms in evaluation mode, neither mixup nor
# cutmix; drop path is 0, 0 and 0.1 for 5M, 11M and 21M.
_TINY_VIT_22K_TO_1K = replace(
    _TINY_VIT,
    summary="TinyViT's published fine-tuning on ImageNet-1k after distillation on ImageNet-22k (drop path of 5M and 11M)",
    epochs=30,
    lr=2.5e-4,
    warmup_epochs=5,
    min_lr=1e-5,
    weight_decay=1e-8,
    layer_decay=0.8,
    mixup=0.0,
    cutmix=0.0,
    drop_path=0.0,
    freeze_bn=True,
)

# Source: DeiT's and Mini-DeiT's main.py: 300 epochs, 5 of warm-up (the 10 of cool-down begin after the last), batch 1024, rate
# 5e-4 for 512 images, least 1e-5 and first 1e-6 whatever the batch (here for 512), weight decay 0.05, no clipping, EMA 0.99996,
# three views of each image. Mini-DeiT learns from the teacher's logits alone, at temperature 1. The published divergence is also
# divided by the number of classes, 1000; that factor is left out here. It changes AdamW's steps through the epsilon of 1e-8, so
# that early steps differ from the published ones. Drop path is 0, 0 and 0.1 for Ti, S and B.
_MINI_DEIT = replace(
    _TINY_VIT,
    summary="Mini-DeiT's published distillation on ImageNet-1k (drop path of Ti and S)",
    warmup_epochs=5,
    drop_path=0.0,
    clip_grad=0.0,
    ema_decay=0.99996,
    repeats=3,
    distill=1.0,
)

# Source: the README's commands of Mini-Swin and its configs, those of Swin otherwise: no truth (alpha 0), the teacher's answer at
# temperature 1 and its attention relations with weight 1 each, its hidden relations with 0.1, one relation head; clip 5, no EMA.
# Drop path is 0, 0.1 and 0.2 for T, S and B.
_MINI_SWIN = replace(
    _TINY_VIT,
    summary="Mini-Swin's published weight distillation on ImageNet-1k (drop path of S)",
    distill=1.0,
    attention=1.0,
    hidden=0.1,
)

_SMALL = Recipe(
    summary="full training of a small model on small images, with or without a teacher",
    epochs=30,
    batch_size=64,
    lr=8e-3,
    warmup_epochs=2,
    scale=(0.6, 1.0),
    clip_grad=5.0,
    distill=0.7,
    temperature=2.0,
)

# The recipes of a training that names none: from random weights or its own, and from weights that get a new head.
DEFAULT_RECIPE, HEAD_RECIPE = "small", "finetune"

RECIPES: dict[str, Recipe] = {
    "small": _SMALL,
    "proxy": replace(_SMALL, summary="short training that scores a candidate in a search", epochs=6, warmup_epochs=1),
    # The rate is that of `small`: on the digits, a TinyViT cut from 6.6 to 2.0 MFLOPs reached a held-out top-1 of 76.9, 72.7 and
    # 61.5 % in two epochs at 8e-3, 4e-3 and 2e-3, and 51.0 % from random weights at 8e-3.
    "shrink": replace(
        _SMALL,
        summary="tuning of a network that was cut out of a trained seed, by distillation from the seed",
        epochs=10,
        warmup_epochs=0.5,
    ),
    # Rates by layer as in the fine-tuning of BEiT and MAE (Bao et al. 2022, He et al. 2022: 0.65 to 0.75 of the next layer's,
    # over 50 to 100 epochs) and of TinyViT (0.8), but nearer to 1 and with the rate of `small`, as few images make few updates:
    # 94 updates of EfficientNet-Lite0 on 3,000 images of Fashion-MNIST at 48 pixels give 71 % at 0.75, 73 % at 0.9 and 77 % at 1
    # with half of this rate, and 77 % at 0.85 and 80 % at 0.9 with this rate (2,000 test images, one seed). No drop path, as
    # TinyViT's authors advise for a user's own images (https://github.com/microsoft/Cream/issues/144). The rest is `small`.
    "finetune": replace(
        _SMALL,
        summary="tuning of pretrained weights to other classes, with or without a teacher",
        epochs=10,
        layer_decay=0.9,
        warmup_epochs=1,
    ),
    "tiny_vit_in1k": _TINY_VIT,
    # Source: TinyViT's configs/22k_distill: 90 epochs, 5 of warm-up, 32 x 128 images, base rate 2.5e-4, weight decay 0.01,
    # neither mixup nor cutmix; the teacher's answers alone, 100 of them stored; drop path is 0, 0 and 0.1 for 5M, 11M and 21M.
    "tiny_vit_in22k_distill": replace(
        _TINY_VIT,
        summary="TinyViT's published distillation on ImageNet-22k (drop path of 5M and 11M)",
        epochs=90,
        batch_size=4096,
        lr=2.5e-4,
        warmup_epochs=5,
        weight_decay=0.01,
        mixup=0.0,
        cutmix=0.0,
        drop_path=0.0,
        distill=1.0,
    ),
    "tiny_vit_22k_to_1k": _TINY_VIT_22K_TO_1K,
    # Source: TinyViT's configs/higher_resolution and docs/TRAINING.md: 30 epochs, 5 of warm-up, 8 x 32 x 4 images, base rate
    # 2e-5, first 2e-8, least 2e-7, equal rates of all layers; no teacher.
    "tiny_vit_higher_resolution": replace(
        _TINY_VIT_22K_TO_1K,
        summary="TinyViT-21M's published fine-tuning from 224 to 384 pixels, and again from 384 to 512",
        lr=2e-5,
        warmup_lr=2e-8,
        min_lr=2e-7,
        layer_decay=1.0,
        drop_path=0.1,
    ),
    "mini_deit": _MINI_DEIT,
    # Source: Mini-DeiT's README and main.py: 30 epochs, rate 5e-6 for 512 images at a batch of 256, least 5e-6 whatever the
    # batch, so that the rate rises; weight decay 1e-8; the model in eval mode, so without stochastic depth; no teacher.
    "mini_deit_384": replace(
        _MINI_DEIT,
        summary="Mini-DeiT's published fine-tuning from 224 to 384 pixels",
        epochs=30,
        batch_size=256,
        lr=5e-6,
        min_lr=1e-5,
        warmup_lr=2e-6,
        weight_decay=1e-8,
        distill=0.0,
    ),
    "mini_swin": _MINI_SWIN,
    # Source: Mini-Swin's README and config of the 384: 8 x 16 x 2 images, 30 epochs, 5 of warm-up, base rate 2e-5, weight decay
    # 1e-8, drop path 0.2; no teacher.
    "mini_swin_384": replace(
        _MINI_SWIN,
        summary="Mini-Swin-B's published fine-tuning from 224 to 384 pixels",
        epochs=30,
        batch_size=256,
        lr=2e-5,
        warmup_epochs=5,
        weight_decay=1e-8,
        drop_path=0.2,
        distill=0.0,
        attention=0.0,
        hidden=0.0,
    ),
}


def get_recipe(name: str) -> Recipe:
    """Return the recipe called ``name``.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
