"""Plain models, as scikit-learn's scorers take them."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = ["tagged"]


@runtime_checkable
class _WithClasses(Protocol):
    classes_: Any


class _TaggedModel:
    """Another model, with the tags that scikit-learn 1.6 and later ask for.

    Args:
        model: Any model, such as one with ``fit``, ``predict`` and ``score`` only.
    """

    def __init__(self, model: object) -> None:
        self._model = model

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def __sklearn_tags__(self) -> object:
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        # What is called a classifier is asked for its classes.
        classifies = isinstance(self._model, _WithClasses)
        return Tags(
            estimator_type="classifier" if classifies else None,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifies else None,
        )


def tagged(model: object) -> object:
    """A model that scikit-learn's scorers accept.

    Args:
        model: Any model; it need not inherit from scikit-learn's ``BaseEstimator``.

    Returns:
        The model itself where it says what it is, else a wrapper that does.

    Example:
        >>> tagged("a model") == "a model"
        False
    """
    try:
        from sklearn.utils import get_tags
    except ImportError:  # before 1.6 nobody asked
        return model
    try:
        get_tags(model)
    except AttributeError:
        return _TaggedModel(model)
    return model
