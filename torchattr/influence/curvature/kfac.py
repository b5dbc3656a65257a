"""The Fisher matrix by Kronecker factors."""

from __future__ import annotations

from torchattr.influence.batches import Batches
from torchattr.influence.curvature.eigen_block import EigenBlock
from torchattr.influence.curvature.kronecker_fisher import KroneckerFisher
from torchattr.influence.curvature.kronecker_layers import ModelLayers

__all__ = ["KFAC"]


class KFAC(KroneckerFisher):
    r"""The Fisher matrix with a block :math:`G \otimes A` for each layer.

    As :class:`KroneckerFisher`, where :math:`\Lambda` is the outer product of the
    eigenvalues of the factors. It is exact for one example, and wherever inputs and
    output gradients are independent.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Note:
        One pass over the data.

    Example:
        >>> import torch
        >>> from torchattr.influence import EmpiricalRisk
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> KFAC(risk, (torch.tensor([[3.0]]), torch.zeros(1, 1))).dense()
        tensor([[18.0000,  6.0000],
                [ 6.0000,  2.0000]])
    """

    def _scaled(
        self, blocks: tuple[EigenBlock, ...], layers: ModelLayers, batches: Batches
    ) -> tuple[EigenBlock, ...]:
        return blocks
