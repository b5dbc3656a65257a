"""Points to be valued, with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.valuation.dataset.grouping import Grouping
from torchattr.valuation.dataset.memory_map import MappedPair
from torchattr.valuation.dataset.raw_data import Array, RawData, as_raw_data
from torchattr.valuation.dataset.splitting import RandomState, split

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Data", "Dataset", "Names"]

Data: TypeAlias = Array | ArrayLike
Names: TypeAlias = Sequence[str] | Sequence[int] | NDArray[Any]
Points: TypeAlias = int | slice | Sequence[int] | NDArray[Any]


class Dataset:
    """Inputs and targets of ``n`` points with indices and names.

    What is valued, and has an index and a name, is a point here, a group of them in
    :class:`GroupedDataset`.

    Args:
        x: ``(n, ...)`` inputs: an array or a tensor, which they stay, of any number of
            dimensions.
        y: ``(n,)`` targets, or ``(n, n_targets)``.
        feature_names: Of the columns of ``x``; by default ``x0, x1, ...``.
        target_names: Of the columns of ``y``, or of the classes; by default
            ``y0, y1, ...``.
        data_names: Of the points; by default their indices as strings.
        description: Free text.
        multi_output: Whether ``y`` may have several columns; otherwise a single column
            is flattened to ``(n,)``.
        mmap: Whether to keep arrays in temporary files that processes share.

    Raises:
        InputError: If lengths do not agree, ``x`` and ``y`` are of different kinds, or
            ``y`` has several columns unasked.

    Example:
        >>> data = Dataset(np.eye(3), np.array([0, 1, 1]), data_names=["a", "b", "c"])
        >>> data[1:].names, data.data([2]).y
        (array(['b', 'c'], dtype='<U1'), array([1]))
        >>> train, test = Dataset.from_arrays(np.eye(10), np.arange(10), train_size=0.7)
        >>> len(train), len(test)
        (7, 3)
    """

    _grouping: Grouping

    def __init__(
        self,
        x: Data,
        y: Data,
        feature_names: Names | None = None,
        target_names: Names | None = None,
        data_names: Names | None = None,
        description: str | None = None,
        *,
        multi_output: bool = False,
        mmap: bool = False,
    ) -> None:
        given = as_raw_data(x, y)
        raw = RawData(given.x, _targets(given.y, multi_output=multi_output))
        self._raw: RawData | MappedPair = MappedPair(raw) if mmap else raw
        self.multi_output = multi_output
        self.feature_names = _column_names("feature", feature_names, raw.x)
        self.target_names = _column_names("target", target_names, raw.y)
        self.description = description or ""
        single = Grouping.single(data_names, len(raw))
        self.data_names = single.names
        self._grouping = single

    @classmethod
    def from_arrays(
        cls,
        X: Data,
        y: Data,
        train_size: float = 0.8,
        random_state: RandomState | None = None,
        stratify_by_target: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
        **options: Any,  # ruff: ignore[any-type] (the constructor checks them)
    ) -> tuple[Self, Self]:
        """Training and test points, split at random as scikit-learn splits.

        Args:
            X: ``(n, ...)`` inputs.
            y: ``(n, ...)`` targets.
            train_size: The share of the points to train on, or their number.
            random_state: Seed of the split; ``None`` is fresh.
            stratify_by_target: Whether classes have the same shares in both parts;
                needs scikit-learn.
            **options: More arguments of the constructor, for all the points.

        Returns:
            The two datasets.

        Raises:
            InputError: If a part would be empty.
            MissingExtraError: If stratifying without scikit-learn.
        """
        mmap = options.pop("mmap", False)
        everything = cls(X, y, **options)
        train, test = split(
            len(everything._arrays),
            train_size,
            random_state,
            everything._arrays.y if stratify_by_target else None,
        )
        return everything._of(train, mmap=mmap), everything._of(test, mmap=mmap)

    @classmethod
    def from_sklearn(
        cls,
        data: Mapping[str, Any],
        train_size: float = 0.8,
        random_state: RandomState | None = None,
        stratify_by_target: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
        **options: Any,  # ruff: ignore[any-type] (the constructor checks them)
    ) -> tuple[Self, Self]:
        """Training and test points of one of scikit-learn's bundled data sets.

        Args:
            data: What ``sklearn.datasets.load_iris()`` and the like return.
            train_size: The share of the points to train on, or their number.
            random_state: Seed of the split; ``None`` is fresh.
            stratify_by_target: Whether classes have the same shares in both parts.
            **options: More arguments of the constructor, in place of what the data set
                says.

        Returns:
            The two datasets.
        """
        said = {
            "feature_names": data.get("feature_names"),
            "target_names": data.get("target_names"),
            "description": data.get("DESCR"),
        }
        return cls.from_arrays(
            data["data"],
            data["target"],
            train_size,
            random_state,
            stratify_by_target=stratify_by_target,
            **said | options,
        )

    @property
    def _arrays(self) -> RawData:
        return self._raw.data if isinstance(self._raw, MappedPair) else self._raw

    def _of(self, points: NDArray[np.int64], *, mmap: bool = False) -> Self:
        """Some points as a dataset of the same kind, whose groups keep their ids."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        chosen = self._arrays[points]
        part._raw = MappedPair(chosen) if mmap else chosen
        part.data_names = self.data_names[points]
        part._grouping = self._grouping.of_points(points)
        return part

    def __len__(self) -> int:
        return len(self._grouping)

    def __getitem__(self, key: Points) -> Self:
        return self._of(self._grouping.points_of(key))

    def __repr__(self) -> str:
        x, y = (tuple(part.shape) for part in self._arrays)
        return f"{type(self).__name__}(n={len(self)}, x of {x}, y of {y})"

    def data(self, indices: Points | None = None) -> RawData:
        """Inputs and targets.

        Args:
            indices: Of what is valued (points, or groups); ``None`` is all points in
                their order.

        Returns:
            The pair, without a copy where it is everything.

        Raises:
            InputError: If there is no such index.
        """
        if indices is None:
            return self._arrays
        return self._arrays[self._grouping.points_of(indices)]

    def data_indices(self, indices: Points | None = None) -> NDArray[np.int64]:
        """Positions of the points that indices stand for.

        Args:
            indices: Of what is valued; ``None`` is all.

        Returns:
            ``(m,)`` positions of points, those of a group together.
        """
        return self._grouping.points_of(slice(None) if indices is None else indices)

    def logical_indices(self, indices: Points | None = None) -> NDArray[np.int64]:
        """The index under which each point is valued.

        Args:
            indices: Positions of points; ``None`` is all.

        Returns:
            ``(m,)`` indices: of the points, or of their groups.
        """
        logical = self._grouping.ids[self._grouping.members]
        return logical if indices is None else np.atleast_1d(logical[indices])

    def masks(self, coalitions: Tensor) -> Tensor:
        """Which points are in which coalition of what is valued.

        Args:
            coalitions: ``(C, len(self))`` bool, columns in the order of ``indices``.

        Returns:
            ``(C, n_points)`` bool.
        """
        return self._grouping.masks(coalitions)

    @property
    def indices(self) -> NDArray[np.int64]:
        """``(len(self),)`` indices of what is valued."""
        return self._grouping.ids

    @property
    def names(self) -> NDArray[Any]:
        """``(len(self),)`` names of what is valued."""
        return self._grouping.names

    @property
    def n_features(self) -> int:
        """Numbers in one input."""
        return int(np.prod(self._arrays.x.shape[1:], dtype=int))

    @property
    def n_targets(self) -> int:
        """Numbers in one target."""
        return int(np.prod(self._arrays.y.shape[1:], dtype=int))

    def feature(self, name: str) -> tuple[slice, int]:
        """Where a feature is: ``dataset.data().x[dataset.feature(name)]``.

        Args:
            name: One of ``feature_names``.

        Returns:
            An index of a column of ``x``.

        Raises:
            InputError: If there is no such name.
        """
        return slice(None), _place("feature", name, self.feature_names)

    def target(self, name: str) -> tuple[slice, int] | tuple[slice]:
        """Where a target is: ``dataset.data().y[dataset.target(name)]``.

        Args:
            name: One of ``target_names``, where these are of the columns of ``y``.

        Returns:
            An index of a column of ``y``, of all of it where it is the only one.

        Raises:
            InputError: If there is no such name, or the names are of classes.
        """
        place = _place("target", name, self.target_names)
        if len(self.target_names) != self.n_targets:
            raise InputError(
                f"{len(self.target_names)} target names for {self.n_targets} targets "
                "name the classes, not columns of y"
            )
        return (slice(None),) if self._arrays.y.ndim == 1 else (slice(None), place)


def _targets(y: Array, *, multi_output: bool) -> Array:
    if multi_output or y.ndim <= 1:
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    raise InputError(
        f"y must have one target for each point, got the shape {tuple(y.shape)}; say "
        "multi_output=True if it is to have several"
    )


def _column_names(kind: str, names: Names | None, columns: Array) -> list[Any]:
    """Names of columns, checked for features, which have no other meaning."""
    n_columns = columns.shape[1] if columns.ndim == 2 else 1
    if names is None:
        return [f"{'xy'[kind == 'target']}{i}" for i in range(n_columns)]
    listed = list(names)
    if kind == "feature" and columns.ndim == 2 and len(listed) != n_columns:
        raise InputError(
            f"feature_names must name the {n_columns} columns of x, got {len(listed)}"
        )
    return listed


def _place(kind: str, name: str, names: list[Any]) -> int:
    if name not in names:
        raise InputError(f"no {kind} is called {name!r}; there are {names}")
    return names.index(name)
