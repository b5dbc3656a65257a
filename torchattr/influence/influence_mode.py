"""What about the training examples is varied."""

from __future__ import annotations

from enum import Enum

from torchattr.errors import InputError

__all__ = ["InfluenceMode", "checked_mode"]


class InfluenceMode(Enum):
    """Which change of the training data an influence is the effect of.

    Attributes:
        Up: The weight of a training example.
        Perturbation: The features of a training example.

    Example:
        >>> InfluenceMode("up")
        <InfluenceMode.Up: 'up'>
    """

    Up = "up"
    Perturbation = "perturbation"


def checked_mode(mode: object) -> InfluenceMode:
    """A mode that a user passed.

    Args:
        mode: Anything.

    Returns:
        The mode.

    Raises:
        InputError: If it is none.

    Example:
        >>> checked_mode(InfluenceMode.Up)
        <InfluenceMode.Up: 'up'>
    """
    if not isinstance(mode, InfluenceMode):
        raise InputError(
            f"mode must be InfluenceMode.Up or InfluenceMode.Perturbation; got {mode!r}"
        )
    return mode
