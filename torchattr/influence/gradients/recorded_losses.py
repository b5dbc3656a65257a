"""Which parts of the gradients of examples are by layers, and which are not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd.graph import disable_saved_tensors_hooks

from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.layer_calls import (
    CHECKPOINTED,
    LayerCall,
    LayerRecorder,
)

__all__ = ["RecordedLosses", "recorded_losses"]

#: What was found, for as long as the risk lives; a copy finds it again.
_VERDICTS: WeakKeyDictionary[EmpiricalRisk, dict[object, tuple[bool, ...]]]
_VERDICTS = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class RecordedLosses:
    """Losses of examples, and what of their gradients the layers account for.

    Attributes:
        calls: Of layers whose first dimension is that of the examples.
        output_gradients: For each call, the gradient of each example's loss in its own
            part of the output.
        generic: Names of parameters that do more than to be in these calls. A call may
            name such a parameter: then it is not all that there is of it.

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
    weights: each row has to have the weight of its example. Where nothing in the
    model depends on values, this is done once for calls of the same shapes.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.

    Returns:
        Calls that are right, their gradients, and the parameters they do not explain.

    Raises:
        RuntimeError: If the model does.
    """
    leaves = {
        name: tensor.clone().requires_grad_()
        for name, tensor in risk.parameters().items()
    }
    with torch.enable_grad():
        recorder = LayerRecorder(leaves)
        try:
            with disable_saved_tensors_hooks(CHECKPOINTED), recorder:
                outputs = risk.outputs(leaves, examples.inputs)
        except RuntimeError as error:
            if CHECKPOINTED not in str(error):
                raise
            return RecordedLosses((), (), risk.names)
        losses = risk.output_losses(outputs, examples.targets)
        total = losses.sum()
    if not losses.requires_grad:  # no parameter has to do with it
        return RecordedLosses((), (), ())
    calls = recorder.calls
    tensors = [*(call.output for call in calls), *leaves.values()]
    found = torch.autograd.grad(total, tensors, allow_unused=True, retain_graph=True)
    used = [
        (call, gradient)
        for call, gradient in zip(calls, found, strict=False)
        if gradient is not None
    ]
    elsewhere = zip(leaves, found[len(calls) :], strict=True)
    generic = {name for name, gradient in elsewhere if gradient is not None}
    right = _verdicts(risk, losses, used, is_lasting=not recorder.may_branch)
    for (call, _), is_right in zip(used, right, strict=True):
        if not is_right:
            generic |= {call.weight, call.bias or call.weight}
    kept = [pair for pair, is_right in zip(used, right, strict=True) if is_right]
    return RecordedLosses(
        tuple(call.without_graph() for call, _ in kept),
        tuple(gradient for _, gradient in kept),
        tuple(name for name in risk.names if name in generic),
    )


def _verdicts(
    risk: EmpiricalRisk,
    losses: Tensor,
    used: Sequence[tuple[LayerCall, Tensor]],
    *,
    is_lasting: bool,
) -> tuple[bool, ...]:
    """Which calls are right: what was found before for calls of the same shapes."""
    if not is_lasting:
        return _in_own_rows(losses, used)
    shapes = tuple(
        (call.weight, call.input.shape, call.output.shape) for call, _ in used
    )
    known = _VERDICTS.setdefault(risk, {})
    key = (len(losses), shapes)
    if key not in known:
        known[key] = _in_own_rows(losses, used)
    return known[key]


def _in_own_rows(
    losses: Tensor, used: Sequence[tuple[LayerCall, Tensor]]
) -> tuple[bool, ...]:
    """Whether row ``b`` of each gradient is the doing of example ``b`` alone."""
    n_examples = len(losses)
    groups = {call.weight: call.groups for call, _ in used}
    fits = [
        len(call.output) == n_examples and call.groups == groups[call.weight]
        for call, _ in used
    ]
    tested = [pair for pair, is_fit in zip(used, fits, strict=True) if is_fit]
    if not tested or n_examples == 1:
        return tuple(fits)
    weights = _powers_of_two(losses)
    outputs = [call.output for call, _ in tested]
    weighted = torch.autograd.grad(losses, outputs, weights)
    errors = [
        _largest_error(gradient, other, weights)
        for (_, gradient), other in zip(tested, weighted, strict=True)
    ]
    verdicts = iter((torch.stack(errors) <= 1).tolist())
    return tuple(is_fit and next(verdicts) for is_fit in fits)


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
