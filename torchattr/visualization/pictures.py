"""Images of training points, as they are drawn: one scale for all that are shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats
from torchattr.visualization.valued_points import covered

__all__ = ["pictures"]


def pictures(
    images: Array, indices: npt.NDArray[np.int64], example: Array | None = None
) -> Floats:
    """Some of the images, with channels last.

    Args:
        images: ``(n, H, W)``, ``(n, C, H, W)`` or ``(n, H, W, C)``, by data index.
        indices: ``(k,)``: which of them.
        example: One more image, like those, which comes last.

    Returns:
        ``(k, H, W, C)``, or ``(k + 1, H, W, C)``, in [0, 1]. Other values than [0, 1]
        and bytes are stretched to the range of those that are returned.

    Raises:
        InputError: For images of another shape, or fewer than points.
    """
    if images.ndim not in {3, 4}:
        raise InputError(
            "images must be (n, H, W), (n, C, H, W) or (n, H, W, C), by data index; "
            f"got shape {tuple(images.shape)}. Reshape the rows of a table of pixels."
        )
    pixels = as_floats("images", images[covered("images", images, indices)])
    if example is not None:
        if tuple(example.shape) != tuple(images.shape[1:]):
            raise InputError(
                f"example must be one image like the others, {tuple(images.shape[1:])};"
                f" got shape {tuple(example.shape)}."
            )
        pixels = np.concatenate([pixels, as_floats("example", example)[None]])
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    elif pixels.shape[-1] not in {1, 3, 4} or pixels.shape[1] in {1, 3}:
        pixels = np.moveaxis(pixels, 1, -1)
    if pixels.shape[-1] not in {1, 3, 4}:
        pixels = pixels.mean(axis=-1, keepdims=True)
    low, high = pixels.min(), pixels.max()
    if str(images.dtype).endswith("uint8"):
        return pixels / 255
    if low >= 0 and high <= 1:
        return pixels
    stretched: Floats = (pixels - low) / (high - low if high > low else 1.0)
    return stretched
