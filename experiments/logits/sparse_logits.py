"""What is kept of a teacher's answer: its K largest logits, and how much probability it leaves to the other classes."""

from typing import NamedTuple

import torch


class SparseLogits(NamedTuple):
    """A teacher's answers to B inputs, softened by a temperature t, in any order of their K classes.

    Attributes:
        classes: (B, K), their numbers.
        gap: (B, K), how far each logit is below the largest, divided by t.
        rest: (B,), log of the other classes' probability over that of these; -inf where there are no others. With the gaps it
            says as much as the log-sum-exp, but no rounding of it can make a probability negative or their sum other than 1.
    """

    classes: torch.Tensor
    gap: torch.Tensor
    rest: torch.Tensor

    @classmethod
    def of(cls, logits: torch.Tensor, topk: int, temperature: float) -> "SparseLogits":
        """The ``topk`` largest of ``logits`` (B, C); C >= topk."""
        soft = logits.float() / temperature
        largest, classes = soft.topk(topk, dim=1)
        others = soft.scatter(1, classes, -torch.inf).logsumexp(1)
        return cls(classes, largest[:, :1] - largest, others - largest.logsumexp(1))

    def probabilities(self, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the kept classes, (B, K), and of each of the others, (B,): what they have together is spread evenly (TinyViT)."""
        kept = torch.sigmoid(-self.rest)[:, None] * torch.softmax(-self.gap, dim=1)
        return kept, torch.sigmoid(self.rest) / max(1, num_classes - self.classes.shape[1])

    def dense(self, num_classes: int) -> torch.Tensor:
        """Probabilities of all classes, (B, C)."""
        kept, other = self.probabilities(num_classes)
        return other[:, None].expand(-1, num_classes).scatter(1, self.classes, kept)
