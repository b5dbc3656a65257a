"""Which parts of the gradients of examples are by layers, and which are not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.layer_calls import LayerCall, recorded_layers

__all__ = ["RecordedLosses", "recorded_losses"]


@dataclass(frozen=True, eq=False)
class RecordedLosses:
    """Losses of examples, and what of their gradients the layers account for.

    Attributes:
        calls: Of layers whose first dimension is that of the examples.
        output_gradients: For each call, the gradient of each example's loss in its own
            part of the output.
        generic: Names of parameters that do more than to be in these calls.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
        >>> risk = EmpiricalRisk(model, torch.nn.MSELoss())
        >>> examples = risk.examples(torch.randn(5, 3), torch.ones(5, 3))
        >>> recorded = recorded_losses(risk, examples)
        >>> [call.weight for call in recorded.calls], recorded.generic
        (['0.weight'], ('1.weight', '1.bias'))
    """

    calls: tuple[LayerCall, ...]
    output_gradients: tuple[Tensor, ...]
    generic: tuple[str, ...]


def recorded_losses(risk: EmpiricalRisk, examples: Examples) -> RecordedLosses:
    """The layer calls of a model on examples, sorted from what is not by layers.

    A call is right if the gradient of an example's loss in the call's output lies in
    the example's own row. This is seen by a second backward pass, of losses with
    weights: each row has to have the weight of its example.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.

    Returns:
        Calls that are right, their gradients, and parameters in none but these.
    """
    leaves = {
        name: tensor.clone().requires_grad_()
        for name, tensor in risk.parameters().items()
    }
    with torch.enable_grad():
        outputs, calls = recorded_layers(risk, leaves, examples.inputs)
        losses = risk.output_losses(outputs, examples.targets)
    if not losses.requires_grad:
        return RecordedLosses((), (), ())
    at_outputs = [call.output for call in calls]
    found = torch.autograd.grad(
        losses.sum(),
        [*at_outputs, *leaves.values()],
        allow_unused=True,
        retain_graph=True,
    )
    elsewhere = found[len(calls) :]
    used = [
        (call, gradient)
        for call, gradient in zip(calls, found, strict=False)
        if gradient is not None
    ]
    right = _in_own_rows(losses, used)
    generic = {n for n, g in zip(leaves, elsewhere, strict=True) if g is not None}
    for (call, _), is_right in zip(used, right, strict=True):
        if not is_right:
            generic |= {call.weight, call.bias or call.weight}
    kept = [
        pair
        for pair, is_right in zip(used, right, strict=True)
        if is_right and not generic.issuperset({pair[0].weight, pair[0].bias})
    ]
    return RecordedLosses(
        tuple(call for call, _ in kept),
        tuple(gradient for _, gradient in kept),
        tuple(name for name in risk.names if name in generic),
    )


def _in_own_rows(
    losses: Tensor, used: Sequence[tuple[LayerCall, Tensor]]
) -> list[bool]:
    """Whether row ``b`` of each gradient is the doing of example ``b`` alone."""
    n_examples = len(losses)
    fits = [len(call.output) == n_examples for call, _ in used]
    tested = [pair for pair, is_fit in zip(used, fits, strict=True) if is_fit]
    if not tested or n_examples == 1:
        return fits
    weights = _powers_of_two(losses)
    outputs = [call.output for call, _ in tested]
    weighted = torch.autograd.grad(losses @ weights, outputs)
    errors = [
        _largest_error(gradient, other, weights)
        for (_, gradient), other in zip(tested, weighted, strict=True)
    ]
    verdicts = iter((torch.stack(errors) <= 1).tolist())
    return [is_fit and next(verdicts) for is_fit in fits]


def _powers_of_two(losses: Tensor) -> Tensor:
    """Weights that commute with rounding, in a random order; few examples share one."""
    largest = int(math.log2(torch.finfo(losses.dtype).max) / 6)
    generator = torch.Generator().manual_seed(0)
    places = torch.randperm(len(losses), generator=generator)
    exponents = places * (2 * largest + 1) // len(losses) - largest
    return torch.ldexp(torch.ones_like(losses), exponents.to(losses.device))


def _largest_error(gradient: Tensor, weighted: Tensor, weights: Tensor) -> Tensor:
    """The largest error of a row, as a multiple of what rounding may do."""
    rows = gradient.flatten(1)
    scaled = weighted.flatten(1) / weights.unsqueeze(1)
    sizes = torch.linalg.vector_norm(rows, dim=1)
    eps = torch.finfo(rows.dtype).eps
    allowed = eps**0.4 * sizes + eps**0.75 * sizes.max()
    errors = torch.linalg.vector_norm(scaled - rows, dim=1)
    worst: Tensor = (errors / allowed.clamp_min(torch.finfo(rows.dtype).tiny)).max()
    return worst
