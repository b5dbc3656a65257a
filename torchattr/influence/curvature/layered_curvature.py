"""Curvatures that take layers by structure, and the rest by products."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.chunk_sizes import (
    chunked_products,
    example_chunks,
    saved_elements,
    working_elements,
)
from torchattr.influence.curvature.curvature import Curvature
from torchattr.influence.curvature.layer_plan import LayerPlan, layer_plan
from torchattr.influence.curvature.layer_terms import (
    LayerFactors,
    layer_products,
    layer_terms,
)
from torchattr.influence.curvature.matrix_sum import Columns, MatrixSum, Whole
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["LayeredCurvature"]

#: Examples that the structure is looked for and checked on.
_FEW = 4


class LayeredCurvature(Curvature):
    r"""A curvature whose blocks of layers are products of few, small factors.

    Layers that are applied once to each example have their blocks by
    :func:`~torchattr.influence.curvature.layer_terms.layer_terms`; other parameters
    have columns by products with the identity. Whether the layers of a model do what
    that takes for granted is checked once, by a product with a random vector in
    which both must agree; if they do not, all is by products.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.
    """

    def __init__(self, risk: EmpiricalRisk, loader: Iterable[Any]) -> None:
        super().__init__(risk, loader)
        self._plan: LayerPlan | None = None

    @abstractmethod
    def _product_of(self, examples: Examples) -> Callable[[Tensor], Tensor]:
        """Multiply with the sum over examples, for any model; ``(P,)`` to the same."""

    @abstractmethod
    def _factors(self, examples: Examples, plan: LayerPlan) -> LayerFactors | None:
        """Factors of the layers, or ``None`` if they were not called as planned."""

    @abstractmethod
    def _columns(self, examples: Examples, index: Tensor) -> Tensor:
        """Columns of the sum over examples, ``(P, K)``, for any model."""

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        return self._any_product(examples, vectors)

    def _matrix(self, examples: Examples) -> MatrixSum:
        plan = self._planned(examples)
        total = MatrixSum()
        room = working_elements(self.device)
        for part in example_chunks(examples, room // plan.elements):
            total.add_(self._part(part, plan))
        return total

    def _n_columns(self) -> int:
        # Both measured for the digit classifier 64-32-10: columns by layers take a
        # seventieth of the time of products.
        if self._plan is None:
            with self.risk.evaluating():
                self._planned(next(iter(self._data)))
        remaining = self.shape[0] if self._plan is None else len(self._plan.remaining)
        return remaining + self.shape[0] // 64

    def _planned(self, examples: Examples) -> LayerPlan:
        if self._plan is None:
            few = next(example_chunks(examples, _FEW))
            plan = layer_plan(self.risk, few)
            self._plan = plan if self._agrees(few, plan) else plan.emptied()
        return self._plan

    def _part(self, examples: Examples, plan: LayerPlan) -> MatrixSum:
        factors = self._factors(examples, plan) if plan.slots else None
        if factors is None:
            index = torch.arange(self.shape[0], device=self.device)
            return MatrixSum([Whole("whole", self._columns(examples, index))])
        total = MatrixSum(layer_terms(factors, plan.slots))
        if plan.remaining:
            index = torch.tensor(plan.remaining, device=self.device)
            columns = self._columns(examples, index)
            total.add_(MatrixSum([Columns("columns", columns, index)]))
        return total

    def _any_product(self, examples: Examples, vectors: Tensor) -> Tensor:
        """``(P, R)`` to the same shape, for any model."""
        elements = saved_elements(self.risk, examples)
        return chunked_products(self._product_of, examples, vectors, elements)

    def _identity(self, index: Tensor) -> Tensor:
        """Columns of the identity, ``(P, K)``."""
        columns = torch.zeros(
            self.shape[0], len(index), dtype=self.dtype, device=self.device
        )
        columns[index, torch.arange(len(index), device=self.device)] = 1
        return columns

    def _agrees(self, examples: Examples, plan: LayerPlan) -> bool:
        """Whether structure and products say the same of a few examples."""
        if not plan.slots:
            return True
        try:
            factors = self._factors(examples, plan)
        except RuntimeError:  # no batched second derivative (GroupNorm, torch 2.13)
            return False
        if factors is None:
            return False
        generator = torch.Generator().manual_seed(0)
        random = torch.randn(self.shape[0], 1, dtype=self.dtype, generator=generator)
        vector = random.to(self.device)
        vector[list(plan.remaining)] = 0
        structured = layer_products(factors, plan.slots, vector)
        right = self._any_product(examples, vector)
        right[list(plan.remaining)] = 0
        tolerance = torch.finfo(self.dtype).eps ** 0.5
        wrong = torch.stack([
            (structured[where] - right[where]).norm()
            > tolerance * (right[where].norm() + 0.01 * right.norm())
            for slot in plan.slots
            for where, _ in slot.parts()
        ])
        return bool(structured.isfinite().all() and not wrong.any())
