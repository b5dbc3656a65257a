"""Solving by the Neumann series."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.callers_frame import frames_to_the_user
from torchattr.influence.solvers.hutchinson import trace_estimate
from torchattr.influence.solvers.iteration_bar import advance
from torchattr.influence.solvers.neumann_series import NeumannSeries
from torchattr.influence.solvers.shifted_system import ShiftedSystem, unit_rows
from torchattr.influence.solvers.solver import ConvergenceWarning, Solved, Solver
from torchattr.influence.solvers.symmetric_matrix import moved

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LiSSA", "check_lissa"]


class LiSSA(Solver):
    r"""Solutions as the limit of a series of products.

    .. math:: h \leftarrow g + (1 - d)\, h - (C + \lambda I)\, h / s, \qquad
        h / s \to (C + \lambda I + s d I)^{-1} g

    with :math:`d` = ``dampen`` and :math:`s` = ``scale`` (`Agarwal et al., 2017
    <https://jmlr.org/papers/v18/16-491.html>`_). So dampening is more
    regularization, by :math:`s d`. Each product is with the curvature of all training
    examples, not of a batch of them: answers do not depend on how data are cut into
    batches, and the series has a limit.

    It converges if every eigenvalue of :math:`C + \lambda I + s d I` is between 0 and
    :math:`2 s`, by a factor :math:`1 - \mu / s` each iteration for the smallest,
    :math:`\mu`. So it needs some :math:`10 s / \mu` iterations, where
    :class:`ConjugateGradient` needs the square root of that or fewer.

    Args:
        curvature: Any symmetric operator.
        maxiter: Most products.
        dampen: From 0 to 1.
        scale: A positive number; more than half the largest eigenvalue.
        rtol: The relative residual that an answer has, in the system above,
            regularization and dampening included.
        progress: Whether a bar shows the iterations.
        warn_on_max_iteration: Whether a :class:`ConvergenceWarning` is given at all.
        seed: Of the estimate of the trace.

    Raises:
        InputError: If an argument is out of range.

    Note:
        A product reads the training data once. In exact arithmetic residuals never grow
        where the series converges; a side of which the residual does is given up at
        once, and its best answer returned.

    Example:
        >>> solver = LiSSA(torch.diag(torch.tensor([1.0, 3.0])), scale=4, dampen=0.25)
        >>> solved = solver.solve(torch.ones(1, 2), 0.0)
        >>> solved.vectors.round(decimals=3)  # 1 / (1 + 1) and 1 / (3 + 1)
        tensor([[0.5000, 0.2500]])
    """

    def __init__(
        self,
        curvature: LinearOperator,
        *,
        maxiter: int = 1000,
        dampen: float = 0.0,
        scale: float = 10.0,
        rtol: float = 1e-4,
        progress: bool = False,
        warn_on_max_iteration: bool = True,
        seed: int = 0,
    ) -> None:
        check_lissa(maxiter, dampen, scale, rtol)
        super().__init__(curvature)
        self._maxiter, self._rtol, self._seed = int(maxiter), float(rtol), seed
        self._dampen, self._scale = float(dampen), float(scale)
        self._progress, self._warns = progress, warn_on_max_iteration

    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        """Solutions, and the relative residuals of the dampened system."""
        sides, sizes = unit_rows(vectors)
        # The dampened system, divided by its scale.
        system = ShiftedSystem(
            self.curvature, regularization + self._scale * self._dampen
        )
        series = NeumannSeries(system, sides, scale=self._scale, rtol=self._rtol)
        advance(series, self._maxiter, "LiSSA", show=self._progress)
        if self._warns and len(series.unfinished):
            warnings.warn(
                self._shortfall(series),
                ConvergenceWarning,
                stacklevel=frames_to_the_user(),
            )
        solutions = (series.solutions * sizes.unsqueeze(1)).to(vectors.dtype)
        return Solved(solutions, series.reached.to(vectors.dtype), series.iterations)

    def trace(self) -> float:
        """An estimate, by random signs with a fixed seed."""
        return trace_estimate(self.curvature, seed=self._seed)

    def to(self, device: torch.device | str) -> Self:
        """Move the curvature, if it is a tensor."""
        self.curvature = moved(self.curvature, device)
        return self

    def _shortfall(self, series: NeumannSeries) -> str:
        return (
            f"LiSSA stopped after {series.n_products} iterations (maxiter is "
            f"{self._maxiter}) with a relative residual of "
            f"{series.reached.max().item():.1e}, where rtol is {self._rtol:.1e}, for "
            f"{len(series.unfinished)} of {len(series.reached)} right-hand sides. "
            + self._advice(series)
        )

    def _advice(self, series: NeumannSeries) -> str:
        if series.high > self._scale:
            return (
                "It diverges: the curvature, regularization and dampening included, "
                f"has an eigenvalue of about {series.high:.3g}, and scale, "
                f"{self._scale:.3g}, must be more than half the largest. Pass scale="
                f"{1.5 * series.high:.2g}"
            )
        if series.low < self._scale:
            return (
                "It diverges: the curvature, regularization and dampening included, "
                f"has a negative eigenvalue, of about {series.low:.2g}. Pass a "
                "regularization larger by more than that, take "
                "SecondOrderMode.GAUSS_NEWTON, or use DirectInfluence"
            )
        advice = "Pass a smaller scale, a larger regularization or a larger maxiter"
        if 0 < series.rate < 1 and self._rtol > 0:
            more = math.log(self._rtol / series.worst) / math.log(series.rate)
            advice += f"; at the present rate it takes some {more:.2g} iterations more"
        return advice + ". CgInfluence needs far fewer"


def check_lissa(maxiter: object, dampen: object, scale: object, rtol: object) -> None:
    """Refuse arguments that are out of range.

    Args:
        maxiter: As for the solver.
        dampen: As for the solver.
        scale: As for the solver.
        rtol: As for the solver.

    Raises:
        InputError: If one is.

    Example:
        >>> check_lissa(1000, 0.0, 10, 1e-4)
    """
    as_count("maxiter", maxiter)
    if not isinstance(dampen, Real) or not 0 <= float(dampen) <= 1:
        raise InputError(f"dampen must be a number from 0 to 1; got {dampen!r}")
    if not isinstance(scale, Real) or not 0 < float(scale) < math.inf:
        raise InputError(
            f"scale must be a number > 0, more than half the largest eigenvalue of the "
            f"curvature; got {scale!r}"
        )
    if not isinstance(rtol, Real) or not 0 <= float(rtol) < math.inf:
        raise InputError(f"rtol must be a number >= 0; got {rtol!r}")
