"""Factors times derivatives of training losses: the last step of every influence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap
from torch.utils._pytree import tree_map

from torchattr.errors import InputError
from torchattr.games.examples import Examples, Inputs
from torchattr.influence.curvature.chunk_sizes import (
    example_chunks,
    saved_elements,
    working_elements,
)
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.example_gradients import (
    ExampleGradients,
    example_gradients,
)

__all__ = [
    "examples_at_once",
    "mixed_scores",
    "streamed_gradients",
    "up_scores",
]

#: Numbers in gradients and passes that are held at once on a processor, unless the
#: caller says how many: 128 MB in single precision.
_ELEMENTS = 2**25
#: Rows (factors times examples) that are sent backwards at once.
_ROWS = 2**14


def examples_at_once(risk: EmpiricalRisk, examples: Examples) -> int:
    """How many examples go through a model together, and have gradients held.

    Args:
        risk: Whose gradients.
        examples: At least one, of the shapes that all have.

    Returns:
        At least 1: as many as have 33 million numbers (268 million on an accelerator)
        in their gradients and in what automatic differentiation keeps of them.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(999, 1000), torch.nn.MSELoss())
        >>> x, y = torch.ones(2, 999), torch.ones(2, 1000)
        >>> examples_at_once(risk, risk.examples(x, y))
        33
    """
    room = max(_ELEMENTS, working_elements(risk.device))
    return max(1, room // (risk.n_parameters + saved_elements(risk, examples)))


def streamed_gradients(
    risk: EmpiricalRisk, examples: Examples, at_once: int | None = None
) -> Iterator[ExampleGradients]:
    """Gradients of examples, a chunk at a time.

    Args:
        risk: The model, the loss and the parameters.
        examples: Any number of them.
        at_once: The most in a chunk; as many as memory suggests if ``None``.

    Yields:
        Gradients of consecutive examples.
    """
    for chunk in example_chunks(examples, at_once or examples_at_once(risk, examples)):
        yield example_gradients(risk, chunk)


def up_scores(
    blocks: Mapping[str, EmpiricalRisk],
    factors: Mapping[str, Tensor],
    gradients: Iterable[ExampleGradients],
) -> OrderedDict[str, Tensor]:
    """Factors times gradients, block by block.

    Args:
        blocks: The risk of each block.
        factors: ``(R, P_block)`` of each.
        gradients: Those of ``N`` examples, in chunks.

    Returns:
        ``(R, N)`` by block.
    """
    columns: dict[str, list[Tensor]] = {block: [] for block in blocks}
    for chunk in gradients:
        for block, risk in blocks.items():
            own = chunk.restricted(risk.names)
            columns[block].append(own.products(factors[block]))
    return OrderedDict(
        (block, torch.cat(parts, 1) if len(parts) > 1 else parts[0])
        for block, parts in columns.items()
    )


def mixed_scores(
    risk: EmpiricalRisk, factors: Tensor, examples: Examples, at_once: int | None = None
) -> Inputs:
    r"""Factors times the mixed derivatives :math:`\nabla_x \nabla_\theta \ell`.

    Args:
        risk: The model, the loss and the parameters.
        factors: ``(R, P)``.
        examples: ``B`` examples, whose inputs are floating.
        at_once: The most examples whose derivatives are taken at once.

    Returns:
        ``(R, B, *feat)`` for each tensor of the inputs, in their structure.

    Raises:
        InputError: If an input has no derivative, being made of integers.

    Note:
        One forward and one backward pass of the examples, and one more backward pass
        for each factor, through all of it.
    """
    _check_floating(examples.inputs)
    # The graph is that of a gradient, and is gone through for each factor.
    size = min(
        at_once or len(examples),
        max(1, examples_at_once(risk, examples) // 4),
        max(1, _ROWS // max(1, len(factors))),
    )
    parts = [_mixed(risk, factors, chunk) for chunk in example_chunks(examples, size)]
    joined = tree_map(lambda *tensors: torch.cat(tensors, 1), *parts)
    return cast(Inputs, joined)


def _mixed(risk: EmpiricalRisk, factors: Tensor, examples: Examples) -> Inputs:
    parameters = risk.parameters()

    def gradient(inputs: Inputs) -> Tensor:
        def total(varied: dict[str, Tensor]) -> Tensor:
            return risk.losses(varied, Examples(inputs, examples.targets)).sum()

        return risk.flatten(grad(total)(parameters))

    # Each loss depends on its own example only, so that the derivative of the sum of
    # all gradients in the inputs has every example's own in its place.
    pull = vjp(gradient, examples.inputs)[1]
    room = max(_ELEMENTS, working_elements(risk.device))
    held = len(examples) * saved_elements(risk, examples)
    rows = max(1, min(_ROWS // len(examples), room // held))
    scores = vmap(pull, chunk_size=rows)(factors)[0]
    return cast(Inputs, tree_map(Tensor.detach, scores))


def _check_floating(inputs: Inputs) -> None:
    tensors = {"inputs": inputs} if isinstance(inputs, Tensor) else inputs
    named = (
        tensors.items()
        if isinstance(tensors, dict)
        else ((f"inputs[{i}]", tensor) for i, tensor in enumerate(tensors))
    )
    for name, tensor in named:
        if not tensor.is_floating_point():
            raise InputError(
                f"mode=InfluenceMode.Perturbation needs floating inputs; {name} has "
                f"dtype {tensor.dtype}, which has no derivative. Embed integers outside"
                " the model, or use InfluenceMode.Up"
            )
