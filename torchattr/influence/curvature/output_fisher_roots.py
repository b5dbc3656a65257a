"""Square roots of the Fisher matrix in a model's outputs: one term for each label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchattr.errors import InputError
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
    position if the outputs have several. Likewise for the other losses that are
    negative log-likelihoods: ``NLLLoss`` (:math:`\mathrm{diag}(p)` in the
    log-probabilities), ``BCEWithLogitsLoss`` (:math:`p (1 - p)`) and ``MSELoss`` (a
    Gaussian of variance 1/2). Class weights, smoothing, ignored labels and the mean
    over the outputs of an example scale the Fisher matrix as they scale the loss; it is
    the Hessian of the loss in the outputs, except for ``NLLLoss``. Of every other loss
    this Hessian is taken, which must not be negative.

    Args:
        risk: Whose loss.
        outputs: ``(B, *out)``.
        targets: Those of the same examples.

    Returns:
        ``(K, B, *out)``; ``K`` is the number of outputs of an example.

    Raises:
        InputError: If the outputs are no tensor, or the loss is neither of these nor
            convex in the outputs.

    Example:
        >>> risk = EmpiricalRisk(nn.Linear(1, 2), nn.CrossEntropyLoss())
        >>> roots = output_fisher_roots(risk, torch.zeros(1, 2), torch.tensor([0]))
        >>> torch.einsum("kbi,kbj->bij", roots, roots)
        tensor([[[ 0.2500, -0.2500],
                 [-0.2500,  0.2500]]])
    """
    if not isinstance(outputs, Tensor):
        raise InputError(
            "the model must return a tensor for its Fisher matrix to be known; got "
            f"{type(outputs).__name__}. Wrap it in a module that returns the logits"
        )
    outputs = outputs.detach()
    loss = _MODULES[risk.loss]() if risk.loss in _MODULES else risk.loss
    known = _ROOTS.get(type(loss))
    roots = known(loss, outputs, targets) if known else None
    return _of_any_loss(risk, outputs, targets) if roots is None else roots


def _of_cross_entropy(loss: Any, outputs: Tensor, targets: Tensor) -> Tensor | None:
    if outputs.ndim < 2:
        return None
    probabilities = outputs.softmax(1)
    n_classes = outputs.shape[1]
    # (C, B, C, *positions): e_k - p for each k.
    labels = _identity(n_classes, outputs).reshape(
        n_classes, 1, n_classes, *[1] * (outputs.ndim - 2)
    )
    sizes = probabilities.movedim(1, 0) * _scales(loss, outputs, targets)
    return _by_position(sizes.sqrt().unsqueeze(2) * (labels - probabilities))


def _of_log_probabilities(loss: Any, outputs: Tensor, targets: Tensor) -> Tensor | None:
    if outputs.ndim < 2:
        return None
    sizes = outputs.exp() * _scales(loss, outputs, targets).unsqueeze(1)
    return _diagonal(sizes)


def _of_logits(loss: Any, outputs: Tensor, targets: Tensor) -> Tensor | None:
    if targets.shape != outputs.shape or loss.weight is not None:
        return None
    sizes = outputs.sigmoid() * (-outputs).sigmoid()
    if loss.pos_weight is not None:
        sizes *= 1 + (loss.pos_weight - 1) * targets
    return _diagonal(sizes / _averaged(loss, outputs))


def _of_squares(loss: Any, outputs: Tensor, targets: Tensor) -> Tensor | None:
    if targets.numel() != outputs.numel():  # broadcast, so that outputs count twice
        return None
    sizes = torch.full_like(outputs, 2.0)
    return _diagonal(sizes / _averaged(loss, outputs))


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


def _scales(loss: Any, outputs: Tensor, targets: Tensor) -> Tensor:
    """What the loss of each position is multiplied with, ``(B, *positions)``."""
    n_classes = outputs.shape[1]
    weights = outputs.new_ones(n_classes) if loss.weight is None else loss.weight
    smoothing = loss.label_smoothing if isinstance(loss, nn.CrossEntropyLoss) else 0.0
    if targets.is_floating_point():
        smoothed = (1 - smoothing) * targets + smoothing / n_classes
        scales = torch.tensordot(smoothed.movedim(1, -1), weights, 1)
        total = torch.full_like(scales, float(scales[0].numel()))
    else:
        counted = (targets != loss.ignore_index).to(outputs.dtype)
        own = weights[targets.clamp(min=0, max=n_classes - 1)] * counted
        scales = (1 - smoothing) * own + smoothing * weights.mean() * counted
        total = own.reshape(len(own), -1).sum(1)
        total = total.reshape(-1, *[1] * (own.ndim - 1))
    averaged: Tensor = scales / total if loss.reduction == "mean" else scales
    return averaged


def _averaged(loss: Any, outputs: Tensor) -> int:
    return outputs[0].numel() if loss.reduction == "mean" else 1


def _diagonal(sizes: Tensor) -> Tensor:
    """One vector for each output, of that output alone."""
    flat = sizes.sqrt().reshape(len(sizes), -1)
    return torch.diag_embed(flat).movedim(1, 0).reshape(-1, *sizes.shape)


def _by_position(roots: Tensor) -> Tensor:
    """``(C, B, C, *positions)`` as ``(C * S, B, C, *positions)``, a position each."""
    n_positions = roots.shape[3:].numel()
    if n_positions == 1:
        return roots
    own = _identity(n_positions, roots)[:, None, None, :]
    return (roots.flatten(3).unsqueeze(1) * own).reshape(-1, *roots.shape[1:])


def _identity(size: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)


_MODULES: dict[Any, Callable[[], nn.Module]] = {
    F.cross_entropy: nn.CrossEntropyLoss,
    F.nll_loss: nn.NLLLoss,
    F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss,
    F.mse_loss: nn.MSELoss,
}
_ROOTS: dict[type, Callable[[Any, Tensor, Tensor], Tensor | None]] = {
    nn.CrossEntropyLoss: _of_cross_entropy,
    nn.NLLLoss: _of_log_probabilities,
    nn.BCEWithLogitsLoss: _of_logits,
    nn.MSELoss: _of_squares,
}
