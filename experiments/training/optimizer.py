"""The optimizer and the learning-rate schedule of a training, both timm's."""

from functools import partial
from typing import Any

from timm.models.tiny_vit import TinyVit
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import nn

from experiments.training.job import Job

_LR_BATCH = 512  # images of an update for which recipes give their learning rates


def make_optimizer(model: nn.Module, job: Job) -> Any:
    """Return the optimizer of ``job``'s recipe over the parameters of ``model``."""
    recipe = job.recipe
    layer_decay = recipe.layer_decay if recipe.layer_decay < 1 else None
    groups = partial(_tiny_vit_groups, weight_decay=recipe.weight_decay, layer_decay=recipe.layer_decay)
    return create_optimizer_v2(
        model,
        recipe.opt,
        lr=recipe.lr * job.batch_size / _LR_BATCH,
        weight_decay=recipe.weight_decay,
        filter_bias_and_bn=True,
        layer_decay=layer_decay,
        param_group_fn=groups if layer_decay and isinstance(model, TinyVit) else None,  # instead of timm's groups
        **({"fused": True} if recipe.opt == "adamw" else {}),  # a fifth of the time for a small network's update
    )


def make_schedule(optimizer: Any, job: Job) -> Any:
    """Return the schedule of ``job``'s recipe, which sets the learning rates of ``optimizer`` before each update.

    Update n has the rate of n, as in timm. The published loops of TinyViT and MiniViT step their schedule after the update, so
    that update n has the rate of n - 1.
    """
    recipe, scale = job.recipe, job.batch_size / _LR_BATCH
    schedule, _ = create_scheduler_v2(
        optimizer,
        "cosine",
        num_epochs=recipe.epochs,
        warmup_epochs=recipe.warmup_epochs,
        warmup_lr=recipe.warmup_lr * scale,
        min_lr=recipe.min_lr * scale,
        step_on_epochs=False,
        updates_per_epoch=job.steps_per_epoch,
        warmup_prefix=False,
    )
    return schedule


def tiny_vit_lr_scales(model: TinyVit, layer_decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter of a TinyViT, by the parameter's name.

    Source: set_layer_lr_decay in TinyViT's models/tiny_vit.py. The head and the last block have factor 1, each earlier block
    ``layer_decay`` times the factor of the next one, the stem the first block's, and a downsampling that of the block before it.
    timm's own groups give every block ``layer_decay`` times as much, and the stem ``layer_decay`` squared times.
    """
    depths = [len(stage.blocks) for stage in model.stages]
    blocks = [f"stages.{stage}.blocks.{block}." for stage, depth in enumerate(depths) for block in range(depth)]
    layers = {"patch_embed.": 0, "head.": len(blocks) - 1, **{block: index for index, block in enumerate(blocks)}}
    # In timm a stage begins with the downsampling that ends the stage before in the authors' network.
    layers |= {f"stages.{stage}.downsample.": sum(depths[:stage]) - 1 for stage in range(1, len(depths))}
    return {
        name: layer_decay ** (len(blocks) - 1 - layer)
        for name, _ in model.named_parameters()
        for prefix, layer in layers.items()
        if name.startswith(prefix)
    }


def _tiny_vit_groups(model: TinyVit, *, weight_decay: float, layer_decay: float) -> list[dict[str, Any]]:
    """Return a TinyViT's parameters, grouped by learning rate and weight decay. Vectors and position biases have no decay."""
    scales, undecayed = tiny_vit_lr_scales(model, layer_decay), model.no_weight_decay()
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        decay = 0.0 if parameter.ndim <= 1 or name in undecayed else weight_decay
        empty = {"lr_scale": scales[name], "weight_decay": decay, "params": []}
        groups.setdefault((scales[name], decay), empty)["params"].append(parameter)
    return list(groups.values())
