"""Square roots of the Fisher matrix in a model's outputs: one term for each label."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchattr.errors import InputError
from torchattr.influence.curvature.likelihood import (
    Categorical,
    Likelihood,
    likelihood_of,
)
from torchattr.influence.curvature.output_hessians import output_hessians
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["output_fisher_roots"]


def output_fisher_roots(
    risk: EmpiricalRisk, outputs: Tensor, targets: Tensor
) -> Tensor:
    r"""Vectors whose outer products sum to the Fisher matrix in the outputs.

    For cross-entropy with probabilities :math:`p`, the label :math:`k` has the gradient
    :math:`p - e_k`, and

    .. math:: \sum_k p_k (e_k - p)(e_k - p)^\top = \mathrm{diag}(p) - p p^\top,

    so that there is one vector :math:`\sqrt{p_k} (e_k - p)` for each label, and each
    position if the outputs have several. Likewise for the losses of :class:`Fisher`,
    whose weights and means scale the matrix as they scale the loss; and for
    ``NLLLoss``, with :math:`\mathrm{diag}(p)` in the log-probabilities. Of every other
    loss the Hessian in the outputs is taken, which must not be negative.

    Args:
        risk: Whose loss.
        outputs: ``(B, *out)``.
        targets: Those of the same examples.

    Returns:
        ``(K, B, *out)``; ``K`` is the number of outputs of an example.

    Raises:
        InputError: If the loss is none of these, and not convex in the outputs.

    Example:
        >>> risk = EmpiricalRisk(nn.Linear(1, 2), nn.CrossEntropyLoss())
        >>> roots = output_fisher_roots(risk, torch.zeros(1, 2), torch.tensor([0]))
        >>> torch.einsum("kbi,kbj->bij", roots, roots)
        tensor([[[ 0.2500, -0.2500],
                 [-0.2500,  0.2500]]])
    """
    outputs = outputs.detach()
    loss = nn.NLLLoss() if risk.loss is F.nll_loss else risk.loss
    if isinstance(loss, nn.NLLLoss):
        return _of_log_probabilities(loss, outputs, targets)
    likelihood = _known(risk, outputs, targets)
    if likelihood is None:
        return _of_any_loss(risk, outputs, targets)
    return likelihood.roots(outputs, targets)


def _known(risk: EmpiricalRisk, outputs: Tensor, targets: Tensor) -> Likelihood | None:
    """The likelihood, unless it is unknown or outputs are broadcast to targets."""
    try:
        likelihood = likelihood_of(risk.loss)
    except InputError:
        return None
    if isinstance(likelihood, Categorical):
        return likelihood if outputs.ndim > 1 else None
    return likelihood if outputs.numel() == targets.numel() else None


def _of_log_probabilities(loss: nn.NLLLoss, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss is linear in these: it has no Hessian, but a Fisher matrix."""
    classes = Categorical(loss.reduction == "mean", loss.weight, loss.ignore_index)
    amounts = classes.amounts(targets, outputs.shape[1], outputs.dtype)
    sizes = (outputs.exp() * amounts.unsqueeze(1)).sqrt().flatten(1)
    return torch.diag_embed(sizes).movedim(1, 0).reshape(-1, *outputs.shape)


def _of_any_loss(risk: EmpiricalRisk, outputs: Tensor, targets: Tensor) -> Tensor:
    """From the Hessian in the outputs, by its eigenvectors."""
    hessians = output_hessians(risk, outputs, targets).double()
    values, vectors = torch.linalg.eigh((hessians + hessians.mT) / 2)
    # Where a prediction is certain, differences of ones leave nothing but rounding.
    noise = 1e-6 * values.abs().amax() + 100 * torch.finfo(outputs.dtype).eps
    if bool((values < -noise).any()):
        raise InputError(
            "a Kronecker-factored Fisher matrix needs a loss that is convex in the "
            "outputs; this one is neither a known likelihood (CrossEntropyLoss, "
            "NLLLoss, BCEWithLogitsLoss, MSELoss) nor convex. Use DirectInfluence or "
            "CgInfluence with the Hessian"
        )
    roots: Tensor = vectors * values.clamp(min=0).sqrt().unsqueeze(1)
    return roots.movedim(2, 0).reshape(-1, *outputs.shape).to(outputs.dtype)
