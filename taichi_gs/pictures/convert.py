"""Pixels of one kind into pixels of another: arrays to planes, planes to 8 bits, profiles to sRGB."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from taichi_gs.errors import ImageError
from taichi_gs.model.levels import to_levels
from taichi_gs.pictures import icc
from taichi_gs.pictures.picture import Picture
from taichi_gs.pictures.suffixes import MAX_PIXELS

FloatImage = NDArray[np.float32]
ByteImage = NDArray[np.uint8]


def as_planes(image: ArrayLike, max_pixels: int | None = MAX_PIXELS) -> FloatImage:
    """Convert an array to [H, W, C] float32, 0 to 1, with C from 1 to 4: gray, gray and alpha, RGB or RGBA.

    Args:
        image: [H, W] or [H, W, C]; uint8, uint16, bool, or float from 0 to 1, of either byte order.
        max_pixels: the limit, if there is one.

    Raises:
        ImageError: if it is anything else, is empty, or has more pixels than the limit.
    """
    pixels = _with_channels(image)
    check_size(pixels.shape[0], pixels.shape[1], "the image", max_pixels)
    return _to_unit_range(pixels)


def _with_channels(image: ArrayLike) -> NDArray[Any]:
    """An array [H, W] or [H, W, C] as [H, W, C], C from 1 to 4."""
    if image is None:
        raise ImageError("there is no image: it is None, which OpenCV's imread returns for a file that it cannot read")
    try:
        pixels = np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"an image has to be an array, not {type(image).__name__}") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ImageError(f"an image has the shape [height, width] or [height, width, 1 to 4], not {pixels.shape}")
    return pixels


def as_float_image(image: ArrayLike) -> FloatImage:
    """Convert an array as `as_planes` takes to RGB [H, W, 3] float32, 0 to 1.

    Raises:
        ImageError: if it is no image or not opaque.
    """
    planes = as_planes(image)
    height, width, num_channels = planes.shape
    if num_channels in (2, 4):
        if not is_opaque(planes[:, :, -1]):
            raise ImageError("the image has transparent pixels, and transparency is not supported")
        planes = planes[:, :, :-1]
    return np.ascontiguousarray(np.broadcast_to(planes, (height, width, 3)))


def as_srgb(picture: Picture, name: str = "the picture") -> Picture:
    """Convert a picture that has an ICC profile to sRGB, uint8, of the same mode; `name` stands for it in the log."""
    if picture.icc_profile is None:
        return picture
    pixels = as_byte_image(as_planes(picture.pixels, max_pixels=None))
    is_gray = pixels.shape[2] < 3
    colors = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if is_gray else pixels[:, :, :3]))
    planes = [np.asarray(icc.to_srgb(colors, picture.icc_profile, name))[:, :, : 1 if is_gray else 3]]
    if picture.mode.endswith("A"):
        planes.append(pixels[:, :, -1:])
    converted = np.concatenate(planes, axis=2)
    return replace(picture, pixels=converted[:, :, 0] if picture.mode == "L" else converted, icc_profile=None)


def as_preview(picture: Picture, name: str = "the picture") -> Picture:
    """Convert a picture to sRGB over white, without alpha, profile and metadata; `name` stands for it in the log."""
    converted = as_srgb(picture, name)
    if _with_channels(converted.pixels).shape[2] in (1, 3):
        return Picture(converted.pixels)
    planes = as_planes(converted.pixels, max_pixels=None)
    colors, alpha = planes[:, :, :-1], planes[:, :, -1:]
    return Picture(as_byte_image((1.0 + alpha * (colors - 1.0)).astype(np.float32)))


def as_asked(picture: Picture, *, srgb: bool = False, preview: bool = False, name: str = "the picture") -> Picture:
    """The picture that the options `srgb` and `preview` of an encoder make a file of."""
    if preview:
        return as_preview(picture, name)
    return as_srgb(picture, name) if srgb else picture


def is_opaque(alpha: FloatImage) -> bool:
    """Tell whether alpha, 0 to 1, is 255 everywhere when rounded to 8 bits."""
    return bool(as_byte_image(alpha).min() == 255)


def as_byte_image(image: FloatImage) -> ByteImage:
    """Round pixels, float from 0 to 1, to uint8."""
    levels: FloatImage = to_levels(image)
    return levels.astype(np.uint8)


def check_size(height: int, width: int, name: str, max_pixels: int | None = MAX_PIXELS) -> None:
    """Raise ImageError if a picture, which `name` stands for, has no pixels or more than a limit, if there is one."""
    if height == 0 or width == 0:
        raise ImageError(f"{name} has no pixels")
    if max_pixels is not None and height * width > max_pixels:
        raise ImageError(f"{name} has {height * width:,} pixels, more than the limit of {max_pixels:,}")


def _to_unit_range(pixels: NDArray[Any]) -> FloatImage:
    """Scale the whole range of the dtype to 0..1.

    In memory the channels lie one after the other, as a fit takes them: large pictures are not copied once more.
    """
    if pixels.dtype == bool:
        return _by_channel(pixels)
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        planes = _by_channel(pixels)
        planes /= np.float32(np.iinfo(pixels.dtype).max)
        return planes
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ImageError(f"pixels are uint8, uint16, bool or floats from 0 to 1, not {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    tolerance = 1e-3  # a quarter of a level of 8 bits: what float16 and resampling leave of an exact 0 or 1
    if not (low >= -tolerance and high <= 1 + tolerance):  # false for NaN, too
        raise ImageError(f"floating-point pixels go from 0 to 1, and these from {low:g} to {high:g}")
    return _by_channel(pixels if low >= 0 and high <= 1 else np.clip(pixels, 0, 1))


def _by_channel(pixels: NDArray[Any]) -> FloatImage:
    """Pixels [H, W, C] as float32, with the channels one after the other in memory: themselves, if they are so."""
    if pixels.dtype == np.float32 and pixels.transpose(2, 0, 1).flags.c_contiguous:
        return pixels
    height, width, num_channels = pixels.shape
    planes = np.empty((num_channels, height, width), np.float32)
    planes[:] = pixels.transpose(2, 0, 1)
    return planes.transpose(1, 2, 0)
