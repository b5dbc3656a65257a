"""Training examples in the order of their distances to test examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError, MissingExtraError
from torchattr.games.counts import as_count
from torchattr.valuation.dataset import Dataset, GroupedDataset

if TYPE_CHECKING:
    from torchattr.valuation.dataset.raw_data import Array

__all__ = ["NearestNeighbours", "Neighbourhoods"]

_CHUNK_BYTES = 2**23  # of one matrix of a chunk: distances, order, values
_NORMS = {
    "euclidean": 2.0, "l2": 2.0, "manhattan": 1.0, "cityblock": 1.0, "l1": 1.0,
    "chebyshev": float("inf"),
}  # fmt: skip


@dataclass(frozen=True)
class Neighbourhoods:
    """The training examples around some test examples.

    Attributes:
        order: ``(M, n)`` positions of the training examples, nearest first. Of examples
            at the same distance the first in the data comes first.
        votes: ``(M, n)`` float64 in that order: whether the label is the true one (1 or
            0), or the target of a regression.
        weights: ``(M, n)`` float64 in that order; ``None`` where all count alike.
        targets: ``(M,)`` float64: the true answers of a regression; else ``None``.
    """

    order: Tensor
    votes: Tensor
    weights: Tensor | None
    targets: Tensor | None


@final
class NearestNeighbours:
    """What scikit-learn's settings say about neighbours, without fitting anything.

    Args:
        model: A ``KNeighborsClassifier`` or ``KNeighborsRegressor``, fitted or not. Of
            its parameters ``n_neighbors``, ``weights``, ``metric``, ``p`` and
            ``metric_params`` are read. A function given as ``weights`` must weigh each
            distance for itself.

    Raises:
        InputError: If the model is another, or its distances are precomputed.
        MissingExtraError: If scikit-learn is not installed.
    """

    def __init__(self, model: object) -> None:
        try:
            from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
        except ImportError as error:
            raise MissingExtraError(
                "models of nearest neighbours are scikit-learn's; "
                "run pip install torchattr[sklearn]"
            ) from error
        if not isinstance(model, KNeighborsClassifier | KNeighborsRegressor):
            raise InputError(
                "model must be a scikit-learn KNeighborsClassifier or "
                f"KNeighborsRegressor, got {type(model).__name__}"
            )
        settings = model.get_params()
        self.is_regression = isinstance(model, KNeighborsRegressor)
        self.n_neighbours = as_count("n_neighbors", settings["n_neighbors"])
        self._metric: str | Callable[..., Any] = settings["metric"]
        self._metric_params: dict[str, Any] = dict(settings["metric_params"] or {})
        self._p = float(settings["p"] or 2)
        self._weights: str | Callable[..., Any] | None = settings["weights"]
        if self._metric == "precomputed":
            raise InputError(
                "metric='precomputed' leaves no distances between other examples; "
                "pass the metric itself"
            )

    def around(
        self, test: Dataset, train: Dataset, *, whole: bool = False
    ) -> Iterator[Neighbourhoods]:
        """Neighbourhoods of the test examples, a few at a time.

        Args:
            test: ``M`` examples to answer.
            train: ``n`` examples to be neighbours.
            whole: Whether all are to come at once.

        Yields:
            Neighbourhoods, in the order of the test examples.

        Raises:
            InputError: If examples are grouped, have different numbers of features or
                several targets, or a distance is NaN.
        """
        _refuse_groups(test, train)
        inputs = [_flat(data.data().x) for data in (test, train)]
        if inputs[0].shape[1] != inputs[1].shape[1]:
            raise InputError(
                f"test examples have {inputs[0].shape[1]} features, training examples "
                f"{inputs[1].shape[1]}"
            )
        answers = [data.data().y for data in (test, train)]
        if any(part.ndim != 1 for part in answers):
            raise InputError("nearest neighbours are valued for one target at a time")
        coded = _numbers if self.is_regression else _codes
        true, given = (part.to(inputs[1].device) for part in coded(*answers))
        n = max(1, len(given))
        rows = len(true) if whole else max(1, _CHUNK_BYTES // (8 * n))
        for start in range(0, len(true), max(1, rows)):
            part = slice(start, start + rows)
            distances, order = self._distances(inputs[0][part], inputs[1])
            votes = given[order]
            if not self.is_regression:
                votes = (votes == true[part, None]).double()
            yield Neighbourhoods(
                order,
                votes,
                self._weigh(distances),
                true[part] if self.is_regression else None,
            )

    def _distances(self, test: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
        metric = self._metric
        norm = self._p if metric == "minkowski" else _NORMS.get(str(metric))
        if norm is None or self._metric_params:
            from sklearn.metrics import pairwise_distances

            options = dict(self._metric_params)
            if metric == "minkowski":
                options["p"] = self._p
            pairs = pairwise_distances(
                test.cpu().numpy(), train.cpu().numpy(), metric=metric, **options
            )
            distances = torch.from_numpy(np.asarray(pairs, np.float64)).to(train.device)
        else:
            # By differences, not by products: equal examples get equal distances.
            distances = torch.cdist(
                test, train, p=norm, compute_mode="donot_use_mm_for_euclid_dist"
            )
        if bool(distances.isnan().any()):
            raise InputError(
                "a distance is NaN; fill missing values first, or use "
                "metric='nan_euclidean'"
            )
        ranked = distances.sort(dim=1, stable=True)
        return ranked.values, ranked.indices

    def _weigh(self, distances: Tensor) -> Tensor | None:
        if self._weights is None or self._weights == "uniform":
            return None
        if self._weights == "distance":
            return 1 / distances  # infinite at distance 0, as scikit-learn means it
        if not callable(self._weights):
            raise InputError(
                "weights must be 'uniform', 'distance' or a function of distances, got "
                f"{self._weights!r}"
            )
        weighed = np.asarray(self._weights(distances.cpu().numpy()), np.float64)
        if weighed.shape != tuple(distances.shape) or not (weighed >= 0).all():
            raise InputError(
                "weights must map an array of distances to as many numbers that are "
                f"not negative; got the shape {weighed.shape} for "
                f"{tuple(distances.shape)}"
            )
        return torch.from_numpy(weighed).to(distances.device)


def _refuse_groups(*datasets: Dataset) -> None:
    for data in datasets:
        if not isinstance(data, Dataset) or isinstance(data, GroupedDataset):
            raise InputError(
                "nearest neighbours are single examples: pass a Dataset, got "
                f"{type(data).__name__}"
            )


def _flat(inputs: Array) -> Tensor:
    return torch.as_tensor(inputs).reshape(len(inputs), -1).double()


def _numbers(*targets: Array) -> tuple[Tensor, ...]:
    return tuple(torch.as_tensor(part).double() for part in targets)


def _codes(*labels: Array) -> tuple[Tensor, ...]:
    """Labels of any kind as numbers, the same for the same label."""
    arrays = [
        part.cpu().numpy() if isinstance(part, Tensor) else part for part in labels
    ]
    codes = np.unique(np.concatenate(arrays), return_inverse=True)[1].reshape(-1)
    bounds = np.cumsum([len(part) for part in arrays])[:-1]
    return tuple(torch.from_numpy(part) for part in np.split(codes, bounds))
