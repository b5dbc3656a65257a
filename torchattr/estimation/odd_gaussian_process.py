r"""Values of players by a Gaussian process on the odd part of a game."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.estimation.odd_hyperparameters import OddObservations, search
from torchattr.estimation.pair_fit import PairFit
from torchattr.sampling.odd_kernel import Quadrature

__all__ = ["odd_gaussian_process"]

_AVERAGED = 12  # settings whose answers are averaged, by their evidence
_AVERAGED_UP_TO = 150  # pairs; beyond, one setting has nearly all of the evidence
_ADDITIVE = 1e-10  # relative residual of a game without interactions
_FEWEST = 3  # pairs that say something about the error
_BATCH_ELEMENTS = 2**19  # of one batch of covariances: they stay in the cache


def odd_gaussian_process(
    pairs: Tensor, odd: Tensor, total: Tensor, *, quadrature: Quadrature | None = None
) -> PairFit:
    r"""Posterior mean and error of symmetric semivalues, given values of pairs.

    The odd part g of a game is a Gaussian process with main effects, interactions and
    size effects (see ``torchattr/sampling/odd_kernel.py``), whose variances are found
    by evidence for each column. With K the covariance of the observations and A that of
    the values of players with them, :math:`\phi = A K^{-1} g`. The full coalition is
    observed without noise, so values sum to the total. Of all estimators measured on
    games of 10 to 64 players it has the least error from 2n to 30n evaluations. A game
    without interactions is recognised from n pairs on, and solved exactly.

    *Standard errors* are those of the posterior, the variance of the game estimated
    with :math:`P - n` degrees of freedom (main effects take n), inflated by the root
    mean square of the standardised leave-one-out residuals where that exceeds one.
    They are model-based: some 92% to 97% of 95% intervals covered from 3n evaluations
    on. NaN for fewer than three pairs.

    Args:
        pairs: ``(P, n)`` booleans, one side of each of ``P`` distinct pairs; best
            :func:`~torchattr.sampling.a_optimal_pairs`.
        odd: ``(P, G)``, values :math:`(v(S) - v(N \setminus S)) / 2` of ``G`` games.
        total: ``(G,)``, values :math:`v(N) - v(\emptyset)`.
        quadrature: The semivalue; ``None`` is Shapley.

    Returns:
        The values and their standard errors, ``(n, G)`` float64.

    Example:
        >>> from torchattr.sampling.a_optimal import a_optimal_pairs
        >>> pairs = a_optimal_pairs(8, 25)
        >>> three = (pairs[:, :3].all(1).double() - (~pairs[:, :3]).all(1).double()) / 2
        >>> fit = odd_gaussian_process(pairs, three[:, None], torch.ones(1))
        >>> fit.values[:3].flatten().round(decimals=2)  # a third each
        tensor([0.3300, 0.3300, 0.3300], dtype=torch.float64)

    References:
        Fumagalli et al. (2026), *OddSHAP* (the odd part); Rasmussen and Williams
        (2006), *Gaussian processes for machine learning*.
    """
    n_pairs, n = pairs.shape
    total = total.double()
    if quadrature is None:
        quadrature = Quadrature.beta(n, 1.0, pairs.device)
    observations = OddObservations.of(pairs, odd, total)
    values, variances = _posterior(observations, quadrature)
    if n_pairs >= n:
        slopes, additive = _main_effects(observations)
        values = slopes.where(additive, values)
        variances = variances.where(~additive, 0)
    values = (values * observations.scale[:, None]).T
    errors = (variances.sqrt() * observations.scale[:, None]).T
    if quadrature.efficient:  # efficiency, up to the jitter of the covariance
        values += (total - values.sum(0)) / n
    if n_pairs < _FEWEST:
        errors = torch.full_like(errors, torch.nan)
    return PairFit(values, errors)


def _main_effects(observations: OddObservations) -> tuple[Tensor, Tensor]:
    """Values without interactions, and whether there are none.

    The Gaussian process would find the same values, but to its jitter only.

    Returns:
        ``(G, n)`` values, and ``(G, 1)`` booleans.
    """
    signs, targets = observations.signs, observations.targets.T
    inverse = torch.linalg.pinv(signs)
    slopes = inverse @ targets
    misfit = (targets - signs @ slopes).abs().amax(0)
    full_rank = (inverse @ signs).diagonal().amin() > 0.5
    return 2 * slopes.T, ((misfit < _ADDITIVE) & full_rank)[:, None]


def _posterior(
    observations: OddObservations, quadrature: Quadrature
) -> tuple[Tensor, Tensor]:
    """Means and variances ``(G, n)``, averaged over settings by their evidence."""
    p, n = observations.signs.shape
    count = _AVERAGED if p <= _AVERAGED_UP_TO + 1 else 1
    settings, evidence = search(observations).leading(count)
    weights = (evidence - evidence[:, :1]).softmax(1)
    shape = (*weights.shape, n)
    means, variances = weights.new_zeros(shape), weights.new_zeros(shape)
    for some in torch.split(weights.nonzero(), max(1, _BATCH_ELEMENTS // p**2)):
        game, rank = some.T
        means[game, rank], variances[game, rank] = _conditioned(
            observations, game, settings[game, rank], quadrature
        )
    weights = weights[..., None]
    mean = (weights * means).sum(1)
    disagreement = (means - mean[:, None]) ** 2
    return mean, (weights * (variances + disagreement)).sum(1)


def _conditioned(
    observations: OddObservations,
    games: Tensor,
    settings: Tensor,
    quadrature: Quadrature,
) -> tuple[Tensor, Tensor]:
    """Means and variances ``(B, n)`` of the values of players under given settings."""
    cross, prior = observations.players(games, settings, quadrature)
    factor, _ = torch.linalg.cholesky_ex(observations.covariances(games, settings))
    targets = observations.targets[games, :, None]
    dual = torch.cholesky_solve(targets, factor)
    white = torch.linalg.solve_triangular(factor, cross.mT, upper=False)
    posterior = (prior - white.square().sum(1)).clamp(min=0)
    energy = (targets * dual).sum((1, 2))  # chi-square, up to the scale of the game
    return (cross @ dual)[..., 0], posterior * _scale(
        observations, factor, dual, energy
    )


def _scale(
    observations: OddObservations, factor: Tensor, dual: Tensor, energy: Tensor
) -> Tensor:
    """``(B, 1)``: variance of the game, doubted where left-out pairs are a surprise."""
    n_pairs, n = len(observations.signs) - 1, observations.signs.shape[1]
    # Freedom is floored: with fewer pairs than players the prior speaks.
    freedom = max(n_pairs - n, n_pairs / 6)
    precision = torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2)
    surprise = (dual[..., 0].square() / precision)[:, 1:].mean(1)
    expected = energy / (n_pairs + 1)
    inflation = (surprise / expected.where(expected > 0, 1)).clamp(min=1)
    return (inflation * energy / freedom)[:, None]
