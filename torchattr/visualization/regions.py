"""Regions of pixels as paths: their boundaries, and their inside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path

from torchattr.visualization.arrays import Floats

__all__ = ["boundaries", "inside"]


def boundaries(labels: npt.NDArray[np.int64]) -> Floats:
    """Line pieces between neighbouring pixels that belong to different players.

    Args:
        labels: (C, H, W); pixels differ when any of their channels does.

    Returns:
        (E, 2, 2): E pieces, each from one (x, y) to another, in pixel coordinates
        (a pixel's centre is whole).
    """
    row, column = np.nonzero((labels[:, :, 1:] != labels[:, :, :-1]).any(axis=0))
    upright = np.stack([column + 0.5, row - 0.5, column + 0.5, row + 0.5], axis=-1)
    row, column = np.nonzero((labels[:, 1:] != labels[:, :-1]).any(axis=0))
    level = np.stack([column - 0.5, row + 0.5, column + 0.5, row + 0.5], axis=-1)
    return np.concatenate([upright, level]).reshape(-1, 2, 2)


def inside(mask: npt.NDArray[np.bool_]) -> Path:
    """The area of the true pixels, one rectangle per run of them within a row.

    Args:
        mask: (H, W), with at least one true pixel.

    Returns:
        A path of closed rectangles in pixel coordinates.
    """
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(steps == 1)
    _, stop = np.nonzero(steps == -1)
    left, right, top, bottom = start - 0.5, stop - 0.5, row - 0.5, row + 0.5
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    vertices = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(vertices.reshape(-1, 2), np.tile(np.array(codes), len(row)))
