"""What ``attribute`` takes, in the words that all attributions share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.baselines import Baseline
from torchattr.games.examples import Examples, Inputs
from torchattr.games.players import FeatureGroups
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["pair_of_examples", "summed_in_groups", "weighted_by_change"]


def pair_of_examples(risk: EmpiricalRisk, pair: object, name: str) -> Examples:
    """Examples from what a user passed as a pair.

    Args:
        risk: Whose model they are for.
        pair: ``(x, y)``.
        name: What the user calls them.

    Returns:
        The examples, on the device and in the precision of the model.

    Raises:
        InputError: If it is no pair of inputs and targets.
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InputError(
            f"{name} must be a pair (x, y) of inputs and targets; got "
            f"{type(pair).__name__}"
            + (f" of length {len(pair)}" if isinstance(pair, tuple | list) else "")
        )
    return risk.examples(*pair)


def summed_in_groups(scores: Tensor, feature_mask: ArrayLike | Tensor) -> Tensor:
    """Scores of groups of training examples, given to every member.

    Args:
        scores: ``(M, N)``.
        feature_mask: ``(N,)`` whole numbers: examples with the same one are a group.

    Returns:
        ``(M, N)``.

    Raises:
        InputError: If there is not one whole number for each training example.

    Example:
        >>> summed_in_groups(torch.tensor([[1.0, 2.0, 4.0]]), [0, 7, 0])
        tensor([[5., 2., 5.]])
    """
    given = feature_mask.cpu() if isinstance(feature_mask, Tensor) else feature_mask
    ids = np.asarray(given)
    if ids.shape != (scores.shape[1],):
        raise InputError(
            "feature_mask must have one id for each training example, shape "
            f"({scores.shape[1]},); got {ids.shape}"
        )
    if ids.dtype.kind not in "iuf" or not bool((ids == np.round(ids)).all()):
        raise InputError(
            f"feature_mask must hold whole numbers; got fractions or {ids.dtype}"
        )
    _, numbers = np.unique(ids, return_inverse=True)
    groups = torch.from_numpy(numbers).to(scores.device)
    totals = scores.new_zeros(len(scores), len(numbers))
    return totals.index_add_(1, groups, scores)[:, groups]


def weighted_by_change(
    scores: Inputs,
    examples: Examples,
    baselines: Any,
    feature_mask: Tensor | tuple[Tensor, ...] | dict[str, Tensor] | None,
) -> Inputs:
    r"""First-order effects of replacing features: score times (feature - baseline).

    Args:
        scores: ``(M, N, *feat)`` for each tensor of the inputs.
        examples: The ``N`` training examples.
        baselines: What the features would be replaced by, in the structure of the
            inputs; see :class:`~torchattr.games.Baseline`.
        feature_mask: Which features of an example go together, in the same structure.

    Returns:
        ``(M, N, *feat)`` for each tensor, in their structure; every feature of a group
        has the group's sum.

    Raises:
        InputError: If baselines or masks do not fit the inputs.

    Example:
        >>> examples = Examples(torch.tensor([[3.0, 5.0]]), torch.zeros(1))
        >>> weighted_by_change(torch.ones(1, 1, 2), examples, 1.0, None)
        tensor([[[2., 4.]]])
    """
    inputs = _in_order(examples.inputs)
    baseline = Baseline.of(_as_tuple(baselines, examples.inputs), inputs)
    effects = [
        score * (x - replacement.mean(0)).to(score.dtype)
        for score, x, replacement in zip(
            _in_order(scores), baseline.inputs, baseline.replacements, strict=True
        )
    ]
    if feature_mask is not None:
        mask = _as_tuple(feature_mask, examples.inputs)
        effects = _summed_in_features(effects, FeatureGroups(inputs, mask))
    if isinstance(scores, dict):
        return dict(zip(scores, effects, strict=True))
    return tuple(effects) if isinstance(scores, tuple) else effects[0]


def _summed_in_features(effects: list[Tensor], groups: FeatureGroups) -> list[Tensor]:
    """Sums over the features of each group, within each training example."""
    n_test, n_train = effects[0].shape[:2]
    shape = (n_test, n_train, -1)
    owners = torch.cat(
        [
            owner.expand(n_train, *effect.shape[2:]).reshape(n_train, -1)
            for owner, effect in zip(groups.owners, effects, strict=True)
        ],
        dim=1,
    ).expand(*shape)
    flat = torch.cat([effect.reshape(shape) for effect in effects], dim=2)
    totals = flat.new_zeros(n_test, n_train, groups.n_players)
    summed = totals.scatter_add_(2, owners, flat).gather(2, owners)
    sizes = [effect[0, 0].numel() for effect in effects]
    parts = torch.split(summed, sizes, dim=2)
    return [
        part.reshape(effect.shape) for part, effect in zip(parts, effects, strict=True)
    ]


def _in_order(inputs: Inputs) -> tuple[Tensor, ...]:
    if isinstance(inputs, Tensor):
        return (inputs,)
    return tuple(inputs.values()) if isinstance(inputs, dict) else inputs


def _as_tuple(given: Any, inputs: Inputs) -> Any:
    """Entries of a dict or list in the order of the inputs, for who knows no others."""
    if isinstance(given, list) and isinstance(inputs, tuple):
        return tuple(given)
    if not isinstance(given, dict):
        return given
    if not isinstance(inputs, dict) or set(given) != set(inputs):
        raise InputError(
            f"a dict {sorted(map(str, given))} must have the names of the inputs"
            + (
                f", {sorted(inputs)}"
                if isinstance(inputs, dict)
                else "; they have none"
            )
        )
    return tuple(given[name] for name in inputs)
