"""A second decoder, from `docs/format.md` alone: slow, short, in Python and NumPy, sharing no code with taichi_gs.

    python reference_decoder.py photo.tgs photo.pam

Tests hold the package against it. It refuses what the document calls invalid or unsupported, by an exception of any
kind, and has no limits of its own.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import accumulate
from math import comb, floor, isqrt
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PRECISION = 1 << 24


class RangeDecoder:
    """The section "The range decoder"."""

    def __init__(self, payload: bytes) -> None:
        self.words = list(struct.unpack(f"<{len(payload) // 4}I", payload))
        self.lower, self.range = 0, 2**64 - 1
        self.num_read = 0
        self.point = self.next_word() << 32 | self.next_word()

    def next_word(self) -> int:
        self.num_read += 1
        return self.words[self.num_read - 1] if self.num_read <= len(self.words) else 0

    def decode(self, edges: list[int]) -> int:
        """Return one symbol of the distribution with these edges, which begin with 0 and end with 2**24."""
        scale = self.range // PRECISION
        quantile = (self.point - self.lower) % 2**64 // scale
        assert quantile < PRECISION, "damaged"
        symbol = int(np.searchsorted(edges, quantile, side="right")) - 1
        self.lower = (self.lower + scale * edges[symbol]) % 2**64
        self.range = scale * (edges[symbol + 1] - edges[symbol])
        if self.range < 2**32:
            self.lower = self.lower << 32 & 2**64 - 1
            self.range <<= 32
            self.point = (self.point << 32 & 2**64 - 1) + self.next_word()
        return symbol

    def finish(self) -> None:
        last = (self.lower + 2**32 - 1) % 2**64 >> 32
        upper = (self.lower + self.range) % 2**64 >> 32
        num_words = self.num_read if upper == last else self.num_read - 1
        if self.range == 2**64 - 1:
            last = num_words = 0
        assert self.point == last << 32, "damaged"
        assert len(self.words) == num_words, "damaged"


# Distributions, each as its edges.


def uniform(n: int) -> list[int]:
    return [s * (PRECISION // n) for s in range(n)] + [PRECISION]


def weighted(weights: list[int]) -> list[int]:
    sums = list(accumulate(weights, initial=0))
    return [s + c * (PRECISION - len(weights)) // sums[-1] for s, c in enumerate(sums)]


@cache
def beta_binomial(n: int, d: int, c: int) -> list[int]:
    left = d // 2
    ways_left = list(accumulate((c * left + i * d for i in range(n)), mul, initial=1))
    ways_right = list(accumulate((c * (d - left) + i * d for i in range(n)), mul, initial=1))
    return weighted([comb(n, k) * ways_left[k] * ways_right[n - k] for k in range(n + 1)])


# Points and orders.


def decode_points(coder: RangeDecoder, *multisets: tuple[int, int, int]) -> list[list[tuple[int, int]]]:
    """Return the cells of multisets, each given as (N, rows, columns)."""
    c = [4 ** coder.decode(uniform(8)) if n > 1 and rows * columns > 1 else 1 for n, rows, columns in multisets]
    cells: list[list[tuple[int, int]]] = [[] for _ in multisets]
    boxes = [(k, 0, 0, rows, columns, n) for k, (n, rows, columns) in enumerate(multisets)]
    while boxes:
        for k, y, x, height, width, n in boxes:
            cells[k] += [(y, x)] * n if height * width == 1 else []
        boxes = [box for box in boxes if box[3] * box[4] > 1 and box[5] > 0]
        shifts, keys = [], []
        for k, _, _, height, width, n in boxes:
            side = max(height, width)
            shifts.append(max(0, n.bit_length() - 8))
            keys.append((n >> shifts[-1], side if side % 2 == 1 and side <= 63 else 2, c[k]))
        lefts = [0] * len(boxes)
        for i in sorted(range(len(boxes)), key=lambda i: keys[i]):
            lefts[i] = coder.decode(beta_binomial(*keys[i])) << shifts[i]
        for i in sorted(range(len(boxes)), key=lambda i: shifts[i]):
            if shifts[i] > 0:
                lefts[i] += coder.decode(uniform(1 << shifts[i]))
        children = []
        for (k, y, x, height, width, n), left in zip(boxes, lefts, strict=True):
            assert left <= n, "damaged"
            if width >= height:
                half = width // 2
                children += [(k, y, x, height, half, left), (k, y, x + half, height, width - half, n - left)]
            else:
                half = height // 2
                children += [(k, y, x, half, width, left), (k, y + half, x, height - half, width, n - left)]
        boxes = children
    return [sorted(found) for found in cells]


def decode_order(coder: RangeDecoder, multiset: list[int], divisor: int = 8) -> list[int]:
    remaining = Counter(multiset)
    symbols: list[int] = []
    while len(symbols) < len(multiset):
        kinds = sorted(kind for kind in remaining if remaining[kind] > 0)
        edges = weighted([remaining[kind] for kind in kinds])
        length = max(1, (len(multiset) - len(symbols)) // divisor)
        block = [kinds[coder.decode(edges)] if len(kinds) > 1 else kinds[0] for _ in range(length)]
        remaining.subtract(block)
        assert min(remaining.values()) >= 0, "damaged"
        symbols += block
    return symbols


# The section "Lattices". Fixed point is in units of 2**-32.

ONE = 1 << 32


def fixed_mul(a: int, b: int) -> int:
    return a * b // ONE


def fixed_exp(x: int) -> int:
    y, t = x // 256, ONE
    for k in range(8, 0, -1):
        t = ONE + fixed_mul(t, y) // k
    for _ in range(8):
        t = fixed_mul(t, t)
    return t


def fixed_series(square: int, odd: int) -> int:
    t = ONE
    for k in range(24, 0, -1):
        t = ONE + fixed_mul(t, square) // (2 * k * (2 * k + odd))
    return t


def clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def covariance_lattice(codeword: list[Fraction], subdivision: int) -> tuple[int, int, Fraction]:
    """Return (F_x, F_y, S_xy / S_xx) of a covariance codeword."""
    m, u, v = (int(value * ONE) for value in codeword)
    square = fixed_mul(u, u) + fixed_mul(v, v)
    cosh, sinhc = fixed_series(square, -1), fixed_series(square, 1)
    s_xx, s_xy = max(1 << 16, cosh + fixed_mul(u, sinhc)), fixed_mul(v, sinhc)
    root, size = isqrt(s_xx * ONE), fixed_exp(-3 * m // 8)
    f_x, f_y = Fraction(subdivision * size * ONE, 16 * root), Fraction(subdivision * size * root, 16 * ONE)
    return min(ONE, floor(f_x / 2**16)), min(ONE, floor(f_y / 2**16)), Fraction(s_xy, s_xx)


def lattice(symbols: dict[str, Any], covariance: int, color: int) -> tuple[int, int, int]:
    """Return (n_x, n_y, k) of a Gaussian with these codewords."""
    if symbols["subdivision"] == 0:
        return 1, 1, 0
    (height, width), (rows, columns) = symbols["image_size"], symbols["grid_size"]
    f_x, f_y, slope = covariance_lattice(symbols["covariance_codewords"][covariance], symbols["subdivision"])
    z = int(symbols["color_codewords"][color][3] * ONE)
    g = fixed_exp(z) >> 16 if symbols["blending"] == "normalized" else 1 << 16
    n_x, n_y = (clamp(floor(Fraction(f * g, ONE) + Fraction(1, 2)), 1, 4096) for f in (f_x, f_y))
    shear = floor(256 * slope * Fraction(width * rows, columns * height) + Fraction(1, 2))
    return n_x, n_y, clamp(shear, -(2**15), 2**15)


def position(symbols: dict[str, Any], gaussian: int) -> tuple[float, float]:
    """Return the mean (x, y) of a Gaussian."""
    (height, width), (rows, columns) = symbols["image_size"], symbols["grid_size"]
    (row, column), (j, i) = symbols["cells"][gaussian], symbols["offsets"][gaussian]
    n_x, n_y, k = symbols["lattices"][gaussian]
    in_cell_x = Fraction(2 * i + 1, 2 * n_x)
    in_cell_y = Fraction(2 * j + 1, 2 * n_y) + Fraction(k, 256) * (in_cell_x - Fraction(1, 2))
    return float((column + in_cell_x) * width / columns), float((row + in_cell_y % 1) * height / rows)


# The file.


def decode_symbols(data: bytes) -> dict[str, Any]:
    """Return the integers of a .tgs file by name, and the dequantised values [K, channels] of either codebook."""
    return decode_payload(decode_header(data), data)


def decode_header(data: bytes) -> dict[str, Any]:
    """Return what stands before and after the payload, by name, and as `payload` where that is."""
    body, checksum = data[:-4], struct.unpack("<I", data[-4:])[0]
    assert body[:8] == b"\x89TGS\r\n\x1a\n", "not a .tgs file"
    version, flags = body[8:10]
    assert (version == 1 and flags < 2) or (version == 2 and flags < 16), "not a .tgs file of version 1 or 2"
    assert zlib.crc32(body) == checksum, "damaged"
    position = 10

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = body[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                assert byte > 0 or shift == 7, "a varint that is not the shortest"
                assert shift <= 35, "a varint of more than five bytes"
                return value

    width, height, n, columns, rows = (varint() for _ in range(5))
    subdivision = varint() if flags & 4 else 0
    codewords = [varint(), varint()]
    assert all(1 <= side <= 65535 for side in (width, height, columns, rows)), "sides"
    assert 1 <= subdivision <= 65535 or not flags & 4, "subdivision"
    assert all(min(n, 1) <= k <= min(n, 65536) for k in codewords), "numbers of codewords"
    is_gray = flags & 8 != 0
    num_bytes, stored = (1, [0, 1, 2, 3, 6]) if is_gray else (3, list(range(7)))
    background = list(body[position : position + num_bytes]) * (3 // num_bytes)
    (packed_bits,) = struct.unpack_from("<I", body, position + num_bytes)
    position += num_bytes + 4
    channels = [(packed_bits >> 4 * c & 15, 0.0, 0.0) for c in range(7)]
    for c in stored:
        channels[c] = (packed_bits >> 4 * c & 15, *struct.unpack_from("<ee", body, position))
        position += 4
    assert packed_bits < 1 << 28, "reserved bits"
    assert not is_gray or channels[4][0] == channels[5][0] == 0, "bits of chroma"
    bounds = (32, 8, 8, 16, 16, 16, 2 if flags & 2 else 16)
    for (bits, minimum, step), bound in zip(channels, bounds, strict=True):
        assert bits <= 12, "bits"
        assert np.isfinite(step) and (step > 0 or bits == 0), "steps"  # noqa: PT018
        assert max(abs(minimum), abs(minimum + step * ((1 << bits) - 1))) <= bound, "ranges"
    payload_length = varint() if flags & 1 else len(body) - position
    end = position + payload_length
    assert end <= len(body), "the payload's length"
    assert n <= min(1 << 24, 4096 + 64 * payload_length), "too many Gaussians"
    symbols: dict[str, Any] = {"image_size": (height, width), "grid_size": (rows, columns), "background": background}
    symbols |= {"blending": "normalized" if flags & 2 else "alpha", "subdivision": subdivision, "is_gray": is_gray}
    symbols |= {"version": version, "num_gaussians": n, "num_codewords": codewords, "channels": channels}
    return symbols | {"payload": slice(position, end), "tail": decode_tail(body[end:], version)}


def decode_payload(symbols: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Add the integers of the payload, and the values that they stand for, to what the header holds."""
    coder, version, channels = RangeDecoder(data[symbols["payload"]]), symbols["version"], symbols["channels"]
    n, (rows, columns) = symbols["num_gaussians"], symbols["grid_size"]
    planes_of = []
    for k, own in zip(symbols["num_codewords"], (channels[:3], channels[3:]), strict=True):
        planes_of += [(k, 1, 1 << bits) for bits, _, _ in own] + [(n, 1, k)]
    decoded = []
    if version == 1:
        (symbols["cells"],) = decode_points(coder, (n, rows, columns))
    else:
        symbols["cells"], *multisets = decode_points(coder, (n, rows, columns), *planes_of)
    for index, plane in enumerate(planes_of):
        points = decode_points(coder, plane)[0] if version == 1 else multisets[index]
        multiset = [column for _, column in points]
        decoded.append(multiset if index in (0, 4) else decode_order(coder, multiset, 16 if version == 1 else 8))
    for name, own, (*planes, indices) in zip(
        ("covariance", "color"), (channels[:3], channels[3:]), (decoded[:4], decoded[4:]), strict=True
    ):
        symbols[f"{name}_symbols"] = np.array(planes, dtype=np.int64).T
        ranges = zip(planes, own, strict=True)
        exact = [[Fraction(low) + Fraction(step) * symbol for symbol in plane] for plane, (_, low, step) in ranges]
        symbols[f"{name}_codewords"] = list(zip(*exact, strict=True))
        symbols[f"{name}_values"] = np.array(exact, dtype=np.float64).T
        symbols[f"{name}_indices"] = indices
    codewords_of = list(zip(symbols["covariance_indices"], symbols["color_indices"], strict=True))
    lattice_of = {pair: lattice(symbols, *pair) for pair in set(codewords_of)}
    symbols["lattices"] = [lattice_of[pair] for pair in codewords_of]
    i = [coder.decode(uniform(n_x)) if n_x > 1 else 0 for n_x, _, _ in symbols["lattices"]]
    j = [coder.decode(uniform(n_y)) if n_y > 1 else 0 for _, n_y, _ in symbols["lattices"]]
    symbols["offsets"] = list(zip(j, i, strict=True))
    coder.finish()
    return symbols


def decode_tail(tail: bytes, version: int) -> dict[bytes, bytes]:
    """Return the chunks of the tail, tag to content."""
    chunks: dict[bytes, bytes] = {}
    while tail:
        tag, length = struct.unpack_from("<4sI", tail)
        content, tail = tail[8 : 8 + length], tail[8 + length :]
        assert len(content) == length, "damaged"
        assert tag not in chunks, "damaged"
        is_metadata = tag in (b"ICCP", b"EXIF", b"XMP_")
        assert is_metadata or (tag == b"ALPH" and version > 1) or tag[:1].islower(), "newer than this decoder"
        if is_metadata and version > 1:
            stream = zlib.decompressobj()
            content = stream.decompress(content)
            assert stream.eof, "not a whole stream"
            assert not stream.unused_data, "more than one stream"
        chunks[tag] = content
    return chunks


# From integers to pixels.


def render(
    means: ArrayLike,
    log_covariances: ArrayLike,
    colors: ArrayLike,
    amplitudes: ArrayLike,
    background: ArrayLike,
    image_size: tuple[int, int],
    blending: str = "alpha",
) -> NDArray[np.float64]:
    """Blend Gaussians, front to back, every one over every pixel; return the unclipped picture [H, W, 3] float64.

    Shapes: means [N, 2], log_covariances [N, 3], colors [N, 3], amplitudes [N], background [3].
    """
    height, width = image_size
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.zeros((height, width, 3))
    transmittance = np.ones((height, width))
    total = np.zeros((height, width))
    arrays = (np.asarray(array, dtype=np.float64) for array in (means, log_covariances, colors, amplitudes))
    for mean, (m, u, v), color, amplitude in zip(*arrays, strict=True):
        r = np.hypot(u, v)
        sinhc = np.sinh(r) / r if r > 0 else 1.0
        inverse_xx = np.exp(-m) * (np.cosh(r) - sinhc * u)
        inverse_xy = np.exp(-m) * -sinhc * v
        inverse_yy = np.exp(-m) * (np.cosh(r) + sinhc * u)
        dx, dy = x - mean[0], y - mean[1]
        weight = amplitude * np.exp(-0.5 * (inverse_xx * dx * dx + 2 * inverse_xy * dx * dy + inverse_yy * dy * dy))
        if blending == "normalized":
            weight = np.maximum(weight - 1 / 64, 0)
            picture += weight[:, :, None] * color
            total += weight
        else:
            weight[weight < 1 / 255] = 0
            picture += (weight * transmittance)[:, :, None] * color
            transmittance *= 1 - weight
    background = np.asarray(background, dtype=np.float64)
    if blending == "normalized":
        return (picture + background / 16) / (total + 1 / 16)[:, :, None]
    return picture + transmittance[:, :, None] * background


def decode(data: bytes) -> NDArray[np.uint8]:
    """Return the picture of a .tgs file: uint8 [H, W, 3], or [H, W] if it is gray, with alpha one channel more."""
    symbols = decode_symbols(data)
    covariance, color = (np.array(symbols[f"{name}_indices"], dtype=np.int64) for name in ("covariance", "color"))
    keys = list(zip(symbols["covariance_indices"], symbols["cells"], symbols["color_indices"], strict=True))
    order = sorted(range(len(keys)), key=lambda gaussian: keys[gaussian])
    covariance, color = covariance[order], color[order]
    luma, orange, green, z = symbols["color_values"][color].T
    picture = render(
        means=np.array([position(symbols, gaussian) for gaussian in order]).reshape(-1, 2),
        log_covariances=symbols["covariance_values"][covariance],
        colors=np.stack([luma + orange - green, luma + green, luma - orange - green], axis=1),
        amplitudes=np.exp(4 * z) if symbols["blending"] == "normalized" else 0.99 / (1 + np.exp(-z)),
        background=np.array(symbols["background"]) / 255,
        image_size=symbols["image_size"],
        blending=symbols["blending"],
    )
    pixels: NDArray[np.uint8] = np.floor(255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8)
    pixels = pixels[:, :, 0] if symbols["is_gray"] else pixels
    if b"ALPH" not in symbols["tail"]:
        return pixels
    plane = symbols["tail"][b"ALPH"]
    nested = decode_symbols(plane)
    assert nested["is_gray"], "damaged"
    assert nested["image_size"] == symbols["image_size"], "damaged"
    assert plane[9] & 1 == 0, "damaged"
    return np.dstack([pixels, decode(plane)])


def main() -> None:
    source, target = sys.argv[1:]
    picture = decode(Path(source).read_bytes())
    depth = 1 if picture.ndim == 2 else picture.shape[2]
    kind = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}[depth]
    size = f"WIDTH {picture.shape[1]}\nHEIGHT {picture.shape[0]}\nDEPTH {depth}"
    Path(target).write_bytes(f"P7\n{size}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n".encode() + picture.tobytes())


if __name__ == "__main__":
    main()
