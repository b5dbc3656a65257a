"""What the output loses when one feature is shuffled between the examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.futures import Future

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.removal_effects import removal_coalitions, removal_effects
from torchattr.games.ablation_game import (
    AblationGame,
    FeatureMask,
    Inputs,
    checked_inputs,
)
from torchattr.games.baselines import Baseline
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.game import Game
from torchattr.games.players import FeatureGroups
from torchattr.games.target import TargetLike

__all__ = ["FeaturePermutation"]


def permute_feature(x: Tensor, feature_mask: Tensor) -> Tensor:
    """Shuffle some elements between the examples of a batch.

    Args:
        x: ``(B, *feat)`` with at least two examples.
        feature_mask: Booleans that broadcast to ``x``: what is shuffled.

    Returns:
        A tensor like ``x``.

    Example:
        >>> mask = torch.tensor([[True, False]])
        >>> permute_feature(torch.tensor([[1, 2], [3, 4]]), mask)
        tensor([[3, 2],
                [1, 4]])
    """
    return torch.where(feature_mask, x[_derangement(len(x), None)], x)


class FeaturePermutation(FeatureAttribution):
    r"""Permutation importance, :math:`\phi_i = f(x) - f(x^{\pi_i})`.

    In :math:`x^{\pi_i}` feature :math:`i` is shuffled between the examples.
    Each feature takes its values from other examples of the batch, by a random
    permutation that is not the identity; a group that spans several inputs is shuffled
    by one permutation. With a ``forward_func`` that returns a loss for the batch, this
    is the classical permutation importance. A batch of one has nothing to shuffle, and
    attributions of 0.

    Args:
        forward_func: What is explained.
        perm_func: ``(x, feature_mask) -> shuffled x``, called for each feature of each
            input; it may change no element outside the mask. The default shuffles as
            said above.

    References:
        Breiman (2001), *Random forests*; Fisher, Rudin and Dominici (2019), *All models
        are wrong, but many are useful*.
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        perm_func: Callable[[Tensor, Tensor], Tensor] = permute_feature,
    ) -> None:
        super().__init__(forward_func)
        self.perm_func = perm_func

    @torch.no_grad()
    def attribute(
        self,
        inputs: Inputs,
        target: TargetLike = None,
        additional_forward_args: object = None,
        feature_mask: FeatureMask = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        n_samples: int = 1,
        generator: torch.Generator | None = None,
        return_standard_error: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Mean differences made by shuffling each feature.

        Costs ``n_samples * (n + 1)`` evaluations of each example. Arguments not listed
        are shared by all methods: :class:`PerturbationAttribution`.

        Args:
            n_samples: How often each feature is shuffled.
            **kwargs: Ignored, as in captum (``baselines``).

        Returns:
            The attributions, or a pair of them and their standard errors over the
            shuffles, which are NaN for a single one.

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 5.0], [2.0, 5.0]])
            >>> FeaturePermutation(lambda x: x.sum(1)).attribute(x)
            tensor([[-1.,  0.],
                    [ 1.,  0.]])
        """
        game = self._shuffled_game(
            inputs,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            n_samples=n_samples,
            generator=generator,
        )
        return self._explained(
            game,
            removal_effects if n_samples > 1 else _effects_of_one_shuffle,
            n_evaluations=game.n_players + 1,
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )

    @torch.no_grad()
    def attribute_future(
        self,
        inputs: Inputs,
        target: TargetLike = None,
        additional_forward_args: object = None,
        feature_mask: FeatureMask = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        **kwargs: Any,
    ) -> Future[Any]:
        """:meth:`attribute` for a ``forward_func`` that returns a future.

        All calls are issued at once; see :meth:`ShapleyValueSampling.attribute_future`.

        Args:
            show_progress: Accepted; nothing is shown, since the calls do not wait.
            **kwargs: Ignored, as in captum.

        Returns:
            A future of what :meth:`attribute` returns.
        """
        game = self._shuffled_game(
            inputs,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            n_samples=1,
            generator=None,
        )
        return self._explained_later(game, removal_coalitions(game), removal_effects)

    def _shuffled_game(
        self,
        inputs: Inputs,
        target: TargetLike,
        additional_forward_args: object,
        feature_mask: FeatureMask,
        perturbations_per_eval: int | None,
        *,
        n_samples: int,
        generator: torch.Generator | None,
    ) -> AblationGame:
        """The game in which a removed feature has the value of another example."""
        as_count("n_samples", n_samples)
        tensors = checked_inputs(inputs)
        groups = FeatureGroups(tensors, feature_mask)
        shuffles = [
            self._shuffled(tensors, groups, generator) for _ in range(n_samples)
        ]
        baseline = Baseline(
            inputs=tensors,
            replacements=tuple(map(torch.stack, zip(*shuffles, strict=True))),
            n_samples=n_samples,
            is_distribution=n_samples > 1,
        )
        return self._game(
            inputs,
            baseline,
            target,
            additional_forward_args,
            groups,
            perturbations_per_eval,
        )

    def _shuffled(
        self,
        inputs: tuple[Tensor, ...],
        groups: FeatureGroups,
        generator: torch.Generator | None,
    ) -> list[Tensor]:
        """Each input with every feature shuffled; each element has one owner."""
        n_rows = _feature_order(inputs, groups)
        if self.perm_func is permute_feature:
            return _moved(inputs, groups, n_rows, generator)
        shuffled = [x.clone() for x in inputs]
        # A user's function shuffles one feature of one input at a time, as in captum.
        for player, rows in n_rows.items():
            for index, (x, owner) in enumerate(zip(inputs, groups.owners, strict=True)):
                mask = owner == player
                if rows > 1 and bool(mask.any()):
                    moved = self.perm_func(x, mask)
                    shuffled[index] = torch.where(mask, moved, shuffled[index])
        return shuffled


def _effects_of_one_shuffle(game: Game) -> Estimate:
    """Removal effects that depend on a single draw, whose spread is unknown."""
    effects = removal_effects(game)
    unknown = torch.full_like(effects.standard_errors, torch.nan)
    return replace(effects, standard_errors=unknown)


def _feature_order(inputs: tuple[Tensor, ...], groups: FeatureGroups) -> dict[int, int]:
    """Rows to shuffle for each player, in captum's order: by first input, then id."""
    n_rows: dict[int, int] = {}
    for index, (x, owner) in enumerate(zip(inputs, groups.owners, strict=True)):
        for player in torch.unique(owner).tolist():
            # A group with an input of one row is left alone: there is no other row.
            known = n_rows.setdefault(player, len(x))
            n_rows[player] = min(known, len(x))
            if min(known, len(x)) > 1 and known != len(x):
                raise InputError(
                    f"feature_mask id {int(groups.labels[player])} spans inputs of "
                    f"{known} and {len(x)} rows (inputs[{index}]), which one "
                    "permutation cannot shuffle; give them different ids"
                )
    return n_rows


def _moved(
    inputs: tuple[Tensor, ...],
    groups: FeatureGroups,
    n_rows: dict[int, int],
    generator: torch.Generator | None,
) -> list[Tensor]:
    """Each input with every feature taken from the rows of its own permutation."""
    donors = torch.arange(max(map(len, inputs))).repeat(groups.n_players, 1)
    for player, rows in n_rows.items():
        if rows > 1:
            donors[player, :rows] = _derangement(rows, generator)
    moved = []
    for x, owner in zip(inputs, groups.owners, strict=True):
        if x.numel() == 0:
            moved.append(x)
            continue
        row = torch.arange(len(x), device=x.device)
        row = row.reshape(-1, *(1,) * (x.ndim - 1))
        moved.append(x.gather(0, donors.to(x.device)[owner, row].expand_as(x)))
    return moved


def _derangement(n_rows: int, generator: torch.Generator | None) -> Tensor:
    """A uniform permutation that is not the identity, redrawn until it is none."""
    device = generator.device if generator is not None else None
    identity = torch.arange(n_rows, device=device)
    rows = torch.randperm(n_rows, generator=generator, device=device)
    while bool((rows == identity).all()):
        rows = torch.randperm(n_rows, generator=generator, device=device)
    return rows
