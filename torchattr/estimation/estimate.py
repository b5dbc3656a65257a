"""An estimate: values of players, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    r"""Values of all players with their standard errors.

    Attributes:
        values: ``(n, *value)``.
        standard_errors: ``(n, *value)``; 0 where the values are exact, NaN where a
            single replicate says nothing about the spread.
        n_draws: Independent replicates behind the estimate (0 for an exact one).
        n_evaluations: Coalitions evaluated, the empty and the full one included.
        seconds: Time since the run began.
        degrees_of_freedom: Of the intervals: what a fit to pairs leaves over; ``None``
            is one less than ``n_draws``.
    """

    values: Tensor
    standard_errors: Tensor
    n_draws: int
    n_evaluations: int
    seconds: float = 0.0
    degrees_of_freedom: int | None = None

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        r"""Two-sided confidence intervals, :math:`\phi \pm t_f\,\mathrm{se}`.

        Args:
            level: Probability that an interval covers the true value.

        Returns:
            Lower and upper ends, each ``(n, *value)``.

        Raises:
            InputError: If ``level`` is not strictly between 0 and 1.

        Example:
            >>> one = torch.ones(1)
            >>> Estimate(one, one, n_draws=16, n_evaluations=34).interval()
            (tensor([-1.1314]), tensor([3.1314]))
        """
        if not 0 < level < 1:
            raise InputError(f"level must lie strictly between 0 and 1, got {level!r}")
        from scipy.special import stdtrit  # scipy takes longer to import than we do

        freedom = self.degrees_of_freedom
        freedom = self.n_draws - 1 if freedom is None else freedom
        quantile = stdtrit(max(freedom, 1), (1 + level) / 2)
        half_width = float(quantile) * self.standard_errors
        return self.values - half_width, self.values + half_width

    @property
    def spread(self) -> Tensor:
        """``(*value)``: largest minus smallest value over the players."""
        return torch.amax(self.values, 0) - torch.amin(self.values, 0)
