"""Training points and test points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError, MissingExtraError
from torchattr.valuation.dataset.raw_data import Array

__all__ = ["RandomState", "split"]

RandomState = int | np.random.RandomState | np.random.Generator
"""A seed, or what draws."""


def split(
    n_points: int,
    train_size: float,
    random_state: RandomState | None,
    stratify: Array | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of training and of test points, as scikit-learn draws them.

    Args:
        n_points: Number of points.
        train_size: The share of the points to train on, or their number.
        random_state: Seed; ``None`` is fresh.
        stratify: ``(n,)`` classes, which then have the same shares in both parts.

    Returns:
        The two sets of positions, in the order drawn.

    Raises:
        InputError: If a part would be empty.
        MissingExtraError: If stratifying without scikit-learn.
    """
    n_train = (
        int(train_size)
        if isinstance(train_size, int | np.integer)
        else int(np.floor(train_size * n_points))
    )
    if not 0 < n_train < n_points:
        raise InputError(
            f"train_size={train_size!r} of {n_points} points leaves {n_train} to train "
            "on; both parts need at least one"
        )
    if stratify is not None:
        return _stratified(n_points, n_train, random_state, stratify)
    # The legacy generator, so that a seed splits as scikit-learn's does.
    draws = (
        np.random.RandomState(random_state)
        if random_state is None or isinstance(random_state, int | np.integer)
        else random_state
    )
    order = np.asarray(draws.permutation(n_points))
    return order[n_points - n_train :], order[: n_points - n_train]


def _stratified(
    n_points: int, n_train: int, random_state: RandomState | None, stratify: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    try:
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingExtraError(
            "a stratified split needs scikit-learn: pip install torchattr[sklearn]"
        ) from error
    if isinstance(random_state, np.random.Generator):
        random_state = int(random_state.integers(2**31))
    labels = stratify.cpu().numpy() if isinstance(stratify, Tensor) else stratify
    try:
        train, test = train_test_split(
            np.arange(n_points),
            train_size=n_train,
            random_state=random_state,
            stratify=labels,
        )
    except ValueError as error:
        raise InputError(f"the points cannot be split by class: {error}") from error
    return train, test
