"""Which points are valued together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Grouping"]


class Grouping:
    """A partition of ``n`` points into ``G`` groups with ids and names.

    Args:
        ids: ``(G,)`` distinct ids, in the order of the groups.
        names: ``(G,)``.
        members: ``(n,)`` the place of each point's group among the ids; ``None`` where
            each point is its own group.
    """

    def __init__(
        self,
        ids: NDArray[np.int64],
        names: NDArray[Any],
        members: NDArray[np.int64] | None = None,
    ) -> None:
        self.ids, self.names = ids, names
        self.members = np.arange(len(ids)) if members is None else members
        self.is_trivial = members is None

    @classmethod
    def single(cls, names: object, size: int) -> Grouping:
        """Each point by itself.

        Args:
            names: ``(n,)`` names of the points; ``None`` is their indices as strings.
            size: Number of points.

        Returns:
            The trivial grouping.
        """
        ids = np.arange(size)
        return cls(ids, as_names("data_names", names, ids))

    @classmethod
    def by_first_appearance(cls, labels: object, names: object, size: int) -> Grouping:
        """Groups in the order in which their ids first appear.

        Args:
            labels: ``(n,)`` ids, or names of groups, which are then numbered.
            names: ``(G,)`` names of the groups, in that order.
            size: Number of points.

        Returns:
            The grouping.

        Raises:
            InputError: If there is not one label for each point, or one name for each
                group.
        """
        array = _labels(labels, size)
        found, first, inverse = np.unique(array, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        called = found[order]
        numbered = called.dtype.kind not in "iu"
        ids = np.arange(len(called)) if numbered else called.astype(np.int64)
        if names is None and numbered:
            names = called
        return cls(ids, as_names("group_names", names, ids), place[inverse])

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _by_id(self) -> NDArray[np.int64]:
        return np.argsort(self.ids)

    @cached_property
    def _by_group(self) -> NDArray[np.int64]:
        """Points, those of a group together, groups in their order."""
        return np.argsort(self.members, kind="stable")

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.bincount(self.members, minlength=len(self))

    def places_of(self, key: object) -> NDArray[np.int64]:
        """Places of groups by their ids, or by a slice or a mask over all groups.

        Args:
            key: An id, a sequence of them, a slice, or ``(G,)`` bool.

        Returns:
            ``(m,)`` positions.

        Raises:
            InputError: If these are no ids.
            NoSuchIndexError: If there is no such id.
        """
        everything = np.arange(len(self))
        if isinstance(key, slice):
            return everything[key]
        wanted: NDArray[Any] = np.atleast_1d(np.asarray(key))
        if wanted.dtype == bool and wanted.shape == everything.shape:
            return np.flatnonzero(wanted)
        if wanted.size == 0:
            return everything[:0]
        if wanted.ndim > 1 or wanted.dtype.kind not in "iu":
            raise InputError(
                "points are chosen by an index, a sequence of indices, a slice, or a "
                f"mask with one bool for each of {len(self)}; got {key!r}"
            )
        if self.is_trivial:
            places = np.where(wanted < 0, wanted + len(self), wanted).astype(np.int64)
            missing = (places < 0) | (places >= len(self))
        else:
            found = np.searchsorted(self.ids, wanted, sorter=self._by_id)
            places = self._by_id[np.minimum(found, len(self) - 1)]
            missing = self.ids[places] != wanted
        if missing.any():
            raise NoSuchIndexError(
                f"no index {wanted[missing][0]} among the {len(self)} of this dataset"
            )
        return places

    def points_of(self, key: object) -> NDArray[np.int64]:
        """Points of some groups, group by group.

        Args:
            key: As for :meth:`places_of`.

        Returns:
            ``(m,)`` positions of points.
        """
        places = self.places_of(key)
        if self.is_trivial:
            return places
        sizes = self._sizes[places]
        firsts = (np.cumsum(self._sizes) - self._sizes)[places]
        shifts = np.repeat(firsts - (np.cumsum(sizes) - sizes), sizes)
        rows: NDArray[np.int64] = np.arange(int(sizes.sum())) + shifts
        return self._by_group[rows]

    def of_points(self, points: NDArray[np.int64]) -> Grouping:
        """The grouping of some of the points, by the groups that they are of.

        Args:
            points: ``(m,)`` positions of points.

        Returns:
            A grouping of ``m`` points by the ids that there were, in the order of first
            appearance.
        """
        if self.is_trivial:
            return Grouping(np.arange(len(points)), self.names[points])
        part = Grouping.by_first_appearance(self.members[points], None, len(points))
        return Grouping(self.ids[part.ids], self.names[part.ids], part.members)

    def masks(self, coalitions: Tensor) -> Tensor:
        """Which points are in which coalition of groups.

        Args:
            coalitions: ``(C, G)`` bool.

        Returns:
            ``(C, n)`` bool.
        """
        members = torch.from_numpy(self.members).to(coalitions.device)
        return coalitions[:, members]


class NoSuchIndexError(InputError, IndexError):
    """An index error too, as Python expects of sequences."""


def as_names(argument: str, names: object, ids: NDArray[np.int64]) -> NDArray[Any]:
    """Names of as many things as there are ids, by default the ids as strings.

    Args:
        argument: How an error calls them.
        names: What a user passed.
        ids: ``(n,)``.

    Returns:
        ``(n,)``.

    Raises:
        InputError: If there is not one name for each.
    """
    if names is None:
        return ids.astype(str)
    array = _one_dimensional(names)
    if array.shape != ids.shape:
        raise InputError(
            f"{argument} must have one name for each of {len(ids)}, got the shape "
            f"{array.shape}"
        )
    return array if array.dtype.kind in "iuUS" else array.astype(str)


def _labels(labels: object, size: int) -> NDArray[Any]:
    array = _one_dimensional(labels)
    if array.shape != (size,):
        raise InputError(
            f"data_groups must have one id for each of {size} points, got the shape "
            f"{array.shape}"
        )
    if array.dtype.kind == "f" and not (array == np.floor(array)).all():
        raise InputError("data_groups must be whole numbers or strings, got fractions")
    return array.astype(np.int64) if array.dtype.kind in "fb" else array


def _one_dimensional(column: object) -> NDArray[Any]:
    if isinstance(column, Tensor):
        return column.detach().cpu().numpy()
    return np.asarray(list(column) if isinstance(column, Sequence) else column)
