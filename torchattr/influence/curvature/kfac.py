"""The Fisher matrix by Kronecker factors."""

from __future__ import annotations

from torchattr.influence.batches import Batches
from torchattr.influence.curvature.eigen_block import EigenBlock
from torchattr.influence.curvature.kronecker_fisher import KroneckerFisher
from torchattr.influence.curvature.kronecker_layers import ModelLayers

__all__ = ["KFAC"]


class KFAC(KroneckerFisher):
    r"""The Fisher matrix with a block :math:`G \otimes A` for each layer.

    A layer that maps :math:`a` to :math:`W a` has the gradient :math:`\delta a^\top`,
    with :math:`\delta` the gradient in its output. The factors are

    .. math:: A = \mathbb E [a a^\top], \qquad
        G = \mathbb E \Bigl[\sum_k p_k \, \delta_k \delta_k^\top\Bigr].

    The sum is over all labels :math:`k`, with the probabilities that the model gives
    them: it is the Fisher matrix, without sampling, and not the empirical one. It is
    exact for one example, and wherever inputs and output gradients are independent.

    - A bias is a column of :math:`W`, whose input is 1.
    - Convolutions see their unfolded inputs. Positions of a sequence or an image, and
      several uses of one layer, are treated as independent: :math:`A` is a mean over
      examples and positions, :math:`G` a mean over examples of sums over positions.
      This is exact where positions have nothing to do with each other, and are alike.
    - Groups of a convolution are layers of their own.
    - Other parameters, such as those of ``Embedding``, ``LayerNorm`` and
      ``MultiheadAttention``, have an exact dense block for each module.
    - Between layers there is nothing.

    The data are read when the object is made, and nothing of them is kept.

    Args:
        risk: The model, the loss and the parameters. The loss is a negative
            log-likelihood, ``CrossEntropyLoss``, ``NLLLoss``, ``BCEWithLogitsLoss`` or
            ``MSELoss``, or any that is convex in the outputs: then its Hessian there
            takes the place of the Fisher matrix.
        loader: The training examples: whatever :class:`Batches` takes.

    Raises:
        InputError: If a module has more than 16,000 parameters without Kronecker
            structure, the loss is no such, or the matrix is 0.

    Note:
        One pass over the data, with ``K`` backward passes, batched, for ``K`` outputs
        of an example; and eigendecompositions of a matrix ``(o, o)`` and one ``(i, i)``
        for each layer, and of a matrix ``(n, n)`` for a module with ``n`` parameters
        without structure: about 10 s on one core for 3,000 of them, and with the cube
        of their number. See Martens and Grosse, "Optimizing neural networks with
        Kronecker-factored approximate curvature", arXiv:1503.05671 (2015), and for
        convolutions Grosse and Martens, arXiv:1602.01407 (2016).

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
