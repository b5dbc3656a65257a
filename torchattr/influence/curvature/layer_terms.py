"""Curvature in the weights of layers, summed over examples by matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from torchattr.influence.curvature.matrix_sum import Term

__all__ = ["LayerFactors", "LayerSlot", "layer_products", "layer_terms"]


@dataclass(frozen=True)
class LayerSlot:
    """Where the weight and the bias of a layer are among all parameters.

    Attributes:
        n_outputs: Rows ``o`` of the weight.
        n_inputs: Columns ``i`` of the weight.
        weight: Position of its first element.
        bias: Position of the bias's first element, or ``None``.

    Example:
        >>> LayerSlot(2, 3, 0, 6).n_rows
        4
    """

    n_outputs: int
    n_inputs: int
    weight: int
    bias: int | None

    @property
    def n_rows(self) -> int:
        """Columns of the weight and the bias together."""
        return self.n_inputs + (self.bias is not None)

    @property
    def without_bias(self) -> LayerSlot:
        """The weight alone."""
        return replace(self, bias=None)

    def parts(self) -> list[tuple[slice, slice]]:
        """Positions of weight and bias, and their columns side by side."""
        width = self.n_outputs * self.n_inputs
        parts = [(slice(self.weight, self.weight + width), slice(0, self.n_inputs))]
        if self.bias is not None:
            where = slice(self.bias, self.bias + self.n_outputs)
            parts.append((where, slice(self.n_inputs, None)))
        return parts

    def gather(self, vectors: Tensor) -> Tensor:
        """Weight and bias side by side, ``(P, R)`` to ``(o, i + 1, R)``."""
        n_vectors = vectors.shape[1]
        return torch.cat(
            [
                vectors[where].reshape(self.n_outputs, -1, n_vectors)
                for where, _ in self.parts()
            ],
            1,
        )

    def add(self, vectors: Tensor, blocks: Tensor) -> None:
        """Add ``(o, i + 1, R)`` to ``(P, R)``, in place."""
        for where, columns in self.parts():
            vectors[where] += blocks[:, columns].flatten(0, 1)


@dataclass(frozen=True, eq=False)
class LayerFactors:
    r"""Derivatives of ``B`` examples in the pre-activations of layers.

    With pre-activations :math:`z_l = W_l a_l`, where :math:`a_l` ends in a 1 for the
    bias, examples come last in every tensor, and ``Z`` is the number of all
    pre-activations of an example.

    Attributes:
        rows: :math:`a_l`, ``(i + 1, B)`` by layer.
        curvature: Second derivatives in :math:`z`, ``(Z, Z, B)``.
        gradients: First derivatives, ``(Z, B)``; not needed without ``slopes``.
        slopes: ``(l, k)`` to :math:`\partial a_l / \partial z_k`, ``(i, o, B)``, for
            layers ``k`` that come before ``l``.
    """

    rows: Sequence[Tensor]
    curvature: Tensor
    gradients: Tensor
    slopes: Mapping[tuple[int, int], Tensor]


@dataclass(eq=False)
class _OneLayer(Term):
    """The block of a layer with itself, from the lower triangles of both factors."""

    slot: LayerSlot

    def add_to(self, matrix: Tensor) -> None:
        n_outputs, n_rows = self.slot.n_outputs, self.slot.n_rows
        outputs = _triangle_of_pairs(n_outputs, self.total.device)
        inputs = _triangle_of_pairs(n_rows, self.total.device)
        block = self.total.index_select(0, outputs).index_select(1, inputs)
        block = block.view(n_outputs, n_outputs, n_rows, n_rows)
        _add_block(matrix, block.transpose(1, 2), self.slot, self.slot)


@dataclass(eq=False)
class _TwoLayers(Term):
    """The block of two layers ``(o, p, i, j)``, and its transpose."""

    first: LayerSlot
    second: LayerSlot
    order: tuple[int, int, int, int]

    def add_to(self, matrix: Tensor) -> None:
        block = self.total.permute(self.order)
        _add_block(matrix, block, self.first, self.second)
        _add_block(matrix, block.permute(2, 3, 0, 1), self.second, self.first)


def layer_terms(factors: LayerFactors, slots: Sequence[LayerSlot]) -> Iterator[Term]:
    r"""The sum over examples of second derivatives in the weights of layers.

    The block of :math:`W_l` and :math:`W_k` is, for ``k`` before ``l``,

    .. math:: \sum_n F^n_{o p}\, a^n_{l i}\, a^n_{k j}
        + g^n_o\, \frac{\partial a^n_{l i}}{\partial z^n_p}\, a^n_{k j},

    with the curvature :math:`F` and the gradient :math:`g` in the pre-activations. Each
    half is one product of matrices with examples in between; that of a layer with
    itself takes a quarter of the work, being symmetric in two ways.

    Args:
        factors: Of the examples.
        slots: Where the parameters of each call of a layer are.

    Yields:
        The terms of the sum.
    """
    ends = torch.tensor([slot.n_outputs for slot in slots]).cumsum(0).tolist()
    parts = [slice(end - s.n_outputs, end) for end, s in zip(ends, slots, strict=True)]
    for later, slot in enumerate(slots):
        own = factors.curvature[parts[later], parts[later]]
        rows = factors.rows[later]
        yield _OneLayer(("one", later), _triangles(own, rows), slot)
        for earlier, other in enumerate(slots[:later]):
            curvature = factors.curvature[parts[later], parts[earlier]]
            pairs = _outer(rows, factors.rows[earlier])
            total = _contracted(curvature, pairs)  # (o, p, i, j)
            key = ("two", later, earlier)
            yield _TwoLayers(key, total, slot, other, (0, 2, 1, 3))
            slope = factors.slopes.get((later, earlier))
            if slope is not None:
                ends_ = _outer(factors.gradients[parts[later]], factors.rows[earlier])
                total = _contracted(slope, ends_)  # (i, p, o, j)
                key = ("slope", later, earlier)
                yield _TwoLayers(key, total, slot.without_bias, other, (2, 0, 1, 3))


def layer_products(
    factors: LayerFactors, slots: Sequence[LayerSlot], vectors: Tensor
) -> Tensor:
    """The sum over examples that :func:`layer_terms` makes, applied to vectors.

    Args:
        factors: Of the examples.
        slots: Where the parameters of each call of a layer are.
        vectors: ``(P, R)``.

    Returns:
        ``(P, R)``; zero for the parameters of no slot.
    """
    blocks = [slot.gather(vectors) for slot in slots]
    changes = [
        torch.einsum("oir,ib->orb", block, rows)
        for block, rows in zip(blocks, factors.rows, strict=True)
    ]
    curved = torch.einsum("pqb,qrb->prb", factors.curvature, torch.cat(changes))
    widths = [slot.n_outputs for slot in slots]
    answers = list(torch.split(curved, widths))
    gradients = torch.split(factors.gradients, widths)
    product = torch.zeros_like(vectors)
    for (later, earlier), slope in factors.slopes.items():
        weights = blocks[later][:, : slots[later].n_inputs]
        back = torch.einsum("oir,ob->irb", weights, gradients[later])
        answers[earlier] += torch.einsum("ipb,irb->prb", slope, back)
        moved = torch.einsum("ipb,prb->irb", slope, changes[earlier])
        block = torch.einsum("ob,irb->oir", gradients[later], moved)
        slots[later].without_bias.add(product, block)
    for slot, answer, rows in zip(slots, answers, factors.rows, strict=True):
        slot.add(product, torch.einsum("orb,ib->oir", answer, rows))
    return product


def _outer(first: Tensor, second: Tensor) -> Tensor:
    return first[:, None] * second[None]


def _contracted(first: Tensor, second: Tensor) -> Tensor:
    """``(*s, B)`` and ``(*t, B)`` to ``(*s, *t)``."""
    product = first.flatten(0, 1) @ second.flatten(0, 1).T
    return product.view(*first.shape[:2], *second.shape[:2])


def _triangles(square: Tensor, rows: Tensor) -> Tensor:
    """The lower triangles of ``(o, o, B)`` and of the rows' products, contracted."""
    size = len(square)
    below = torch.tril_indices(size, size, device=rows.device)
    curvature = square.flatten(0, 1).index_select(0, below[0] * size + below[1])
    below = torch.tril_indices(len(rows), len(rows), device=rows.device)
    pairs = rows.index_select(0, below[0]) * rows.index_select(0, below[1])
    return curvature @ pairs.T


def _triangle_of_pairs(size: int, device: torch.device) -> Tensor:
    """The position in the lower triangle of each element of a square, flattened."""
    rows, columns = torch.tril_indices(size, size, device=device)
    square = torch.empty(size, size, dtype=torch.long, device=device)
    count = torch.arange(len(rows), device=device)
    square[rows, columns] = count
    square[columns, rows] = count
    return square.flatten()


def _add_block(
    matrix: Tensor, block: Tensor, first: LayerSlot, second: LayerSlot
) -> None:
    """Add ``(o, i, p, j)`` in place."""
    for at, i in first.parts():
        for to, j in second.parts():
            part = block[:, i, :, j]
            matrix[at, to].view(part.shape).add_(part)
