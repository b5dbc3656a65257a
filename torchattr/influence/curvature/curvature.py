"""Curvature of the empirical risk: symmetric matrices that are sums over examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.chunk_sizes import working_elements
from torchattr.influence.curvature.matrix_sum import MatrixSum
from torchattr.influence.curvature.risk_operator import RiskOperator
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["Curvature", "LinearOperator", "dense"]

#: Columns of the identity that are multiplied at once where a matrix has to be formed.
_COLUMNS = 256
#: Parameters for each example, above which a product by examples is the cheaper one.
_MOST_PARAMETERS = 16

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


class Curvature(RiskOperator):
    r"""A mean over training examples, :math:`C = \frac1N \sum_i C_i`.

    The mean is over examples, never over batches: every cut of the data into batches
    gives the same matrix. Data are streamed; a product, and a dense matrix, each read
    them once.

    A subclass says what the examples of one batch add up to.

    Products are made example by example until they have taken as long as the matrix
    would; from then on they are products with the matrix, if that is no larger than
    what a computation keeps anyway, see
    ``working_elements`` (2,896
    parameters on a processor). So a solver that needs many of them takes at most twice
    the time of the better way. The matrix is that of the parameters as they were: it is
    made anew when they have changed.

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
        super().__init__(risk)
        self.batches = (
            loader.restricted(risk)
            if isinstance(loader, Batches)
            else Batches(loader, risk)
        )
        self._data: Iterable[Examples] = self.batches  # what sums run over
        self._n_multiplied = 0
        self._held: tuple[Hashable, Tensor] | None = None

    def _multiplied(self, columns: Tensor) -> Tensor:
        """One pass over the training examples, or none where the matrix is held."""
        matrix = self._matrix_by_now(columns.shape[1])
        if matrix is None:
            total, count = self._summed(lambda part: self._product(part, columns))
            product = total / count
        else:
            product = matrix @ columns
        _check_finite(product, columns)
        return product

    def __getstate__(self) -> dict[str, Any]:
        """All but the matrix, which is larger than what it is made of."""
        return {**self.__dict__, "_held": None}

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

    @abstractmethod
    def _n_columns(self) -> int:
        """Products with how many vectors take as long as the matrix."""

    def _matrix_by_now(self, n_vectors: int) -> Tensor | None:
        """The matrix, if so many products were asked for that it is worth its time."""
        size = self.shape[0]
        state = self._state()
        if self._held is not None and self._held[0] == state:
            return self._held[1]
        self._held = None
        if (
            self._n_multiplied == 0
            or size**2 > working_elements(self.device)
            or size > _MOST_PARAMETERS * self.batches.n_examples
            or self._n_multiplied < self._n_columns()
        ):
            self._n_multiplied += n_vectors
            return None
        self._held = state, self.dense()
        return self._held[1]

    def _state(self) -> Hashable:
        """What changes when the parameters or the buffers of the model do."""
        model = self.risk.model
        tensors = [*model.parameters(), *model.buffers()]
        return tuple(
            (t.data_ptr(), t.device, None if t.is_inference() else t._version)
            for t in tensors
        )

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


def _check_finite(product: Tensor, vectors: Tensor) -> None:
    if not bool(product.isfinite().all()) and bool(vectors.isfinite().all()):
        raise InputError(
            "a product with the curvature is not finite: a derivative of the loss is "
            "infinite or NaN for some training example. Check the training data and "
            "the loss"
        )


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
