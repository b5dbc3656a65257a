r"""How rough a game is: the hyper-parameters of the odd Gaussian process, by evidence.

Games on the same design are searched together, each from its own state: one batch of
Cholesky factorisations per coordinate of the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from torchattr.sampling.odd_kernel import OddKernel, Quadrature, size_features

__all__ = ["OddObservations", "Search", "search"]

# Values tried, in the order in which the coordinates are searched.
_GRIDS: tuple[tuple[float, ...], ...] = (
    (0.0, 0.1, 1.0),  # variance of size effects
    (1e-6, 1e-4, 3e-3, 0.03, 0.3, 2.0),  # variance of interactions
    (0.1, 1.0, 2.0, 4.0, 8.0),  # coupling: small ones leave interactions of three only
    (0.0, 0.5, 1.0, 2.0, 4.0),  # heredity: how far strong players also interact more
    (1e-6, 1e-2, 0.2),  # noise, as a share of the variance of interactions
)
_SIZE, _INTERACTION, _COUPLING, _HEREDITY, _NOISE = range(len(_GRIDS))
_START = (1, 2, 2, 1, 0)
_DIMENSIONS = tuple(map(len, _GRIDS))
_STRIDES = [prod(_DIMENSIONS[i + 1 :]) for i in range(len(_GRIDS))]
_SETTINGS = torch.cartesian_prod(*[
    torch.tensor(grid, dtype=torch.float64) for grid in _GRIDS
])

_JITTER = 1e-9
_PRELIMINARY = 100  # pairs on which the search starts: 30 times cheaper than 300
_SEARCHED = 300  # pairs on which it ends
_BATCH_ELEMENTS = 2**19  # of one batch of covariances: they stay in the cache


@dataclass(frozen=True)
class OddObservations:
    r"""Values of the odd parts of ``G`` games on one design.

    Attributes:
        signs: ``(p, n)`` in {-1, +1}; row 0 is the full coalition.
        targets: ``(G, p)``, of unit mean square (or all zero).
        scale: ``(G,)``, by which targets were divided.
    """

    signs: Tensor
    targets: Tensor
    scale: Tensor

    @classmethod
    def of(cls, pairs: Tensor, odd: Tensor, total: Tensor) -> OddObservations:
        """Observations of pairs, and of the full coalition.

        Args:
            pairs: ``(P, n)`` booleans.
            odd: ``(P, G)``, values of the odd part.
            total: ``(G,)``, twice the odd part of the full coalition.

        Returns:
            ``P + 1`` observations of each game.
        """
        everyone = torch.ones_like(pairs[:1].sum(0, keepdim=True), dtype=torch.float64)
        targets = torch.cat([total[None] / 2, odd]).double().T
        scale = targets.square().mean(1).sqrt()
        return cls(
            torch.cat([everyone, pairs.double() * 2 - 1]),
            targets / scale.where(scale > 0, 1)[:, None],
            scale,
        )

    def first(self, n_rows: int) -> OddObservations:
        """The observations of the first rows of the design.

        Args:
            n_rows: How many.

        Returns:
            Observations that share memory with these.
        """
        return OddObservations(
            self.signs[:n_rows], self.targets[:, :n_rows], self.scale
        )

    @cached_property
    def importance(self) -> Tensor:
        """``(G, n)``: sizes of the main effects by ridge regression, of mean one."""
        p, n = self.signs.shape
        ridge = 0.05 * n * torch.eye(p, dtype=torch.float64, device=self.signs.device)
        dual = torch.linalg.solve(self.signs @ self.signs.T + ridge, self.targets.T)
        effects = (self.signs.T @ dual).T.abs()
        mean = effects.mean(1, keepdim=True)
        return torch.where(mean > 0, effects / mean, 1.0)

    def kernels(self, games: Tensor, settings: Tensor) -> OddKernel:
        """Kernels without their variances.

        Args:
            games: ``(B,)`` indices of games.
            settings: ``(B, 5)`` values of the hyper-parameters.

        Returns:
            A batch of ``B`` kernels.
        """
        scale = self.importance[games].clamp(min=0.05) ** settings[:, [_HEREDITY]]
        scale /= scale.mean(1, keepdim=True)
        couplings = settings[:, [_COUPLING]] * scale / self.signs.shape[1]
        return OddKernel(scale, couplings.clamp(1e-4, 0.9))

    def covariances(self, games: Tensor, settings: Tensor) -> Tensor:
        """Covariances of the observations.

        Args:
            games: ``(B,)`` indices of games.
            settings: ``(B, 5)`` values of the hyper-parameters.

        Returns:
            ``(B, p, p)``.
        """
        shapes, shape = torch.unique(
            torch.stack([games.double(), *settings[:, [_COUPLING, _HEREDITY]].T], 1),
            dim=0,
            return_inverse=True,
        )
        first = torch.zeros(len(shapes), dtype=torch.long, device=shape.device)
        first.scatter_(0, shape, torch.arange(len(shape), device=shape.device))
        kernels = self.kernels(games, settings)
        shared = OddKernel(kernels.effects[first], kernels.couplings[first])
        interaction = settings[:, _INTERACTION]
        covariance = kernels.covariance(
            self.signs,
            shared.products(self.signs)[shape],
            interaction=interaction,
            size=settings[:, _SIZE],
        )
        # The value of the full coalition is exact, so that efficiency holds.
        noise = settings[:, _NOISE] * interaction
        diagonal = covariance.diagonal(dim1=1, dim2=2)
        diagonal += _JITTER
        diagonal[:, 1:] += noise[:, None]
        return covariance

    def players(
        self, games: Tensor, settings: Tensor, quadrature: Quadrature
    ) -> tuple[Tensor, Tensor]:
        """What the prior says about the values of players.

        Args:
            games: ``(B,)`` indices of games.
            settings: ``(B, 5)`` values of the hyper-parameters.
            quadrature: The semivalue.

        Returns:
            Covariances with the observations ``(B, n, p)``, and variances ``(B, n)``.
        """
        n = self.signs.shape[1]
        kernels = self.kernels(games, settings)
        interaction = settings[:, [_INTERACTION]]
        linear, joint = kernels.readout(self.signs, quadrature)
        cross = linear + interaction[..., None] * joint
        linear, joint = kernels.variances(quadrature)
        prior = linear + interaction * joint
        if not quadrature.efficient:  # else effects of the size are split equally
            features = size_features(n).to(self.signs.device)
            step = quadrature.by_size(n) @ features.diff(dim=0)
            size = settings[:, [_SIZE]]
            at = (self.signs > 0).sum(1)
            cross += size[..., None] * (features @ step)[at]
            prior += size * step.square().sum()
        return cross, prior

    def evidence(self, games: Tensor, settings: Tensor) -> Tensor:
        """Logarithm of the likelihood, the scale of the game profiled out.

        Args:
            games: ``(B,)`` indices of games.
            settings: ``(B, 5)`` values of the hyper-parameters.

        Returns:
            ``(B,)``, minus infinity where the covariance is singular.
        """
        p = len(self.signs)
        factor, failed = torch.linalg.cholesky_ex(self.covariances(games, settings))
        white = torch.linalg.solve_triangular(
            factor, self.targets[games, :, None], upper=False
        )
        scale = white.square().mean((1, 2)).clamp(min=1e-300)  # of a constant game
        log_volume = factor.diagonal(dim1=1, dim2=2).log().sum(1)
        evidence = -p / 2 * scale.log() - log_volume
        usable = (failed == 0) & evidence.isfinite()
        return torch.where(usable, evidence, -torch.inf)


@dataclass(frozen=True)
class Search:
    """Where a search has been, and the best it found.

    Attributes:
        state: ``(G, 5)``, indices into the grids of the best settings.
        evidence: ``(G, product of the grids)``, NaN where it has not been.
    """

    state: Tensor
    evidence: Tensor

    def leading(self, count: int) -> tuple[Tensor, Tensor]:
        """The settings of most evidence.

        Args:
            count: How many for each game, at most.

        Returns:
            Settings ``(G, count, 5)`` and their log evidence ``(G, count)``.
        """
        known = self.evidence.nan_to_num(nan=-torch.inf)
        evidence, keys = known.topk(count)
        return _SETTINGS.to(keys.device)[keys], evidence


def search(observations: OddObservations) -> Search:
    """Search each game's hyper-parameters, first on few pairs, then nearby on more.

    Args:
        observations: Values of the games.

    Returns:
        The search on at most 300 pairs.
    """
    n_pairs = len(observations.signs) - 1
    start = torch.tensor(_START, device=observations.signs.device)
    state = start.expand(len(observations.targets), -1)
    if n_pairs < 1.5 * _PRELIMINARY:
        return _coordinate_search(observations, state, n_sweeps=3)
    few = observations.first(_PRELIMINARY + 1)
    state = _coordinate_search(few, state, n_sweeps=3).state
    return _coordinate_search(
        observations.first(_SEARCHED + 1), state, n_sweeps=1, reach=1
    )


def _coordinate_search(
    observations: OddObservations, start: Tensor, *, n_sweeps: int, reach: int = 9
) -> Search:
    """Move along one coordinate at a time to the best value within reach."""
    state = start.clone()
    shape = (len(state), prod(_DIMENSIONS))
    found = Search(state, torch.full(shape, torch.nan).to(observations.targets))
    active = torch.arange(len(state), device=state.device)
    for _ in range(n_sweeps):
        before = state[active]
        for coordinate in range(len(_GRIDS)):
            _move(observations, found, active, coordinate, reach=reach)
        active = active[(state[active] != before).any(1)]
        if len(active) == 0:
            break
    return found


def _move(
    observations: OddObservations,
    found: Search,
    active: Tensor,
    coordinate: int,
    *,
    reach: int,
) -> None:
    """Evaluate what is new along one coordinate, and move the games that gain."""
    values = torch.arange(_DIMENSIONS[coordinate], device=active.device)
    trial = found.state[active, None].repeat(1, len(values), 1)
    near = (trial[..., coordinate] - values).abs() <= reach
    trial[..., coordinate] = values
    keys = (trial * torch.tensor(_STRIDES, device=active.device)).sum(-1)
    games = active[:, None].expand_as(keys)
    new = near & found.evidence[games, keys].isnan()
    _evaluate(observations, found, games[new], keys[new])
    scores = found.evidence[games, keys].where(near, -torch.inf)
    here = found.state[active, coordinate]
    rows = torch.arange(len(active), device=active.device)
    best = scores.argmax(1)
    gains = scores[rows, best] > scores[rows, here] + 1e-9
    found.state[active, coordinate] = best.where(gains, here)


def _evaluate(
    observations: OddObservations, found: Search, games: Tensor, keys: Tensor
) -> None:
    """Fill in the evidence of some settings, in batches of bounded memory."""
    batch = max(1, _BATCH_ELEMENTS // len(observations.signs) ** 2)
    settings = _SETTINGS.to(keys.device)
    pieces = zip(torch.split(games, batch), torch.split(keys, batch), strict=True)
    for game, key in pieces:
        found.evidence[game, key] = observations.evidence(game, settings[key])
