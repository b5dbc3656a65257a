"""Utilities of models that a learner trains, many at once where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike
from torchattr.training.output_form import output_form
from torchattr.training.retraining_game import RetrainingGame
from torchattr.training.torch_estimator import TorchEstimator, torch_estimator
from torchattr.training.transformed_score import Transformed
from torchattr.valuation.scorers import ComposedScorer, Scorer, SupervisedScorer
from torchattr.valuation.scorers.supervised_scorer import ScoredModel, own_score

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset
    from torchattr.valuation.types import Sample

__all__ = ["learner_game", "trained_estimator"]


def learner_game(
    learner: Learner, scorer: Scorer, data: Dataset
) -> RetrainingGame | None:
    """The game in which models of many coalitions are trained and scored at once.

    Args:
        learner: What trains them.
        scorer: A :class:`SupervisedScorer`, or a function of one.
        data: The training points, or groups of them.

    Returns:
        The game; ``None`` if the scorer is of another kind, which only knows one model
        at a time.
    """
    inner, transformations = scorer, []
    while isinstance(inner, ComposedScorer):
        transformations.append(inner.transformation)
        inner = inner.scorer
    if not isinstance(inner, SupervisedScorer):
        return None
    score = _for_many(inner)
    for transformation in reversed(transformations):
        score = Transformed(score, transformation)
    order = np.argsort(data.indices)
    places = np.searchsorted(data.indices, data.logical_indices(), sorter=order)
    owners = order[places]
    grouped = not np.array_equal(owners, np.arange(len(data)))
    return RetrainingGame(
        learner,
        data,
        inner.test_data,
        score,
        default=scorer.default,
        groups=owners if grouped else None,
    )


def trained_estimator(
    learner: Learner, data: Dataset, sample: Sample
) -> TorchEstimator:
    """One trained model, as any scorer takes it.

    Args:
        learner: What trains it.
        data: The training points, or groups of them.
        sample: Those to train on.

    Returns:
        A model with ``predict``, ``score`` and, of a classifier, ``predict_proba``.
    """
    coalition = torch.tensor(np.isin(data.indices, sample.subset))
    model = learner.fit(data, data.masks(coalition[None])[0])
    tensors = (*model.named_parameters(), *model.named_buffers())
    stacked = {name: tensor.detach()[None] for name, tensor in tensors}

    def outputs_of(x: Any) -> Tensor:  # ruff: ignore[any-type] (whatever the model takes)
        return learner.outputs(stacked, x)[0]

    train = learner.examples(data)
    out_shape = tuple(outputs_of(train.take(torch.arange(1)).inputs).shape[1:])
    return torch_estimator(
        outputs_of, output_form(out_shape, train.targets, learner.loss)
    )


def _for_many(scorer: SupervisedScorer) -> ScorerLike:
    """What models of a learner are scored by."""
    scoring = scorer.scoring
    return own_score if isinstance(scoring, ScoredModel) else scoring
