"""The model that ignores its inputs, with scikit-learn's protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchattr.errors import MissingExtraError

__all__ = ["constant_model"]


def constant_model(y: Any, model: object) -> Any:  # ruff: ignore[any-type] (scikit-learn's)
    """A model that predicts the shares of the classes, or the mean.

    Args:
        y: ``(n,)`` or ``(n, n_targets)``: targets of the training points.
        model: The model that it stands in for, a classifier or a regressor. Where it
            does not say, the targets decide: a regressor if they are floating-point.

    Returns:
        A fitted ``DummyClassifier(strategy="prior")`` or ``DummyRegressor()``.

    Raises:
        MissingExtraError: If scikit-learn is not installed.

    Example:
        >>> constant_model(np.array([0, 1, 1]), None).predict(np.zeros((2, 1)))
        array([1, 1])
    """
    try:
        from sklearn.base import BaseEstimator, is_classifier, is_regressor
        from sklearn.dummy import DummyClassifier, DummyRegressor
    except ImportError as error:
        raise MissingExtraError(
            "the score of no model is computed by scikit-learn's constant predictor: "
            "pip install torchattr[sklearn], or give the scorer a default"
        ) from error
    y = np.asarray(y)
    if isinstance(model, BaseEstimator) and (
        is_regressor(model) or is_classifier(model)
    ):
        regresses = is_regressor(model)
    else:
        regresses = y.dtype.kind == "f"
    dummy = DummyRegressor() if regresses else DummyClassifier(strategy="prior")
    return dummy.fit(np.zeros((len(y), 1)), y)
