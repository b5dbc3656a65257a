"""What makes an iteration need fewer steps: about the inverse, and cheap."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.influence.curvature.curvature import LinearOperator

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Preconditioner", "PreparedPreconditioner"]


class Preconditioner(ABC):
    """A way to make preconditioners; one object serves any number of curvatures.

    Example:
        >>> from torchattr.influence import JacobiPreconditioner
        >>> JacobiPreconditioner().prepare(torch.eye(2)).solve(torch.ones(1, 2), 1.0)
        tensor([[0.5000, 0.5000]])
    """

    @abstractmethod
    def prepare(self, curvature: LinearOperator) -> PreparedPreconditioner:
        """Read what is needed of a curvature, once for every regularization.

        Args:
            curvature: Any symmetric operator.

        Returns:
            The preconditioner of this curvature.
        """


class PreparedPreconditioner(ABC):
    """About the inverse of a curvature with regularization; symmetric and positive.

    Example:
        >>> from torchattr.influence import NystroemPreconditioner
        >>> prepared = NystroemPreconditioner(2).prepare(torch.ones(2, 2))
        >>> prepared.solve(torch.ones(1, 2), 1.0)
        tensor([[0.3333, 0.3333]])
    """

    @abstractmethod
    def solve(self, vectors: Tensor, regularization: float) -> Tensor:
        """Vectors times about the inverse, up to a factor that all share.

        Args:
            vectors: ``(R, P)``.
            regularization: What is added to the diagonal.

        Returns:
            ``(R, P)``.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """Move what is held to a device.

        Args:
            device: Where to.

        Returns:
            This object.
        """
