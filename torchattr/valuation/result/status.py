"""How far a valuation got."""

from __future__ import annotations

from enum import Enum

__all__ = ["Status"]


class Status(Enum):
    """How far a valuation got: ``Pending``, ``Converged`` or ``Failed``.

    Statuses combine as the criteria that return them do. ``|``: converged if either is,
    failed if both are, else pending. ``&``: failed if either is, converged if both are,
    else pending. ``~``: ``Converged`` becomes ``Failed``, anything else ``Converged``.

    A status is true where a run ends: everywhere but at ``Pending``. So ``bool`` is no
    homomorphism: ``~Status.Converged`` is true as well.

    Example:
        >>> Status.Pending | Status.Converged, Status.Pending & Status.Converged
        (<Status.Converged: 'converged'>, <Status.Pending: 'pending'>)
        >>> bool(Status.Pending), bool(Status.Failed)
        (False, True)
    """

    Pending = "pending"
    Converged = "converged"
    Failed = "failed"

    def __or__(self, other: Status) -> Status:
        if not isinstance(other, Status):
            return NotImplemented
        if Status.Converged in {self, other}:
            return Status.Converged
        return self if self is other else Status.Pending

    def __and__(self, other: Status) -> Status:
        if not isinstance(other, Status):
            return NotImplemented
        if Status.Failed in {self, other}:
            return Status.Failed
        return self if self is other else Status.Pending

    def __invert__(self) -> Status:
        return Status.Failed if self is Status.Converged else Status.Converged

    def __bool__(self) -> bool:
        return self is not Status.Pending
