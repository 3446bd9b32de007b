"""A teacher's logits without most classes: the K largest, and the probability that they leave to the others."""

from typing import NamedTuple

import torch


class SparseLogits(NamedTuple):
    """A teacher's logits for B inputs, softened by a temperature t. The order of the K classes does not matter.

    Attributes:
        classes: (B, K), their numbers.
        gap: (B, K), the largest logit minus each, divided by t.
        rest: (B,), log of the other classes' probability over the K classes'; -inf if there are no others. Together with the gaps
            it says as much as the log-sum-exp, but rounding cannot make a probability negative or their sum other than 1.
    """

    classes: torch.Tensor
    gap: torch.Tensor
    rest: torch.Tensor

    @classmethod
    def of(cls, logits: torch.Tensor, topk: int, temperature: float) -> "SparseLogits":
        """Return the ``topk`` largest of ``logits`` (B, C), with C >= topk."""
        soft = logits.float() / temperature
        largest, classes = soft.topk(topk, dim=1)
        others = soft.scatter(1, classes, -torch.inf).logsumexp(1)
        return cls(classes, largest[:, :1] - largest, others - largest.logsumexp(1))

    def probabilities(self, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the probabilities of the kept classes, (B, K), and of each other class, (B,).

        The probability of all other classes is spread evenly over them, as in TinyViT.
        """
        kept = torch.sigmoid(-self.rest)[:, None] * torch.softmax(-self.gap, dim=1)
        return kept, torch.sigmoid(self.rest) / max(1, num_classes - self.classes.shape[1])

    def dense(self, num_classes: int) -> torch.Tensor:
        """Return the probabilities of all classes, (B, C)."""
        kept, other = self.probabilities(num_classes)
        return other[:, None].expand(-1, num_classes).scatter(1, self.classes, kept)
