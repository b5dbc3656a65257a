"""Groups of points to be valued, each as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from torchattr.valuation.dataset.dataset import Data, Dataset, Names
from torchattr.valuation.dataset.grouping import Grouping

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GroupedDataset"]


@final
class GroupedDataset(Dataset):
    """Points in groups: an index is the id of a group, a coalition a set of groups.

    Groups are ordered as their ids first appear, and names follow that order.

    Args:
        x: ``(n, ...)`` inputs.
        y: ``(n,)`` targets, or ``(n, n_targets)``.
        data_groups: ``(n,)`` the id of each point's group, any integers. Strings are
            names of groups, which are then numbered.
        feature_names: Of the columns of ``x``.
        target_names: Of the columns of ``y``, or of the classes.
        data_names: Of the points.
        group_names: Of the groups, in the order of first appearance of their ids; by
            default the ids as strings.
        description: Free text.
        multi_output: Whether ``y`` may have several columns.
        mmap: Whether to keep arrays in temporary files that processes share.

    Raises:
        InputError: If there is not one id for each point, or one name for each group;
            or as :class:`Dataset` does.

    Example:
        >>> import numpy as np
        >>> data = GroupedDataset(
        ...     np.eye(4), np.arange(4), [5, 3, 5, 9], group_names=["a", "b", "c"]
        ... )
        >>> dict(zip(data.indices.tolist(), data.names.tolist()))
        {5: 'a', 3: 'b', 9: 'c'}
        >>> data.data([5]).y
        array([0, 2])
    """

    def __init__(
        self,
        x: Data,
        y: Data,
        data_groups: Names,
        feature_names: Names | None = None,
        target_names: Names | None = None,
        data_names: Names | None = None,
        *,
        group_names: Names | None = None,
        description: str | None = None,
        multi_output: bool = False,
        mmap: bool = False,
    ) -> None:
        super().__init__(
            x,
            y,
            feature_names,
            target_names,
            data_names,
            description,
            multi_output=multi_output,
            mmap=mmap,
        )
        self._grouping = Grouping.by_first_appearance(
            data_groups, group_names, len(self._arrays)
        )

    @classmethod
    def from_dataset(
        cls, data: Dataset, data_groups: Names, group_names: Names | None = None
    ) -> Self:
        """The points of a dataset in groups.

        Args:
            data: The points, whose names and arrays are kept.
            data_groups: ``(n,)`` the id of each point's group.
            group_names: Of the groups, in the order of first appearance of their ids.

        Returns:
            A grouped dataset.

        Raises:
            InputError: If there is not one id for each point, or one name for each
                group.
        """
        grouped = object.__new__(cls)
        grouped.__dict__.update(data.__dict__)
        grouped._grouping = Grouping.by_first_appearance(
            data_groups, group_names, len(data._arrays)
        )
        return grouped
