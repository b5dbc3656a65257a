"""A score followed by a function of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from torchattr.training.model_score import ModelScore
from torchattr.training.output_form import OutputForm

__all__ = ["Transformed", "TransformedScore"]


@dataclass(frozen=True)
class Transformed:
    """What to score by, and what becomes of the score.

    Attributes:
        scorer: Anything that :func:`as_model_score` takes.
        transformation: From a score to a number.
    """

    scorer: object
    transformation: Callable[[float], float]


@final
class TransformedScore(ModelScore):
    """A function of each score.

    Args:
        score: The score.
        transformation: From a score to a number.
    """

    def __init__(
        self, score: ModelScore, transformation: Callable[[float], float]
    ) -> None:
        self.score = score
        self.transformation = transformation
        self.per_example = score.per_example

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ModelScore.__call__`."""
        scores = self.score(outputs, targets)
        changed = [float(self.transformation(v)) for v in scores.flatten().tolist()]
        return torch.tensor(changed, dtype=torch.float64, device=scores.device).reshape(
            scores.shape
        )

    def form(self, output: Tensor, targets: Tensor) -> OutputForm:
        """See :meth:`ModelScore.form`."""
        return self.score.form(output, targets)
