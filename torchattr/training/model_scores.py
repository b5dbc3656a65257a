"""Scores of many models at once, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

from torchattr.errors import InputError
from torchattr.training.estimator_score import EstimatorScore, sklearn_scorer
from torchattr.training.learner import Learner
from torchattr.training.model_score import ModelScore
from torchattr.training.named_scores import ClassScore, F1Score, NegLoss, R2Score
from torchattr.training.output_form import ClassOutputs, Loss
from torchattr.training.transformed_score import Transformed, TransformedScore

__all__ = ["SCORE_NAMES", "ModelScore", "ScorerLike", "as_model_score"]

#: The name of a score, a function ``(estimator, x, y) -> float``, a score, or one of
#: these and what becomes of it.
ScorerLike: TypeAlias = (
    "str | Callable[[Any, Any, Any], float] | ModelScore | Transformed"
)


def _hits(form: ClassOutputs, outputs: Tensor, targets: Tensor) -> Tensor:
    return form.predictions(outputs) == form.truth(targets)


def _log_likelihoods(form: ClassOutputs, outputs: Tensor, targets: Tensor) -> Tensor:
    return form.log_likelihood(outputs, targets)


_BY_EXAMPLE: Mapping[str, Callable[[Loss, bool], ModelScore]] = {
    "accuracy": lambda loss, split: ClassScore(
        "accuracy", loss, _hits, per_example=split
    ),
    "log_likelihood": lambda loss, split: ClassScore(
        "log_likelihood", loss, _log_likelihoods, per_example=split
    ),
    "neg_loss": lambda loss, split: NegLoss(loss, per_example=split),
    "r2": lambda loss, split: R2Score(per_example=split),
}

#: What is computed for all models at once; other names are scikit-learn's.
SCORE_NAMES = ("f1", *_BY_EXAMPLE)


def as_model_score(
    scorer: ScorerLike,
    *,
    learner: Learner,
    per_example: bool = False,
    inputs: object = None,
) -> ModelScore:
    r"""A score of many models at once, from its name.

    ==================== =================================================== ==========
    name                 score                                               by example
    ==================== =================================================== ==========
    ``"accuracy"``       share of test labels that are predicted             0 or 1
    ``"log_likelihood"`` mean of :math:`\log p(y_j \mid x_j)`                each one's
    ``"neg_loss"``       minus the learner's loss                            each alone
    ``"r2"``             share of the variance explained                     its share
    ``"f1"``             of the positive class; of more than two, the mean   no
    scikit-learn's       by its scorer, one model after the other            no
    ==================== =================================================== ==========

    Outputs are logits ``(M, C, *d)`` with integer targets ``(M, *d)``, one logit for
    each target 0 or 1 (probabilities under :class:`torch.nn.BCELoss`), or values. Log
    likelihoods need a learner with weight decay or the like: without, the likelihoods
    of models of tiny coalitions are so small that they drown the rest.

    Args:
        scorer: A name, a function ``(estimator, x, y) -> float`` or a score. The
            estimator has ``predict``, ``score`` and, of a classifier,
            ``predict_proba``.
        learner: The learner whose models are judged.
        per_example: Whether there is one score for each test example.
        inputs: The test inputs, which only functions and scikit-learn's scorers need.

    Returns:
        The score.

    Raises:
        InputError: If there is no such score, or it has no parts by example.
        MissingExtraError: If it would be scikit-learn's, which is not installed.

    Example:
        >>> import torch
        >>> from torchattr.training import TorchLearner
        >>> learner = TorchLearner(
        ...     torch.nn.Linear(2, 2),
        ...     torch.nn.CrossEntropyLoss(),
        ...     lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        ...     epochs=1,
        ... )
        >>> two_models = torch.stack([torch.eye(2), -torch.eye(2)])
        >>> score = as_model_score("accuracy", learner=learner)
        >>> score(two_models, torch.tensor([0, 1]))
        tensor([1., 0.], dtype=torch.float64)
    """
    if isinstance(scorer, ModelScore):
        if scorer.per_example != per_example:
            raise InputError(
                f"per_example={per_example}, but the score that was passed has "
                f"per_example={scorer.per_example}; make them equal"
            )
        return scorer
    if isinstance(scorer, Transformed):
        score = as_model_score(
            scorer.scorer,  # type: ignore[arg-type]  # (checked where it is used)
            learner=learner,
            per_example=per_example,
            inputs=inputs,
        )
        return TransformedScore(score, scorer.transformation)
    if isinstance(scorer, str) and scorer in _BY_EXAMPLE:
        return _BY_EXAMPLE[scorer](learner.loss, per_example)
    if per_example and (isinstance(scorer, str) or callable(scorer)):
        raise InputError(
            f"scorer={scorer!r} has no score for each test example; use "
            f"{', '.join(map(repr, _BY_EXAMPLE))}, or per_example=False"
        )
    return _of_whole(scorer, learner, inputs)


def _of_whole(
    scorer: str | Callable[[Any, Any, Any], float], learner: Learner, inputs: object
) -> ModelScore:
    """A score that has no parts by example."""
    if scorer == "f1":
        return F1Score(learner.loss)
    if isinstance(scorer, str):
        return EstimatorScore(sklearn_scorer(scorer), inputs, learner.loss)
    if callable(scorer):
        return EstimatorScore(scorer, inputs, learner.loss)
    raise InputError(
        "scorer must be a name or a function (estimator, x, y) -> float; got "
        f"{type(scorer).__name__}"
    )
