"""Refusing models and losses that influence functions cannot be about."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves, tree_map

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters

__all__ = ["check_model", "refuse_inference_mode"]

#: How many examples are looked at.
_FEW = 3
#: What losses raise that get something else than they expect.
_OF_LOSSES = (
    AssertionError,
    AttributeError,
    IndexError,
    RuntimeError,
    TypeError,
    ValueError,
)


def check_model(risk: EmpiricalRisk, examples: Examples) -> None:
    """Check, with a few examples, that the loss of an example is a function of it.

    Args:
        risk: The model and the loss. The model is in eval mode.
        examples: Some examples; the first three are looked at.

    Raises:
        InputError: If a loss is not finite, or no function of the parameters that vary;
            if it differs between two passes, or depends on the other examples of the
            batch; or if the outputs or the loss are not by example.

    Example:
        >>> risk = EmpiricalRisk(nn.Linear(1, 1), nn.MSELoss())
        >>> examples = risk.examples(torch.full((1, 1), torch.nan), torch.ones(1, 1))
        >>> check_model(risk, examples)
        Traceback (most recent call last):
        ...
        torchattr.errors.InputError: the losses of examples 0 are not finite; ...
    """
    refuse_inference_mode()
    _refuse_batch_statistics(risk.model)
    # A model that changes its inputs does it to copies until it is refused.
    few = examples.map(lambda tensor: tensor[:_FEW].clone())
    leaves = {n: p.clone().requires_grad_() for n, p in risk.parameters().items()}
    with torch.enable_grad():
        together = _evaluated(risk, leaves, few)
    _check_losses(together[-1])
    parameters = risk.parameters()
    with torch.no_grad():
        again = _evaluated(risk, parameters, few)
        if not _agree(again, together):
            raise InputError(
                "the model or the loss gives other numbers for the same examples in a "
                "second pass, in eval mode: influence is the effect of one function. "
                "Take out what is random, such as functional.dropout without "
                "training=self.training, and what changes the inputs in place"
            )
        singles = [
            _evaluated(
                risk, parameters, few.take(torch.tensor([i], device=risk.device))
            )
            for i in range(len(few))
        ]
    if not _agree(tree_map(lambda *rows: torch.cat(rows), *singles), together):
        raise InputError(
            "what the model makes of an example depends on the others of its batch, in "
            "eval mode, so that examples have no loss of their own. Take out what is "
            "computed across the first dimension, such as the mean of a batch"
        )


def refuse_inference_mode() -> None:
    """Check that there can be gradients.

    Raises:
        InputError: Under ``torch.inference_mode()``.

    Example:
        >>> refuse_inference_mode()
    """
    if torch.is_inference_mode_enabled():
        raise InputError(
            "influence needs gradients, and torch.inference_mode() allows none; call "
            "it outside of that block (torch.no_grad() does no harm)"
        )


def _refuse_batch_statistics(model: nn.Module) -> None:
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is None
    ]
    if names:
        raise InputError(
            f"batch normalisation without running statistics ({', '.join(names)}) "
            "makes the loss of an example depend on the others of its batch, in eval "
            "mode too; use track_running_stats=True or another normalisation"
        )


def _evaluated(
    risk: EmpiricalRisk, parameters: Parameters, examples: Examples
) -> list[Tensor]:
    """Tensors with a row for each example: the outputs, and the losses last."""
    outputs = risk.outputs(parameters, examples.inputs)
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
    lengths = [len(tensor) if tensor.ndim else None for tensor in tensors]
    if set(lengths) != {len(examples)}:
        raise InputError(
            f"the model must give tensors with one row for each of {len(examples)} "
            f"examples; got {', '.join(str(tuple(t.shape)) for t in tensors)}. (Note "
            "that squeeze() without a dimension drops that of a single example)"
        )
    try:
        losses = risk.output_losses(outputs, examples.targets)
    except _OF_LOSSES as error:
        raise InputError(
            "loss(outputs, targets) fails on a batch of one example, or under "
            "torch.func.vmap, which calls it with each example alone (no .item(), no "
            "branches on values, no random numbers): outputs "
            f"{', '.join(map(_described, tensors))}, targets "
            f"{_described(examples.targets)}. It said: {error}"
        ) from error
    return [*tensors, losses]


def _described(tensor: Tensor) -> str:
    """A tensor in a batch of one example."""
    return f"{(1, *tensor.shape[1:])} of {tensor.dtype}"


def _check_losses(losses: Tensor) -> None:
    if not losses.requires_grad:
        raise InputError(
            "the loss has no gradient in the parameters that vary; it must be "
            "differentiable (no argmax, .detach() or NumPy), and use these parameters"
        )
    wrong = (~losses.detach().isfinite()).nonzero().flatten().tolist()
    if wrong:
        raise InputError(
            f"the losses of examples {', '.join(map(str, wrong))} are not finite; look "
            "for NaN or infinite inputs and targets, and parameters that diverged"
        )


def _agree(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether outputs and losses are the same, up to the rounding of other kernels."""
    if any(a.shape != b.shape for a, b in zip(found, expected, strict=True)):
        return False
    return all(
        bool((a - b).abs().max() <= _rounding(b, is_loss=b is expected[-1]))
        for a, b in zip(found, expected, strict=True)
        if b.is_floating_point() and b.numel()
    )


def _rounding(tensor: Tensor, *, is_loss: bool) -> float:
    # A loss near 0 is the difference of numbers near 1; an output is of its own size.
    size = tensor.detach().abs().max().item()
    eps = torch.finfo(tensor.dtype).eps
    return float(eps**0.5 * (1 + size) if is_loss else eps**0.5 * size + eps**0.75)
