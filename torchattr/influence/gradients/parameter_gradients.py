"""Gradients of many examples in one parameter, held whole or as factors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from torchattr.influence.gradients.layer_calls import LayerCall

__all__ = ["HeldGradients", "OuterProducts", "ParameterGradients"]

#: Numbers in the gradients, and unfolded inputs, that are formed at once: 16 MB in
#: single precision.
_ELEMENTS = 2**22
#: Multiplications in a matrix product that take as long as one outside of it, which
#: memory bounds; 50 was measured on one core.
_ELEMENTWISE = 50


class ParameterGradients(ABC):
    """Gradients of ``B`` examples in a parameter of ``n`` numbers.

    Example:
        >>> HeldGradients(torch.ones(5, 3)).products(torch.ones(1, 3))
        tensor([[3., 3., 3., 3., 3.]])
    """

    @abstractmethod
    def dense(self) -> Tensor:
        """All gradients, ``(B, n)``."""

    @abstractmethod
    def products(self, vectors: Tensor) -> Tensor:
        """Inner products of each vector, ``(R, n)``, with each gradient: ``(R, B)``."""

    @abstractmethod
    def combined(self, weights: Tensor) -> Tensor:
        """Sums of the gradients, by weights ``(R, B)``: ``(R, n)``."""

    @abstractmethod
    def squared_norms(self) -> Tensor:
        """Of each gradient, ``(B,)``."""


class HeldGradients(ParameterGradients):
    """Gradients that are held as they are.

    Args:
        values: ``(B, n)``.

    Example:
        >>> HeldGradients(torch.ones(5, 3)).combined(torch.ones(1, 5))
        tensor([[5., 5., 5.]])
    """

    def __init__(self, values: Tensor) -> None:
        self._values = values

    def dense(self) -> Tensor:
        """What is held."""
        return self._values

    def products(self, vectors: Tensor) -> Tensor:
        """One matrix product."""
        return vectors @ self._values.T

    def combined(self, weights: Tensor) -> Tensor:
        """One matrix product."""
        return weights @ self._values

    def squared_norms(self) -> Tensor:
        """Sums of squares."""
        return self._values.square().sum(1)


class OuterProducts(ParameterGradients):
    r"""Gradients in a layer's weight: sums of outer products over ``S`` positions.

    .. math:: G_b = \sum_s \delta_{bs} a_{bs}^\top

    with the inputs :math:`a` of the layer, and the gradients :math:`\delta` in its
    outputs. With few vectors, the factors are contracted with them one after the other,
    in about ``R * B * S * o * i`` operations. With many, it takes fewer to form the
    gradients, some examples at a time, and multiply: ``B * (S + R) * o * i``. The
    cheaper is done. At one position, a gradient's norm is the product of two norms.

    Args:
        calls: Of layers with this weight: all that there are.
        output_gradients: For each call, what its output has in it of the gradient.

    Example:
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> from torchattr.influence.gradients.layer_calls import recorded_layers
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> outputs, calls = recorded_layers(risk, risk.parameters(), torch.eye(2))
        >>> OuterProducts(calls, [torch.full((2, 1), 3.0)]).dense()
        tensor([[3., 0.],
                [0., 3.]])
    """

    def __init__(
        self, calls: Sequence[LayerCall], output_gradients: Sequence[Tensor]
    ) -> None:
        self._calls = calls
        self._output_gradients = output_gradients
        self._groups = calls[0].groups
        # What the choice of a way depends on, without unfolding anything.
        sizes = [
            call.positions(gradient).shape
            for call, gradient in zip(calls, output_gradients, strict=True)
        ]
        self._n_examples = sizes[0][0]
        self._n_positions = sum(size[1] for size in sizes)
        self._n_outputs = sizes[0][2] // self._groups
        self._n_inputs = calls[0].n_inputs // self._groups

    def dense(self) -> Tensor:
        """Formed without a sum where there is one position."""
        return torch.cat([_formed(*factors) for _, factors in self._chunks()])

    def products(self, vectors: Tensor) -> Tensor:
        """By the cheaper of two ways."""
        if self._is_cheaper_formed(len(vectors)):
            parts = [vectors @ _formed(*factors).T for _, factors in self._chunks()]
            return torch.cat(parts, 1)
        matrices = self._as_matrices(vectors)
        parts = [
            _contracted(matrices, *factors) for _, factors in self._chunks(len(vectors))
        ]
        return torch.cat(parts, 1)

    def combined(self, weights: Tensor) -> Tensor:
        """By the cheaper of two ways."""
        if not self._is_cheaper_formed(len(weights)):
            total = self._empty_sums(len(weights))
            for chunk, factors in self._chunks(len(weights)):
                total += _weighted(weights[:, chunk], *factors)
            return total
        if self._n_positions == 1:
            return self._combined_by_outputs(weights)
        total = self._empty_sums(len(weights))
        for chunk, factors in self._chunks():
            total.addmm_(weights[:, chunk], _formed(*factors))
        return total

    def squared_norms(self) -> Tensor:
        """By Gram matrices of positions where these are smaller than the gradients."""
        n, i, o = self._n_positions, self._n_inputs, self._n_outputs
        by_positions = n * (i + o) < i * o
        parts = [
            _squared_norms(*factors)
            if n == 1 or by_positions
            else _formed(*factors).square().sum(1)
            for _, factors in self._chunks()
        ]
        return torch.cat(parts)

    def _is_cheaper_formed(self, n_vectors: int) -> bool:
        i, o, s = self._n_inputs, self._n_outputs, self._n_positions
        contracted = n_vectors * s * (i * o + _ELEMENTWISE * min(i, o))
        formed = (s + _ELEMENTWISE + n_vectors) * i * o
        return formed < contracted

    def _empty_sums(self, n_vectors: int) -> Tensor:
        size = self._groups * self._n_outputs * self._n_inputs
        return self._output_gradients[0].new_zeros(n_vectors, size)

    def _combined_by_outputs(self, weights: Tensor) -> Tensor:
        """Sums with a part of the outputs at once, which need not be added up."""
        (_, (rows, gradients)), *_ = self._chunks(step=self._n_examples)
        step = max(1, _ELEMENTS // (self._groups * self._n_examples * self._n_inputs))
        shape = (len(weights), self._groups, -1, self._n_inputs)
        sums = [
            (weights @ _formed(rows, part)).view(shape)
            for part in gradients.split(step, 3)  # type: ignore[no-untyped-call]  # torch's
        ]
        return torch.cat(sums, 2).flatten(1)

    def _as_matrices(self, vectors: Tensor) -> Tensor:
        """``(R, n)`` to ``(groups, R, o, i)``."""
        shape = (len(vectors), self._groups, self._n_outputs, self._n_inputs)
        return vectors.reshape(shape).transpose(0, 1)

    def _chunks(
        self, n_vectors: int = 0, step: int | None = None
    ) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
        # Which examples; and (groups, b, S, i) and (groups, b, S, o) of theirs.
        i, o, s = self._n_inputs, self._n_outputs, self._n_positions
        held = s * i + (n_vectors * s * min(i, o) if n_vectors else i * o)
        step = step or max(1, _ELEMENTS // (self._groups * held))
        for start in range(0, self._n_examples, step):
            chunk = slice(start, start + step)
            rows = [call.rows(chunk) for call in self._calls]
            positions = [
                call.positions(gradient[chunk])
                for call, gradient in zip(
                    self._calls, self._output_gradients, strict=True
                )
            ]
            yield chunk, (self._grouped(rows), self._grouped(positions))

    def _grouped(self, parts: list[Tensor]) -> Tensor:
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return joined.reshape(*joined.shape[:2], self._groups, -1).movedim(2, 0)


def _formed(rows: Tensor, gradients: Tensor) -> Tensor:
    """Gradients, ``(b, groups * o * i)``."""
    if rows.shape[2] == 1:
        outer = gradients.transpose(2, 3) * rows
    else:
        outer = gradients.transpose(2, 3) @ rows
    return outer.transpose(0, 1).flatten(1)


def _contracted(matrices: Tensor, rows: Tensor, gradients: Tensor) -> Tensor:
    """Inner products ``(R, b)`` of matrices ``(groups, R, o, i)`` with gradients."""
    if rows.shape[-1] < gradients.shape[-1]:  # the larger dimension is summed first
        rows, gradients = gradients, rows
        matrices = matrices.mT
    n_groups, n_vectors, n_outputs, n_inputs = matrices.shape
    n_examples, n_positions = rows.shape[1:3]
    flat = rows.reshape(n_groups, n_examples * n_positions, n_inputs)
    mapped = flat @ matrices.reshape(n_groups, n_vectors * n_outputs, n_inputs).mT
    mapped = mapped.view(n_groups, n_examples, n_positions, n_vectors, n_outputs)
    return mapped.mul_(gradients.unsqueeze(3)).sum(4).sum((0, 2)).T


def _weighted(weights: Tensor, rows: Tensor, gradients: Tensor) -> Tensor:
    """Weighted sums ``(R, groups * o * i)`` of gradients, by weights ``(R, b)``."""
    n_groups, n_examples, n_positions, n_outputs = gradients.shape
    n_inputs = rows.shape[-1]
    flat = (n_groups, 1, n_examples * n_positions, -1)
    scales = weights.view(1, -1, n_examples, 1, 1)
    if n_outputs <= n_inputs:
        left = (gradients.unsqueeze(1) * scales).flatten(2, 3)
        sums = left.mT @ rows.reshape(flat)
    else:
        right = (rows.unsqueeze(1) * scales).flatten(2, 3)
        sums = gradients.reshape(flat).mT @ right
    return sums.transpose(0, 1).flatten(1)


def _squared_norms(rows: Tensor, gradients: Tensor) -> Tensor:
    if rows.shape[2] == 1:
        sizes = rows.square().sum((2, 3)) * gradients.square().sum((2, 3))
        return sizes.sum(0)
    grams = (rows @ rows.mT) * (gradients @ gradients.mT)
    return grams.sum((0, 2, 3))
