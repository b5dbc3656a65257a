"""The Fisher information matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.curvature.curvature import Curvature
from torchattr.influence.curvature.drawn_scores import DrawnScores
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.likelihood import likelihood_of
from torchattr.influence.curvature.matrix_sum import MatrixSum
from torchattr.influence.curvature.output_jacobians import inner_product
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["Fisher"]


class Fisher(Curvature):
    r"""The Fisher matrix: second moments of gradients at labels that the model draws.

    For a loss :math:`\ell = -c \log p(y \mid f_\theta(x))`, it is

    .. math:: F = \frac1N \sum_{i=1}^N c_i\, \mathbb E_{y \sim p(\cdot \mid x_i)}
        \left[ \nabla_\theta \log p(y \mid x_i)\, \nabla_\theta \log p(y \mid x_i)^\top
        \right].

    Labels are classes for cross-entropy, yes or no for binary cross-entropy with
    logits, and normal around the outputs for the squared error. In the amounts
    :math:`c_i` are the reduction (a mean over the positions of a sequence, say) and the
    weights of the given targets, so that the matrix is on the scale of the Hessian.

    With ``"exact"`` the expectation is taken exactly, which for these losses gives the
    Gauss-Newton matrix. With ``"sampled"`` one label is drawn for each example (and
    each position): an unbiased estimate with one backward pass for an example, however
    many outputs it has, of a rank of at most the number of examples. What is drawn
    depends on the seed and on the position of the example in the data, not on how they
    are batched; random numbers are the processor's on every device.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.
        labels: ``"exact"`` or ``"sampled"``.
        seed: Of the labels that are drawn.

    Raises:
        InputError: If the loss is no likelihood, or ``labels`` is neither.

    Note:
        See Martens, "New insights and perspectives on the natural gradient method",
        JMLR 21 (2020).

    Example:
        >>> import torch
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> data = (torch.eye(2), torch.zeros(2, 1))
        >>> Fisher(risk, [data]).dense()
        tensor([[1., 0., 1.],
                [0., 1., 1.],
                [1., 1., 2.]])
        >>> Fisher(risk, [data], labels="sampled", seed=1).dense().shape
        torch.Size([3, 3])
    """

    def __init__(
        self,
        risk: EmpiricalRisk,
        loader: Iterable[Any],
        labels: Literal["exact", "sampled"] = "exact",
        seed: int = 0,
    ) -> None:
        super().__init__(risk, loader)
        if labels not in {"exact", "sampled"}:
            raise InputError(f'labels must be "exact" or "sampled"; got {labels!r}')
        likelihood = likelihood_of(risk.loss)
        self._moments: GaussNewton | EmpiricalFisher
        if labels == "exact":
            self._moments = GaussNewton(risk, self.batches)
        else:
            linear = EmpiricalRisk(risk.model, inner_product, risk.names)
            self._moments = EmpiricalFisher(linear, self.batches)
            self._data = DrawnScores(self.batches, risk, likelihood, seed)

    def _n_columns(self) -> int:
        return self._moments._n_columns()

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        return self._moments._product(examples, vectors)

    def _matrix(self, examples: Examples) -> MatrixSum:
        return self._moments._matrix(examples)
