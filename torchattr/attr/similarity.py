r"""Similarity of a perturbed input to the original: the weights of LIME's samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.ablation_game import AblationGame, Inputs, checked_inputs

__all__ = ["coalition_similarities", "get_exp_kernel_similarity_function"]

_EPSILON = 1e-8  # of torch.nn.CosineSimilarity, so that a zero vector is at distance 1


def get_exp_kernel_similarity_function(
    distance_mode: Literal["cosine", "euclidean"] = "cosine",
    kernel_width: float = 1.0,
) -> Callable[..., float]:
    r"""A similarity for LIME, :math:`\exp(-d(x, x')^2 / (2 w^2))`.

    Args:
        distance_mode: Distance ``d`` of the flattened inputs.
        kernel_width: ``w``.

    Returns:
        A function ``(original, perturbed, sample, **kwargs)`` to a float.

    Raises:
        InputError: If the distance is unknown.

    Example:
        >>> similarity = get_exp_kernel_similarity_function("euclidean", kernel_width=2)
        >>> round(similarity(torch.zeros(1, 2), torch.tensor([[0.0, 2.0]]), None), 4)
        0.6065
    """
    if distance_mode not in {"cosine", "euclidean"}:
        raise InputError(
            f'distance_mode must be "cosine" or "euclidean", got {distance_mode!r}'
        )

    def similarity(
        original: Inputs, perturbed: Inputs, sample: object, **kwargs: object
    ) -> float:
        x, changed = (
            torch.cat([part.flatten().double() for part in checked_inputs(inputs)])
            for inputs in (original, perturbed)
        )
        if distance_mode == "euclidean":
            distance = torch.linalg.vector_norm(x - changed)
        else:
            distance = 1 - torch.cosine_similarity(x, changed, dim=0)
        return math.exp(-(float(distance) ** 2) / (2 * kernel_width**2))

    return similarity


def coalition_similarities(game: AblationGame, coalitions: Tensor) -> Tensor:
    r"""The default similarity of all examples to all their variants at once.

    A variant is the input where a feature stays and the baseline where not, so that
    its norm and its product with the input are sums over the features that stay and
    sums over those that do not: two matrix products.

    Args:
        game: The game of the examples, evaluated before.
        coalitions: ``(C, n)`` booleans.

    Returns:
        ``(C, B)`` float64 weights, :math:`\exp(-d^2/2)` of the cosine distance;
        ``(C, 1)`` for a batch with a single answer.
    """
    xx, xb, bb = game.products()
    if game.aggregates:
        xx, xb, bb = (part.sum(0, keepdim=True) for part in (xx, xb, bb))
    stay, gone = coalitions.double(), (~coalitions).double()
    product = stay @ xx.T + gone @ xb.T
    norms = (stay @ xx.T + gone @ bb.T) * xx.sum(1)
    cosine = product / norms.sqrt().clamp_min(_EPSILON)
    return torch.exp(-((1 - cosine) ** 2) / 2)
