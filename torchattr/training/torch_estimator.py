"""A trained PyTorch model with scikit-learn's protocol, for scorers that expect it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.training.output_form import ClassOutputs, OutputForm, Values

__all__ = ["TorchClassifier", "TorchEstimator", "TorchRegressor", "torch_estimator"]


class TorchEstimator(ABC):
    """Predictions of one trained model, as NumPy arrays.

    Args:
        outputs_of: Maps inputs of ``M`` examples to outputs ``(M, *out)``.
        form: What the outputs mean.
    """

    _estimator_type: ClassVar[str]  # what scikit-learn before 1.6 asks

    def __init__(self, outputs_of: Callable[[Any], Tensor], form: OutputForm) -> None:
        self._outputs_of = outputs_of
        self._form = form

    @abstractmethod
    def score(self, x: object, y: NDArray[Any]) -> float:
        """The score that is usual for this kind of model.

        Args:
            x: Inputs of ``M`` examples.
            y: ``(M, ...)``: their targets.

        Returns:
            The accuracy of a classifier, the R^2 of a regressor.
        """

    def predict(self, x: object) -> NDArray[Any]:
        """Predictions.

        Args:
            x: Inputs of ``M`` examples, whatever the model takes.

        Returns:
            ``(M, *d)``: classes, 0 or 1, or values.
        """
        return _array(self._form.predictions(self._outputs_of(x)[None])[0])

    def __sklearn_tags__(self) -> object:
        """What scikit-learn 1.6 and later ask."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        classifies = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifies else None,
            regressor_tags=None if classifies else RegressorTags(),
        )


@final
class TorchClassifier(TorchEstimator):
    """A trained classifier.

    Args:
        outputs_of: Maps inputs of ``M`` examples to outputs ``(M, *out)``.
        form: What the outputs mean.

    Attributes:
        classes_: The classes, in the order of the columns of :meth:`predict_proba`.
    """

    _estimator_type = "classifier"

    def __init__(self, outputs_of: Callable[[Any], Tensor], form: ClassOutputs) -> None:
        super().__init__(outputs_of, form)
        self._class_form = form
        self.classes_ = np.arange(form.n_classes)

    def score(self, x: object, y: NDArray[Any]) -> float:
        """See :meth:`TorchEstimator.score`."""
        truth = _array(self._form.truth(torch.as_tensor(y)))
        return float((self.predict(x) == truth).mean())

    def predict_proba(self, x: object) -> NDArray[Any]:
        """Probabilities of the classes.

        Args:
            x: Inputs of ``M`` examples.

        Returns:
            ``(M, C, *d)``.
        """
        return _array(self._class_form.probabilities(self._outputs_of(x)[None])[0])


@final
class TorchRegressor(TorchEstimator):
    """A trained regressor."""

    _estimator_type = "regressor"

    def score(self, x: object, y: NDArray[Any]) -> float:
        """See :meth:`TorchEstimator.score`: the mean over the outputs."""
        truth = _array(self._form.truth(torch.as_tensor(y)))
        missed = ((truth - self.predict(x)) ** 2).sum(0)
        spread = ((truth - truth.mean(0)) ** 2).sum(0)
        if not spread.all():
            raise InputError(
                "R^2 needs targets that differ; those of the examples to score are "
                "constant"
            )
        return float((1 - missed / spread).mean())


def torch_estimator(
    outputs_of: Callable[[Any], Tensor], form: OutputForm
) -> TorchClassifier | TorchRegressor:
    """A trained model as scikit-learn sees it.

    Args:
        outputs_of: Maps inputs of ``M`` examples to outputs ``(M, *out)``.
        form: What the outputs mean.

    Returns:
        A classifier or a regressor.

    Raises:
        InputError: If the form is of another kind.

    Example:
        >>> model = torch_estimator(lambda x: x, Values((1,)))
        >>> model.predict(torch.tensor([[1.0], [3.0]])).tolist()
        [[1.0], [3.0]]
    """
    if isinstance(form, ClassOutputs):
        return TorchClassifier(outputs_of, form)
    if isinstance(form, Values):
        return TorchRegressor(outputs_of, form)
    raise InputError(f"no scikit-learn estimator has outputs of {type(form).__name__}")


def _array(values: Tensor) -> NDArray[Any]:
    return values.detach().cpu().numpy()
