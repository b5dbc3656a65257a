"""Sums over training examples that Kronecker-factored curvature is made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from torchattr.influence.batches import Batches
from torchattr.influence.curvature.eigen_block import (
    DenseBlock,
    EigenBlock,
    KroneckerBlock,
    eigenbasis,
)
from torchattr.influence.curvature.kronecker_layer import KroneckerLayer
from torchattr.influence.curvature.kronecker_layers import ModelLayers
from torchattr.influence.curvature.kronecker_pass import labelled_examples
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["corrected", "factored"]

#: Numbers in the gradients of a layer that are formed at once: 128 MB.
_ELEMENTS = 2**24


def factored(
    risk: EmpiricalRisk, layers: ModelLayers, batches: Batches
) -> tuple[EigenBlock, ...]:
    r"""Blocks :math:`G \otimes A`, and exact ones; one pass over the data.

    Args:
        risk: The model, the loss and the parameters.
        layers: Those of the model.
        batches: The training examples.

    Returns:
        One block for each layer, then one for each module that has other parameters.

    Raises:
        InputError: If a factor is not finite, or has no eigendecomposition.
    """
    kronecker = [_Factors(layer, risk.dtype) for layer in layers.kronecker]
    dense = [_Moments(names, risk.dtype) for names in layers.dense]
    for labelled in labelled_examples(risk, layers, batches):
        for factors in kronecker:
            factors.add_rows(labelled.rows(factors.layer))
        for gradients in labelled.gradients(layers.kronecker):
            for factors, part in zip(kronecker, gradients, strict=True):
                factors.add_gradients(part)
        for parts in labelled.dense(layers.dense):
            for moments, part in zip(dense, parts, strict=True):
                moments.add(part)
    n_examples = batches.n_examples
    return (
        *(factors.block(n_examples) for factors in kronecker),
        *(moments.block(n_examples) for moments in dense),
    )


def corrected(
    risk: EmpiricalRisk,
    layers: ModelLayers,
    batches: Batches,
    blocks: Sequence[EigenBlock],
) -> tuple[EigenBlock, ...]:
    r"""The same bases, with the diagonal of the exact Fisher matrix in them.

    .. math:: \Lambda = \frac1N \sum_i \mathbb E_{y \sim p_i}
        \bigl(U_G^\top \nabla_W \ell(x_i, y) \, U_A\bigr)^2

    elementwise; one pass over the data.

    Args:
        risk: The model, the loss and the parameters.
        layers: Those of the model.
        batches: The training examples.
        blocks: What :func:`factored` made.

    Returns:
        Blocks in the same order.
    """
    first = [block for block in blocks if isinstance(block, KroneckerBlock)]
    sums = [torch.zeros_like(block.eigenvalues, dtype=torch.float64) for block in first]
    for labelled in labelled_examples(risk, layers, batches):
        inputs = [
            labelled.rows(block.layer) @ block.input_basis.unsqueeze(1)
            for block in first
        ]
        for gradients in labelled.gradients(layers.kronecker):
            for total, block, rows, part in zip(
                sums, first, inputs, gradients, strict=True
            ):
                total += _summed_squares(part @ block.output_basis[:, None, None], rows)
    means = iter(total / batches.n_examples for total in sums)
    return tuple(
        block.with_eigenvalues(next(means))
        if isinstance(block, KroneckerBlock)
        else block
        for block in blocks
    )


class _Factors:
    """The factors of a layer."""

    def __init__(self, layer: KroneckerLayer, dtype: torch.dtype) -> None:
        self.layer = layer
        self._dtype = dtype
        self._inputs: Tensor | float = 0.0
        self._gradients: Tensor | float = 0.0
        self._n_rows = 0

    def add_rows(self, rows: Tensor) -> None:
        """``(groups, B, T, i)``."""
        flat = rows.flatten(1, 2)
        self._n_rows += flat.shape[1]
        self._inputs += (flat.mT @ flat).double()

    def add_gradients(self, gradients: Tensor) -> None:
        """``(groups, K, B, T, o)``."""
        flat = gradients.flatten(1, 3)
        self._gradients += (flat.mT @ flat).double()

    def block(self, n_examples: int) -> EigenBlock:
        # A mean over examples and positions, and a mean over examples of sums over
        # positions: so that a layer whose positions have nothing to do with each other,
        # and are alike, is exact.
        inputs = torch.as_tensor(self._inputs) / self._n_rows
        gradients = torch.as_tensor(self._gradients) / n_examples
        of_inputs, input_basis = eigenbasis(inputs, self._dtype, self.layer.names)
        of_outputs, output_basis = eigenbasis(gradients, self._dtype, self.layer.names)
        return KroneckerBlock(
            self.layer,
            output_basis.to(self._dtype),
            input_basis.to(self._dtype),
            (of_outputs.unsqueeze(2) * of_inputs.unsqueeze(1)).to(self._dtype),
        )


class _Moments:
    """The exact Fisher block of parameters without structure."""

    def __init__(self, names: tuple[str, ...], dtype: torch.dtype) -> None:
        self._names = names
        self._dtype = dtype
        self._total: Tensor | float = 0.0

    def add(self, gradients: Tensor) -> None:
        """``(K * b, n)``."""
        self._total += (gradients.T @ gradients).double()

    def block(self, n_examples: int) -> EigenBlock:
        moments = torch.as_tensor(self._total) / n_examples
        values, basis = eigenbasis(moments, self._dtype, self._names)
        return DenseBlock(self._names, basis.to(self._dtype), values.to(self._dtype))


def _summed_squares(gradients: Tensor, rows: Tensor) -> Tensor:
    """Sums over labels and examples of the squares of ``sum_t gradient_t row_t^T``."""
    if rows.shape[2] == 1:  # the square of an outer product is one of squares
        squares = gradients.square().sum((1, 3))
        return (squares.mT @ rows.squeeze(2).square()).double()
    per_example = gradients.shape[1] * gradients.shape[-1] * rows.shape[-1]
    step = max(1, _ELEMENTS // (len(rows) * per_example))
    starts = list(range(0, rows.shape[1], step))
    parts = [
        (gradients[:, :, part].mT @ rows[:, None, part]).square().sum((1, 2)).double()
        for part in map(slice, starts, [*starts[1:], None])
    ]
    return torch.stack(parts).sum(0)
