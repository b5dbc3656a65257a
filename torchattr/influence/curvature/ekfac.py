"""The Fisher matrix by its diagonal in the eigenbasis of Kronecker factors."""

from __future__ import annotations

from torchattr.influence.batches import Batches
from torchattr.influence.curvature.eigen_block import EigenBlock
from torchattr.influence.curvature.kronecker_factors import corrected
from torchattr.influence.curvature.kronecker_fisher import KroneckerFisher
from torchattr.influence.curvature.kronecker_layers import ModelLayers

__all__ = ["EKFAC"]


class EKFAC(KroneckerFisher):
    r"""The Fisher matrix with corrected eigenvalues in the basis of :class:`KFAC`.

    With the eigenvectors :math:`U_G` and :math:`U_A` of the factors, the block of a
    layer has in the basis :math:`U_G \otimes U_A` the diagonal that the exact Fisher
    block has:

    .. math:: \Lambda = \frac1N \sum_i \sum_k p_{ik} \,
        \bigl(U_G^\top \delta_{ik} a_i^\top U_A\bigr)^2

    elementwise. Among all matrices with these eigenvectors it is the closest to the
    Fisher block in the Frobenius norm, and it has the same trace.

    Args:
        risk: The model, the loss and the parameters, as for :class:`KFAC`.
        loader: The training examples: whatever :class:`Batches` takes.

    Note:
        Two passes over the data like that of :class:`KFAC`. See George et al., "Fast
        approximate natural gradient descent in a Kronecker-factored eigenbasis",
        arXiv:1806.03884 (2018).

    Example:
        >>> import torch
        >>> from torchattr.influence import EmpiricalRisk, Fisher
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 3), torch.nn.CrossEntropyLoss())
        >>> generator = torch.Generator().manual_seed(0)
        >>> data = torch.randn(9, 2, generator=generator), torch.arange(9) % 3
        >>> exact = Fisher(risk, data).dense().trace().item()
        >>> abs(EKFAC(risk, data).trace() / exact - 1) < 1e-4
        True
    """

    def _scaled(
        self, blocks: tuple[EigenBlock, ...], layers: ModelLayers, batches: Batches
    ) -> tuple[EigenBlock, ...]:
        return corrected(self.risk, layers, batches, blocks)
