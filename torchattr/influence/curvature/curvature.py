"""Curvature of the empirical risk: symmetric matrices that are sums over examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.matrix_sum import MatrixSum
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["Curvature", "LinearOperator", "dense"]

#: Columns of the identity that are multiplied at once where a matrix has to be formed.
_COLUMNS = 256

_Sum = TypeVar("_Sum", Tensor, MatrixSum)


@runtime_checkable
class LinearOperator(Protocol):
    """A symmetric ``(P, P)`` matrix that can be multiplied with; not more is asked.

    Tensors are such operators, all curvatures here, and those of other libraries.

    Example:
        >>> isinstance(torch.eye(3), LinearOperator)
        True
    """

    @property
    def shape(self) -> Any:
        """``(P, P)``."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the vectors that it multiplies."""
        ...

    @property
    def device(self) -> torch.device:
        """Of the vectors that it multiplies."""
        ...

    def __matmul__(self, vectors: Tensor, /) -> Tensor:
        """``(P, R)`` to ``(P, R)``."""
        ...


class Curvature(ABC):
    r"""A mean over training examples, :math:`C = \frac1N \sum_i C_i`.

    The mean is over examples, never over batches: every cut of the data into batches
    gives the same matrix. Data are streamed; a product, and a dense matrix, each read
    them once.

    A subclass says what the examples of one batch add up to.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Attributes:
        risk: The risk.
        batches: The training examples.

    Example:
        >>> from torchattr.influence import EmpiricalRisk, Hessian
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> hessian = Hessian(risk, [(torch.eye(2), torch.zeros(2, 1))])
        >>> hessian @ torch.tensor([1.0, 0.0, 0.0])
        tensor([1., 0., 1.])
    """

    def __init__(self, risk: EmpiricalRisk, loader: Iterable[Any]) -> None:
        self.risk = risk
        self.batches = (
            loader.restricted(risk)
            if isinstance(loader, Batches)
            else Batches(loader, risk)
        )
        self._data: Iterable[Examples] = self.batches  # what sums run over

    @property
    def shape(self) -> tuple[int, int]:
        """``(P, P)``."""
        return self.risk.n_parameters, self.risk.n_parameters

    @property
    def dtype(self) -> torch.dtype:
        """The model's."""
        return self.risk.dtype

    @property
    def device(self) -> torch.device:
        """The model's."""
        return self.risk.device

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Products with vectors; one pass over the training examples.

        Args:
            vectors: ``(P, R)``, or ``(P,)``.

        Returns:
            The same shape.

        Raises:
            InputError: If the vectors have another shape.
        """
        columns = vectors.unsqueeze(1) if vectors.ndim == 1 else vectors
        if columns.ndim != 2 or len(columns) != self.shape[1]:
            raise InputError(
                f"expected vectors of shape ({self.shape[1]}, R); got "
                f"{tuple(vectors.shape)}"
            )
        total, count = self._summed(lambda part: self._product(part, columns))
        return (total / count).reshape(vectors.shape)

    def dense(self) -> Tensor:
        """The matrix, ``(P, P)``, symmetric up to rounding; one pass over the data."""
        total, count = self._summed(self._matrix)
        return total.dense(self.shape[0]).div_(count)

    @abstractmethod
    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        """``(P, R)``: the *sum* over the examples of a batch, applied to vectors.

        The batch may be of any size: an implementation chunks it as memory asks for.
        """

    @abstractmethod
    def _matrix(self, examples: Examples) -> MatrixSum:
        """``(P, P)``: the *sum* over the examples of a batch."""

    def _summed(self, of: Callable[[Examples], _Sum]) -> tuple[_Sum, int]:
        """The sum over all batches, and how many examples there were."""
        total, count = None, 0
        with self.risk.evaluating():
            for examples in self._data:
                part = of(examples)
                total = part if total is None else total.add_(part)
                count += len(examples)
        if total is None:  # (batches refuse to be empty)
            raise InputError("the training data hold no batch")
        return total, count


def dense(operator: LinearOperator) -> Tensor:
    """The matrix of any operator.

    Args:
        operator: ``(P, P)``.

    Returns:
        ``(P, P)``; for a :class:`Curvature` by one pass over the data, for a tensor the
        tensor, for others by products with the identity.

    Example:
        >>> dense(torch.eye(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if isinstance(operator, Tensor):
        return operator
    if isinstance(operator, Curvature):
        return operator.dense()
    identity = torch.eye(
        operator.shape[0], dtype=operator.dtype, device=operator.device
    )
    return torch.cat(
        [operator @ part for part in torch.split(identity, _COLUMNS, 1)], 1
    )
