"""What about the training examples is varied."""

from __future__ import annotations

from enum import Enum

__all__ = ["InfluenceMode"]


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
