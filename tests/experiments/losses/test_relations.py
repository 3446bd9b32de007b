"""The relations against values worked out by hand, and against autograd's numerical check."""

import math

import pytest
import torch

from experiments.losses.relations import attention_relation, hidden_relation


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_attention_relation_by_hand() -> None:
    """One window of two tokens, one channel; all of the teacher's projections 0, the student's (1, 0).

    The teacher's rows are (1/2, 1/2). The student's logits are [[1, 0], [0, 0]], so that the first row costs
    log(1 + e) - 1/2 and the second log 2, for each of the nine pairings.
    """
    student = (torch.tensor([[[1.0], [0.0]]]),) * 3
    teacher = (torch.zeros(1, 2, 1),) * 3
    expected = (math.log(1 + math.e) - 0.5 + math.log(2)) / 2
    assert float(attention_relation([student], [teacher])) == pytest.approx(expected, rel=1e-6)


def test_attention_relation_pairs_queries_keys_and_values_in_nine_ways() -> None:
    """Against a loop over pairings, layers, windows and heads."""
    student = [tuple(drawn(3, 5, 8, seed=10 * layer + i) for i in range(3)) for layer in range(2)]
    teacher = [tuple(drawn(3, 5, 12, seed=50 + 10 * layer + i) for i in range(3)) for layer in range(2)]
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        for i in range(3):
            for j in range(3):
                for window in range(3):
                    for head in range(2):
                        a, b = (x[window, :, head * 4 : head * 4 + 4] for x in (s[i], s[j]))
                        c, d = (x[window, :, head * 6 : head * 6 + 6] for x in (t[i], t[j]))
                        target, output = (c @ d.T / math.sqrt(6)).softmax(1), (a @ b.T / 2).log_softmax(1)
                        total += float(-(target * output).sum(1).mean()) / (2 * 9 * 3 * 2)
    assert float(attention_relation(student, teacher, heads=2)) == pytest.approx(total)


def test_hidden_relation_by_hand() -> None:
    """Two tokens: at right angles in the student, alike in the teacher: two of four cosines differ by 1."""
    student = torch.tensor([[[3.0, 0.0], [0.0, 5.0]]])
    teacher = torch.tensor([[[2.0, 2.0, 0.0], [1.0, 1.0, 0.0]]])
    assert float(hidden_relation([student], [teacher])) == pytest.approx(49 * 2 / 4, rel=1e-6)
    assert float(hidden_relation([student, student], [teacher, student])) == pytest.approx(49 * 2 / 4 / 2, rel=1e-6)


def test_a_teacher_that_is_the_student_has_no_hidden_loss_and_the_least_attention_loss() -> None:
    own = tuple(drawn(2, 6, 4, seed=i) for i in range(3))
    assert float(hidden_relation([own[0]], [own[0]])) == 0
    least = float(attention_relation([own], [own]))
    moved = (own[0] + 0.1 * drawn(2, 6, 4, seed=9), *own[1:])
    assert float(attention_relation([moved], [own])) > least


@pytest.mark.parametrize("tile", [1, 2 * 7 * 3, 2 * 7 * 6])
def test_tiles_change_neither_value_nor_gradient(tile: int) -> None:
    """One row at a time, three (the last tile is smaller), and all but one."""
    teacher = drawn(2, 7, 5, seed=1)
    found = []
    for size in (1 << 20, tile):
        student = drawn(2, 7, 3).requires_grad_()
        loss = hidden_relation([student], [teacher], tile=size)
        found.append((loss, *torch.autograd.grad(loss, student)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    qkv = [drawn(2, 4, 6, seed=i).requires_grad_() for i in range(3)]
    teacher = tuple(drawn(2, 4, 4, seed=i + 5) for i in range(3))
    assert torch.autograd.gradcheck(lambda q, k, v: attention_relation([(q, k, v)], [teacher], heads=2), qkv)
    for tile in (1 << 20, 8):
        assert torch.autograd.gradcheck(lambda x, t=tile: hidden_relation([x], [teacher[0]], tile=t), qkv[:1])


def test_tiles_bound_what_is_held() -> None:
    """512 tokens: the whole matrix would be kept for the gradient; tiles keep none of it."""
    kept: list[int] = []
    student, teacher = drawn(1, 512, 8).requires_grad_(), drawn(1, 512, 8, seed=1)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        hidden_relation([student], [teacher], tile=512 * 32)
    assert max(kept) <= 512 * 32
