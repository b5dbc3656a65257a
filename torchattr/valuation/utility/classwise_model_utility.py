"""What a model trained on a part of one class, and of the others, is worth to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from torchattr.errors import InputError
from torchattr.valuation.scorers import ClasswiseSupervisedScorer, Scorer
from torchattr.valuation.types import ClasswiseSample, Sample
from torchattr.valuation.utility.model_utility import ModelUtility
from torchattr.valuation.utility.utility import UtilityBase

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["ClasswiseModelUtility"]


@final
class ClasswiseModelUtility(UtilityBase):
    """The class-wise score of a model trained on both parts of a class-wise sample.

    A sample without a point of its class is worth the scorer's default, whatever there
    is of other classes.

    Args:
        model: What is trained, as in :class:`ModelUtility`.
        scorer: Scores one class, discounted by the others.
        **options: More arguments of :class:`ModelUtility`.

    Raises:
        InputError: If the scorer is not class-wise; when called, if the sample is not.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> x, y = np.arange(4.0)[:, None], np.array([0, 0, 1, 1])
        >>> scorer = ClasswiseSupervisedScorer("accuracy", (x, y))
        >>> utility = ClasswiseModelUtility(LogisticRegression(), scorer)
        >>> from torchattr.valuation.dataset import Dataset
        >>> utility = utility.with_dataset(Dataset(x, y))
        >>> inside, outside = np.array([0]), np.array([3])
        >>> round(utility(ClasswiseSample(None, inside, 0, outside)), 3)
        0.824
    """

    in_workers: ClassVar[bool] = False  # its parts of one class are sent to workers

    def __init__(
        self,
        model: object,
        scorer: ClasswiseSupervisedScorer,
        **options: Any,  # ruff: ignore[any-type] (ModelUtility checks them)
    ) -> None:
        if not isinstance(scorer, ClasswiseSupervisedScorer):
            raise InputError(
                "scorer must be a ClasswiseSupervisedScorer, got "
                f"{type(scorer).__name__}"
            )
        self.scorer = scorer
        self.model = model
        self._options = options
        self.for_label(0)  # checks the model and the options

    def for_label(self, label: int) -> ModelUtility:
        """The utility of one class.

        Args:
            label: The class.

        Returns:
            What both parts together are worth to it; it has no data yet.
        """
        return ModelUtility(self.model, self.scorer.for_label(label), **self._options)

    def in_class_score(self, label: int, data: Dataset) -> float:
        """How well a class is predicted after training on everything.

        Args:
            label: The class.
            data: All points.

        Returns:
            The score within the class, without the discount by the others.
        """
        scorer = _InClass(self.scorer.for_label(label))
        utility = ModelUtility(self.model, scorer, **self._options).with_dataset(data)
        return utility(Sample(None, data.indices))

    def __call__(self, sample: Sample | None) -> float:
        """What a class-wise sample is worth.

        Args:
            sample: A :class:`~torchattr.valuation.ClasswiseSample`; ``None`` is
                none.

        Returns:
            The utility.

        Raises:
            InputError: If the sample is not class-wise, or there are no training data.
        """
        if sample is None or len(sample.subset) == 0:
            return float(self.scorer.default or 0.0)
        if not isinstance(sample, ClasswiseSample):
            raise InputError(
                "a class-wise utility needs samples of a ClasswiseSampler, got "
                f"{type(sample).__name__}"
            )
        if self._training_data is None:
            raise InputError(
                "the utility needs training data; use utility.with_dataset(data)"
            )
        utility = self.for_label(sample.label).with_dataset(self._training_data)
        both = np.concatenate([sample.subset, sample.ooc_subset])
        return utility(Sample(None, both))


@final
class _InClass(Scorer):
    """The score within the class alone."""

    default = 0.0

    def __init__(self, scorer: ClasswiseSupervisedScorer) -> None:
        self._scorer = scorer
        self.name = scorer.name

    def __call__(self, model: object) -> float:
        """See :meth:`Scorer.__call__`."""
        return self._scorer.compute_in_and_out_of_class_scores(
            model, rescale_scores=self._scorer.rescale_scores
        )[0]
