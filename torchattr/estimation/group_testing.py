r"""Shapley values from how groups fare: differences of values, by group testing."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.moments import Moments
from torchattr.games.game import Game
from torchattr.sampling.marginals import EVERYBODY
from torchattr.sampling.random_subsets import subsets_of_sizes, words_for_keys
from torchattr.sampling.random_words import RandomWords

__all__ = ["compute_n_samples", "group_size_probabilities", "group_testing"]

_BLOCK_BYTES = 2**25  # of the words from which the groups of a block are drawn


def group_size_probabilities(n_players: int) -> Tensor:
    r"""Probabilities of the sizes :math:`1, \dots, n - 1` of a tested group.

    .. math:: q_k = \frac1Z \Bigl(\frac1k + \frac1{n-k}\Bigr),
        \qquad Z = 2 \sum_{k=1}^{n-1} \frac1k.

    Args:
        n_players: :math:`n`, at least 2.

    Returns:
        ``(n - 1,)`` in float64.

    Example:
        >>> (11 * group_size_probabilities(4)).round().tolist()
        [4.0, 3.0, 4.0]
    """
    size = torch.arange(1, n_players, dtype=torch.float64)
    weights = 1 / size + 1 / (n_players - size)
    return weights / weights.sum()


def compute_n_samples(epsilon: float, delta: float, n_obs: int) -> int:
    r"""How many groups make all differences of values good to ``epsilon``.

    A tested group estimates :math:`\phi_i - \phi_j` by :math:`Z u (\beta_i - \beta_j)`,
    which is at most :math:`Z` for utilities in [0, 1] and has a variance of at most
    :math:`2 Z`, since just one of two points is in a group with probability
    :math:`2 / Z`. By Bennett's inequality and the union bound over all pairs, the means
    of

    .. math:: T = \frac{Z}{2} \, \frac{\ln(n (n-1) / \delta)}
        {h(\epsilon / 4 \sqrt n)}, \qquad h(t) = (1 + t) \ln(1 + t) - t,

    groups are all within :math:`\epsilon / 2 \sqrt n` with a probability of
    :math:`1 - \delta`, and values from them are within :math:`\epsilon` in norm.

    Args:
        epsilon: Error of the values, positive.
        delta: Probability to miss it, between 0 and 1.
        n_obs: Number of points, at least 2.

    Returns:
        The whole part of the bound, as pyDVL has it.

    Raises:
        InputError: If an argument is out of its range.

    Example:
        >>> compute_n_samples(epsilon=0.1, delta=0.1, n_obs=4)
        112813

    References:
        Jia et al. (2019), *Towards efficient data valuation based on the Shapley
        value*, theorem 3.
    """
    if not (epsilon > 0 and 0 < delta < 1 and n_obs > 1):
        raise InputError(
            "compute_n_samples needs epsilon > 0, 0 < delta < 1 and n_obs >= 2, got "
            f"epsilon={epsilon}, delta={delta}, n_obs={n_obs}"
        )
    step = epsilon / (4 * math.sqrt(n_obs))
    if step < 1e-3:  # where the definition would cancel
        h = step**2 * (1 / 2 - step / 6 + step**2 / 12)
    else:
        h = (1 + step) * math.log1p(step) - step
    half_z = math.fsum(1 / k for k in range(1, n_obs))
    return int(half_z * math.log(n_obs * (n_obs - 1) / delta) / h)


def group_testing(game: Game, n_samples: int, entropy: int) -> Estimate:
    r"""Shapley values from ``n_samples`` random groups.

    Sizes come with :func:`group_size_probabilities`, groups of a size alike. Then

    .. math:: \hat\phi_i = \frac{v(N) - v(\emptyset)}{n}
        + \frac{Z}{T} \sum_t \bigl(v(S_t) - c\bigr)
        \Bigl(1[i \in S_t] - \frac{|S_t|}{n}\Bigr)

    is unbiased for any constant :math:`c`, sums to :math:`v(N) - v(\emptyset)`, and has
    exactly the differences that were measured: it solves the feasibility problem of the
    paper with no tolerance needed. Half way between the two ends is a good :math:`c`.

    Args:
        game: The game, with values ``(C,)``. It is evaluated ``n_samples + 2`` times,
            unless it is :class:`~torchattr.games.Cached`.
        n_samples: :math:`T`, at least one.
        entropy: The seed. Group ``t`` depends on the seed and ``t`` only.

    Returns:
        ``(n,)`` in float64, with standard errors.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> estimate = group_testing(ShoesGame(left=1, right=2), 1000, entropy=0)
        >>> round(float(estimate.values.sum()), 10)
        1.0

    References:
        Jia et al. (2019), *Towards efficient data valuation based on the Shapley
        value*, algorithm 1, without its optimisation.
    """
    n = game.n_players
    empty, full = game(game.ends()).double()
    share = (full - empty) / n
    if n == 1:
        zero = torch.zeros_like(share)[None]
        return Estimate(share[None], zero, n_draws=0, n_evaluations=2)
    groups = _Groups(n, entropy)
    z = 2 * math.fsum(1 / k for k in range(1, n))
    moments = Moments.none((n,), game.device)
    block = max(1, _BLOCK_BYTES // (8 * n))
    for start in range(0, n_samples, block):
        tested = groups.between(start, min(start + block, n_samples))
        values = game(tested).double() - (full + empty) / 2
        members = tested.to(values)
        contrast = members - members.mean(1, keepdim=True)
        moments = moments.merged(Moments.of(share + z * values[:, None] * contrast))
    return Estimate(
        moments.mean,
        moments.standard_error,
        n_draws=n_samples,
        n_evaluations=n_samples + 2,
    )


class _Groups:
    """The groups of a seed, of which any part is drawn by itself."""

    def __init__(self, n_players: int, entropy: int) -> None:
        self._n = n_players
        self._levels = group_size_probabilities(n_players).cumsum(0)[:-1].numpy()
        self._sizes = RandomWords(entropy, "sizes of tested groups")
        self._members = RandomWords(entropy, "members of tested groups")

    def between(self, start: int, stop: int) -> Tensor:
        """``(stop - start, n)`` booleans."""
        count = stop - start
        uniform = self._sizes.uniform(start, count, 1)[:, 0]
        sizes = 1 + np.searchsorted(self._levels, uniform, side="right")
        words = self._members.rows(start, count, words_for_keys(self._n))
        nobody = torch.full((count,), EVERYBODY)
        return subsets_of_sizes(words, nobody, self._n, sizes)
