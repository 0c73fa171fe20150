"""ThumbHash and BlurHash: placeholders of some 25 bytes, for comparison with the smallest files.

Both are a picture's lowest cosine coefficients, coarsely quantised. These are the formulas of
https://github.com/evanw/thumbhash and https://github.com/woltapp/blurhash/blob/master/Algorithm.md, for opaque RGB.
Hashes are those of the published encoders. Decoders evaluate the cosines at every pixel of the size asked for, which
loses less than to draw a small picture and to scale it up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

THUMBHASH_MAX_SIDE = 100
"""Pixels; a larger picture is made smaller first."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_MAX_DIGIT = len(_DIGITS) - 1
_BLURHASH_LEVELS = 19
"""Of one channel of a coefficient."""


def encode_thumbhash(pixels: Pixels) -> bytes:
    """Return the ThumbHash of a picture [H, W, 3]; it is binary."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBHASH_MAX_SIDE, THUMBHASH_MAX_SIDE), Image.Resampling.LANCZOS)
    red, green, blue = np.moveaxis(np.asarray(picture) / 255.0, 2, 0)
    width, height = picture.size
    is_landscape = width > height
    across, down = (max(1, _round(7 * side / max(picture.size))) for side in picture.size)
    counts = ((max(3, across), max(3, down)), (3, 3), (3, 3))
    channels = ((red + green + blue) / 3, (red + green) / 2 - blue, red - green)
    coefficients = [_thumbhash_coefficients(channel, count) for channel, count in zip(channels, counts, strict=True)]
    scales = [float(np.abs(values[1:]).max(initial=0.0)) for values in coefficients]
    light, yellow, red_green = (float(values[0]) for values in coefficients)
    first = _round(63 * light) | _round(31.5 + 31.5 * yellow) << 6 | _round(31.5 + 31.5 * red_green) << 12
    first |= _round(31 * scales[0]) << 18
    second = (down if is_landscape else across) | _round(63 * scales[1]) << 3 | _round(63 * scales[2]) << 9
    second |= is_landscape << 15
    nibbles = [
        _round(15 * (0.5 + 0.5 * value / scale)) if scale else 0
        for values, scale in zip(coefficients, scales, strict=True)
        for value in values[1:].tolist()
    ]
    nibbles += [0] * (len(nibbles) % 2)
    varying = bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return first.to_bytes(3, "little") + second.to_bytes(2, "little") + varying


def decode_thumbhash(data: bytes, size: tuple[int, int]) -> Pixels:
    """Draw a ThumbHash in `size`, (H, W)."""
    first, second = int.from_bytes(data[:3], "little"), int.from_bytes(data[3:5], "little")
    shorter = max(3, second & 7)
    counts = ((7, shorter) if second >> 15 else (shorter, 7), (3, 3), (3, 3))
    constants = ((first & 63) / 63, (first >> 6 & 63) / 31.5 - 1, (first >> 12 & 63) / 31.5 - 1)
    # The published decoder raises saturation to make up for the quantisation.
    scales = ((first >> 18 & 31) / 31, 1.25 * (second >> 3 & 63) / 63, 1.25 * (second >> 9 & 63) / 63)
    nibbles = iter([nibble for byte in data[5:] for nibble in (byte & 15, byte >> 4)])
    channels = []
    for constant, scale, (across, down) in zip(constants, scales, counts, strict=True):
        weights = np.zeros((down, across))
        for index, (row, column) in enumerate(_triangle(across, down)):
            weights[row, column] = 2 * (next(nibbles) / 7.5 - 1) * scale if index else constant
        channels.append(_cosines(down, size[0], 0.5).T @ weights @ _cosines(across, size[1], 0.5))
    light, yellow, red_green = channels
    blue = light - 2 / 3 * yellow
    red = (3 * light - blue + red_green) / 2
    return np.asarray(255 * np.clip(np.stack([red, red - red_green, blue], axis=2), 0, 1), np.uint8)


def encode_blurhash(pixels: Pixels, counts: tuple[int, int]) -> bytes:
    """Return the BlurHash of a picture [H, W, 3] with so many coefficients across and down; it is text of base 83."""
    height, width = pixels.shape[:2]
    across, down = counts
    weights = np.einsum(
        "jy,yxc,ix->jic", _cosines(down, height), _to_linear(pixels / 255.0), _cosines(across, width), optimize=True
    ) / (height * width)
    constant, varying = weights[0, 0], 2 * weights.reshape(-1, 3)[1:]
    largest = float(np.abs(varying).max(initial=0.0))
    scale_digit = min(max(int(largest * 166 - 0.5), 0), _MAX_DIGIT)
    scale = (scale_digit + 1) / 166
    roots = np.copysign(np.sqrt(np.abs(varying / scale)), varying)
    levels = np.clip(np.floor(9 * roots + 9.5), 0, _BLURHASH_LEVELS - 1).astype(int)
    color = np.floor(255 * _to_srgb(np.clip(constant, 0, 1)) + 0.5).astype(int)
    text = _digits((across - 1) + 9 * (down - 1), 1) + _digits(scale_digit, 1) + _digits(_joined(color, 256), 4)
    return (text + "".join(_digits(_joined(level, _BLURHASH_LEVELS), 2) for level in levels)).encode()


def decode_blurhash(data: bytes, size: tuple[int, int]) -> Pixels:
    """Draw a BlurHash in `size`, (H, W)."""
    text = data.decode()
    down, across = (count + 1 for count in divmod(_value(text[0]), 9))
    scale = (_value(text[1]) + 1) / 166
    constant = _to_linear(np.array(_split(_value(text[2:6]), 256)) / 255.0)
    levels = [_split(_value(text[start : start + 2]), _BLURHASH_LEVELS) for start in range(6, len(text), 2)]
    roots = (np.array(levels, dtype=np.float64).reshape(-1, 3) - 9) / 9
    weights = np.concatenate([constant[None], scale * np.copysign(roots**2, roots)]).reshape(down, across, 3)
    linear = np.einsum("jy,jic,ix->yxc", _cosines(down, size[0]), weights, _cosines(across, size[1]), optimize=True)
    return np.floor(255 * _to_srgb(np.clip(linear, 0, 1)) + 0.5).astype(np.uint8)


def _thumbhash_coefficients(channel: Floats, counts: tuple[int, int]) -> Floats:
    """The coefficients that a ThumbHash keeps of a channel [H, W], the constant one first."""
    height, width = channel.shape
    across, down = counts
    weights = _cosines(down, height, 0.5) @ channel @ _cosines(across, width, 0.5).T / (height * width)
    return np.array([weights[row, column] for row, column in _triangle(across, down)])


def _triangle(across: int, down: int) -> list[tuple[int, int]]:
    """The rows and columns of the coefficients of low frequency, in the order of the hash."""
    return [(row, column) for row in range(down) for column in range(across) if column * down < across * (down - row)]


def _cosines(count: int, length: int, offset: float = 0.0) -> Floats:
    """The first cosines over so many pixels, [count, length]; a pixel's sample lies at its index plus `offset`."""
    return np.cos(np.pi / length * np.outer(np.arange(count), np.arange(length) + offset))


def _to_linear(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(values: Floats) -> Floats:
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def _round(value: float) -> int:
    """Round as JavaScript does: halves upwards."""
    return int(np.floor(value + 0.5))


def _digits(value: int, count: int) -> str:
    return "".join(_DIGITS[value // len(_DIGITS) ** place % len(_DIGITS)] for place in reversed(range(count)))


def _value(text: str) -> int:
    return _joined([_DIGITS.index(digit) for digit in text], len(_DIGITS))


def _joined(values: Sequence[int] | NDArray[np.int_], base: int) -> int:
    """One number of several, the most significant first."""
    joined = 0
    for value in values:
        joined = joined * base + int(value)
    return joined


def _split(value: int, base: int) -> tuple[int, int, int]:
    """The three numbers that were joined in one."""
    return value // base**2, value // base % base, value % base
