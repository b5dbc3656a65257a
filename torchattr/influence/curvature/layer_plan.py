"""Which layers of a model have their curvature by structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.chunk_sizes import saved_elements
from torchattr.influence.curvature.layer_terms import LayerSlot
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.layer_calls import LayerCall, recorded_layers

__all__ = ["LayerPlan", "layer_plan"]

#: Elements of the curvature in the pre-activations of one example, at most.
_LARGEST_SQUARE = 2**22


@dataclass(frozen=True)
class LayerPlan:
    """The calls of layers whose weights have their curvature by structure.

    Attributes:
        names: Of the weight and bias of each call, in the order of the calls.
        slots: Where they are among all parameters.
        remaining: Positions of all other parameters.
        elements: How many numbers are kept for an example.

    Example:
        >>> LayerPlan((), (), (0, 1), 1).calls_of([], 1)
        []
    """

    names: tuple[tuple[str, str | None], ...]
    slots: tuple[LayerSlot, ...]
    remaining: tuple[int, ...]
    elements: int

    def emptied(self) -> LayerPlan:
        """The plan that takes no layer by structure."""
        covered = [range(w.start, w.stop) for s in self.slots for w, _ in s.parts()]
        positions = {*self.remaining, *(p for part in covered for p in part)}
        return LayerPlan((), (), tuple(sorted(positions)), 1)

    def calls_of(
        self, calls: Sequence[LayerCall], n_examples: int
    ) -> list[LayerCall] | None:
        """Those of the calls that are in the plan.

        Args:
            calls: All that were recorded.
            n_examples: How many examples there were.

        Returns:
            The calls, or ``None`` if the model did not make them as planned.
        """
        weights = {weight for weight, _ in self.names}
        found = [call for call in calls if call.weight in weights]
        as_planned = tuple((call.weight, call.bias) for call in found) == self.names
        if as_planned and all(_is_simple(call, n_examples) for call in found):
            return found
        return None


def layer_plan(risk: EmpiricalRisk, examples: Examples) -> LayerPlan:
    """Choose layers whose curvature is cheaper by structure than by products.

    These are layers that are applied once to each example, not at many positions,
    and have parameters that are used in no other way; all of them, if they have fewer
    inputs and outputs than weights.

    Args:
        risk: The model, the loss and the parameters.
        examples: A few.

    Returns:
        The plan.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(3, 2), torch.nn.CrossEntropyLoss())
        >>> examples = risk.examples(torch.ones(5, 3), torch.zeros(5, dtype=torch.long))
        >>> layer_plan(risk, examples).names
        (('weight', 'bias'),)
    """
    calls = _separate_calls(risk, examples)
    slots = [_slot(risk, call) for call in calls]
    n_outputs = sum(slot.n_outputs for slot in slots)
    n_slopes = sum(slot.n_inputs for slot in slots[1:])
    index = torch.ones(risk.n_parameters, dtype=torch.bool)
    for slot in slots:
        for where, _ in slot.parts():
            index[where] = False
    covered = risk.n_parameters - int(index.sum())
    plan = LayerPlan(
        tuple((call.weight, call.bias) for call in calls),
        tuple(slots),
        tuple(index.nonzero().flatten().tolist()),
        # The graph for each derivative, curvature three times over, and products of
        # the inputs of two layers.
        saved_elements(risk, examples) * (n_outputs + n_slopes)
        + 3 * n_outputs**2
        + max((slot.n_rows for slot in slots), default=1) ** 2,
    )
    worthwhile = n_outputs + n_slopes <= covered and n_outputs**2 <= _LARGEST_SQUARE
    return plan if worthwhile else plan.emptied()


def _separate_calls(risk: EmpiricalRisk, examples: Examples) -> list[LayerCall]:
    """Calls that account for all that their parameters do."""
    parameters = {
        name: tensor.clone().requires_grad_()
        for name, tensor in risk.parameters().items()
    }
    with torch.enable_grad():
        outputs, calls = recorded_layers(risk, parameters, examples.inputs)
        total = risk.output_losses(outputs, examples.targets).sum()
    left: Sequence[Tensor | None] = [None] * len(parameters)
    if total.requires_grad:
        left = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    used = {n for n, rest in zip(parameters, left, strict=True) if rest is not None}
    size = -1
    while len(used) > size:  # a bias may be shared with a layer that is left out
        size = len(used)
        for call in calls:
            names = {name for name in (call.weight, call.bias) if name is not None}
            if names & used or not _is_simple(call, len(examples)):
                used |= names
    return [call for call in calls if call.weight not in used]


def _is_simple(call: LayerCall, n_examples: int) -> bool:
    output = call.output
    return (
        len(call.input) == len(output) == n_examples
        and call.groups == 1
        and output.numel() == n_examples * call.positions(output).shape[-1]
    )


def _slot(risk: EmpiricalRisk, call: LayerCall) -> LayerSlot:
    starts = dict(zip(risk.names, [0, *_cumulated(risk.sizes)], strict=False))
    shape = risk.shapes[risk.names.index(call.weight)]
    bias = None if call.bias is None else starts[call.bias]
    return LayerSlot(shape[0], shape[1:].numel(), starts[call.weight], bias)


def _cumulated(sizes: Sequence[int]) -> list[int]:
    return torch.tensor(sizes).cumsum(0).tolist()
