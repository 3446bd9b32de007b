"""The original networks as plain functions of checkpoints in their authors' layouts.

Written from the papers and descriptions of the authors' code. They share nothing with our networks or maps of names: tensors are
looked up by their official keys alone.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

KEYS = Path(__file__).parent / "checkpoint_keys"
State = dict[str, Tensor]


def layout(name: str) -> list[tuple[str, str, tuple[int, ...], torch.dtype]]:
    """Kind (param or buffer), key, shape and dtype of every tensor of an official checkpoint."""
    lines = [line.split("\t") for line in (KEYS / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
    return [
        (kind, key, () if shape == "scalar" else tuple(map(int, shape.split("x"))), getattr(torch, dtype))
        for kind, key, shape, dtype in lines
    ]


def checkpoint(name: str) -> State:
    """An official checkpoint with random values, of sizes that keep signals alive through the whole network."""
    generator = torch.Generator().manual_seed(0)
    return {key: _random(key, shape, dtype, generator) for _, key, shape, dtype in layout(name)}


def _random(key: str, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    if not dtype.is_floating_point:
        return torch.randint(1, 100, shape, generator=generator)
    values = torch.randn(shape, generator=generator)
    if key.endswith("running_var"):
        return values.abs() + 0.5
    if key.endswith("weight") and len(shape) == 1:
        return 1 + 0.2 * values
    if key.endswith("weight") and len(shape) > 1 and "lookup" not in key:
        return values * (values[0].numel() ** -0.5)
    return 0.2 * values


def _linear(s: State, key: str, x: Tensor) -> Tensor:
    return F.linear(x, s[f"{key}.weight"], s.get(f"{key}.bias"))


def _norm(s: State, key: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], s[f"{key}.weight"], s[f"{key}.bias"], eps)


def _mlp(s: State, key: str, x: Tensor) -> Tensor:
    return _linear(s, f"{key}.fc2", F.gelu(_linear(s, f"{key}.fc1", x)))


def _windows(x: Tensor, w: int) -> Tensor:
    """(B, H, W, C) to (B x windows, w x w, C)."""
    b, h, _, c = x.shape
    return x.view(b, h // w, w, -1, w, c).transpose(2, 3).reshape(-1, w * w, c)


def _map(windows: Tensor, w: int, b: int, h: int) -> Tensor:
    """The inverse of `_windows` for square maps of side ``h``."""
    return windows.view(b, h // w, h // w, w, w, -1).transpose(2, 3).reshape(b, h, h, -1)


def _offsets(w: int) -> tuple[Tensor, Tensor]:
    """Row and column offsets of every pair of positions in a w x w window."""
    y, x = torch.arange(w).repeat_interleave(w), torch.arange(w).repeat(w)
    return y[:, None] - y[None], x[:, None] - x[None]


def tiny_vit(s: State, x: Tensor) -> Tensor:
    def conv(key: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = s[f"{key}.c.weight"]
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=x.shape[1] // weight.shape[1])
        bn = [s[f"{key}.bn.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *bn)

    def three(key: str, x: Tensor, stride: int) -> Tensor:
        x = F.gelu(conv(f"{key}.conv2", F.gelu(conv(f"{key}.conv1", x)), stride))
        return conv(f"{key}.conv3", x)

    def attention(key: str, x: Tensor) -> Tensor:
        biases = s[f"{key}.attention_biases"]
        heads, area = biases.shape
        dy, dx = _offsets(w := int(area**0.5))
        rows = _linear(s, f"{key}.qkv", _norm(s, f"{key}.norm", x)).view(len(x), area, heads, 96).transpose(1, 2)
        q, k, v = rows.split(32, dim=-1)  # head by head
        weights = (q @ k.mT * 32**-0.5 + biases[:, dy.abs() * w + dx.abs()]).softmax(-1)
        return _linear(s, f"{key}.proj", (weights @ v).transpose(1, 2).flatten(2))

    def block(key: str, x: Tensor) -> Tensor:
        b, c, h, _ = x.shape
        w = int(s[f"{key}.attn.attention_biases"].shape[1] ** 0.5)
        pad = -h % w
        tokens = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, pad, 0, pad))
        mixed = _map(attention(f"{key}.attn", _windows(tokens, w)), w, b, h + pad)[:, :h, :h]
        x = conv(f"{key}.local_conv", x + mixed.permute(0, 3, 1, 2))
        tokens = x.flatten(2).mT
        return (tokens + _mlp(s, f"{key}.mlp", _norm(s, f"{key}.mlp.norm", tokens))).mT.view(b, c, h, h)

    x = conv("patch_embed.seq.2", F.gelu(conv("patch_embed.seq.0", x, 2)), 2)
    for stage in range(4):
        for i in range(_count(s, f"layers.{stage}.blocks")):
            key = f"layers.{stage}.blocks.{i}"
            x = block(key, x) if stage else F.gelu(x + three(key, x, 1))
        if stage < 3:
            x = three(f"layers.{stage}.downsample", x, 2)
    return _linear(s, "head", _norm(s, "norm_head", x.mean((2, 3))))


def mini_deit(s: State, x: Tensor, passes: int = 2) -> Tensor:
    def index(offset: Tensor) -> Tensor:
        far = offset.abs()
        return offset.sign() * torch.where(far >= 4, 3, torch.where(far >= 2, 2, far)) + 3

    def attention(key: str, x: Tensor, i: int) -> Tensor:
        dy, dx = _offsets(int(x.shape[1] ** 0.5))
        before, after = (s[f"{key}.{name}.instances.{i}.weight"] for name in ("conv_l", "conv_w"))
        q, k, v = _linear(s, f"{key}.qkv", x).view(*x.shape[:2], 3, len(before), 64).permute(2, 0, 3, 1, 4)
        q = q * 64**-0.5
        table = s[f"{key}.rpe_k.instances.{i}.lookup_table_weight"][0]
        vectors = table[:, index(dy) * 7 + index(dx)]  # (head dim, N, N)
        logits = F.conv2d(q @ k.mT + torch.einsum("bhnd,dnm->bhnm", q, vectors), before)
        mixed = F.conv2d(logits.softmax(-1), after) @ v
        return _linear(s, f"{key}.proj", mixed.transpose(1, 2).flatten(2))

    x = F.conv2d(x, s["patch_embed.proj.weight"], s["patch_embed.proj.bias"], stride=16).flatten(2).mT + s["pos_embed"]
    for block in range(_count(s, "blocks")):
        for i in range(passes):
            key = f"blocks.{block}.block"
            x = x + attention(f"{key}.attn", _norm(s, f"{key}.norm1.instances.{i}", x, 1e-6), i)
            x = x + _mlp(s, f"{key}.mlp", _norm(s, f"{key}.norm2.instances.{i}", x, 1e-6))
    return _linear(s, "head", _norm(s, "norm", x, 1e-6).mean(1))


def swin(s: State, x: Tensor, window: int, passes: Sequence[int] | None = None) -> Tensor:
    """Swin, or with ``passes`` per block of each stage Mini-Swin."""

    def mask(h: int, w: int, shift: int) -> Tensor:
        """(windows, w x w, w x w): -100 between positions that the cyclic shift brought together."""
        part = torch.zeros(h)
        part[h - w : h - shift], part[h - shift :] = 1, 2
        of = _windows((part[:, None] * 3 + part[None, :])[None, :, :, None], w)[..., 0]
        return torch.where(of[:, :, None] == of[:, None, :], 0.0, -100.0)

    def attention(key: str, x: Tensor, w: int, between: Tensor | None, own: str) -> Tensor:
        table = s[f"{key}.attn.relative_position_bias_table"]
        heads, (dy, dx) = table.shape[1], _offsets(w)
        q, k, v = _linear(s, f"{key}.attn.qkv", x).view(len(x), w * w, 3, heads, -1).permute(2, 0, 3, 1, 4)
        biases = table[(dy + w - 1) * (2 * w - 1) + dx + w - 1].permute(2, 0, 1)
        logits = q @ k.mT * q.shape[-1] ** -0.5 + biases
        if own:
            logits = _linear(s, f"{key}.proj_l{own}", logits.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if between is not None:
            logits = logits + between.repeat(len(x) // len(between), 1, 1)[:, None]
        weights = logits.softmax(-1)
        if own:
            weights = _linear(s, f"{key}.proj_w{own}", weights.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return _linear(s, f"{key}.attn.proj", (weights @ v).transpose(1, 2).flatten(2))

    def block(key: str, x: Tensor, shifted: bool, own: str) -> Tensor:
        b, h, _, c = x.shape
        w, shift = min(window, h), window // 2 if shifted and h > window else 0
        between = mask(h, w, window // 2) if h > window and (own or shifted) else None  # in Mini-Swin also without a shift
        kind = f"_list{own}" if own else ""
        tokens = _norm(s, f"{key}.norm1{kind}", x).roll((-shift, -shift), (1, 2))
        mixed = _map(attention(key, _windows(tokens, w), w, between, own), w, b, h)
        x = x + mixed.roll((shift, shift), (1, 2))
        if own:
            x = _norm(s, f"{key}.local_norm_list{own}", x)
            weight, bias = (s[f"{key}.local_conv_list{own}.{leaf}"] for leaf in ("weight", "bias"))
            x = x + F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=3, groups=c).permute(0, 2, 3, 1)
        return x + _mlp(s, f"{key}.mlp", _norm(s, f"{key}.norm2{kind}", x))

    x = F.conv2d(x, s["patch_embed.proj.weight"], s["patch_embed.proj.bias"], stride=4).permute(0, 2, 3, 1)
    x = _norm(s, "patch_embed.norm", x)
    for stage in range(4):
        for i in range(_count(s, f"layers.{stage}.blocks")):
            for j in range(passes[stage] if passes else 1):
                turn = i * passes[stage] + j if passes else i
                x = block(f"layers.{stage}.blocks.{i}", x, turn % 2 == 1, f".{j}" if passes else "")
        if stage < 3:
            four = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
            key = f"layers.{stage}.downsample"
            x = _linear(s, f"{key}.reduction", _norm(s, f"{key}.norm", torch.cat(four, -1)))
    return _linear(s, "head", _norm(s, "norm", x).mean((1, 2)))


def _count(s: State, prefix: str) -> int:
    return len({key.removeprefix(f"{prefix}.").split(".")[0] for key in s if key.startswith(f"{prefix}.")})
