"""Derivatives of examples in the pre-activations of a model's layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.layer_plan import LayerPlan
from torchattr.influence.curvature.layer_terms import LayerFactors
from torchattr.influence.curvature.output_hessians import flat_outputs, output_hessians
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.layer_calls import LayerCall, recorded_layers

__all__ = ["FactorsOf", "gauss_newton_factors", "hessian_factors"]

#: What makes factors of a risk, examples and a plan; ``None`` if the plan does not fit.
FactorsOf = Callable[[EmpiricalRisk, Examples, LayerPlan], LayerFactors | None]


def hessian_factors(
    risk: EmpiricalRisk, examples: Examples, plan: LayerPlan
) -> LayerFactors | None:
    """The factors of the Hessian: second derivatives of the loss.

    Each pre-activation is taken as a variable that adds to what the layers before it
    give. Differentiating the loss in the tensors of one forward pass does just that.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.
        plan: The layers.

    Returns:
        The factors, or ``None`` if the model did not call the layers as planned.
    """
    outputs, recorded = recorded_layers(risk, risk.parameters(), examples.inputs)
    calls = plan.calls_of(recorded, len(examples))
    if calls is None:
        return None
    places = [call.output for call in calls]
    with torch.enable_grad():
        total = risk.output_losses(outputs, examples.targets).sum()
        parts = torch.autograd.grad(
            total, places, create_graph=True, materialize_grads=True
        )
        gradients = _joined(calls, parts)
        slopes = {
            (later, earlier): slope
            for later in range(1, len(calls))
            for earlier, slope in enumerate(_slopes(calls[later], calls[:later]))
            if slope is not None
        }
        curvature = _jacobian(gradients, calls)
    return LayerFactors(
        _rows(calls), curvature, gradients.detach().T.contiguous(), slopes
    )


def gauss_newton_factors(
    risk: EmpiricalRisk, examples: Examples, plan: LayerPlan
) -> LayerFactors | None:
    """The factors of the Gauss-Newton matrix: the loss's curvature in the outputs.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.
        plan: The layers.

    Returns:
        The factors, or ``None`` if the model did not call the layers as planned.
    """
    outputs, recorded = recorded_layers(risk, risk.parameters(), examples.inputs)
    calls = plan.calls_of(recorded, len(examples))
    if calls is None:
        return None
    with torch.enable_grad():
        jacobian = _jacobian(flat_outputs(outputs), calls)  # (C, Z, B)
    inner = output_hessians(risk, outputs, examples.targets)
    jacobian = jacobian.permute(2, 0, 1)
    curvature = jacobian.mT @ (inner @ jacobian)
    gradients = curvature.new_zeros(curvature.shape[1], len(examples))
    return LayerFactors(
        _rows(calls), curvature.permute(1, 2, 0).contiguous(), gradients, {}
    )


def _jacobian(values: Tensor, calls: Sequence[LayerCall]) -> Tensor:
    """Derivatives of ``(B, V)`` in all pre-activations, ``(V, Z, B)``."""
    places = [call.output for call in calls]
    if not values.requires_grad:
        parts: Sequence[Tensor] = [torch.zeros_like(place)[None] for place in places]
        parts = [part.expand(values.shape[1], *part.shape[1:]) for part in parts]
    else:
        parts = torch.autograd.grad(
            values,
            places,
            _one_hot(values),
            is_grads_batched=True,
            materialize_grads=True,
            retain_graph=True,
        )
    return _joined(calls, parts).detach().mT.contiguous()


def _slopes(later: LayerCall, before: Sequence[LayerCall]) -> Sequence[Tensor | None]:
    """Derivatives of a layer's input in earlier pre-activations, ``(i, o, B)``."""
    rows = later.input
    if later.windows is not None:
        rows = later.windows.rows(rows)
    rows = rows.flatten(1)
    if not rows.requires_grad:
        return [None] * len(before)
    parts = torch.autograd.grad(
        rows,
        [call.output for call in before],
        _one_hot(rows),
        is_grads_batched=True,
        allow_unused=True,
        retain_graph=True,
    )
    return [
        None if part is None else _joined([call], [part]).mT
        for call, part in zip(before, parts, strict=True)
    ]


def _one_hot(values: Tensor) -> Tensor:
    n_examples, size = values.shape
    identity = torch.eye(size, dtype=values.dtype, device=values.device)
    return identity[:, None].expand(size, n_examples, size)


def _joined(calls: Sequence[LayerCall], parts: Sequence[Tensor]) -> Tensor:
    """What is of the shapes of outputs side by side, ``(*lead, B, Z)``."""
    flat = [
        call.positions(part).squeeze(-2)
        for call, part in zip(calls, parts, strict=True)
    ]
    return torch.cat(flat, -1)


def _rows(calls: Sequence[LayerCall]) -> list[Tensor]:
    """Inputs, with ones below for a bias, ``(i + 1, B)``."""
    return [
        torch.cat([rows, torch.ones_like(rows[:1])]) if call.bias is not None else rows
        for call in calls
        for rows in [call.rows().squeeze(1).T.contiguous()]
    ]
