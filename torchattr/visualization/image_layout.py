"""Where a picture's rows, columns and channels are.

Attributions come as torch lays out images, (C, H, W) with an optional leading 1, and
are drawn as one number per pixel. An image to draw beneath them may have its channels
first (torch) or last (numpy, matplotlib); the attributions' (H, W) tells which.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats, as_labels

__all__ = ["channels_first", "displayable", "gray", "labels_like", "per_pixel"]


def channels_first(name: str, array: Array, *, finite: bool = True) -> Floats:
    """Numbers of one image as (C, H, W).

    Args:
        name: How an error calls it.
        array: (H, W), (C, H, W) or (1, C, H, W).
        finite: Refuse NaN and infinity.

    Returns:
        The numbers; one channel for (H, W).

    Raises:
        InputError: For any other shape.
    """
    numbers = as_floats(name, array, finite=finite)
    if numbers.ndim == 4 and len(numbers) == 1:
        numbers = numbers[0]
    if numbers.ndim == 2:
        numbers = numbers[None]
    if numbers.ndim != 3:
        raise InputError(
            f"{name} must be one image, (H, W), (C, H, W) or (1, C, H, W); got shape "
            f"{numbers.shape}. Choose one example, e.g. {name}[0]."
        )
    return numbers


def labels_like(
    attributions: Floats, feature_mask: Array | None
) -> npt.NDArray[np.int64] | None:
    """The player of every element, one channel per distinct plane of the mask.

    Args:
        attributions: (C, H, W).
        feature_mask: As given to ``attribute``: broadcastable to ``attributions``, with
            or without a leading 1. ``None``: every element is a player.

    Returns:
        (C, H, W), or ``None`` where ``feature_mask`` is.

    Raises:
        InputError: If the mask does not broadcast to the attributions.
    """
    if feature_mask is None:
        return None
    mask = as_labels("feature_mask", feature_mask)
    while mask.ndim > 3 and len(mask) == 1:
        mask = mask[0]
    try:
        return np.broadcast_to(mask, attributions.shape)
    except ValueError:
        raise InputError(
            f"feature_mask must broadcast to the attributions' {attributions.shape}; "
            f"got {mask.shape}. Pass the mask that was given to attribute()."
        ) from None


def per_pixel(numbers: Floats, labels: npt.NDArray[np.int64] | None) -> Floats:
    """Sum over a pixel's channels, counting each player once.

    Every element of a group holds the value of the whole group, so a pixel whose three
    channels are one player is worth that value, not three times as much.

    Args:
        numbers: (C, H, W), attributions or standard errors. Of standard errors the sum
            is an upper bound for the standard error of the sum, whatever the players'
            correlation.
        labels: (C, H, W) players, or ``None`` when every element is one.

    Returns:
        (H, W).
    """
    if labels is None:
        shares = numbers
    else:
        shares = numbers / (labels[:, None] == labels[None]).sum(axis=1)
    total: Floats = shares.sum(axis=0)
    return total


def displayable(name: str, image: Array, shape: tuple[int, int]) -> Floats:
    """An image as matplotlib draws it: (H, W, C) in [0, 1].

    Values in [0, 1] stay; bytes and values in [0, 255] are divided by 255; an image
    with other values (normalised for a network, say) is stretched from its smallest to
    its largest value, since its own units were not passed.

    Args:
        name: How an error calls it.
        image: (H, W), (C, H, W), (1, C, H, W) or (H, W, C).
        shape: The (H, W) it must have.

    Returns:
        (H, W, C) with C = 1, 3 or 4; other numbers of channels are averaged into one.

    Raises:
        InputError: If the image is not of that height and width.
    """
    pixels = as_floats(name, image)
    if pixels.ndim == 4 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or shape not in {pixels.shape[:2], pixels.shape[1:]}:
        raise InputError(
            f"{name} must have the height and width {shape} of the attributions; got "
            f"shape {tuple(image.shape)}. Resize it, or choose one example."
        )
    if pixels.shape[:2] != shape:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[-1] not in {1, 3, 4}:
        pixels = pixels.mean(axis=-1, keepdims=True)
    return _unit_range(pixels, of_bytes=str(image.dtype).endswith("uint8"))


def _unit_range(pixels: Floats, *, of_bytes: bool) -> Floats:
    low, high = pixels.min(), pixels.max()
    if low >= 0 and high <= 1 and not of_bytes:
        return pixels
    if low >= 0 and high <= 255:
        return pixels / 255
    stretched: Floats = (pixels - low) / (high - low if high > low else 1.0)
    return stretched


def gray(pixels: Floats) -> Floats:
    """Lightness of a displayable image.

    Args:
        pixels: (H, W, C) in [0, 1]; a fourth channel is opacity and does not count.

    Returns:
        (H, W) in [0, 1].
    """
    lightness: Floats = pixels[..., :3].mean(axis=-1)
    return lightness
