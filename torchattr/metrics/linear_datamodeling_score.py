"""Do attributions foretell what models of part of the training data do?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.metrics.correlation import correlations
from torchattr.metrics.mislabel_auroc import Mask
from torchattr.metrics.point_values import PointValues, as_numbers

__all__ = ["additive_predictions", "linear_datamodeling_score"]


def linear_datamodeling_score(
    attributions: PointValues, kept: Mask, values: PointValues
) -> Tensor:
    r"""The linear datamodeling score (LDS) of every test example.

    .. math::
        \mathrm{LDS}_j = \rho_k \Bigl( U_j(S_k),\; \sum_{i \in S_k} \tau_{ji} \Bigr)

    Spearman's correlation, over subsets :math:`S_k` of the training examples, of what
    the model trained on :math:`S_k` does for test example :math:`j` with what the
    attributions :math:`\tau` add up to. Its mean over test examples is what is usually
    reported. 1 foretells the order of all retrained models, 0 none of it; equal values
    share the mean of their ranks.

    Only scores of the same kind of subsets compare. Either about a twentieth of the
    examples are left out, and every model has the same seed (the *single model* that
    influence speaks of); or half are left out, and each value is the mean over models
    of several seeds. Ranks are the same for any increasing function of the values: for
    cross-entropy, minus the loss, the log likelihood and the margin
    :math:`\log p / (1 - p)` give the same score.

    Args:
        attributions: ``(n_test, n_train)``: higher where a training example helps.
        kept: ``(K, n_train)`` booleans: the examples that each model was trained on.
            50 to 100 subsets are usual.
        values: ``(K, n_test)``: what each model does for each test example, higher for
            better, as ``RetrainingGame(..., "neg_loss", per_example=True)(kept)`` is.

    Returns:
        ``(n_test,)``, float64; NaN for an example of which all values, or all sums, are
        equal.

    Raises:
        InputError: If shapes do not agree, ``kept`` is not of booleans, or a number is
            not finite.

    Note:
        One matrix product and one sort, for all test examples together. Park et al.
        (2023), *TRAK: Attributing Model Behavior at Scale*.

    Example:
        >>> attributions = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 0.5]])
        >>> kept = torch.tensor([[True, True, False], [True, False, True],
        ...                      [False, True, True]])
        >>> values = torch.tensor([[9.0, 0.1], [5.0, 0.3], [2.0, 0.2]])
        >>> linear_datamodeling_score(attributions, kept, values)
        tensor([ 1.0000, -0.5000], dtype=torch.float64)
    """
    scores = _matrix("attributions", attributions, "(n_test, n_train)")
    reached = _matrix("values", values, "(K, n_test)").to(scores.device)
    subsets = _subsets(kept, scores.shape[1]).to(scores.device)
    if reached.shape != (len(subsets), len(scores)):
        raise InputError(
            f"values must be (K, n_test), one row for each of the {len(subsets)} "
            f"subsets and one column for each of the {len(scores)} rows of "
            f"attributions; got {tuple(reached.shape)}."
        )
    return correlations(additive_predictions(scores, subsets), reached.T, "spearman")


def additive_predictions(attributions: Tensor, coalitions: Tensor) -> Tensor:
    """What attributions say that coalitions are worth, but for a constant.

    Args:
        attributions: ``(R, n)``, float64.
        coalitions: ``(K, n)`` booleans.

    Returns:
        ``(R, K)``: sums over the members.

    Example:
        >>> members = torch.tensor([[True, False, True]])
        >>> additive_predictions(torch.tensor([[1.0, 2.0, 4.0]]).double(), members)
        tensor([[5.]], dtype=torch.float64)
    """
    sums = attributions @ coalitions.to(attributions).T
    # Where all have the same share, coalitions differ by their sizes alone; rounding,
    # which depends on who the members are, would put those of one size in an order.
    lowest, highest = attributions.aminmax(dim=1, keepdim=True)
    return torch.where(lowest == highest, lowest * coalitions.sum(1), sums)


def _matrix(name: str, given: PointValues, shape: str) -> Tensor:
    numbers = as_numbers(name, given)
    if numbers.ndim != 2:
        raise InputError(f"{name} must be {shape}; got shape {tuple(numbers.shape)}.")
    return numbers


def _subsets(kept: Mask, n_train: int) -> Tensor:
    mask = kept if isinstance(kept, Tensor) else torch.from_numpy(np.array(kept))
    if mask.dtype != torch.bool or mask.ndim != 2 or mask.shape[1] != n_train:
        raise InputError(
            f"kept must be (K, {n_train}) booleans, one column for each column of "
            f"attributions; got {mask.dtype} {tuple(mask.shape)}. From 0 and 1 make "
            "them by kept.bool()."
        )
    return mask
