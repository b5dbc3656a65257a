"""Refusing models whose examples have no loss of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["check_model"]


def check_model(risk: EmpiricalRisk, examples: Examples) -> None:
    """Check, with a few examples, that the loss of an example is a function of it.

    Args:
        risk: The model and the loss, in eval mode.
        examples: Some examples; the first few are looked at.

    Raises:
        InputError: If a loss is not finite, differs between two passes, or depends on
            the other examples of the batch.
    """
    few = examples.map(lambda tensor: tensor[:3])
    parameters = risk.parameters()
    with torch.no_grad():
        together = risk.losses(parameters, few)
        _check_finite(together)
        if not _close(risk.losses(parameters, few), together):
            raise InputError("the model is random in eval mode")
        alone = torch.cat(
            [risk.losses(parameters, few.map(lambda t, i=i: t[i : i + 1])) for i in range(len(few))]
        )
    if not _close(alone, together):
        raise InputError("the loss of an example depends on the others in its batch")


def _check_finite(losses: Tensor) -> None:
    if not bool(losses.isfinite().all()):
        raise InputError("the training loss is not finite")


def _close(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found, expected, rtol=1e-3, atol=1e-5))
