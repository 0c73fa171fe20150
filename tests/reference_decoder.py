"""A second decoder, from `docs/format.md` alone: slow, short, in Python and NumPy, sharing no code with taichi_gs.

    python reference_decoder.py photo.tgs photo.pam

Tests hold the package against it. It refuses what the document calls invalid or unsupported, by an exception of any
kind, and has no limits of its own. Only the tables of priors come from the package, as the document has it.
"""

from __future__ import annotations

import runpy
import struct
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import accumulate, pairwise
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
        self.payload, self.num_bytes = payload, 0
        self.lower, self.range = 0, 2**64 - 1
        self.point = self.next_word() << 32 | self.next_word()

    def next_word(self) -> int:
        start, self.num_bytes = self.num_bytes, self.num_bytes + 4
        return int.from_bytes(self.payload[start : self.num_bytes].ljust(4, b"\0"), "big")

    def decode(self, edges: Sequence[int]) -> int:
        """Return one symbol of the distribution with these edges, which begin with 0 and end with 2**24."""
        if len(edges) == 2:
            return 0  # certain
        scale = self.range // PRECISION
        quantile = (self.point - self.lower) % 2**64 // scale
        assert quantile < PRECISION, "damaged"
        symbol = bisect_right(edges, quantile) - 1
        self.lower = (self.lower + scale * edges[symbol]) % 2**64
        self.range = scale * (edges[symbol + 1] - edges[symbol])
        if self.range < 2**32:
            self.lower = self.lower << 32 & 2**64 - 1
            self.range <<= 32
            self.point = (self.point << 32 & 2**64 - 1) + self.next_word()
        return symbol

    def finish(self) -> None:
        """Check that the payload is the number in the last interval that has the most zero bytes at its end."""
        read = int.from_bytes(self.payload[: self.num_bytes].ljust(self.num_bytes, b"\0"), "big")
        least = read - (self.point - self.lower) % 2**64
        candidates = (-(-least // 256**zeros) * 256**zeros for zeros in range(self.num_bytes, -1, -1))
        number = next(number for number in candidates if number < least + self.range)
        assert self.payload == number.to_bytes(self.num_bytes, "big").rstrip(b"\0"), "damaged"


def uniform(n: int) -> list[int]:
    """Return a distribution, as its edges."""
    return [s * (PRECISION // n) for s in range(n)] + [PRECISION]


def weighted(weights: Sequence[int]) -> list[int]:
    sums = list(accumulate(weights, initial=0))
    return [s + c * (PRECISION - len(weights)) // sums[-1] for s, c in enumerate(sums)]


@cache
def beta_binomial(n: int, a: int, c: int) -> list[int]:
    left, d = Fraction(a, 16).as_integer_ratio()
    ways_left = list(accumulate((c * left + i * d for i in range(n)), mul, initial=1))
    ways_right = list(accumulate((c * (d - left) + i * d for i in range(n)), mul, initial=1))
    return weighted([comb(n, k) * ways_left[k] * ways_right[n - k] for k in range(n + 1)])


def decode_points(coder: RangeDecoder, *multisets: Any) -> list[list[tuple[int, int]]]:
    """Return the cells of multisets, each given as N, the weights before each row and those before each column."""
    c = [4 ** coder.decode(uniform(8)) if n > 1 and len(w) + len(w_x) > 4 else 1 for n, w, w_x in multisets]
    cells: list[list[tuple[int, int]]] = [[] for _ in multisets]
    boxes = [(k, n, (0, len(rows) - 1), (0, len(columns) - 1)) for k, (n, rows, columns) in enumerate(multisets)]
    while boxes:
        for k, n, (top, bottom), (left, right) in boxes:
            cells[k] += [(top, left)] * n if bottom - top == right - left == 1 else []
        boxes = [box for box in boxes if box[1] > 0 and not box[2][1] - box[2][0] == box[3][1] - box[3][0] == 1]
        cuts, shifts, keys = [], [], []
        for k, n, (top, bottom), (left, right) in boxes:
            is_wide = right - left >= bottom - top
            w, f, t = (multisets[k][2], left, right) if is_wide else (multisets[k][1], top, bottom)
            cuts.append(bisect_left(w, (w[f] + w[t]) // 2, f + 1, t - 1))
            share = (32 * (w[cuts[-1]] - w[f]) + w[t] - w[f]) // (2 * (w[t] - w[f]))
            shifts.append(max(0, n.bit_length() - 8))
            keys.append((n >> shifts[-1], clamp(share, 1, 15), c[k]))
        counts = [0] * len(boxes)
        for i in sorted(range(len(boxes)), key=lambda i: keys[i]):
            counts[i] = coder.decode(beta_binomial(*keys[i])) << shifts[i]
        for i in sorted(range(len(boxes)), key=lambda i: shifts[i]):
            counts[i] += coder.decode(uniform(1 << shifts[i]))
        children = []
        for (k, n, (top, bottom), (left, right)), cut, x in zip(boxes, cuts, counts, strict=True):
            assert x <= n, "damaged"
            if right - left >= bottom - top:
                children += [(k, x, (top, bottom), (left, cut)), (k, n - x, (top, bottom), (cut, right))]
            else:
                children += [(k, x, (top, cut), (left, right)), (k, n - x, (cut, bottom), (left, right))]
        boxes = children
    return [sorted(found) for found in cells]


def decode_order(coder: RangeDecoder, multiset: list[int]) -> list[int]:
    remaining = Counter(multiset)
    symbols: list[int] = []
    while len(symbols) < len(multiset):
        kinds = sorted(kind for kind in remaining if remaining[kind] > 0)
        edges = weighted([remaining[kind] for kind in kinds])
        block = [kinds[coder.decode(edges)] for _ in range(max(1, (len(multiset) - len(symbols)) // 8))]
        remaining.subtract(block)
        assert min(remaining.values()) >= 0, "damaged"
        symbols += block
    return symbols


# The section "Channels and their quantisers".

PRIORS = runpy.run_path(str(Path(__file__).parents[1] / "taichi_gs" / "format" / "prior_tables.py"))["TABLES"]
SHAPE_AND_COLOR = ((-16, 8, 4), (-8, 8, 4), (-8, 8, 4), (-1, 2, 0.25), (-1, 1, 0.25), (-1, 1, 0.25))
CHANNELS = {"normalized": (*SHAPE_AND_COLOR, (-1, 2, 1)), "alpha": (*SHAPE_AND_COLOR, (-8, 8, 4))}
"""A, B and U of each channel."""

STEP_CODES = (1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64, 96, 120, 96, 64, 32, 16, 8, 4, 2, 2, 1, 1, 1, 1)


def quantizer(channel: Any, code: int | None, prior: Sequence[int]) -> tuple[Fraction, int, list[int]]:
    """Return the step of a channel, its low and W_0 ... W_L."""
    if code is None:
        return Fraction(0), 0, [0, 1]
    a, b, largest = channel
    step = Fraction(largest) * (65536, 55109, 46341, 38968)[code % 4] / 2 ** (16 + code // 4)
    low, high, unit = floor(-a / step), floor(b / step), int(step * 2**28)
    x = [((2 * (q - low) - 1) * unit - a * 2**29) * 2**17 // ((b - a) * 2**28) for q in range(low + high + 2)]
    x[0], x[-1] = 0, 2**18
    before, prior = list(accumulate(prior, initial=0)), (*prior, 0)
    return step, low, [2**12 * before[x_q >> 12] + prior[x_q >> 12] * (x_q % 2**12) + q for q, x_q in enumerate(x)]


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


def lattice(symbols: dict[str, Any], covariance: int, color: int) -> tuple[int, int, int]:
    """Return (n_x, n_y, k) of a Gaussian with these codewords."""
    if symbols["subdivision"] == 0:
        return 1, 1, 0
    (height, width), (rows, columns) = symbols["image_size"], symbols["grid_size"]
    m, u, v = (int(value * ONE) for value in symbols["covariance_codewords"][covariance])
    square = fixed_mul(u, u) + fixed_mul(v, v)
    cosh, sinhc = fixed_series(square, -1), fixed_series(square, 1)
    s_xx, s_xy = max(1 << 16, cosh + fixed_mul(u, sinhc)), fixed_mul(v, sinhc)
    root, size = isqrt(s_xx * ONE), symbols["subdivision"] * fixed_exp(-3 * m // 8)
    f_x, f_y = min(ONE, size * 2**12 // root), min(ONE, size * root // 2**52)
    z = int(symbols["color_codewords"][color][3] * ONE)
    g = fixed_exp(z) >> 16 if symbols["blending"] == "normalized" else 1 << 16
    n_x, n_y = (clamp((f * g + 2**31) // ONE, 1, 4096) for f in (f_x, f_y))
    shear = floor(256 * Fraction(s_xy * width * rows, s_xx * columns * height) + Fraction(1, 2))
    return n_x, n_y, clamp(shear, -(2**15), 2**15)


def position(symbols: dict[str, Any], gaussian: int) -> tuple[float, float]:
    """Return the mean (x, y) of a Gaussian."""
    (height, width), (rows, columns) = symbols["image_size"], symbols["grid_size"]
    (row, column), (j, i) = symbols["cells"][gaussian], symbols["offsets"][gaussian]
    n_x, n_y, k = symbols["lattices"][gaussian]
    in_cell_x = Fraction(2 * i + 1, 2 * n_x)
    in_cell_y = Fraction(2 * j + 1, 2 * n_y) + Fraction(k, 256) * (in_cell_x - Fraction(1, 2))
    return float((column + in_cell_x) * width / columns), float((row + in_cell_y % 1) * height / rows)


def decode_header(data: bytes) -> dict[str, Any]:
    """Return what stands before and after the payload, by name, and as `payload` where that is."""
    assert data[:3] == b"\x89TG", "not a .tgs file"
    version, flags = data[3] >> 4, data[3] & 15
    assert version == 1, "not a .tgs file of version 1"
    body, checksum = (data[:-2], data[-2:]) if len(data) - 2 <= 4096 else (data[:-4], data[-4:])
    assert zlib.crc32(body).to_bytes(4, "little")[: 2 if len(body) <= 4096 else 4] == checksum, "damaged"
    position = 4

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

    width, height, n = varint(), varint(), varint()
    columns, code, *codewords = (varint() for _ in range(4)) if n else (1, 0, 0, 0)
    assert all(1 <= side <= 65535 for side in (width, height, columns)), "sides"
    assert code <= 128, "subdivision"
    assert all(min(n, 1) <= k <= min(n, 65536) for k in codewords), "numbers of codewords"
    payload_length = varint() if flags & 1 else len(body) - position
    end = position + payload_length
    assert end <= len(body), "the payload's length"
    assert n <= min(1 << 24, 4096 + 64 * payload_length), "too many Gaussians"
    rows = clamp((2 * columns * height + width) // (2 * width), 1, 65535)
    mantissa = (256, 279, 304, 332, 362, 395, 431, 470)[(code - 1) % 8]
    symbols: dict[str, Any] = {"version": version, "image_size": (height, width), "grid_size": (rows, columns)}
    symbols |= {"num_gaussians": n, "num_codewords": codewords, "blending": "alpha" if flags & 2 else "normalized"}
    symbols |= {"is_gray": flags & 4 != 0, "has_grain": flags & 8 != 0, "has_chunks": flags & 1 != 0}
    symbols["subdivision"] = mantissa * 2 ** ((code - 1) // 8) // 256 if code else 0
    return symbols | {"payload": slice(position, end), "chunks": decode_chunks(body[end:])}


def decode_symbols(data: bytes) -> dict[str, Any]:
    """Return the integers of a .tgs file by name, and the dequantised values [K, channels] of either codebook."""
    symbols = decode_header(data)
    coder, is_gray = RangeDecoder(data[symbols["payload"]]), symbols["is_gray"]
    n, (k_shape, k_color) = symbols["num_gaussians"], symbols["num_codewords"]
    levels = [17 * coder.decode(uniform(16)) for _ in range(1 if is_gray else 3)]
    area_code, codes = 0, [0] * (5 if is_gray else 7)
    if n > 0:
        area_code, codes[0] = coder.decode(uniform(48)), coder.decode(uniform(41))
        codes[1:] = [codes[0] + coder.decode(weighted(STEP_CODES)) - 12 for _ in codes[1:]]
    assert all(0 <= code <= 40 for code in codes), "step codes"
    symbols |= {"background": levels * (3 // len(levels)), "area_code": area_code, "step_codes": codes}
    priors = PRIORS if symbols["blending"] == "normalized" else (*PRIORS[:6], (1,) * 64)
    all_codes = [*codes[:4], None, None, codes[4]] if is_gray else codes
    channels = list(map(quantizer, CHANNELS[symbols["blending"]], all_codes, priors))
    weights = [weights for _, _, weights in channels]
    lines = [(n, k_shape), (n, k_color)] + ([(k_color, 8)] if symbols["has_grain"] else [])
    multisets = [(n, *(range(side + 1) for side in symbols["grid_size"]))]
    multisets += [(k_shape, weights[0], weights[1]), (k_color, weights[3], weights[4])]
    multisets += [(count, (0, 1), range(num_levels + 1)) for count, num_levels in lines]
    symbols["cells"], shapes, colors, *on_lines = decode_points(coder, *multisets)
    for name, points, first, stop in (("covariance", shapes, 0, 3), ("color", colors, 3, 7)):
        planes = [[point[axis] for point in points] for axis in (0, 1)]
        for sums in weights[first + 2 : stop]:
            edges = weighted([after - before for before, after in pairwise(sums)])
            planes.append([coder.decode(edges) for _ in points])
        starts = (Fraction(area_code, 2) if channel == 0 else Fraction(0) for channel in range(first, stop))
        made = zip(planes, starts, channels[first:stop], strict=True)
        exact = [[start + step * (q - low) for q in plane] for plane, start, (step, low, _) in made]
        symbols[f"{name}_symbols"] = np.array(planes, dtype=np.int64).T
        symbols[f"{name}_codewords"] = list(zip(*exact, strict=True))
        symbols[f"{name}_values"] = np.array(exact, dtype=np.float64).T
    orders = [decode_order(coder, [column for _, column in points]) for points in on_lines]
    symbols |= zip(("covariance_indices", "color_indices", "grain"), orders, strict=False)
    symbols["lattices"] = [lattice(symbols, *pair) for pair in zip(*orders[:2], strict=True)]
    i = [coder.decode(uniform(n_x)) for n_x, _, _ in symbols["lattices"]]
    j = [coder.decode(uniform(n_y)) for _, n_y, _ in symbols["lattices"]]
    symbols["offsets"] = list(zip(j, i, strict=True))
    coder.finish()
    return symbols


def decode_chunks(rest: bytes) -> dict[bytes, bytes]:
    """Return the chunks that follow the payload, tag to content."""
    chunks: dict[bytes, bytes] = {}
    while rest:
        tag, length = struct.unpack_from("<4sI", rest)
        content, rest = rest[8 : 8 + length], rest[8 + length :]
        assert (len(content), tag in chunks) == (length, False), "damaged"
        is_metadata = tag in (b"ICCP", b"EXIF", b"XMP_")
        assert is_metadata or tag == b"ALPH" or tag[:1].islower(), "newer than this decoder"
        if is_metadata:
            stream = zlib.decompressobj()
            content = stream.decompress(content)
            assert (stream.eof, stream.unused_data) == (True, b""), "not one whole stream"
        chunks[tag] = content
    return chunks


def render(
    means: ArrayLike,
    log_covariances: ArrayLike,
    colors: ArrayLike,
    amplitudes: ArrayLike,
    background: ArrayLike,
    image_size: tuple[int, int],
    blending: str = "alpha",
) -> NDArray[np.float64]:
    """Blend means [N, 2], log_covariances [N, 3], colors [N, 3] and amplitudes [N], front to back, unclipped."""
    height, width = image_size
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.zeros((height, width, 3))
    transmittance, total = np.ones((height, width)), np.zeros((height, width))
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


def noise(height: int, width: int) -> NDArray[np.int64]:
    """The section "Grain": noise [H, W] at the pixels of a picture."""
    y, x = (np.arange(-1, side + 1).astype(np.uint32) for side in (height, width))
    h = x * np.uint32(0x9E3779B1) + y[:, None] * np.uint32(0x85EBCA6B)
    h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ h >> np.uint32(12)) * np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    white = sum((h >> np.uint32(shift) & np.uint32(255)).astype(np.int64) for shift in (0, 8, 16, 24)) - 510
    rows = white[:-2] + 2 * white[1:-1] + white[2:]
    return rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]


def decode(data: bytes, with_grain: bool = False) -> NDArray[np.uint8]:
    """Return the picture of a .tgs file: uint8 [H, W, 3], or [H, W] if it is gray, with alpha one channel more."""
    symbols = decode_symbols(data)
    covariance, color = (np.array(symbols[f"{name}_indices"], dtype=np.int64) for name in ("covariance", "color"))
    keys = list(zip(symbols["covariance_indices"], symbols["cells"], symbols["color_indices"], strict=True))
    order = sorted(range(len(keys)), key=lambda gaussian: keys[gaussian])
    covariance, color = covariance[order], color[order]
    luma, orange, green, z = symbols["color_values"][color].T
    gaussians = {name: symbols[name] for name in ("image_size", "blending")} | {
        "means": np.array([position(symbols, gaussian) for gaussian in order]).reshape(-1, 2),
        "log_covariances": symbols["covariance_values"][covariance],
        "amplitudes": np.exp(4 * z) if symbols["blending"] == "normalized" else 0.99 / (1 + np.exp(-z)),
    }
    colors = np.stack([luma + orange - green, luma + green, luma - orange - green], axis=1)
    picture = render(**gaussians, colors=colors, background=np.array(symbols["background"]) / 255)
    if with_grain and symbols["has_grain"]:
        sigma = np.array([2 ** ((g - 1) / 2) if g else 0.0 for g in symbols["grain"]])[color]
        strengths = render(**gaussians, colors=sigma[:, None] / 255 * np.ones(3), background=np.zeros(3))
        picture += strengths * noise(*symbols["image_size"])[:, :, None] / 886.8
    pixels: NDArray[np.uint8] = np.floor(255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8)
    pixels = pixels[:, :, 0] if symbols["is_gray"] else pixels
    if b"ALPH" not in symbols["chunks"]:
        return pixels
    plane = decode_symbols(symbols["chunks"][b"ALPH"])
    assert (plane["is_gray"], plane["has_chunks"], plane["image_size"]) == (True, False, symbols["image_size"])
    return np.dstack([pixels, decode(symbols["chunks"][b"ALPH"])])


def main() -> None:
    source, target = sys.argv[1:]
    picture = decode(Path(source).read_bytes())
    depth = 1 if picture.ndim == 2 else picture.shape[2]
    kind = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}[depth]
    size = f"WIDTH {picture.shape[1]}\nHEIGHT {picture.shape[0]}\nDEPTH {depth}"
    Path(target).write_bytes(f"P7\n{size}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n".encode() + picture.tobytes())


if __name__ == "__main__":
    main()
