"""The Fisher information matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.curvature import Curvature
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["Fisher"]


class Fisher(Curvature):
    """The Fisher matrix."""

    def __init__(
        self,
        risk: EmpiricalRisk,
        loader: Iterable[Any],
        labels: str = "exact",
        seed: int = 0,
    ) -> None:
        super().__init__(risk, loader)
        self._exact = GaussNewton(risk, self.batches)

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        return self._exact._product(examples, vectors)

    def _matrix(self, examples: Examples) -> Tensor:
        return self._exact._matrix(examples)
