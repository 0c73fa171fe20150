"""Samples of 16 bits, of which Pillow takes the upper byte alone where there are several channels."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

Opener = Callable[[bytes], ImageFile.ImageFile]
Turn = Callable[[Image.Image], Image.Image]

_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PLANAR_CONFIGURATION = 284
_SEPARATE = 2
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0

_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
"""The kind of raw samples by which Pillow takes the lower byte of each, where it takes the upper one."""


def read_16_bits(data: bytes, image: ImageFile.ImageFile, reopen: Opener, turn: Turn) -> NDArray[np.uint16] | None:
    """Decode 16-bit pictures of several channels at full precision, upright: [H, W, C]; None if it is none of them.

    Pillow takes the upper byte of each sample. It is made to take the lower one as well, by reading the file once more
    as if its samples had the other byte order; gray with alpha in PNG is read as if its four bytes were RGBA.

    Args:
        data: the file.
        image: the file, opened but not decoded.
        reopen: opens a file of the same format.
        turn: makes the picture, decoded from whichever of these, upright.
    """
    if not image.tile:
        return None
    raw_mode = _raw_mode(image.tile[0])
    if image.format == "PNG" and raw_mode == "LA;16B":
        header = data[12:24] + b"\x08\x06" + data[26:29]
        with reopen(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]) as as_rgba:
            return np.asarray(turn(as_rgba)).view(">u2").astype(np.uint16)
    if _has_separate_planes(image):
        kinds = ("16L", "16B") if data.startswith(b"II") else ("16B", "16L")  # Pillow takes the upper byte by the first
        upper, lower = (_read_planes(data, reopen, turn, kind) for kind in kinds)
        return (upper << 8 | lower).astype(np.uint16)
    match = re.fullmatch(r"(RGBA?;)(16[BLN])", raw_mode)
    if match is None:
        return None
    swapped = match[1] + _SWAPPED[match[2]]
    with reopen(data) as other:
        # A raw mode is all of a decoder's arguments, or the first of them.
        other.tile = [_with_raw_mode(tile, swapped) for tile in other.tile]
        lower = np.asarray(turn(other)).astype(np.uint16)
    upper = np.asarray(turn(image)).astype(np.uint16)
    samples: NDArray[np.uint16] = (upper << 8 | lower).astype(np.uint16)
    key = image.info.get("transparency")
    if key is None:
        return samples
    alpha = np.where((samples == np.array(key)).all(axis=2, keepdims=True), 0, 65535)
    return np.concatenate([samples, alpha.astype(np.uint16)], axis=2)


def _has_separate_planes(image: ImageFile.ImageFile) -> bool:
    """Tell whether this is a TIFF of 16 bits whose channels lie one after the other: Pillow reads them as of 8 bits."""
    tags = getattr(image, "tag_v2", {})
    is_separate = tags.get(_TIFF_PLANAR_CONFIGURATION) == _SEPARATE and len(image.getbands()) > 1
    return is_separate and max(tags.get(_TIFF_BITS_PER_SAMPLE, (1,))) == 16


def _read_planes(data: bytes, reopen: Opener, turn: Turn, kind: str) -> NDArray[np.uint16]:
    """Decode one byte of each sample of a TIFF of separate planes, upright, as 16 bits.

    Raises:
        SyntaxError: if Pillow cannot.
    """
    with reopen(data) as image:
        if image.mode not in ("RGB", "RGBA") or any(tile.codec_name != "raw" for tile in image.tile):
            raise SyntaxError("compressed planes of 16 bits")
        image.tile = [_with_raw_mode(tile, f"{_raw_mode(tile)};{kind}") for tile in image.tile]
        return np.asarray(turn(image)).astype(np.uint16)


def gray_16_bits(image: Image.Image, upright: Image.Image) -> NDArray[np.uint16]:
    """Decode a 16-bit (or 12-bit) gray picture at full precision, [H, W], or [H, W, 2] if it has a transparent gray."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))[0]
    samples: NDArray[np.uint32] = np.asarray(upright).astype(np.uint32)
    key = upright.info.get("transparency")
    alpha = None if key is None else np.where(samples == key, 0, 65535)
    # Pillow leaves both the range and the direction of such TIFFs as they are.
    samples = samples * 65535 // ((1 << bits) - 1)
    if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        samples = 65535 - samples
    planes = samples if alpha is None else np.dstack([samples, alpha])
    return planes.astype(np.uint16)


def scale_gray_key(image: ImageFile.ImageFile) -> None:
    """Bring the transparent gray of a PNG of 2 or 4 bits to the 8 bits that Pillow makes of the samples."""
    key = image.info.get("transparency")
    if image.format == "PNG" and image.tile and isinstance(key, int):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(_raw_mode(image.tile[0]), 1)


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    return tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:]))


def _raw_mode(tile: Any) -> str:
    first = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
    return first if isinstance(first, str) else ""
