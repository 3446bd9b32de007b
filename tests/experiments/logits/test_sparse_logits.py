"""Sparse sparse_logits: what they keep, what the loss makes of them, what each encoding loses."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.logits.encoding import ENCODINGS
from experiments.logits.sparse_logits import SparseLogits
from experiments.losses.stored_logits import divergence

BYTES_OF_DIGEST = 2


def logits(rows: int, classes: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def encoded(sparse_logits: SparseLogits, name: str, classes: int) -> SparseLogits:
    encoding = ENCODINGS[name](sparse_logits.classes.shape[1], classes)
    return encoding.decode(encoding.encode(sparse_logits))


def row_bytes(name: str, topk: int, classes: int) -> int:
    layout = ENCODINGS[name](topk, classes).layout()
    return sum(dtype.itemsize * math.prod(shape) for dtype, shape in layout.values()) + BYTES_OF_DIGEST


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("topk", [9, 10])
def test_loss_and_gradient_are_a_dense_teachers_where_one_class_or_none_is_left_out(topk: int, temperature: float) -> None:
    teacher, student = logits(64, 10, scale=5.0), logits(64, 10, seed=1)
    ours, dense = student.clone().requires_grad_(), student.clone().requires_grad_()
    loss = divergence(ours, SparseLogits.of(teacher, topk, temperature), temperature)
    expected = F.kl_div(
        F.log_softmax(dense / temperature, 1), F.log_softmax(teacher / temperature, 1), reduction="batchmean", log_target=True
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    assert ours.grad is not None
    assert dense.grad is not None
    assert torch.allclose(ours.grad, dense.grad, atol=1e-7)


@pytest.mark.parametrize("topk", [1, 10, 25, 100])
def test_the_loss_is_that_of_the_dense_target_with_the_rest_spread_evenly(topk: int) -> None:
    teacher, student = logits(32, 1000), logits(32, 1000, seed=1)
    sparse_logits = SparseLogits.of(teacher, topk, 1.0)
    probabilities = teacher.softmax(1)
    kept, at = probabilities.topk(topk, dim=1)
    target = ((1 - kept.sum(1, keepdim=True)) / (1000 - topk)).expand(-1, 1000).scatter(1, at, kept)  # as TinyViT recovers it
    assert torch.allclose(sparse_logits.dense(1000), target, atol=1e-6)
    expected = F.kl_div(F.log_softmax(student, 1), target, reduction="batchmean")
    assert divergence(student, sparse_logits, 1.0).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_confident_teacher_has_no_negative_targets(name: str) -> None:
    """In 16-bit probabilities, as the original stores them, 1 % of such rows sum to more than 1."""
    sparse_logits = encoded(SparseLogits.of(logits(2000, 1000, scale=12.0), 10, 1.0), name, 1000)
    dense = sparse_logits.dense(1000)
    assert float(dense.min()) >= 0
    assert torch.allclose(dense.sum(1), torch.ones(2000), atol=1e-5)
    assert divergence(logits(2000, 1000, seed=1), sparse_logits, 1.0).isfinite()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ENCODINGS)), st.integers(2, 70_000), st.integers(1, 40), st.integers(0, 1000))
def test_classes_come_back_whatever_they_are(name: str, classes: int, topk: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    topk = min(topk, classes)
    kept = np.stack([rng.permutation(classes)[:topk] for _ in range(3)])
    gap = np.sort(rng.exponential(2, (3, topk)), axis=1).astype(np.float32)
    gap -= gap[:, :1]
    sparse_logits = SparseLogits(torch.from_numpy(kept), torch.from_numpy(gap), torch.zeros(3))
    back = encoded(sparse_logits, name, classes)
    for row in range(3):
        before, after = (dict(zip(a.classes[row].tolist(), a.gap[row].tolist(), strict=True)) for a in (sparse_logits, back))
        assert before.keys() == after.keys()
        assert all(abs(before[c] - after[c]) <= 0.0064 * (1 + before[c]) for c in before)


@pytest.mark.parametrize(
    ("topk", "classes", "fp16", "compact"), [(10, 1000, 46, 26), (25, 1000, 106, 58), (100, 21841, 406, 228)]
)
def test_the_bytes_of_a_view_and_the_error_of_each_encoding(topk: int, classes: int, fp16: int, compact: int) -> None:
    original = 4 + 4 * topk  # Source: TinyViT's save_logits: a seed, 16-bit classes and values
    assert (row_bytes("fp16", topk, classes), row_bytes("compact", topk, classes)) == (fp16, compact)
    assert compact <= 0.6 * original
    sparse_logits = SparseLogits.of(logits(500, classes), topk, 1.0)
    dense = sparse_logits.dense(classes)
    for name, most in (("fp16", 5e-7), ("compact", 1e-4)):
        lost = (dense * (dense.log() - encoded(sparse_logits, name, classes).dense(classes).log())).sum(1)
        assert float(lost.mean()) < most
        assert float(lost.mean()) < 1e-3 * divergence(logits(500, classes), sparse_logits, 1.0)  # against what truncation costs


def test_more_classes_kept_are_closer_to_the_teacher() -> None:
    teacher = logits(200, 1000)
    errors = [float(divergence(teacher, SparseLogits.of(teacher, topk, 1.0), 1.0)) for topk in (10, 25, 100, 999)]
    assert all(more < fewer for fewer, more in pairwise(errors))
    assert abs(errors[-1]) < 1e-6
