"""A Krylov iteration from right-hand sides to solutions of a stated tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.influence.solvers.krylov_steps import KrylovSteps, Step

__all__ = ["KrylovRun"]

#: Steps after which residuals must have fallen by 1%, and are otherwise given up.
_PATIENCE = 200
#: Of the tolerance: what the recursion aims at, whose residuals are not quite true.
_MARGIN = 0.95


class KrylovRun:
    r"""Solutions of :math:`A z = g` whose true residuals are measured at the end.

    Steps go on until the recursion says that all residuals are small enough. These are
    then computed from the solutions, and where one is not, the iteration starts again
    from it, until that gains less than half. Between steps, each solution is the
    combination of iterates with the smallest residual (`Zhou and Walker, 1994
    <https://doi.org/10.1137/0915019>`_): so residuals never grow, for indefinite
    matrices neither.

    Args:
        steps: The iteration.
        sides: ``(R, P)``: the right-hand sides :math:`g`.
        rtol: The relative residual :math:`\|A z - g\| / \|g\|` wanted of each.

    Attributes:
        solutions: ``(R, P)``.
        reached: ``(R,)``: relative residuals, by multiplication; 0 where the side is.
        iterations: ``(R,)`` int64: how many steps each side took part in.
        n_steps: How many steps there were.
        worst: The largest residual of the recursion, for a progress report.

    Example:
        >>> from torchattr.influence.solvers.krylov_steps import SeparateSpaces
        >>> sides = torch.tensor([[2.0, 4.0]])
        >>> steps = SeparateSpaces(lambda rows: 2 * rows, lambda rows: rows)
        >>> run = KrylovRun(steps, sides, 1e-4)
        >>> run.advance(10)
        >>> run.solutions, run.n_steps
        (tensor([[1., 2.]]), 1)
    """

    def __init__(self, steps: KrylovSteps, sides: Tensor, rtol: float) -> None:
        self._steps, self._sides, self._rtol = steps, sides, rtol
        self._sizes: Tensor = torch.linalg.vector_norm(sides, dim=1)
        self._residuals = sides
        self.solutions = torch.zeros_like(sides)
        self.reached: Tensor = (self._sizes > 0).to(sides.dtype)
        self.iterations = torch.zeros_like(self._sizes, dtype=torch.int64)
        self.n_steps = 0
        self.worst = 1.0

    @property
    def unfinished(self) -> Tensor:
        """Positions of the sides whose residual is too large."""
        return (~(self.reached <= self._rtol)).nonzero().squeeze(1)

    def advance(
        self, maxiter: int, report: Callable[[float], None] | None = None
    ) -> None:
        """Go on until all have the tolerance, or nothing helps any more.

        Args:
            maxiter: The most steps.
            report: Called after each step, with the largest residual.
        """
        while self.n_steps < maxiter and len(rows := self.unfinished):
            before, kept = self.reached[rows], self.solutions[rows]
            self._steps.restart()
            self._iterate(rows, maxiter, report)
            self._measure(rows)
            better = self.reached[rows] < before
            # With a matrix that is singular to rounding, the recursion may err wildly.
            self.solutions[rows[~better]] = kept[~better]
            self.reached[rows[~better]] = before[~better]
            if not bool((self.reached[rows] < before / 2).any()):
                return

    def _iterate(
        self,
        rows: Tensor,
        maxiter: int,
        report: Callable[[float], None] | None,
    ) -> None:
        sides = _Sides(rows, self.solutions[rows], self._residuals[rows])
        history: list[float] = []
        while len(sides.rows) and self.n_steps < maxiter:
            step = self._steps.step(sides.residuals)
            if not sides.take(step):
                break
            self.n_steps += 1
            self.iterations[sides.rows] += 1
            ratios = sides.smallest() / self._sizes[sides.rows]
            self.worst = ratios.max().item()
            history.append(self.worst)
            if report is not None:
                report(self.worst)
            going = (ratios > _MARGIN * self._rtol).nonzero().squeeze(1)
            if len(going) < len(sides.rows):
                self.solutions[sides.rows] = sides.best
                sides = sides.kept(going)
                self._steps.keep(going)
            if step.exhausted or _stagnant(history):
                break
        self.solutions[sides.rows] = sides.best

    def _measure(self, rows: Tensor) -> None:
        missing = self._sides[rows] - self._steps.multiply(self.solutions[rows])
        self._residuals = self._residuals.index_copy(0, rows, missing)
        self.reached[rows] = (
            torch.linalg.vector_norm(missing, dim=1) / self._sizes[rows]
        )


@dataclass
class _Sides:
    """The sides that are worked on: the iterate, and the best combination so far."""

    rows: Tensor
    iterates: Tensor
    residuals: Tensor

    def __post_init__(self) -> None:
        self.best = self.iterates
        self.best_residuals = self.residuals

    def take(self, step: Step) -> bool:
        """Whether a step is finite; it is then made."""
        residuals = self.residuals - step.product
        if not math.isfinite(residuals.sum().item()):
            return False
        self.residuals, self.iterates = residuals, self.iterates.add(step.change)
        towards = residuals - self.best_residuals
        lengths = (towards * towards).sum(1, keepdim=True)
        weights = -(self.best_residuals * towards).sum(1, keepdim=True) / lengths
        weights = torch.where(lengths > 0, weights, 0).clamp(0, 1)
        self.best_residuals = torch.lerp(self.best_residuals, residuals, weights)
        self.best = torch.lerp(self.best, self.iterates, weights)
        return True

    def smallest(self) -> Tensor:
        """``(A,)``: norms of the best residuals."""
        sizes: Tensor = torch.linalg.vector_norm(self.best_residuals, dim=1)
        return sizes

    def kept(self, going: Tensor) -> _Sides:
        """Some of the sides."""
        kept = _Sides(self.rows[going], self.iterates[going], self.residuals[going])
        kept.best, kept.best_residuals = self.best[going], self.best_residuals[going]
        return kept


def _stagnant(history: list[float]) -> bool:
    return len(history) > _PATIENCE and history[-1] > 0.99 * history[-1 - _PATIENCE]
