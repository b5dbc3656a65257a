"""PyTorch's random functions, with numbers of a counter instead of a generator."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from torchattr.games.rewriting import Rewriter
from torchattr.training.counter_random import CounterRandom

__all__ = ["random_rewriters"]


def random_rewriters(random: CounterRandom) -> dict[Any, Rewriter]:
    """What to call in place of dropout of every kind, ``rand_like`` and the like.

    Args:
        random: The numbers of a step.

    Returns:
        Rewriters for :class:`~torchattr.games.rewriting.Rewriting`.

    Example:
        >>> from torchattr.training.counter_random import coalition_keys, step_keys
        >>> from torchattr.games.rewriting import Rewriting
        >>> keys = step_keys(coalition_keys(torch.ones(1, 3, dtype=bool), 0), 0, 1)
        >>> with Rewriting(random_rewriters(CounterRandom(keys[0, 0]))):
        ...     F.dropout(torch.ones(8)).unique()
        tensor([0., 2.])
    """
    return {
        function: functools.partial(rewrite, random)
        for function, rewrite in _REWRITES.items()
    }


def _dropped(random: CounterRandom, x: Tensor, p: float, shape: list[int]) -> Tensor:
    if p == 1:
        return x * torch.zeros_like(x)
    scale = torch.full((), 1 / (1 - p), dtype=x.dtype, device=x.device)
    return x * torch.where(random.kept(shape, p), scale, torch.zeros_like(scale))


def _alpha_dropped(
    random: CounterRandom, x: Tensor, p: float, shape: list[int]
) -> Tensor:
    if p == 1:
        return x * torch.zeros_like(x)
    saturation = (
        1.7580993408473766  # where SELU ends on the left, with its sign changed
    )
    a = 1 / math.sqrt((saturation * saturation * p + 1) * (1 - p))
    kept = random.kept(shape, p).to(x.dtype)
    return x * (kept * a) + ((kept - 1) * (saturation * a) + saturation * a * p)


def _dropout(
    drop: Callable[..., Tensor],
    *,
    features: bool = False,
    unbatched: int = 0,
    in_place: bool = False,
) -> Callable[..., Any]:
    """A rewriter of a dropout function.

    Args:
        drop: What it does to an input.
        features: Whether whole features are dropped, not elements.
        unbatched: The number of dimensions that an input without a batch has.
        in_place: Whether the function changes its input.

    Returns:
        What :class:`~torchattr.games.rewriting.Rewriting` calls, after the numbers.
    """

    def rewrite(
        random: CounterRandom,
        _: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
        given = {**dict(zip(("input", "p", "training"), args, strict=False)), **kwargs}
        x, p = given["input"], given["p"]
        if not given.get("training", given.get("train")) or not 0 <= p <= 1:
            return NotImplemented  # the function itself passes it on, or complains
        if p == 0:
            return x
        shape = list(x.shape)
        if features:
            n_kept = 1 if x.ndim == unbatched else 2
            shape[n_kept:] = [1] * (x.ndim - n_kept)
        result = drop(random, x, p, shape)
        return x.copy_(result) if in_place or given.get("inplace") else result

    return rewrite


def _like(draw: Callable[..., Tensor]) -> Callable[..., Any]:
    """A rewriter of a function that makes random numbers shaped like its input."""

    def rewrite(
        random: CounterRandom,
        _: object,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
        if len(args) != 1 or not kwargs.keys() <= {"dtype"}:
            return NotImplemented
        dtype = kwargs.get("dtype") or args[0].dtype
        return draw(random, list(args[0].shape), dtype)

    return rewrite


def _bernoulli(
    random: CounterRandom,
    _: object,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
    if len(args) != 1 or kwargs:
        return NotImplemented
    unit = random.uniform(list(args[0].shape), torch.float64)
    return (unit < args[0]).to(args[0].dtype)


# The functional forms hand on all their arguments by name, "training" among them; those
# of torch itself call it "train".
_REWRITES: dict[Any, Callable[..., Any]] = {
    F.dropout: _dropout(_dropped),
    F.dropout1d: _dropout(_dropped, features=True, unbatched=2),
    F.dropout2d: _dropout(_dropped, features=True),
    F.dropout3d: _dropout(_dropped, features=True, unbatched=4),
    F.alpha_dropout: _dropout(_alpha_dropped),
    F.feature_alpha_dropout: _dropout(_alpha_dropped, features=True),
    torch.dropout: _dropout(_dropped),
    torch.dropout_: _dropout(_dropped, in_place=True),
    torch.alpha_dropout: _dropout(_alpha_dropped),
    torch.alpha_dropout_: _dropout(_alpha_dropped, in_place=True),
    torch.feature_dropout: _dropout(_dropped, features=True),
    torch.feature_dropout_: _dropout(_dropped, features=True, in_place=True),
    torch.feature_alpha_dropout: _dropout(_alpha_dropped, features=True),
    torch.feature_alpha_dropout_: _dropout(
        _alpha_dropped, features=True, in_place=True
    ),
    torch.rand_like: _like(CounterRandom.uniform),
    torch.randn_like: _like(CounterRandom.normal),
    torch.bernoulli: _bernoulli,
    torch.Tensor.bernoulli: _bernoulli,
}
