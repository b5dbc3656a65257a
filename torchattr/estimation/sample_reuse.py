r"""Maximum sample reuse: every coalition tells of every player.

A semivalue is the difference of two means,
:math:`\phi_i = \mathbb{E}[v(T \cup i)] - \mathbb{E}[v(T)]` with
:math:`P(T) = p_{|T|}` over :math:`T \subseteq N \setminus i`. One sample of coalitions
serves all players: those with :math:`i` estimate the first, those without the second.
The Banzhaf value needs nothing else, for a uniform coalition is already right on either
side; other semivalues weigh coalitions by their size.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.stopping import StoppingRule, check_schedule
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.games.semivalues import Semivalue, banzhaf, log_binomial

__all__ = ["SampleReuse", "sample_reuse"]

_BLOCK_BYTES = 2**26  # coalitions of a block with their random numbers, and values
_ROWS_IN_CACHE = 256  # a product of more was measured four times slower per row
_FIRST_CHECK = 32  # with fewer coalitions some player is often on one side only


@final
class SampleReuse:
    r"""Random coalitions, and the sums from which every player's two means are made.

    The coalitions are independent. Their size :math:`s` has the probability
    :math:`\pi_s = (w_{s-1} + w_s) / 2` with :math:`w_s = \binom{n-1}{s} p_s`, and every
    coalition of a size the same: half of them are right with a player, half without.
    For the Banzhaf value that is the uniform law over all coalitions.

    Args:
        n_players: Number of players.
        semivalue: Which value of the players.
        antithetic: Whether every coalition comes with its complement, for the Banzhaf
            value; such a pair is one replicate.

    Attributes:
        n_players: Number of players.
        size_law: ``(n + 1,)``: the probability of each size.
        n_draws: Replicates added.

    Raises:
        InputError: If the weights of the semivalue cannot be represented for so many
            players, or pairs are asked for another value than Banzhaf's.

    Example:
        >>> coalitions = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).bool()
        >>> reuse = SampleReuse(2)
        >>> reuse.add(coalitions, torch.tensor([0.0, 1.0, 2.0, 5.0]))
        >>> reuse.estimate().values
        tensor([3., 2.], dtype=torch.float64)

    References:
        Wang and Jia (2023), *Data Banzhaf*; Li and Yu (2024), *One sample fits all*.
    """

    def __init__(
        self,
        n_players: int,
        *,
        semivalue: Semivalue = banzhaf,
        antithetic: bool = False,
    ) -> None:
        if antithetic and semivalue is not banzhaf:
            raise InputError("pairs of complements are for the Banzhaf value only")
        n = self.n_players = as_count("n_players", n_players)
        self.n_draws = 0
        self._antithetic = antithetic
        self._tosses = semivalue is banzhaf
        self.size_law, self._weights = _law(n, semivalue)
        # For both sides and each player: sums of the weights a, of a^2, of a v,
        # of a^2 v and of a^2 v^2, the values about a shift that keeps their digits.
        self._sums = torch.zeros(())
        self._shift = torch.zeros(())
        self._odd_squares = torch.zeros(())
        self._shape: torch.Size = torch.Size()

    @property
    def n_coalitions(self) -> int:
        """Coalitions of one replicate."""
        return 2 if self._antithetic else 1

    def draw(self, n_draws: int, generator: torch.Generator | None = None) -> Tensor:
        """The next coalitions; how many are asked for at once changes nothing.

        Args:
            n_draws: Number of replicates.
            generator: Source of randomness; ``None`` is PyTorch's global one.

        Returns:
            ``(R * n_coalitions, n)`` booleans, a complement next to its coalition.
        """
        n = self.n_players
        device = torch.device("cpu") if generator is None else generator.device
        if self._tosses:
            octets = torch.randint(
                256,
                (n_draws, -(-n // 8)),
                generator=generator,
                dtype=torch.uint8,
                device=device,
            )
            bits = np.unpackbits(octets.cpu().numpy(), axis=1, count=n)
            coalitions = torch.from_numpy(bits).bool()
        else:
            keys = torch.rand(
                (n_draws, n + 1),
                generator=generator,
                dtype=torch.float64,
                device=device,
            ).cpu()
            chances = self.size_law.cumsum(0) / self.size_law.sum()
            sizes = torch.searchsorted(chances, keys[:, :1].contiguous(), right=True)
            first = torch.arange(n) < sizes
            order = keys[:, 1:].argsort(1)
            coalitions = torch.zeros_like(first).scatter_(1, order, first)
        if self._antithetic:
            return torch.stack([coalitions, ~coalitions], dim=1).flatten(0, 1)
        return coalitions

    def add(self, coalitions: Tensor, values: Tensor) -> None:
        """Count coalitions in.

        Args:
            coalitions: ``(C, n_players)`` booleans, as :meth:`draw` gives them.
            values: ``(C, *value)``.

        Raises:
            InputError: If shapes do not fit, or a pair is not whole.
        """
        n = self.n_players
        if coalitions.shape != (len(values), n) or len(values) % self.n_coalitions:
            raise InputError(
                f"expected coalitions (C, {n}) and values (C, *value), C a multiple of "
                f"{self.n_coalitions}; got {tuple(coalitions.shape)} and "
                f"{tuple(values.shape)}"
            )
        wide = values.reshape(len(values), -1).double()
        if self.n_draws == 0:
            self._shape = values.shape[1:]
            self._sums = wide.new_zeros(2, n, 2 + 3 * wide.shape[1])
            self._shift = wide.mean(0)
            self._odd_squares = torch.zeros_like(self._shift)
            self._weights = self._weights.to(wide.device)
        parts = (
            torch.split(coalitions, _ROWS_IN_CACHE),
            torch.split(wide, _ROWS_IN_CACHE),
        )
        for some, values_of_some in zip(*parts, strict=True):
            self._add_part(some, values_of_some - self._shift)
        if self._antithetic:
            self._odd_squares += (wide[::2] - wide[1::2]).square().sum(0)
        self.n_draws += len(values) // self.n_coalitions

    def _add_part(self, coalitions: Tensor, centred: Tensor) -> None:
        members = coalitions.double()
        rows = self._weighted(coalitions, centred)
        joined = (rows[0].T @ members).T
        # Of the Banzhaf value, coalitions on either side weigh the same.
        inside = joined if len(rows) == 1 else (rows[1].T @ members).T
        self._sums[0] += joined
        self._sums[1] += rows[-1].sum(0) - inside

    def _weighted(self, coalitions: Tensor, centred: Tensor) -> list[Tensor]:
        """What is summed over coalitions with a player, and over those without."""
        sizes = coalitions.sum(1) if not self._tosses else coalitions[:, 0].long()
        rows = []
        for weights in self._weights[:1] if self._tosses else self._weights:
            weight = weights[sizes, None]
            once, twice = weight * centred, weight.square() * centred
            rows.append(
                torch.cat([weight, weight**2, once, twice, twice * centred], dim=1)
            )
        return rows

    def estimate(self) -> Estimate:
        r"""Values of all players.

        :math:`\hat\phi_i = \bar v^{\ni i} - \bar v^{\not\ni i}`, and
        :math:`\mathrm{se}^2` is the sum of the variances of the two weighted means,
        for the Banzhaf value :math:`s_{\ni}^2 / c_{\ni} + s_{\not\ni}^2 / c_{\not\ni}`
        with :math:`c` coalitions on a side; of pairs, the variance of the mean of
        :math:`\pm [v(S) - v(N \setminus S)]`.

        Returns:
            ``(n_players, *value)`` in float64. NaN for a player that was in all
            coalitions or in none; the standard error is NaN where it was in a single
            one, or outside of a single one.

        Raises:
            InputError: If there is no coalition yet.
        """
        if self.n_draws == 0:
            raise InputError("there is nothing to estimate from; add coalitions first")
        width = self._shift.numel()
        total, squares, once, twice, second = torch.split(
            self._sums, [1, 1, width, width, width], dim=-1
        )
        mean = once / total
        values = mean[0] - mean[1]
        if self._antithetic:
            rest = self.n_draws - 1 if self.n_draws > 1 else torch.nan
            spread = self._odd_squares / self.n_draws - values.square()
            variance = spread.clamp(min=0) / rest
        else:
            # Of a^2 (v - mean)^2; rounding may go below 0.
            spread = second - 2 * mean * twice + mean.square() * squares
            effective = total.square() / squares
            freedom = torch.where(effective > 1 + 1e-9, effective - 1, torch.nan)
            parts = spread.clamp(min=0) / total.square() * effective / freedom
            variance = parts.sum(0)
        shape = (self.n_players, *self._shape)
        return Estimate(
            values.reshape(shape),
            variance.sqrt().reshape(shape),
            n_draws=self.n_draws,
            n_evaluations=self.n_draws * self.n_coalitions,
        )


def sample_reuse(
    game: Game,
    n_samples: int,
    *,
    semivalue: Semivalue = banzhaf,
    antithetic: bool = False,
    generator: torch.Generator | None = None,
    stopping: StoppingRule | None = None,
) -> Estimate:
    r"""A semivalue of all players from random coalitions, each of which serves all.

    Args:
        game: The game, with values ``(C, *value)``.
        n_samples: The most coalitions, at least one, rounded up to whole pairs. The
            first of a longer run are those of a shorter one from the same generator.
        semivalue: Which value of the players.
        antithetic: Whether every coalition comes with its complement, which removes
            the error due to :math:`v(S) + v(N \setminus S)`; see :class:`SampleReuse`.
        generator: Source of randomness; ``None`` is PyTorch's global one.
        stopping: Ends the run early. It is asked after 32 coalitions (or pairs) and at
            the numbers of :func:`~torchattr.estimation.stopping.check_schedule` above.

    Returns:
        The estimate, ``(n, *value)``; see :meth:`SampleReuse.estimate`.

    Raises:
        InputError: If there is no coalition to draw, or an argument does not fit.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> generator = torch.Generator().manual_seed(0)
        >>> game = ShoesGame(left=1, right=1)
        >>> sample_reuse(game, 5000, generator=generator).values.round(decimals=1)
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    began = time.perf_counter()
    reuse = SampleReuse(game.n_players, semivalue=semivalue, antithetic=antithetic)
    history: list[Estimate] = []
    width = 1
    for check in _checks(n_samples, reuse.n_coalitions, stopping):
        while reuse.n_draws < check:
            # Values of several outputs are known to be many only after the first.
            row = reuse.n_coalitions * (24 * game.n_players + 40 * width)
            most = max(1, _BLOCK_BYTES // row) if reuse.n_draws else _FIRST_CHECK
            drawn = reuse.draw(min(most, check - reuse.n_draws), generator)
            coalitions = drawn.to(game.device)
            values = game(coalitions)
            width = values[0].numel()
            reuse.add(coalitions, values)
        seconds = time.perf_counter() - began
        history.append(replace(reuse.estimate(), seconds=seconds))
        if stopping is not None and stopping.is_met(history):
            break
    return history[-1]


def _checks(n_samples: int, size: int, stopping: StoppingRule | None) -> list[int]:
    """Numbers of replicates after which to look, the last of them the most."""
    n_draws = -(-as_count("n_samples", n_samples) // size)
    if stopping is None:
        return [n_draws]
    if stopping.max_evaluations < float("inf"):
        n_draws = min(n_draws, int(stopping.max_evaluations) // size)
    if n_draws < 1:
        raise InputError(f"MaxEvaluations must allow at least {size} evaluation(s)")
    return [
        check
        for check in check_schedule(n_draws)
        if check >= _FIRST_CHECK or check == n_draws
    ]


def _law(n: int, semivalue: Semivalue) -> tuple[Tensor, Tensor]:
    """Probabilities of the sizes, and the weights of a coalition with or without."""
    size = torch.arange(n + 1, dtype=torch.float64)
    if semivalue is banzhaf:  # (its weights leave the range of float64 beyond 1,074)
        law = (log_binomial(n, size) - n * math.log(2)).exp()
        return law, torch.full((2, n + 1), 2.0, dtype=torch.float64)
    shares = log_binomial(n - 1, size[:n]).exp() * semivalue(n).cpu()
    if not abs(float(shares.sum()) - 1) < 1e-6:  # also NaN
        raise InputError(
            f"the weights of this semivalue for {n} players are outside the range of "
            "float64: they do not sum to 1. Group the players."
        )
    joined = torch.nn.functional.pad(shares, (1, 0))  # w_{s-1} for s = 0..n
    stayed = torch.nn.functional.pad(shares, (0, 1))  # w_s
    law = (joined + stayed) / 2
    chance = torch.where(law > 0, law, 1.0)
    # p_{s-1} / q and p_s / q, where q is the probability of one coalition.
    weights = torch.stack([
        joined * n / size.clamp(min=1) / chance,
        stayed * n / (n - size).clamp(min=1) / chance,
    ])
    return law, weights
