"""Baselines: what a removed feature is replaced by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Baseline", "BaselineDistribution", "Baselines"]

#: What users may pass: see :class:`Baseline`.
Baselines: TypeAlias = (
    "int | float | Tensor | BaselineDistribution | tuple[Any, ...]"
    " | Callable[[Any], Any] | None"
)


@dataclass(frozen=True)
class BaselineDistribution:
    r"""Samples of what a removed feature could have been.

    The value of a coalition is the mean of the model's output over the samples, and
    the spread between samples enters the standard error,
    :math:`\mathrm{se}^2 = \mathrm{se}_{sampling}^2 + s_D^2 / D`. Each coalition then
    costs ``D`` forward rows for each example.

    Args:
        samples: ``(D, *feat)``, or a tuple with one such tensor for each input.

    Raises:
        InputError: If there is no sample, or inputs differ in their number of samples.

    Example:
        >>> from torchattr.attr import ShapleyValues
        >>> x, background = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0], [2, 0]])
        >>> baselines = BaselineDistribution(background)
        >>> shapley = ShapleyValues(lambda x: x.sum(1))
        >>> shapley.attribute(x, baselines, return_standard_error=True)
        (tensor([[0., 2.]]), tensor([[1., 0.]]))
    """

    samples: Tensor | tuple[Tensor, ...]

    def __post_init__(self) -> None:
        parts = self.samples if isinstance(self.samples, tuple) else (self.samples,)
        if any(not isinstance(part, Tensor) or part.ndim == 0 for part in parts):
            raise InputError(
                "samples must be a tensor (D, *feat) or a tuple of such tensors, got "
                f"{type(self.samples).__name__}"
            )
        counts = {len(part) for part in parts}
        if len(counts) != 1 or 0 in counts:
            raise InputError(
                "samples must hold the same number of samples, at least one, for each "
                f"input; got {[len(part) for part in parts]}"
            )


@dataclass(frozen=True)
class Baseline:
    """Replacements for every element of the inputs, ready to be used.

    Attributes:
        inputs: The inputs, promoted where a baseline needs it (a fractional baseline
            for integer inputs makes them floating).
        replacements: For each input, a tensor of its dtype that broadcasts to
            ``(D, B, *feat)``.
        n_samples: ``D``, the number of samples; 1 unless it is a distribution.
        is_distribution: Whether the samples come from a :class:`BaselineDistribution`.

    Example:
        >>> baseline = Baseline.of(0.5, (torch.tensor([[1, 2]]),))
        >>> baseline.inputs, baseline.replacements[0].flatten()
        ((tensor([[1., 2.]]),), tensor([0.5000]))
    """

    inputs: tuple[Tensor, ...]
    replacements: tuple[Tensor, ...]
    n_samples: int
    is_distribution: bool

    @classmethod
    def of(cls, baselines: Baselines, inputs: tuple[Tensor, ...]) -> Baseline:
        """Resolve what a user passed.

        Args:
            baselines: ``None`` (zero, or False), a number, a tensor that broadcasts to
                its input, a :class:`BaselineDistribution`, a tuple of these with one
                entry for each input, or a callable that makes one of them from the
                inputs (the tensor alone if there is one).
            inputs: The inputs, batch dimension first.

        Returns:
            The replacements.

        Raises:
            InputError: If an entry has another type, does not broadcast to its input,
                or the number of entries is not the number of inputs.
        """
        if callable(baselines) and not isinstance(baselines, Tensor):
            baselines = baselines(inputs[0] if len(inputs) == 1 else inputs)
        entries = _one_entry_per_input(baselines, inputs)
        promoted, replacements = [], []
        for index, (entry, x) in enumerate(zip(entries, inputs, strict=True)):
            replacement = _replacement(entry, x, index)
            dtype = _common_dtype(x, replacement)
            promoted.append(x.to(dtype))
            replacements.append(replacement.to(dtype))
        counts = {len(part) for part in replacements if len(part) > 1} or {1}
        if len(counts) > 1:
            raise InputError(
                "baselines must hold the same number of samples for each input, got "
                f"{sorted(counts)}"
            )
        is_distribution = any(isinstance(e, BaselineDistribution) for e in entries)
        return cls(tuple(promoted), tuple(replacements), counts.pop(), is_distribution)


def _one_entry_per_input(
    baselines: Baselines, inputs: tuple[Tensor, ...]
) -> tuple[Any, ...]:
    if isinstance(baselines, BaselineDistribution) and isinstance(
        baselines.samples, tuple
    ):
        entries: tuple[Any, ...] = tuple(map(BaselineDistribution, baselines.samples))
    elif isinstance(baselines, tuple):
        entries = baselines
    elif baselines is None or isinstance(baselines, int | float):
        entries = (baselines,) * len(inputs)
    else:
        entries = (baselines,)
    if len(entries) != len(inputs):
        raise InputError(
            f"baselines must hold one entry for each of the {len(inputs)} inputs, "
            f"got {len(entries)}"
        )
    return entries


def _replacement(entry: Any, x: Tensor, index: int) -> Tensor:  # ruff: ignore[any-type] (checked here)
    """The entry as a tensor that broadcasts to ``(D, B, *feat)``."""
    name = f"baselines[{index}]"
    if entry is None:
        return torch.zeros((1,) * (x.ndim + 1), dtype=x.dtype, device=x.device)
    if isinstance(entry, bool | int | float):
        dtype = x.dtype if x.is_floating_point() or x.is_complex() else None
        return torch.full((1,) * (x.ndim + 1), entry, dtype=dtype, device=x.device)
    if isinstance(entry, BaselineDistribution) and isinstance(entry.samples, Tensor):
        samples = entry.samples.to(x.device)
        _check_broadcast(samples.shape[1:], x.shape[1:], f"{name} (each sample)", index)
        padding = (1,) * (x.ndim - samples.ndim)
        return samples.reshape(len(samples), 1, *padding, *samples.shape[1:])
    if isinstance(entry, Tensor):
        _check_broadcast(entry.shape, x.shape, name, index)
        padding = (1,) * (x.ndim + 1 - entry.ndim)
        return entry.to(x.device).reshape(*padding, *entry.shape)
    raise InputError(
        f"{name} must be a number, a tensor or a BaselineDistribution, "
        f"got {type(entry).__name__}"
    )


def _check_broadcast(
    shape: torch.Size, target: torch.Size, name: str, index: int
) -> None:
    sizes = zip(reversed(shape), reversed(target), strict=False)
    if len(shape) > len(target) or any(a not in {1, b} for a, b in sizes):
        raise InputError(
            f"{name} has shape {tuple(shape)}, which does not broadcast to "
            f"{tuple(target)} of inputs[{index}]; pass one row, or one for each example"
        )


def _common_dtype(x: Tensor, replacement: Tensor) -> torch.dtype:
    """The input's dtype, unless it cannot hold the baseline."""
    if x.is_floating_point() and not replacement.is_complex():
        return x.dtype
    round_trip = replacement.to(x.dtype).to(replacement.dtype)
    if bool((round_trip == replacement).all()):
        return x.dtype
    return torch.promote_types(x.dtype, replacement.dtype)
