"""A weight that is a matrix wherever it is used, and its bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.influence.gradients.layer_calls import LayerCall

__all__ = ["KroneckerLayer"]


@dataclass(frozen=True)
class KroneckerLayer:
    r"""A weight that is a matrix at each of its uses, and the bias that goes with it.

    With inputs :math:`a_t` and output gradients :math:`\delta_t` at the ``T`` positions
    of all uses, an example's gradient is :math:`\sum_t \delta_t a_t^\top`; a bias is a
    last column, whose input is 1.

    Attributes:
        weight: Name of the weight.
        bias: Name of the bias; ``None`` without one, or if it does not vary.
        groups: Number of matrices: 1, or the groups of a convolution.

    Example:
        >>> KroneckerLayer("0.weight", "0.bias", groups=1).names
        ('0.weight', '0.bias')
    """

    weight: str
    bias: str | None
    groups: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of its parameters."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def rows(self, calls: Sequence[LayerCall]) -> Tensor:
        """Inputs of all positions of all uses.

        Args:
            calls: Of this layer, with ``B`` examples.

        Returns:
            ``(groups, B, T, i)``; with a bias, the last column is 1.
        """
        rows = self._grouped(torch.cat([call.rows() for call in calls], 1))
        if self.bias is None:
            return rows
        return torch.cat([rows, rows.new_ones(*rows.shape[:-1], 1)], -1)

    def gradients(
        self, calls: Sequence[LayerCall], output_gradients: Sequence[Tensor]
    ) -> Tensor:
        """Gradients in the outputs at all positions of all uses.

        Args:
            calls: Of this layer, with ``B`` examples.
            output_gradients: ``(K, *output.shape)`` for each.

        Returns:
            ``(groups, K, B, T, o)``.
        """
        parts = [
            call.positions(gradient)
            for call, gradient in zip(calls, output_gradients, strict=True)
        ]
        return self._grouped(torch.cat(parts, 2))

    def _grouped(self, positions: Tensor) -> Tensor:
        shape = (*positions.shape[:-1], self.groups, -1)
        return positions.reshape(shape).movedim(-2, 0)
