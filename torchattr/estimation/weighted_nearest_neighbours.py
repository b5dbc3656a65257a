r"""Shapley values of weighted nearest-neighbour games, in time linear in the players.

A weighted answer divides by the sum of the weights of the neighbours, so that no two
coalitions are alike, and the known exact algorithm visits all :math:`\binom{n}{K}` sets
of neighbours. Here :math:`1/W` and :math:`1/W^2` are written as sums of exponentials
:math:`e^{-t W}`, exact to rounding. An exponential of a sum is a product over
neighbours, and sums of products over all sets of neighbours are elementary symmetric
polynomials: cumulative sums.
"""

from __future__ import annotations

import math
from itertools import accumulate

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.exponential_sums import reciprocals_as_exponentials
from torchattr.games.semivalues import log_binomial

__all__ = ["weighted_neighbour_shapley"]

_CHUNK_BYTES = 2**24  # of the tensors that a chunk holds at once, about a cache
_INFINITE = 1e13  # a neighbour at distance 0 outweighs the others by this factor
_NEGLIGIBLE = 1e-200  # of the greatest weight: its reciprocal is still a float
_MAX_LOG_SETS = 1200.0  # half of it on either side of 1 is within floats


def weighted_neighbour_shapley(
    weights: Tensor,
    votes: Tensor,
    n_neighbours: int,
    *,
    targets: Tensor | None = None,
) -> Tensor:
    r"""Values of weighted answers, or of their squared errors.

    .. math::
        a(S) = \frac{|T|}{K} \frac{\sum_{j \in T} w_j b_j}{\sum_{j \in T} w_j},
        \qquad T = \mathrm{top}_K(S),

    and :math:`v(S) = a(S)`, or :math:`-(a(S) - y)^2` where targets are given. In a
    random order of the players, :math:`i` meets the neighbours :math:`A \cup r` and
    replaces the farthest of them, :math:`r`, with probability
    :math:`1 / \bigl(r \binom{r-1}{K}\bigr)`, so

    .. math::
        \phi_i = \sum_{r > i} \frac{1}{r \binom{r-1}{K}} \sum_{A \subseteq \{1, \dots,
        r-1\} \setminus i,\, |A| = K - 1} \bigl[v(A \cup i) - v(A \cup r)\bigr]
        + \sum_{|S| < K} \frac{v(S \cup i) - v(S)}{n \binom{n-1}{|S|}}.

    Args:
        weights: ``(M, n)`` non-negative float64, nearest first. An infinite one
            outweighs all finite ones. Where all neighbours weigh 0, the answer is 0.
        votes: ``(M, n)`` float64, :math:`b`, in that order.
        n_neighbours: :math:`K`, possibly more than ``n``.
        targets: ``(M,)`` float64, :math:`y`.

    Returns:
        ``(M, n)``, with an error of about 1e-11 of the largest vote (squared where
        there are targets). Costs :math:`O(n K (Q + K))` for each test example, with
        :math:`Q \approx 76 + 3.6 \ln(K w_{\max} / w_{\min})`: about a hundred times
        the unweighted values.

    Example:
        >>> weights = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
        >>> votes = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
        >>> weighted_neighbour_shapley(weights, votes, n_neighbours=2)
        tensor([[0.5833, 0.0833]], dtype=torch.float64)

    References:
        Jia et al. (2019), *Efficient task-specific data valuation for nearest neighbor
        algorithms*, section 4 (the games); Wang, Mittal and Jia (2024), *Efficient
        data Shapley for weighted nearest neighbor algorithms* (another way, which
        rounds the weights).
    """
    n = weights.shape[-1]
    if weights.numel() == 0:
        return torch.zeros_like(weights)
    _refuse_too_many_neighbours(n, n_neighbours)
    scaled, high = _relative_to_least(weights, n_neighbours)
    rates, powers = (t.to(weights) for t in reciprocals_as_exponentials(high))
    order = 1 if targets is None else 2
    live = (order + 1) * (min(n_neighbours, n) + 8) * len(rates) * n * 8
    rows = max(1, _CHUNK_BYTES // live)
    parts = []
    for start in range(0, len(weights), rows):
        part = slice(start, start + rows)
        factors = _factors(scaled[part], votes[part], rates, order)
        gains = _gains(factors, n_neighbours)
        sums = [torch.einsum("q,mqn->mn", powers[p], gains[p]) for p in range(order)]
        if targets is None:
            parts.append(sums[0])
        else:  # the coefficient of the second order is half a square
            parts.append(2 * (targets[part, None] * sums[0] - sums[1]))
    return torch.cat(parts)


def _refuse_too_many_neighbours(n: int, n_neighbours: int) -> None:
    log_sets = float(log_binomial(n, torch.tensor(min(n_neighbours, n))))
    if log_sets > _MAX_LOG_SETS:
        raise InputError(
            f"{n_neighbours} weighted neighbours among {n} training examples are more "
            f"sets (e^{log_sets:.0f}) than floats can count (e^{_MAX_LOG_SETS}). Use "
            "fewer neighbours, or weights='uniform'."
        )


def _relative_to_least(weights: Tensor, n_neighbours: int) -> tuple[Tensor, float]:
    """Weights of at least 1 (or 0) in each row, and the most that K can sum to."""
    finite = torch.where(weights.isfinite(), weights, 0)
    greatest = finite.amax(-1, keepdim=True)
    greatest = torch.where(greatest > 0, greatest, 1)
    weights = torch.where(weights.isinf(), _INFINITE, weights / greatest)
    weights = torch.where(weights < _NEGLIGIBLE, 0, weights)
    least = torch.where(weights > 0, weights, torch.inf).amin(-1, keepdim=True)
    weights /= torch.where(least.isfinite(), least, 1)
    count = min(n_neighbours, weights.shape[-1])
    return weights, max(1.0, count * float(weights.amax()))


def _factors(weights: Tensor, votes: Tensor, rates: Tensor, order: int) -> Tensor:
    r"""What each player brings to a product: :math:`e^{-t w + \epsilon w b}`.

    The coefficient of :math:`\epsilon^p` in the product over a set of neighbours is
    :math:`e^{-t W} (\sum w b)^p / p!`.

    Returns:
        Their power series in :math:`\epsilon`, ``(order + 1, M, Q, n)``.
    """
    decay = (-rates[:, None] * weights[:, None, :]).exp()
    shift = (weights * votes)[:, None, :]
    powers = accumulate(range(1, order + 1), lambda t, p: t * shift / p, initial=decay)
    return torch.stack(list(powers))


def _gains(factors: Tensor, n_neighbours: int) -> list[Tensor]:
    """What each player adds, summed over all coalitions, of each order from 1.

    A set without a player is one of the players before it, a cumulative sum, and one
    of those after it, a reverse cumulative sum. Sets are never taken away from sets,
    so that nothing cancels, and a scale keeps their number within floats.

    Returns:
        For each order ``(M, Q, n)``.
    """
    n = factors.shape[-1]
    k = min(n_neighbours, n)
    log_scale = float(log_binomial(n, torch.tensor(k))) / (2 * k)
    scaled = factors / math.exp(log_scale)
    before = [_before(scaled)] if k > 1 else []
    for _ in range(k - 2):
        before.append(_before(_product(scaled, before[-1])))
    # From here on the farthest comes first: sums over those after are sums before.
    before, scaled = [terms.flip(-1) for terms in before], scaled.flip(-1)
    replaced = _replacement_weights(n, n_neighbours, log_scale).to(factors).flip(-1)
    joining = torch.zeros_like(factors)
    joining[0] = _before(replaced)
    staying = _before(replaced * scaled)
    gains = []
    for p in range(1, len(factors)):
        joined, stayed = _small_weights(n, n_neighbours, p, log_scale)
        with_player = _product(scaled, _meet(scaled, before, joining, joined))[p]
        without = _meet(scaled, before, staying, stayed)[p]
        gains.append((with_player - without).flip(-1))
    return gains


def _meet(scaled: Tensor, before: list[Tensor], last: Tensor, small: Tensor) -> Tensor:
    """Sum over the number of players before ``i`` of products before and after."""
    after, total = last.clone(), torch.zeros_like(last)
    after[0] += small[-1]
    for nearer, weight in zip(reversed(before), small[:-1].flip(0), strict=True):
        total += _product(nearer, after)
        after = _before(_product(scaled, after))
        after[0] += weight
    return total + after


def _replacement_weights(n: int, k: int, log_scale: float) -> Tensor:
    r""":math:`\lambda^K / (r \binom{r-1}{K})`, by rank from 1; 0 up to :math:`K`."""
    rank = torch.arange(1, n + 1, dtype=torch.float64)
    able = rank > k
    others = torch.where(able, rank - 1, k)
    log_weights = k * log_scale - rank.log() - _log_choices(others, k)
    return torch.where(able, log_weights, -torch.inf).exp()


def _small_weights(
    n: int, k: int, power: int, log_scale: float
) -> tuple[Tensor, Tensor]:
    """Weights of coalitions of fewer than K, by size: with the player, and without."""
    size = torch.arange(min(k, n), dtype=torch.float64)
    log_weights = -math.log(n) - log_binomial(n - 1, size)
    joined = (log_weights + (size + 1) * log_scale).exp() * ((size + 1) / k) ** power
    return joined, (log_weights + size * log_scale).exp() * (size / k) ** power


def _log_choices(n: Tensor, k: int) -> Tensor:
    return (n + 1).lgamma() - math.lgamma(k + 1) - (n - k + 1).lgamma()


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Of two power series, to their common order."""
    product = left[0] * right
    for p in range(1, len(left)):
        for i in range(1, p + 1):
            product[p].addcmul_(left[i], right[p - i])
    return product


def _before(terms: Tensor) -> Tensor:
    """Sum over the players before each."""
    sums = torch.zeros_like(terms)
    torch.cumsum(terms[..., :-1], -1, out=sums[..., 1:])
    return sums
