"""Players: which elements of the inputs can be removed together.

This is the only place that knows feature masks and windows. A mask or window turns
coalitions of players into masks over elements (``spread``), and values of players back
into tensors shaped like the inputs (``gather``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import ClassVar, final

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["FeatureGroups", "Players"]


class Players(ABC):
    """A correspondence between ``n`` players and the elements of some tensors.

    Attributes:
        n_players: Number of players.
        differ_by_example: Whether examples of one batch group their elements
            differently, so that a value belongs to a player *of an example*.
    """

    n_players: int
    differ_by_example: bool = False

    @abstractmethod
    def spread(self, coalitions: Tensor) -> tuple[Tensor, ...]:
        """Masks of the elements that stay.

        Args:
            coalitions: ``(C, n)`` booleans.

        Returns:
            For each input, booleans that broadcast to ``(C, B, *feat)``.
        """

    @abstractmethod
    def gather(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values of elements from values of players.

        Args:
            values: ``(*out, n)``; when examples differ, ``out`` begins with ``B``.

        Returns:
            For each input, ``(*out, *feat)``.
        """


@final
class FeatureGroups(Players):
    """Players defined by feature masks: elements with equal ids go together.

    Ids may be any non-negative integers; a group may span several inputs, and gaps
    in the ids are no players. A mask must broadcast to its input; its first dimension
    is 1 (all examples alike) or the batch size (each example has its own groups).

    Args:
        inputs: The tensors that hold the elements, batch dimension first.
        feature_mask: One mask for each input, a single mask for a single input, or
            ``None``: every element is a player, numbered on across the inputs.

    Attributes:
        labels: ``(n,)``: the id of each player in the masks, in ascending order.
        n_labels: One more than the largest id: what captum counts as features.
        owners: For each input, the player ``0, ..., n - 1`` that owns each element, as
            integers that broadcast to the input.

    Raises:
        InputError: If masks are missing, do not broadcast, or are not whole numbers.

    Example:
        >>> x = torch.zeros(1, 4)
        >>> groups = FeatureGroups((x,), torch.tensor([[0, 0, 7, 7]]))
        >>> groups.n_players, groups.spread(torch.tensor([[False, True]]))
        (2, (tensor([[[False, False,  True,  True]]]),))
        >>> groups.gather(torch.tensor([1.0, 5.0]))
        (tensor([1., 1., 5., 5.]),)
    """

    _LARGEST_ID: ClassVar[int] = 10**8  # the presence table has one byte for each id

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    ) -> None:
        self._feature_shapes = tuple(x.shape[1:] for x in inputs)
        if feature_mask is None:
            self._number_elements(inputs)
        else:
            self._number_groups(inputs, _one_mask_per_input(feature_mask, inputs))
        if self.n_players == 0:
            raise InputError(
                "inputs must hold at least one element to explain; got shapes "
                f"{[tuple(x.shape) for x in inputs]}"
            )
        self.differ_by_example = any(owner.shape[0] > 1 for owner in self.owners)

    def spread(self, coalitions: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Players.spread`."""
        return tuple(
            _columns(coalitions.to(owner.device), owner, start)
            for owner, start in zip(self.owners, self._starts, strict=True)
        )

    def gather(self, values: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Players.gather`."""
        gathered = []
        for owner, shape in zip(self.owners, self._feature_shapes, strict=True):
            here = values.to(owner.device)
            out = here.shape[:-1]
            if owner.numel() == 0:
                gathered.append(here.new_zeros(*out, *shape))
                continue
            if self.differ_by_example:
                elements = _own_columns(here, owner)
            else:
                elements = here[..., owner[0]]
            gathered.append(elements.expand(*out, *shape).contiguous())
        return tuple(gathered)

    def of_example(self, index: int) -> FeatureGroups:
        """The same players, for one example alone.

        Args:
            index: Which example.

        Returns:
            Groups of the elements of a batch of one.
        """
        groups = copy(self)
        groups.owners = tuple(
            owner[index : index + 1] if len(owner) > 1 else owner
            for owner in self.owners
        )
        groups.differ_by_example = False
        return groups

    def totals(self, elements: tuple[Tensor, ...]) -> Tensor:
        """Sums over the elements of each player.

        Args:
            elements: For each input, ``(B, *feat)``, or one row that all share.

        Returns:
            ``(B, n)`` in float64.
        """
        batch = len(elements[0])
        device = elements[0].device
        totals = torch.zeros(batch, self.n_players, dtype=torch.float64, device=device)
        for x, owner in zip(elements, self.owners, strict=True):
            if x.numel() == 0:
                continue
            rows = x.to(totals).expand(batch, *x.shape[1:])
            columns = owner.to(device).expand_as(rows)
            totals.scatter_add_(1, columns.reshape(batch, -1), rows.reshape(batch, -1))
        return totals

    def _number_elements(self, inputs: tuple[Tensor, ...]) -> None:
        owners: list[Tensor] = []
        starts: list[int] = []
        start = 0
        for x in inputs:
            shape = x.shape[1:] if len(x) else torch.Size([0])
            owner = torch.arange(start, start + shape.numel(), device=x.device)
            owners.append(owner.reshape(1, *shape))
            starts.append(start)
            start += shape.numel()
        self.owners = tuple(owners)
        self._starts: tuple[int | None, ...] = tuple(starts)
        self.labels = torch.arange(start)
        self.n_players = self.n_labels = start

    def _number_groups(
        self, inputs: tuple[Tensor, ...], masks: Sequence[Tensor]
    ) -> None:
        masks = [
            _checked(mask, x, index)
            for index, (mask, x) in enumerate(zip(masks, inputs, strict=True))
        ]
        filled = [mask for mask in masks if mask.numel()]
        self.n_labels = max((int(mask.max()) + 1 for mask in filled), default=0)
        if self.n_labels > self._LARGEST_ID:
            raise InputError(
                f"feature_mask ids must be below {self._LARGEST_ID}, got "
                f"{self.n_labels - 1}; number the groups from 0"
            )
        present = torch.zeros(self.n_labels, dtype=torch.bool)
        for mask in filled:
            present[mask.to(present.device)] = True
        self.labels = present.nonzero().flatten()
        self.n_players = len(self.labels)
        number = present.cumsum(0) - 1
        self.owners = tuple(number.to(mask.device)[mask] for mask in masks)
        self._starts = (None,) * len(masks)


def _columns(coalitions: Tensor, owner: Tensor, start: int | None) -> Tensor:
    """``(C, *owner.shape)``: for each element, whether its owner stays."""
    if start is None:
        chosen = coalitions.index_select(1, owner.flatten())
    else:  # owners are consecutive: a view, where indexing would copy
        chosen = coalitions[:, start : start + owner.numel()]
    return chosen.reshape(len(coalitions), *owner.shape)


def _own_columns(values: Tensor, owner: Tensor) -> Tensor:
    """``(B, *rest, *feat)`` from ``(B, *rest, n)``, by the owners of each example."""
    batch, rest = len(values), values.shape[1:-1]
    columns = owner.expand(batch, *owner.shape[1:]).reshape(batch, 1, -1)
    flat = values.reshape(batch, rest.numel(), -1)
    chosen = flat.gather(2, columns.expand(-1, rest.numel(), -1))
    return chosen.reshape(batch, *rest, *owner.shape[1:])


def _one_mask_per_input(
    feature_mask: Tensor | tuple[Tensor, ...], inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    masks = feature_mask if isinstance(feature_mask, tuple) else (feature_mask,)
    if any(not isinstance(mask, Tensor) for mask in masks):
        raise InputError(
            "feature_mask must be a tensor or a tuple of tensors, got "
            f"{[type(mask).__name__ for mask in masks]}"
        )
    if len(masks) != len(inputs):
        raise InputError(
            f"feature_mask must hold one mask for each of the {len(inputs)} inputs, "
            f"got {len(masks)}"
        )
    return masks


def _checked(mask: Tensor, x: Tensor, index: int) -> Tensor:
    """The mask as int64, on the device and with the dimensions of its input."""
    name = f"feature_mask[{index}]"
    if x.numel() == 0 and mask.numel() == 0:
        return torch.zeros(1, 0, dtype=torch.int64, device=x.device)
    if mask.ndim > x.ndim or not _broadcasts(mask.shape, x.shape):
        raise InputError(
            f"{name} must broadcast to the shape of inputs[{index}], "
            f"{tuple(x.shape)}; got {tuple(mask.shape)}"
        )
    if mask.is_complex() or (
        mask.is_floating_point() and not bool((mask == mask.round()).all())
    ):
        raise InputError(
            f"{name} must hold whole numbers, got fractions ({mask.dtype})"
        )
    whole = mask.to(device=x.device, dtype=torch.int64)
    if bool((whole < 0).any()):
        raise InputError(
            f"{name} must hold ids from 0 upwards, got {int(whole.min())}; "
            "give elements that belong together the same non-negative id"
        )
    whole = whole.reshape((1,) * (x.ndim - mask.ndim) + tuple(mask.shape))
    # An expanded mask has the same groups for all examples, and is one mask.
    return whole[:1] if bool((whole == whole[:1]).all()) else whole


def _broadcasts(shape: Sequence[int], target: Sequence[int]) -> bool:
    """Whether a tensor of ``shape`` expands to ``target`` (aligned at the end)."""
    tail = list(target)[len(target) - len(shape) :]
    return all(size in {1, wanted} for size, wanted in zip(shape, tail, strict=True))
