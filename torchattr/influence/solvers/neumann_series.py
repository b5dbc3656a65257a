"""The Neumann series of many right-hand sides, and why it does not converge."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from torchattr.influence.solvers.shifted_system import ShiftedSystem

__all__ = ["NeumannSeries"]

#: A residual that is this much larger than it was is not going to fall again.
_GROWTH = 2.0


class NeumannSeries:
    r""":math:`z \leftarrow z + (g - A z) / s`, from :math:`z = 0`.

    Args:
        system: :math:`A`, symmetric.
        sides: ``(R, P)``: the right-hand sides :math:`g`, of length 1 or 0.
        scale: :math:`s`.
        rtol: The residual wanted of each.

    Attributes:
        solutions: ``(R, P)``: those of smallest residual.
        reached: ``(R,)``: their residuals.
        iterations: ``(R,)`` int64: how many products each took.
        n_products: How many there were.
        worst: The largest residual after the last product.
        rate: By what factor that changed.
        low: About an eigenvalue of the system, the smallest of those that made a
            residual grow; infinite if none did.
        high: The largest of them.

    Example:
        >>> system = ShiftedSystem(torch.eye(1), 1.0)
        >>> series = NeumannSeries(system, torch.ones(1, 1), scale=4.0, rtol=0.2)
        >>> series.advance(10)
        >>> series.solutions, series.iterations  # 1/4 + 1/8 + 1/16
        (tensor([[0.4375]]), tensor([3]))
    """

    def __init__(
        self, system: ShiftedSystem, sides: Tensor, *, scale: float, rtol: float
    ) -> None:
        self._system, self._sides = system, sides
        self._scale, self._rtol = scale, rtol
        self.solutions = torch.zeros_like(sides)
        self.reached: Tensor = torch.linalg.vector_norm(sides, dim=1)
        self.iterations = torch.zeros_like(self.reached, dtype=torch.int64)
        self.n_products = 0
        self.worst = self.rate = 1.0
        self.low, self.high = math.inf, -math.inf

    @property
    def unfinished(self) -> Tensor:
        """Positions of the sides whose residual is too large."""
        return (self.reached > self._rtol).nonzero().squeeze(1)

    def advance(
        self, maxiter: int, report: Callable[[float], None] | None = None
    ) -> None:
        """Go on until all are done, or have begun to diverge.

        Args:
            maxiter: The most products.
            report: Called after each, with the largest residual.
        """
        rows = self.unfinished
        residuals, iterates = self._sides[rows], self.solutions[rows]
        while len(rows) and self.n_products < maxiter:
            iterates += residuals / self._scale
            before, residuals = residuals, self._sides[rows] - self._system(iterates)
            sizes = torch.linalg.vector_norm(residuals, dim=1)
            self._note(rows, iterates, sizes)
            diverging = ~(sizes <= _GROWTH * self.reached[rows])
            self._explain(before[diverging], residuals[diverging])
            going = (~diverging & (sizes > self._rtol)).nonzero().squeeze(1)
            if len(going) < len(rows):
                rows = rows[going]
                residuals, iterates = residuals[going], iterates[going]
            if report is not None:
                report(self.worst)

    def _note(self, rows: Tensor, iterates: Tensor, sizes: Tensor) -> None:
        better = sizes < self.reached[rows]
        self.solutions[rows[better]] = iterates[better]
        self.reached[rows] = torch.where(better, sizes, self.reached[rows])
        self.iterations[rows] += 1
        self.n_products += 1
        worst = sizes.max().item()
        self.rate, self.worst = worst / self.worst, worst

    def _explain(self, before: Tensor, after: Tensor) -> None:
        """Rayleigh quotients: an eigenvector takes over a residual that grows."""
        if len(before) == 0:
            return
        shrinking = (before * after).sum(1) / (before * before).sum(1)
        eigenvalues = self._scale * (1 - shrinking)
        self.low = min(self.low, eigenvalues.min().item())
        self.high = max(self.high, eigenvalues.max().item())
