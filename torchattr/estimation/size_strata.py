r"""Sums by coalition size: one pass over coalitions, every semivalue.

Every semivalue depends on the game through the mean values of coalitions of size
:math:`s` with and without player :math:`i`:

.. math:: \phi_i = \sum_{s=0}^{n-1} \binom{n-1}{s} p_s
    \left( \bar v_{s+1}^{\,\ni i} - \bar v_s^{\,\not\ni i} \right).

So it is enough to keep, for each size, the number, sum and sum of squares of the values
of the coalitions seen, and the same for those that each player belongs to. Sums add up:
parts of a run can be made anywhere and merged. If all coalitions of a size were seen,
its means are exact; if all of every size, the values are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import evaluate_all
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.games.semivalues import Semivalue, log_binomial, shapley
from torchattr.sampling.coalitions_by_size import (
    allocate_to_sizes,
    coalitions_of_sizes,
    random_coalitions_of_sizes,
)

__all__ = ["SizeStrata", "stratified_sums"]

_BLOCK_BYTES = 2**26  # coalitions of a block with their random keys, and values


class SizeStrata:
    r"""Number, sum and sum of squares of values by (player, coalition size).

    Args:
        n_players: Number of players.
        value_shape: Shape of the value of one coalition.
        device: Where the sums live; the CPU if ``None``. They take
            :math:`8\,(n+1)^2\,(2V+1)` bytes for :math:`V` numbers in a value.

    Attributes:
        n_evaluations: Coalitions added.
        n_sampled: Those of them that were a random sample.

    Raises:
        InputError: If ``n_players`` is not a positive integer.

    Example:
        >>> from torchattr.games.semivalues import banzhaf
        >>> from torchattr.games.synthetic import ShoesGame
        >>> strata = stratified_sums(ShoesGame(left=2, right=1), n_evaluations=8)
        >>> strata.estimate(shapley).values
        tensor([0.1667, 0.1667, 0.6667], dtype=torch.float64)
        >>> strata.estimate(banzhaf).values
        tensor([0.2500, 0.2500, 0.7500], dtype=torch.float64)

    References:
        Kolpaczki et al. (2024), *Approximating the Shapley value without marginal
        contributions*; Li and Yu (2024), *One sample fits all*.
    """

    def __init__(
        self,
        n_players: int,
        value_shape: tuple[int, ...] = (),
        *,
        device: torch.device | None = None,
    ) -> None:
        self.n_players = as_count("n_players", n_players)
        self.value_shape = tuple(value_shape)
        self.n_evaluations = 0
        self.n_sampled = 0
        n, width = self.n_players, torch.Size(self.value_shape).numel()
        # Last dimension: the count, V sums and V sums of squares about the shift, which
        # keeps digits when values vary little beside their size.
        self._joined = torch.zeros(n + 1, n, 1 + 2 * width, device=device).double()
        self._all = torch.zeros(n + 1, 1 + 2 * width, device=device).double()
        self._shift = torch.zeros(n + 1, width, device=device).double()
        # On the CPU, for looking at them must not wait for the device.
        self._seen = torch.zeros(n + 1, dtype=torch.bool)
        self._complete = torch.zeros(n + 1, dtype=torch.bool)

    def add(
        self, coalitions: Tensor, values: Tensor, *, enumerated: bool = False
    ) -> None:
        """Count coalitions in.

        Args:
            coalitions: ``(C, n_players)`` booleans.
            values: ``(C, *value_shape)``.
            enumerated: The coalitions belong to an enumeration: by the time of an
                estimate, all coalitions of their sizes will have been added this way.
                Otherwise each must be a uniformly random one of its size; such a sample
                adds nothing where a size is enumerated, and gives way to it.

        Raises:
            InputError: If shapes do not fit.
        """
        n = self.n_players
        if coalitions.shape != (len(values), n) or values.shape[1:] != self.value_shape:
            raise InputError(
                f"expected coalitions (C, {n}) and values (C, *{self.value_shape}); "
                f"got {tuple(coalitions.shape)} and {tuple(values.shape)}"
            )
        sizes = coalitions.sum(1)
        order, counts = sizes.argsort(), sizes.bincount(minlength=n + 1).tolist()
        wide = values.reshape(len(values), self._shift.shape[1]).double()
        members = torch.split(coalitions[order].double(), counts)
        # One product for each size: a scatter would need C x n x V numbers.
        for size, block in enumerate(torch.split(wide[order], counts)):
            if len(block) and (enumerated or not self._complete[size]):
                self._add_size(size, members[size], block, enumerated=enumerated)
        self.n_evaluations += len(values)
        self.n_sampled += 0 if enumerated else len(values)

    def merged(self, other: SizeStrata) -> SizeStrata:
        """The sums of two parts of a run, for instance of two workers.

        Args:
            other: Sums over other coalitions of the same game.

        Returns:
            The sums over both; the parts stay as they are.

        Raises:
            InputError: If the numbers of players or the value shapes differ.
        """
        mine, theirs = (
            (part.n_players, part.value_shape, part._all.device)
            for part in (self, other)
        )
        if mine != theirs:
            raise InputError(
                "merged strata must agree in players, value shape and device; "
                f"got {mine} and {theirs}"
            )
        both = SizeStrata(self.n_players, self.value_shape, device=self._all.device)
        both._shift = torch.where(self._all[:, :1] > 0, self._shift, other._shift)
        both._seen = self._seen | other._seen
        both._complete = self._complete | other._complete
        for part, rival in ((self, other), (other, self)):
            # A sample gives way where only the other part has an enumeration.
            keep = (part._complete | ~rival._complete).to(self._all.device)
            by = part._shift - both._shift
            both._all += torch.where(keep[:, None], _shifted(part._all, by), 0.0)
            both._joined += torch.where(
                keep[:, None, None], _shifted(part._joined, by[:, None]), 0.0
            )
            both.n_evaluations += part.n_evaluations
            both.n_sampled += part.n_sampled
        return both

    def estimate(self, semivalue: Semivalue = shapley) -> Estimate:
        r"""Values of all players, by any semivalue.

        The standard error adds up the strata's variances of the mean; a stratum counts
        two draws of its size's variance as its own, so that one with few samples does
        not pretend to know its spread. A (player, size) of which nothing was seen takes
        its size's mean. Shapley values then share out what they miss of
        :math:`v(N) - v(\emptyset)` in proportion to their variances.

        Args:
            semivalue: Which value of the players.

        Returns:
            ``(n_players, *value_shape)`` in float64. NaN where a size that counts was
            never seen; a standard error of NaN where it was seen only once.

        Raises:
            InputError: If the weights of the semivalue cannot be represented for so
                many players.
        """
        n = self.n_players
        weights = _size_weights(n, semivalue).to(self._all.device)
        used = weights.nonzero().flatten()
        parts = self._all[:, None] - self._joined  # coalitions without the player
        mean_in, variance_in = self._means(self._joined, used + 1)
        mean_out, variance_out = self._means(parts, used)
        phi = torch.einsum("s,siv->iv", weights[used], mean_in - mean_out)
        variance = torch.einsum(
            "s,siv->iv", weights[used].square(), variance_in + variance_out
        )
        if torch.allclose(weights, weights.new_tensor(1 / n)):
            change = self._sizes_mean()[[0, n]].diff(dim=0)
            phi, variance = _efficient(phi, variance, change)
        return Estimate(
            phi.reshape(n, *self.value_shape),
            variance.sqrt().reshape(n, *self.value_shape),
            n_draws=self.n_sampled,
            n_evaluations=self.n_evaluations,
        )

    def _add_size(
        self, size: int, members: Tensor, values: Tensor, *, enumerated: bool
    ) -> None:
        if enumerated and not self._complete[size]:
            self._all[size] = 0
            self._joined[size] = 0
            self._complete[size] = True
        if not self._seen[size]:
            self._shift[size] = values.mean(0)
            self._seen[size] = True
        centred = values - self._shift[size]
        rows = torch.cat([torch.ones_like(members[:, :1]), centred, centred**2], 1)
        self._all[size] += rows.sum(0)
        self._joined[size] += members.T @ rows

    def _sizes_mean(self) -> Tensor:
        """``(n + 1, V)``: mean value by size, NaN where none was seen."""
        count, total, _ = _split(self._all)
        return total / count + self._shift

    def _means(self, sums: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """``(sizes, n, V)``: means by stratum, and the variances of these means."""
        count, total, squares = _split(sums[sizes])
        all_count, all_total, all_squares = _split(self._all[sizes][:, None])
        whole = all_total / all_count
        mean = torch.where(count > 0, total / count, whole)
        spread = (all_squares - all_total * whole) / (all_count - 1)
        deviations = (squares - total * mean).clamp(min=0)  # rounding may go below
        borrowed = 2.0
        pooled = (deviations + borrowed * spread.clamp(min=0)) / (
            (count - 1).clamp(min=0) + borrowed
        )
        known = self._complete.to(sizes.device)[sizes][:, None, None]
        variance = torch.where(known, 0.0, pooled / count.clamp(min=1))
        return mean + self._shift[sizes][:, None], variance


def stratified_sums(
    game: Game,
    n_evaluations: int,
    *,
    semivalue: Semivalue = shapley,
    generator: torch.Generator | None = None,
) -> SizeStrata:
    """Evaluate coalitions stratified by size.

    The smallest and the largest coalitions are enumerated, the others sampled; see
    :func:`~torchattr.sampling.allocate_to_sizes`.

    Args:
        game: The game.
        n_evaluations: Coalitions to evaluate, at least ``4 * n - 4``. From ``2 ** n``
            on all are enumerated, once, and every semivalue is exact.
        semivalue: What the sizes are chosen for; all others can be estimated too.
        generator: Source of randomness; ``None`` is PyTorch's global one.

    Returns:
        The sums.

    Raises:
        InputError: If there are too few evaluations.

    Example:
        >>> from torchattr.games.synthetic import MinerGame
        >>> generator = torch.Generator().manual_seed(0)
        >>> strata = stratified_sums(MinerGame(20), 200, generator=generator)
        >>> strata.n_evaluations, strata.n_sampled
        (200, 158)
    """
    n = game.n_players
    counts = allocate_to_sizes(
        n, as_count("n_evaluations", n_evaluations), semivalue=semivalue
    )
    if n_evaluations >= 2**n:
        blocks = evaluate_all(game)
        coalitions, values = next(blocks)
        strata = SizeStrata(n, values.shape[1:], device=values.device)
        strata.add(coalitions, values, enumerated=True)
        for coalitions, values in blocks:
            strata.add(coalitions, values, enumerated=True)
        return strata
    ends = game(game.ends())
    strata = SizeStrata(n, ends.shape[1:], device=ends.device)
    strata.add(game.ends(), ends, enumerated=True)
    rows = max(1, _BLOCK_BYTES // (24 * (n + ends[0].numel())))
    whole = counts == log_binomial(n, torch.arange(n + 1)).exp().round()
    inner = [size for size in whole.nonzero().flatten().tolist() if 0 < size < n]
    for block in torch.split(coalitions_of_sizes(n, inner), rows):
        strata.add(block.to(game.device), game(block), enumerated=True)
    sampled = torch.arange(n + 1).repeat_interleave(counts.where(~whole, 0))
    for sizes in torch.split(sampled, rows):
        block = random_coalitions_of_sizes(n, sizes, generator=generator)
        block = block.to(game.device)
        strata.add(block, game(block))
    return strata


def _size_weights(n: int, semivalue: Semivalue) -> Tensor:
    """Weight of each size, which sum to 1."""
    weights = log_binomial(n - 1, torch.arange(n)).exp() * semivalue(n)
    if not abs(float(weights.sum()) - 1) < 1e-6:  # also NaN
        raise InputError(
            f"the weights of this semivalue for {n} players are outside the range of "
            "float64: they do not sum to 1. Group the players."
        )
    return weights


def _split(sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Count, sum and sum of squares, along the last dimension."""
    width = sums.shape[-1] // 2
    return sums[..., :1], sums[..., 1 : 1 + width], sums[..., 1 + width :]


def _shifted(sums: Tensor, by: Tensor) -> Tensor:
    """The sums, had ``by`` been added to every value."""
    count, total, squares = _split(sums)
    moved = squares + by * (2 * total + count * by)
    return torch.cat([count, total + count * by, moved], -1)


def _efficient(phi: Tensor, variance: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """Projection onto values that sum to ``change``, for independent errors."""
    total = variance.sum(0)
    share = torch.where(total > 0, variance / total, 1 / len(phi))
    return phi + share * (change - phi.sum(0)), variance * (1 - share)
