r"""When a permutation has nothing more to say.

Walking along a permutation, the value of the players so far approaches that of all;
once it is close, what the others add is mostly noise. A truncation policy looks at a
walk and says that the rest gets a contribution of 0, which saves their evaluations at
the price of a bias. Policies keep no state: one can serve many runs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count

__all__ = [
    "BootstrapTruncation",
    "DeviationTruncation",
    "FixedTruncation",
    "NoTruncation",
    "RelativeTruncation",
    "TruncationPolicy",
]


class TruncationPolicy(ABC):
    """Which permutations end before their last player.

    Example:
        >>> class AboveTotal(TruncationPolicy):
        ...     def truncated(self, walk, total, n):
        ...         return walk[:, -1] >= total
        >>> AboveTotal().truncated(torch.tensor([[0.0, 3.0]]), torch.tensor(2.0), n=4)
        tensor([True])
    """

    @abstractmethod
    def truncated(self, walk: Tensor, total: Tensor, n: int) -> Tensor:
        """Whether to give all further players of a permutation nothing.

        Asked after each evaluation, for all permutations that go on.

        Args:
            walk: ``(R, t + 1)`` float64: along each of ``R`` permutations, the values
                of the first 0, ..., ``t`` players, ``1 <= t < n``; means over outputs
                if there are several.
            total: ``()``, the value of all players.
            n: Number of players.

        Returns:
            ``(R,)`` booleans.
        """


@final
class NoTruncation(TruncationPolicy):
    """Every permutation is walked to its end.

    Args:
        *utility: Accepted, as older code passes it, and not used.

    Example:
        >>> NoTruncation().truncated(torch.ones(2, 4), torch.tensor(1.0), n=9)
        tensor([False, False])
    """

    def __init__(self, *utility: object) -> None:
        _arguments("NoTruncation", utility, {})

    def truncated(self, walk: Tensor, total: Tensor, n: int) -> Tensor:
        """See :meth:`TruncationPolicy.truncated`."""
        return torch.zeros(len(walk), dtype=torch.bool, device=walk.device)


@final
class FixedTruncation(TruncationPolicy):
    """A permutation ends after a fraction of its players.

    Args:
        *arguments: ``fraction``, if it is not given by name; a utility before it is
            accepted, as older code passes it, and not used.
        fraction: Share of the players that is evaluated, above 0 and at most 1.

    Attributes:
        fraction: The same.

    Raises:
        InputError: If the fraction is missing or out of range.

    Example:
        >>> walk = torch.rand(2, 6)
        >>> [FixedTruncation(0.5).truncated(walk, walk[0, 0], n)[0] for n in (10, 11)]
        [tensor(True), tensor(False)]
    """

    def __init__(self, *arguments: object, fraction: float | None = None) -> None:
        given = _arguments("FixedTruncation", arguments, {"fraction": fraction})
        self.fraction = _fraction("fraction", given["fraction"])
        if self.fraction == 0:
            raise InputError("fraction must be above 0: something must be evaluated")

    def truncated(self, walk: Tensor, total: Tensor, n: int) -> Tensor:
        """See :meth:`TruncationPolicy.truncated`."""
        return torch.full(
            (len(walk),), walk.shape[1] - 1 >= self.fraction * n, device=walk.device
        )


@final
class RelativeTruncation(TruncationPolicy):
    r"""A permutation ends when its value is close to that of all players.

    After :math:`t \ge` ``burn_in_fraction`` :math:`\cdot\, n` players, if
    :math:`|v(P_t) - v(N)| \le 10^{-8} + r\,|v(N)|` with :math:`r` = ``rtol``.

    Args:
        *arguments: ``rtol`` and ``burn_in_fraction``, as far as they are not given by
            name; a utility before them is accepted, as older code passes it.
        rtol: The tolerance as a share of the total, not negative; 0.01 if not given.
        burn_in_fraction: Share of the players that is always evaluated; 0 if not given.

    Attributes:
        rtol: The tolerance.
        burn_in_fraction: The share.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> walk = torch.tensor([[0.0, 0.5, 0.995], [0.0, 0.5, 0.98]])
        >>> RelativeTruncation(rtol=0.01).truncated(walk, torch.tensor(1.0), n=9)
        tensor([ True, False])

    References:
        Ghorbani and Zou (2019), *Data Shapley*, truncated Monte Carlo.
    """

    def __init__(
        self,
        *arguments: object,
        rtol: float | None = None,
        burn_in_fraction: float | None = None,
    ) -> None:
        named = {"rtol": rtol, "burn_in_fraction": burn_in_fraction}
        given = _arguments("RelativeTruncation", arguments, named)
        self.rtol = _not_negative("rtol", given["rtol"], 0.01)
        self.burn_in_fraction = _fraction(
            "burn_in_fraction", given["burn_in_fraction"], 0.0
        )

    def truncated(self, walk: Tensor, total: Tensor, n: int) -> Tensor:
        """See :meth:`TruncationPolicy.truncated`."""
        close = (walk[:, -1] - total).abs() <= 1e-8 + self.rtol * total.abs()
        return close & (walk.shape[1] - 1 >= self.burn_in_fraction * n)


@final
class DeviationTruncation(TruncationPolicy):
    r"""A permutation ends when its value is within its own spread of the total.

    After :math:`t \ge` ``burn_in_fraction`` :math:`\cdot\, n` players, if
    :math:`|v(P_t) - v(N)| < k\,\mathrm{std}(v(P_1), \dots, v(P_t))` with :math:`k` =
    ``sigmas``.

    Args:
        *arguments: ``sigmas`` and ``burn_in_fraction``, as far as they are not given by
            name; a utility before them is accepted, as older code passes it.
        sigmas: Number of standard deviations, not negative; 1 if not given.
        burn_in_fraction: Share of the players that is always evaluated; 0 if not given.

    Attributes:
        sigmas: The number.
        burn_in_fraction: The share.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> walk = torch.tensor([[0.0, 0.2, 0.4, 0.9], [0.0, 0.7, 0.7, 0.7]])
        >>> DeviationTruncation(sigmas=1).truncated(walk, torch.tensor(1.0), n=9)
        tensor([ True, False])
    """

    def __init__(
        self,
        *arguments: object,
        sigmas: float | None = None,
        burn_in_fraction: float | None = None,
    ) -> None:
        named = {"sigmas": sigmas, "burn_in_fraction": burn_in_fraction}
        given = _arguments("DeviationTruncation", arguments, named)
        self.sigmas = _not_negative("sigmas", given["sigmas"], 1.0)
        self.burn_in_fraction = _fraction(
            "burn_in_fraction", given["burn_in_fraction"], 0.0
        )

    def truncated(self, walk: Tensor, total: Tensor, n: int) -> Tensor:
        """See :meth:`TruncationPolicy.truncated`."""
        close = _within_spread(walk, total, self.sigmas)
        return close & (walk.shape[1] - 1 >= self.burn_in_fraction * n)


@final
class BootstrapTruncation(TruncationPolicy):
    r"""As :class:`DeviationTruncation`, after a number of players instead of a share.

    Args:
        *arguments: ``n_samples`` and ``sigmas``, as far as they are not given by name;
            a utility before them is accepted, as older code passes it.
        n_samples: Number of players that is always evaluated, at least one.
        sigmas: Number of standard deviations, not negative; 1 if not given.

    Attributes:
        n_samples: The number of players.
        sigmas: The number of standard deviations.

    Raises:
        InputError: If an argument is missing or out of range.

    Example:
        >>> walk = torch.tensor([[0.0, 0.2, 0.4, 0.9]])
        >>> total = torch.tensor(1.0)
        >>> [BootstrapTruncation(m).truncated(walk, total, n=9)[0] for m in (3, 4)]
        [tensor(True), tensor(False)]
    """

    def __init__(
        self,
        *arguments: object,
        n_samples: int | None = None,
        sigmas: float | None = None,
    ) -> None:
        named = {"n_samples": n_samples, "sigmas": sigmas}
        given = _arguments("BootstrapTruncation", arguments, named)
        self.n_samples = as_count("n_samples", given["n_samples"])
        self.sigmas = _not_negative("sigmas", given["sigmas"], 1.0)

    def truncated(self, walk: Tensor, total: Tensor, n: int) -> Tensor:
        """See :meth:`TruncationPolicy.truncated`."""
        close = _within_spread(walk, total, self.sigmas)
        return close & (walk.shape[1] - 1 >= self.n_samples)


def _within_spread(walk: Tensor, total: Tensor, sigmas: float) -> Tensor:
    spread = walk[:, 1:].std(1, correction=0)
    return (walk[:, -1] - total).abs() < sigmas * spread


def _arguments(
    policy: str, arguments: Sequence[object], named: dict[str, float | None]
) -> dict[str, object]:
    """What was given by position or by name, without a leading utility."""
    if arguments and not (isinstance(arguments[0], Real) or arguments[0] is None):
        arguments = arguments[1:]
    given: dict[str, object] = {k: v for k, v in named.items() if v is not None}
    positional = dict(zip(named, arguments, strict=False))
    twice = sorted(set(positional) & set(given))
    if twice or len(arguments) > len(named):
        expected = ", ".join(named) or "no argument"
        raise InputError(
            f"{policy} takes {expected}, each once; got {arguments!r} by position and "
            f"{given!r} by name"
        )
    return dict.fromkeys(named) | positional | given


def _not_negative(name: str, number: object, otherwise: float | None = None) -> float:
    number = otherwise if number is None else number
    if not isinstance(number, Real) or not 0 <= float(number) < math.inf:
        raise InputError(f"{name} must be a number from 0 on, got {number!r}")
    return float(number)


def _fraction(name: str, number: object, otherwise: float | None = None) -> float:
    fraction = _not_negative(name, number, otherwise)
    if fraction > 1:
        raise InputError(f"{name} must be a share from 0 to 1, got {number!r}")
    return fraction
