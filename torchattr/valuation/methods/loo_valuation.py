"""Leave one out."""

from __future__ import annotations

from typing import final

from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import (
    LogCoefficient,
    log_leave_one_out,
)
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.samplers import LOOSampler
from torchattr.valuation.stopping import NoStopping
from torchattr.valuation.utility import UtilityBase

__all__ = ["LOOValuation"]


@final
class LOOValuation(SemivalueValuation):
    r"""What all points are worth beyond all others, :math:`u(N) - u(N \setminus i)`.

    Exact after ``n + 1`` evaluations.

    Args:
        utility: As in :class:`SemivalueValuation`.
        progress: Whether to show a progress bar.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> LOOValuation(ShoesGame(2, 1)).fit().result.values
        array([0., 0., 1.])
    """

    algorithm_name = "LOO"

    def __init__(
        self,
        utility: UtilityBase | Game,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
    ) -> None:
        sampler = LOOSampler()
        super().__init__(utility, sampler, NoStopping(sampler), progress=progress)

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of leave one out."""
        return log_leave_one_out
