"""Which parameters of a model have curvature with Kronecker structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.curvature.batched_gradients import batched_gradients
from torchattr.influence.curvature.chunk_sizes import saved_elements
from torchattr.influence.curvature.kronecker_layer import KroneckerLayer
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.layer_calls import LayerCall, recorded_layers

__all__ = ["MAX_DENSE", "ModelLayers", "found_layers"]

#: The most parameters of a module without Kronecker structure: 2 GB in its matrix.
MAX_DENSE = 16_000
#: Examples on which the structure is checked.
_CHECKED = 2


@dataclass(frozen=True)
class ModelLayers:
    """The parameters of a model, by the structure of their curvature.

    Attributes:
        kronecker: Those with Kronecker structure.
        dense: Names of the others, those of a module together.
        n_outputs: Numbers that an example has in outputs of the model.
        n_held: The same, with what automatic differentiation keeps and the inputs and
            outputs of the layers.

    Example:
        >>> ModelLayers((), (("weight", "bias"),), 10, 64).dense
        (('weight', 'bias'),)
    """

    kronecker: tuple[KroneckerLayer, ...]
    dense: tuple[tuple[str, ...], ...]
    n_outputs: int
    n_held: int


def found_layers(risk: EmpiricalRisk, examples: Examples) -> ModelLayers:
    """Find the layers of a model by watching it run.

    A weight has Kronecker structure where per-example gradients are sums of outer
    products of a layer's inputs and output gradients over all calls that are seen. This
    is checked on two examples. A weight that is used elsewhere as well, such as one
    tied to an embedding, or a layer whose first dimension is not that of the examples,
    does not pass, and counts as one without structure.

    Args:
        risk: The model, the loss and the parameters.
        examples: At least one.

    Returns:
        The layers.

    Raises:
        InputError: If a module has too many parameters without structure.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(3, 2), torch.nn.MSELoss())
        >>> examples = risk.examples(torch.ones(4, 3), torch.ones(4, 2))
        >>> layers = found_layers(risk, examples)
        >>> [layer.names for layer in layers.kronecker], layers.dense
        ([('weight', 'bias')], ())
    """
    few = examples.map(lambda tensor: tensor[:_CHECKED])
    outputs, calls = recorded_layers(risk, risk.parameters(), few.inputs)
    if not isinstance(outputs, Tensor) or len(outputs) != len(few):
        raise InputError(
            "a Fisher matrix needs a model that returns a tensor with a row for each "
            f"example; got {type(outputs).__name__}. Wrap it in a module that returns "
            "its logits"
        )
    by_weight: dict[str, list[LayerCall]] = {}
    for call in calls:
        by_weight.setdefault(call.weight, []).append(call)
    cotangents = _one_example_each(outputs)
    true = _gradients(risk, few, cotangents)
    layers = [
        KroneckerLayer(weight, uses[0].bias, uses[0].groups)
        for weight, uses in by_weight.items()
        if _is_linear_map(uses, len(few))
    ]
    kronecker = tuple(
        layer
        for layer in layers
        if _agrees(layer, by_weight[layer.weight], outputs, cotangents, true)
    )
    covered = {name for layer in kronecker for name in layer.names}
    n_outputs = max(1, outputs[0].numel())
    return ModelLayers(
        kronecker,
        _dense(risk, covered),
        n_outputs,
        n_outputs
        + saved_elements(risk, few)
        + sum(_n_held(call) for call in calls) // len(few),
    )


def _is_linear_map(uses: Sequence[LayerCall], n_examples: int) -> bool:
    """Whether all uses have one bias, one grouping, and examples first."""
    kinds = {(call.bias, call.groups) for call in uses}
    lengths = {len(tensor) for call in uses for tensor in (call.input, call.output)}
    return len(kinds) == 1 and lengths == {n_examples}


def _one_example_each(outputs: Tensor) -> Tensor:
    """Random cotangents ``(B, B, *out)``, each of one example alone."""
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(tuple(outputs.shape), generator=generator, dtype=torch.float64)
    own = torch.eye(len(outputs), dtype=torch.float64)
    cotangents = own.reshape(*own.shape, *[1] * (outputs.ndim - 1)) * random
    return cotangents.to(outputs.device, outputs.dtype)


def _gradients(
    risk: EmpiricalRisk, examples: Examples, cotangents: Tensor
) -> dict[str, Tensor]:
    """Gradients ``(B, n)`` by name, as autograd has them whatever the model is."""
    varied = {name: value.requires_grad_() for name, value in risk.parameters().items()}
    with torch.enable_grad():
        outputs = risk.outputs(varied, examples.inputs)
    found = batched_gradients(outputs, list(varied.values()), cotangents)
    return {name: part.flatten(1) for name, part in zip(varied, found, strict=True)}


def _agrees(
    layer: KroneckerLayer,
    calls: Sequence[LayerCall],
    outputs: Tensor,
    cotangents: Tensor,
    true: dict[str, Tensor],
) -> bool:
    """Whether outer products are the gradients of each example."""
    found = batched_gradients(outputs, [call.output for call in calls], cotangents)
    rows, gradients = layer.rows(calls), layer.gradients(calls, found)
    # Of all examples, what each alone has of the gradient: the rest must be 0.
    products = torch.einsum("gkbto,gbti->kbgoi", gradients, rows)
    own = products.diagonal(dim1=0, dim2=1).movedim(-1, 0)
    weight = own if layer.bias is None else own[..., :-1]
    expected = true[layer.weight]
    missing = torch.linalg.vector_norm(weight.flatten(1) - expected)
    size = torch.linalg.vector_norm(expected)
    if layer.bias is not None:
        bias = own[..., -1].flatten(1)
        missing += torch.linalg.vector_norm(bias - true[layer.bias])
        size += torch.linalg.vector_norm(true[layer.bias])
    tolerance = 10 * torch.finfo(outputs.dtype).eps ** 0.5
    return bool(missing <= tolerance * size)


def _dense(risk: EmpiricalRisk, covered: set[str]) -> tuple[tuple[str, ...], ...]:
    """Names of the parameters without structure, those of a module together."""
    modules: dict[str, list[str]] = {}
    for name in risk.names:
        if name not in covered:
            modules.setdefault(name.rpartition(".")[0], []).append(name)
    sizes = dict(zip(risk.names, risk.sizes, strict=True))
    for names in modules.values():
        size = sum(sizes[name] for name in names)
        if size > MAX_DENSE:
            raise InputError(
                f"{', '.join(names)} have no Kronecker structure, and an exact Fisher "
                f"block of {size} rows is too large (at most {MAX_DENSE} parameters of "
                "a module may be without). Freeze them (requires_grad=False), or use "
                "CgInfluence with SecondOrderMode.GAUSS_NEWTON"
            )
    return tuple(tuple(names) for names in modules.values())


def _n_held(call: LayerCall) -> int:
    return call.output.numel() + call.rows().numel()
