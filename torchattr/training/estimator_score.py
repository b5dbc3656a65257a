"""Scores by scikit-learn's scorers, and by functions that expect its protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from torchattr.errors import InputError, MissingExtraError
from torchattr.training.model_score import ModelScore
from torchattr.training.output_form import Loss, OutputForm, output_form
from torchattr.training.tagged_model import tagged
from torchattr.training.torch_estimator import torch_estimator

__all__ = ["EstimatorScore", "sklearn_scorer"]


@final
class EstimatorScore(ModelScore):
    """A score by a function ``(estimator, x, y) -> float``, called for each model.

    Args:
        scorer: The function; the estimator has ``predict``, ``score`` and, of a
            classifier, ``predict_proba``, and knows its outputs on ``x``.
        inputs: The test inputs, which the function gets as ``x``.
        loss: The loss that the models are trained with.
    """

    def __init__(
        self,
        scorer: Callable[[Any, Any, Any], float],
        inputs: object,
        loss: Loss | None = None,
    ) -> None:
        self.scorer = scorer
        self.inputs = inputs
        self.loss = loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ModelScore.__call__`."""
        form = self.form(outputs[0, 0], targets)
        y = targets.detach().cpu().numpy()
        scores = [
            float(self.scorer(torch_estimator(self._known(row), form), self.inputs, y))
            for row in outputs
        ]
        return torch.tensor(scores, dtype=torch.float64, device=outputs.device)

    def form(self, output: Tensor, targets: Tensor) -> OutputForm:
        """See :meth:`ModelScore.form`."""
        return output_form(tuple(output.shape), targets, self.loss)

    def _known(self, outputs: Tensor) -> Callable[[object], Tensor]:
        def outputs_of(x: object) -> Tensor:
            if x is not self.inputs:
                raise InputError(
                    "a scorer can ask a model of a learner only for predictions of the "
                    "test inputs that it is given, whole; got other inputs. Select "
                    "among the predictions instead."
                )
            return outputs

        return outputs_of


def sklearn_scorer(name: str) -> Callable[[Any, Any, Any], float]:
    """A scorer of scikit-learn by its name.

    Args:
        name: Such as ``"balanced_accuracy"``.

    Returns:
        A function ``(estimator, x, y) -> float``, of any model that can predict.

    Raises:
        InputError: If scikit-learn knows no such scorer.
        MissingExtraError: If scikit-learn is not installed.

    Example:
        >>> callable(sklearn_scorer("balanced_accuracy"))
        True
    """
    try:
        from sklearn.metrics import get_scorer, get_scorer_names
    except ImportError as error:
        raise MissingExtraError(
            f"scorer={name!r} is looked up among scikit-learn's, which is not "
            "installed: pip install torchattr[sklearn]"
        ) from error
    if name not in get_scorer_names():
        raise InputError(
            f"scorer must be the name of a score; {name!r} is none, of ours or of "
            f"scikit-learn ({', '.join(get_scorer_names())})"
        )
    return partial(_scored_by, get_scorer(name))


def _scored_by(
    scorer: Callable[[Any, Any, Any], float], model: object, x: object, y: object
) -> float:
    return scorer(tagged(model), x, y)
