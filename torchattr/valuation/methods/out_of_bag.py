"""Bags of points, and what models trained on them predict for the other points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.games.memory import in_parts
from torchattr.sampling.random_words import RandomWords
from torchattr.training.learner import Learner
from torchattr.training.output_form import OutputForm, Values, output_form
from torchattr.training.training_memory import models_in_memory
from torchattr.valuation.types import BaggingModel

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["Bags", "FittedBags", "LearnerBags", "OutOfBag", "PointwiseScore"]

#: ``(targets, predictions) ->`` one score for each, all ``(C,)`` arrays.
PointwiseScore: TypeAlias = Callable[[Any, Any], Any]

_MOST_AT_ONCE = 256  # more models at once gain little on a CPU


@dataclass(frozen=True)
class OutOfBag:
    """Scores of points by models that did not see them.

    Attributes:
        points: ``(C,)`` positions.
        scores: ``(C,)``.
        n_bags: How many bags they are from.
    """

    points: NDArray[np.int64]
    scores: NDArray[np.float64]
    n_bags: int


class Bags(ABC):
    """Subsets of the data, each with a model trained on it.

    Attributes:
        n_bags: How many.
    """

    n_bags: int

    @abstractmethod
    def out_of_bag(
        self, data: Dataset, score: PointwiseScore | None
    ) -> Iterator[OutOfBag]:
        """Scores of the points outside, some bags at a time.

        Args:
            data: The points.
            score: Of targets and predictions; ``None`` is 1 or 0 for a right or wrong
                class, and minus the absolute error of a value.

        Returns:
            An iterator over all bags.
        """


@final
class FittedBags(Bags):
    """The members of an ensemble that scikit-learn fitted.

    Args:
        model: A fitted ``BaggingClassifier``, ``BaggingRegressor``, forest, or another
            ensemble with ``estimators_`` and ``estimators_samples_``.

    Raises:
        InputError: If the model is not fitted, or knows no samples of its members.
    """

    def __init__(self, model: object) -> None:
        if not isinstance(model, BaggingModel):
            raise InputError(
                "model must be a fitted ensemble with estimators_ and "
                "estimators_samples_, such as BaggingClassifier(...).fit(x, y) or a "
                "forest (of scikit-learn 1.4 or later), or a TorchLearner; got "
                f"{type(model).__name__}"
            )
        self._model = model
        self.n_bags = len(model.estimators_)

    def out_of_bag(
        self, data: Dataset, score: PointwiseScore | None
    ) -> Iterator[OutOfBag]:
        """See :meth:`Bags.out_of_bag`: one member after the other."""
        from sklearn.base import is_classifier

        x, y = (np.asarray(part) for part in data.data().cpu())
        classifies = is_classifier(self._model)
        scored = score or (_is_right if classifies else _minus_distance)
        samples = self._model.estimators_samples_
        for number, member in enumerate(self._model.estimators_):
            inside = np.zeros(len(x), np.bool_)
            inside[_checked(samples[number], len(x))] = True
            (points,) = np.nonzero(~inside)
            scores = np.empty(0)
            if len(points):
                said = np.asarray(member.predict(self._seen_by(number, x[points])))
                said = self._labels(said) if classifies else said
                scores = _pointwise(scored(y[points], said), len(points))
            yield OutOfBag(points, scores, n_bags=1)

    def _seen_by(self, number: int, x: NDArray[Any]) -> NDArray[Any]:
        """The features that a member was fitted to."""
        from sklearn.ensemble import BaggingClassifier, BaggingRegressor

        if isinstance(self._model, BaggingClassifier | BaggingRegressor):
            features: NDArray[Any] = x[:, self._model.estimators_features_[number]]
            return features
        return x

    def _labels(self, said: NDArray[Any]) -> NDArray[Any]:
        """Labels from what members say, whose classes scikit-learn numbers."""
        from sklearn.ensemble import (
            BaggingClassifier,
            ExtraTreesClassifier,
            RandomForestClassifier,
        )

        numbered = BaggingClassifier | ExtraTreesClassifier | RandomForestClassifier
        if not isinstance(self._model, numbered):
            return said
        return np.asarray(self._model.classes_)[said.astype(np.int64)]


@final
class LearnerBags(Bags):
    """Bootstrap samples that a learner trains models on, many at once.

    A bag is the set of as many points drawn with replacement; how often a point was
    drawn has no effect. It holds 63% of the points on average when as many are drawn as
    there are.

    Args:
        learner: Trains the models.
        n_bags: How many.
        share: Points drawn for a bag, as a share of all.
        entropy: The seed: bag ``k`` depends on it and ``k`` only.
    """

    def __init__(
        self, learner: Learner, n_bags: int, share: float, entropy: int
    ) -> None:
        if not 0 < share <= 1:
            raise InputError(f"max_samples must be above 0 and at most 1, got {share}")
        self.n_bags = n_bags
        self._learner = learner
        self._share = share
        self._words = RandomWords(entropy, "bags")

    def out_of_bag(
        self, data: Dataset, score: PointwiseScore | None
    ) -> Iterator[OutOfBag]:
        """See :meth:`Bags.out_of_bag`: as many at once as memory suggests."""
        learner = self._learner
        examples = learner.examples(data)
        output = _initial_output(learner, examples)
        form = output_form(tuple(output.shape), examples.targets, learner.loss)
        size = models_in_memory(learner, examples, len(examples), output)
        size = min(_MOST_AT_ONCE, size)
        for start in range(0, self.n_bags, _MOST_AT_ONCE):
            count = min(_MOST_AT_ONCE, self.n_bags - start)
            bags = self._bags(len(examples), start, count)

            def scores(first: int, last: int, bags: Tensor = bags) -> Tensor:
                with torch.enable_grad():
                    models = learner.fit_many(examples, bags[first:last])
                with torch.no_grad():
                    outputs = learner.outputs(models, examples.inputs)
                return _scores(form, outputs, examples.targets, score).cpu()

            scored, size = in_parts(scores, count, size)
            outside = ~bags.cpu().numpy()
            yield OutOfBag(np.nonzero(outside)[1], scored.numpy()[outside], count)

    def _bags(self, n: int, start: int, count: int) -> Tensor:
        """``(count, n)`` booleans."""
        n_draws = max(1, round(self._share * n))
        uniform = self._words.uniform(start, count, n_draws)
        drawn = torch.from_numpy((uniform * n).astype(np.int64))
        bags = torch.zeros(count, n, dtype=torch.bool).scatter_(1, drawn, value=True)
        return bags.to(self._learner.device)


def _initial_output(learner: Learner, examples: Examples) -> Tensor:
    """The initial model's output for one example."""
    model = learner.model
    tensors = (*model.named_parameters(), *model.named_buffers())
    stacked = {name: tensor.detach()[None] for name, tensor in tensors}
    first = examples.take(torch.zeros(1, dtype=torch.int64, device=learner.device))
    with torch.no_grad():
        return learner.outputs(stacked, first.inputs)[0, 0]


def _scores(
    form: OutputForm, outputs: Tensor, targets: Tensor, score: PointwiseScore | None
) -> Tensor:
    """``(K, n)`` from outputs ``(K, n, *out)``."""
    said, truth = form.predictions(outputs), form.truth(targets)
    n_models, n = said.shape[:2]
    if score is not None:
        true = truth.expand(n_models, *truth.shape).flatten(0, 1)
        pairs = [part.cpu().numpy() for part in (true, said.flatten(0, 1))]
        return torch.from_numpy(_pointwise(score(*pairs), n_models * n)).view(-1, n)
    if isinstance(form, Values):
        scores = -(said - truth).abs()
    else:
        scores = (said == truth).double()
    return scores.double().flatten(2).mean(2) if scores.ndim > 2 else scores


def _checked(samples: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    if len(samples) and int(np.max(samples)) >= n:
        raise InputError(
            f"the model was fitted to more points than the {n} to value; fit it to the "
            "same data"
        )
    return samples


def _is_right(targets: NDArray[Any], said: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(targets == said)


def _minus_distance(targets: NDArray[Any], said: NDArray[Any]) -> NDArray[np.float64]:
    errors = np.abs(said - targets).reshape(len(said), -1)
    return -np.asarray(errors.mean(1), np.float64)


def _pointwise(scores: object, n: int) -> NDArray[np.float64]:
    array = np.asarray(scores, np.float64)
    if array.shape != (n,):
        raise InputError(
            f"score must return one number for each of {n} predictions, got the shape "
            f"{array.shape}"
        )
    return array
