"""Importance of a sampled coalition: its weight over the chance that it was drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.errors import InputError
from torchattr.sampling.subset_counts import log_n_subsets
from torchattr.valuation.methods.log_coefficients import LogCoefficient

__all__ = ["Importance", "logarithms", "reuse_importance"]


class Importance:
    r"""Scales :math:`w(n, k) / P(n, k)` by the size :math:`k` of the coalition joined.

    With them any sampler serves any semivalue. Sizes that a sampler never draws are
    never asked for.

    Args:
        log_coefficient: :math:`\log w(n, k)`.
        log_probability: :math:`\log P(n, k)`, the chance that a given coalition of
            this size is drawn for a given point.
        n_players: :math:`n`.

    Example:
        >>> from torchattr.valuation.methods.log_coefficients import log_shapley
        >>> uniform = lambda n, k: -(n - 1) * math.log(2)
        >>> Importance(log_shapley, uniform, 3)(np.array([0, 1, 1, 2])).round(3)
        array([1.333, 0.667, 0.667, 1.333])
    """

    def __init__(
        self,
        log_coefficient: LogCoefficient,
        log_probability: Callable[[int, Any], ArrayLike],
        n_players: int,
    ) -> None:
        self._log_coefficient = log_coefficient
        self._log_probability = log_probability
        self._n = n_players
        self._scales = np.full(n_players, np.nan)
        # The logarithms are differences of numbers like log n!, and rounded so. One
        # means one, so that equal contributions stay equal.
        self._rounding = (
            16 * np.finfo(np.float64).eps * (1 + math.lgamma(n_players + 1))
        )

    def __call__(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scales of contributions.

        Args:
            sizes: ``(C,)`` sizes of the coalitions joined.

        Returns:
            ``(C,)``; 0 where the semivalue gives no weight.

        Raises:
            InputError: If a size was drawn that the sampler says is never drawn.
        """
        scales = self._scales[sizes]
        unknown = np.isnan(scales)
        if unknown.any():
            drawn = np.unique(sizes[unknown])
            self._scales[drawn] = self._of(drawn)
            scales = self._scales[sizes]
        return scales

    def _of(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        log_coefficients = logarithms(self._log_coefficient, self._n, sizes)
        log_chances = logarithms(self._log_probability, self._n, sizes)
        impossible = ~np.isfinite(log_chances)
        if impossible.any():
            size, chance = sizes[impossible][0], log_chances[impossible][0]
            raise InputError(
                f"log_weight({self._n}, {size}) of the sampler is {chance}, but a "
                "coalition of this size was drawn; it must be the logarithm of the "
                "chance that a given coalition is drawn"
            )
        log_scales = log_coefficients - log_chances
        log_scales[np.abs(log_scales) <= self._rounding] = 0.0
        useless = np.isnan(log_scales) | (log_scales > _LARGEST)
        if useless.any():
            raise InputError(
                f"a coalition of {sizes[useless][0]} of {self._n} points was drawn "
                f"with a chance of exp({log_chances[useless][0]:.6g}) and has the "
                f"weight exp({log_coefficients[useless][0]:.6g}), too much for a "
                "number; take a sampler that draws such sizes more often"
            )
        return np.exp(log_scales)


def reuse_importance(
    log_coefficient: LogCoefficient,
    log_probability: Callable[[int, Any], ArrayLike],
    n_players: int,
) -> tuple[Importance, Importance]:
    r"""Scales of coalitions of the whole set, for members and for the others.

    A member :math:`i` of :math:`S` has joined :math:`S \setminus i`, which was drawn
    with probability :math:`P(S) / P(i \in S)`; another would join :math:`S`, with
    probability :math:`P(S) / P(i \notin S)`.

    Args:
        log_coefficient: :math:`\log w(n, k)`.
        log_probability: :math:`\log P(S)` by the size of :math:`S`, from 0 to
            :math:`n`, up to a constant.
        n_players: :math:`n`.

    Returns:
        Scales by the size joined, for members and for the others.
    """
    n = n_players
    logs = logarithms(log_probability, n, np.arange(n + 1))
    joined = log_n_subsets(n - 1, np.arange(n))
    chances = [np.logaddexp.reduce(joined + part) for part in (logs[1:], logs[:-1])]
    # A law with a constant factor has both chances too large by it.
    members, others = logs[1:] - chances[0], logs[:-1] - chances[1]
    return (
        Importance(log_coefficient, lambda _, sizes: members[sizes], n),
        Importance(log_coefficient, lambda _, sizes: others[sizes], n),
    )


def logarithms(
    function: Callable[[int, Any], ArrayLike], n: int, sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Values of a function of sizes that may know arrays, or single sizes only.

    Args:
        function: ``(n, sizes) ->`` logarithms, or ``(n, size) ->`` one.
        n: Number of points.
        sizes: ``(C,)``.

    Returns:
        ``(C,)``.
    """
    try:
        found = np.asarray(function(n, sizes), dtype=np.float64)
    except (TypeError, ValueError):  # what Python and NumPy raise: it takes one size
        found = np.zeros(())
    if found.shape != sizes.shape or len(sizes) == 1:
        found = np.array([float(np.asarray(function(n, k))) for k in sizes.tolist()])
    return found


_LARGEST = math.log(np.finfo(np.float64).max)
