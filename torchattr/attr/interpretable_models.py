"""Models that are simple enough to be read: the surrogates of LIME."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from torchattr.errors import MissingExtraError

__all__ = ["InterpretableModel", "Lasso"]


class InterpretableModel(Protocol):
    """What LIME asks of a surrogate; captum's linear models comply."""

    def fit(self, train_data: DataLoader[tuple[Tensor, ...]]) -> object:
        """Fit anew to batches of samples ``(C, n)``, outputs ``(C,)``, weights."""

    def representation(self) -> Tensor:
        """The coefficients, ``(n,)`` or ``(1, n)``."""


class Lasso:
    r"""Weighted linear regression with an absolute penalty, by scikit-learn.

    :math:`\min_{w, c} \frac{1}{2 \sum_j \pi_j} \sum_j \pi_j (y_j - c - w^T x_j)^2
    + \alpha \lVert w \rVert_1`.

    Args:
        alpha: Weight of the penalty.

    Raises:
        MissingExtraError: If scikit-learn is not installed.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
        >>> data = TensorDataset(x, 4 * x[:, 0], torch.ones(4))
        >>> model = Lasso(alpha=0.5)
        >>> model.fit(DataLoader(data, batch_size=4))
        >>> model.representation()
        tensor([2., 0.])
    """

    def __init__(self, alpha: float = 0.01) -> None:
        try:
            from sklearn.linear_model import Lasso as SkLearnLasso  # an extra
        except ImportError as error:
            raise MissingExtraError(
                "Lime's default surrogate needs scikit-learn: "
                "pip install torchattr[sklearn], or pass interpretable_model"
            ) from error
        self._model = SkLearnLasso(alpha=alpha)

    def fit(self, train_data: DataLoader[tuple[Tensor, ...]]) -> None:
        """Fit to all batches together.

        Args:
            train_data: Batches of samples ``(C, n)``, outputs ``(C,)`` and weights
                ``(C,)``.
        """
        columns = zip(*train_data, strict=True)
        x, y, weights = (torch.cat(column).double().cpu().numpy() for column in columns)
        self._model.fit(x, y, sample_weight=weights)

    def representation(self) -> Tensor:
        """The coefficients, ``(n,)``."""
        return torch.as_tensor(self._model.coef_, dtype=torch.get_default_dtype())
