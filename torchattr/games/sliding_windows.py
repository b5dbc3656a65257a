"""Sliding windows: players that are overlapping boxes of the inputs (occlusion)."""

from __future__ import annotations

import math
from typing import TypeAlias, final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.players import Players

__all__ = ["SlidingWindows"]

Extent: TypeAlias = "int | tuple[int, ...]"
#: Ints without the batch dimension, or one such tuple (or int) for each input.
Extents: TypeAlias = "Extent | tuple[Extent, ...]"


@final
class SlidingWindows(Players):
    r"""Players that are the positions of a box sliding over each input.

    An element stays if no removed window covers it; the value of an element is the mean
    of the values of the windows that cover it. Along a dimension of length :math:`L`, a
    window of length :math:`w` with stride :math:`t` has
    :math:`\lceil (L-w)/t \rceil + 1` positions; the last may stick out and is cropped.

    Args:
        inputs: The tensors that hold the elements, batch dimension first.
        shapes: Size of the window for each input, without the batch dimension; for a
            single input its tuple alone will do, for a single dimension an ``int``.
        strides: Steps of the window, in the same form; ``None`` is 1 everywhere.

    Raises:
        InputError: If a window has the wrong number of dimensions, is larger than its
            input, or would leave gaps (a stride above the window).

    Example:
        >>> windows = SlidingWindows((torch.zeros(1, 4),), (2,), (2,))
        >>> windows.spread(torch.tensor([[True, False]]))
        (tensor([[[ True,  True, False, False]]]),)
        >>> windows.gather(torch.tensor([1.0, 3.0]))
        (tensor([1., 1., 3., 3.]),)
    """

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        shapes: Extents,
        strides: Extents | None = None,
    ) -> None:
        windows = _per_input(shapes, inputs, "sliding_window_shapes")
        if isinstance(strides, tuple) and len(strides) == len(inputs) == 1:
            strides = strides[0]  # captum's: an int in a tuple serves all dimensions
        if strides is None:
            steps = [(1,) * (x.ndim - 1) for x in inputs]
        else:
            steps = _per_input(strides, inputs, "strides")
        self._feature_shapes = [x.shape[1:] for x in inputs]
        self._covers = [
            _covers(x, window, step, index)
            for index, (x, window, step) in enumerate(
                zip(inputs, windows, steps, strict=True)
            )
        ]
        self._grids = [
            torch.Size(cover.shape[0] for cover in covers) for covers in self._covers
        ]
        self._sizes = [grid.numel() for grid in self._grids]
        self.n_players = sum(self._sizes)

    def spread(self, coalitions: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Players.spread`."""
        removed = torch.split((~coalitions).float(), self._sizes, dim=1)
        return tuple(
            (_cover_sums(part, grid, covers) == 0).unsqueeze(1)
            for part, grid, covers in zip(
                removed, self._grids, self._covers, strict=True
            )
        )

    def gather(self, values: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Players.gather`."""
        dtype = values.dtype if values.is_floating_point() else None
        flat = values.reshape(-1, self.n_players).double()
        gathered = []
        for part, grid, covers, shape in zip(
            torch.split(flat, self._sizes, dim=1),
            self._grids,
            self._covers,
            self._feature_shapes,
            strict=True,
        ):
            counts = _cover_sums(torch.ones_like(part[:1]), grid, covers)
            means = _cover_sums(part, grid, covers) / counts
            means = means.to(dtype or torch.get_default_dtype())
            gathered.append(means.reshape((*values.shape[:-1], *shape)))
        return tuple(gathered)


def _per_input(
    given: Extents, inputs: tuple[Tensor, ...], name: str
) -> list[tuple[int, ...]]:
    """One tuple of ints, without the batch dimension, for each input."""
    single = len(inputs) == 1
    wanted = f"{name} must hold one tuple of ints for each of the {len(inputs)} inputs"
    if isinstance(given, int):
        given = (given,) * (inputs[0].ndim - 1)
    if not isinstance(given, tuple):
        raise InputError(f"{wanted}, got {given!r}")
    if single and all(isinstance(size, int) for size in given):
        given = (given,)  # type: ignore[assignment]  # a tuple of ints, as just seen
    if len(given) != len(inputs):
        raise InputError(f"{wanted}, got {given!r}")
    extents = []
    for index, (size, x) in enumerate(zip(given, inputs, strict=True)):
        extent = (size,) * (x.ndim - 1) if isinstance(size, int) else size
        if (
            not isinstance(extent, tuple)
            or len(extent) != x.ndim - 1
            or any(not isinstance(part, int) or part < 1 for part in extent)
        ):
            raise InputError(
                f"{name}[{index}] must hold {x.ndim - 1} positive ints, one for each "
                f"dimension of inputs[{index}] but the batch; got {size!r}"
            )
        extents.append(extent)
    return extents


def _covers(
    x: Tensor, window: tuple[int, ...], step: tuple[int, ...], index: int
) -> list[Tensor]:
    """For each dimension, ``(positions, length)``: what each position covers."""
    covers = []
    for length, size, stride in zip(x.shape[1:], window, step, strict=True):
        if size > length:
            raise InputError(
                f"sliding_window_shapes[{index}] {window} must not exceed the shape of "
                f"inputs[{index}] without the batch, {tuple(x.shape[1:])}"
            )
        if stride > size and size != length:
            raise InputError(
                f"strides[{index}] {step} must not exceed sliding_window_shapes"
                f"[{index}] {window}: the elements between would never be occluded"
            )
        positions = math.ceil((length - size) / stride) + 1
        first = torch.arange(positions, device=x.device)[:, None] * stride
        place = torch.arange(length, device=x.device)
        covers.append(((place >= first) & (place < first + size)).float())
    return covers


def _cover_sums(flat: Tensor, grid: torch.Size, covers: list[Tensor]) -> Tensor:
    """``(C, *feat)``: for each element, the sum over the windows that cover it."""
    # A box is a product of intervals, so that the sum separates into one matrix product
    # for each dimension.
    sums = flat.reshape(len(flat), *grid)
    for dim, cover in enumerate(covers, start=1):
        moved = sums.movedim(dim, -1) @ cover.to(device=sums.device, dtype=sums.dtype)
        sums = moved.movedim(-1, dim)
    return sums
