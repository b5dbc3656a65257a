"""How good many models are at once."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from torchattr.training.output_form import OutputForm

__all__ = ["ModelScore"]


class ModelScore(ABC):
    """A score of models, from their outputs on the same test examples.

    Attributes:
        per_example: Whether there is one score for each test example.
    """

    per_example: bool = False

    @abstractmethod
    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The scores of ``K`` models.

        Args:
            outputs: ``(K, M, *out)``: outputs on ``M`` test examples.
            targets: ``(M, ...)``: targets of the test examples.

        Returns:
            ``(K,)``, or ``(K, M)`` if :attr:`per_example`; float64.

        Raises:
            InputError: If the score has no meaning for such outputs and targets.
        """

    @abstractmethod
    def form(self, output: Tensor, targets: Tensor) -> OutputForm:
        """What this score takes outputs to mean.

        Args:
            output: ``(*out)``: the output for one example, of which only the shape,
                the type and the device count.
            targets: ``(M, ...)``.

        Returns:
            The form, which knows the best constant output.

        Raises:
            InputError: If the score has no meaning for such outputs and targets.
        """
