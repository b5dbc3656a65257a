"""Fisher matrices that are block diagonal by layer, each block in its eigenbasis."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.batches import Batches
from torchattr.influence.curvature.eigen_block import EigenBlock
from torchattr.influence.curvature.kronecker_factors import factored
from torchattr.influence.curvature.kronecker_layers import ModelLayers, found_layers
from torchattr.influence.curvature.risk_operator import RiskOperator
from torchattr.influence.empirical_risk import EmpiricalRisk

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KroneckerFisher"]


class KroneckerFisher(RiskOperator):
    r"""A Fisher matrix, block diagonal by layer, with :math:`U = U_G \otimes U_A`.

    The block of a layer is :math:`U \Lambda U^\top`, with the eigenvectors of the two
    factors that :class:`KFAC` defines; those of other parameters are exact. A subclass
    says what :math:`\Lambda` is. The data are read when the object is made, and nothing
    of them is kept.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Attributes:
        risk: The risk.

    Raises:
        InputError: If a module has more than 16,000 parameters without Kronecker
            structure, the loss is not convex in the outputs, or the matrix is 0.

    Example:
        >>> from torchattr.influence import KFAC
        >>> issubclass(KFAC, KroneckerFisher)
        True
    """

    def __init__(self, risk: EmpiricalRisk, loader: Iterable[Any]) -> None:
        super().__init__(risk)
        batches = (
            loader.restricted(risk)
            if isinstance(loader, Batches)
            else Batches(loader, risk)
        )
        with risk.evaluating():
            layers = found_layers(risk, next(iter(batches)))
            blocks = factored(risk, layers, batches)
            self._blocks = self._scaled(blocks, layers, batches)
        if self.trace() == 0:
            raise InputError(
                "the Fisher matrix is 0: the loss is linear in the model's outputs, or "
                "the outputs do not depend on the parameters"
            )

    @abstractmethod
    def _scaled(
        self, blocks: tuple[EigenBlock, ...], layers: ModelLayers, batches: Batches
    ) -> tuple[EigenBlock, ...]:
        """Blocks in the same bases, with the eigenvalues that they shall have."""

    @classmethod
    def by_block(
        cls, risks: Mapping[str, EmpiricalRisk], batches: Batches
    ) -> dict[str, Self]:
        """One operator for each block of parameters.

        Args:
            risks: Of each block.
            batches: The training examples.

        Returns:
            Operators by block, from the same passes over the data unless a module has
            parameters in two blocks.
        """
        modules = [
            {name.rpartition(".")[0] for name in risk.names} for risk in risks.values()
        ]
        if len(set().union(*modules)) < sum(map(len, modules)):
            return {block: cls(risk, batches) for block, risk in risks.items()}
        first = next(iter(risks.values()))
        names = [name for risk in risks.values() for name in risk.names]
        whole = cls(first.restricted(names), batches)
        return {block: whole.restricted(risk) for block, risk in risks.items()}

    def _multiplied(self, columns: Tensor) -> Tensor:
        """From what is held."""
        return self.applied(columns.T, _identity).T

    def applied(self, vectors: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        r"""Products with a function of the matrix, :math:`U f(\Lambda) U^\top`.

        Args:
            vectors: ``(R, P)``.
            function: :math:`f`; called with the eigenvalues of one layer at a time, a
                tensor of any shape.

        Returns:
            ``(R, P)``.
        """
        parts = self.risk.unflatten(vectors)
        products: dict[str, Tensor] = {}
        for block in self._blocks:
            products |= block.applied(parts, function)
        return self.risk.flatten(products)

    def dense(self) -> Tensor:
        """The matrix, ``(P, P)``."""
        identity = torch.eye(self.shape[0], dtype=self.dtype, device=self.device)
        return self @ identity

    def trace(self) -> float:
        """Sum of the eigenvalues."""
        sums = [block.eigenvalues.double().sum() for block in self._blocks]
        return float(torch.stack(sums).sum())

    def eigenvalues(self) -> Tensor:
        """All eigenvalues, ``(P,)``, in no order."""
        return torch.cat([block.eigenvalues.flatten() for block in self._blocks])

    def restricted(self, risk: EmpiricalRisk) -> Self:
        """The same matrix for fewer parameters; nothing is computed.

        Args:
            risk: Of fewer parameters, whole layers of them.

        Returns:
            An operator that shares what is held.

        Raises:
            InputError: If it has a part of a layer.
        """
        other = copy(self)
        other.risk = risk
        names = set(risk.names)
        other._blocks = tuple(b for b in self._blocks if names.issuperset(b.names))
        missing = names.difference(*(block.names for block in other._blocks))
        if missing:
            raise InputError(
                f"{sorted(missing)} are not whole layers; a layer's weight and bias "
                "belong to one block"
            )
        return other

    def to(self, device: torch.device | str) -> Self:
        """Move what is held to a device (the model is moved by its owner).

        Args:
            device: Where to.

        Returns:
            This object.
        """
        self._blocks = tuple(block.to(device) for block in self._blocks)
        return self


def _identity(eigenvalues: Tensor) -> Tensor:
    return eigenvalues
