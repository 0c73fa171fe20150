"""The pictures of `v2/`, and their files.

Each is a `QuantizedGaussians` that `serialize` writes, but for what it never does: odd tails, codebooks out of order.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from conformance.raw import (
    HAS_TAIL,
    IS_GRAY,
    IS_NORMALIZED,
    IS_SUBDIVIDED,
    SIGNATURE,
    chunk,
    file_of,
    varint,
    with_checksum,
)
from picture_files import icc_profile

from taichi_gs.format.bitstream import parse_header, serialize
from taichi_gs.format.payload import encode_payload
from taichi_gs.model.gaussians import Blending
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

Range = tuple[float, float, int]
"""Minimum, step and bits of a channel."""

SHAPES: tuple[Range, ...] = ((-1.0, 0.375, 4), (-1.5, 0.1875, 4), (-1.5, 0.1875, 4))
COLORS: tuple[Range, ...] = ((0.0, 0.0625, 4), (-0.5, 0.0625, 4), (-0.5, 0.0625, 4))
FLAT: tuple[Range, ...] = ((24.0, 0.25, 4), (-0.5, 0.0625, 4), (-0.5, 0.0625, 4))
EXTREME: tuple[Range, ...] = ((-32.0, 64.0, 1), (-8.0, 16.0, 1), (-8.0, 16.0, 1))
TURNED: tuple[Range, ...] = ((-8.0, 1.0, 4), (-8.0, 1.0, 4))
BEYOND: tuple[Range, ...] = ((-2.0, 0.3125, 4), (-2.0, 0.25, 4), (-2.0, 0.25, 4))
BRIGHT: tuple[Range, ...] = ((0.75, 0.015625, 4), (-0.125, 0.015625, 4), (-0.125, 0.015625, 4))
OPACITIES: Range = (-4.0, 0.5, 4)
WEIGHTS: Range = (-0.5, 0.0625, 4)
ALPHA_BLENDED = (*SHAPES, *COLORS, OPACITIES)
NORMALIZED = (*SHAPES, *COLORS, WEIGHTS)

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
EXIF = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 274, 3, 1, 6) + bytes(4)
"""A TIFF header and one entry: the orientation 6, which decoders must not apply."""


@dataclass(frozen=True)
class Case:
    """A file, its name without the suffix, and what it is there for."""

    name: str
    about: str
    data: bytes


class Dice(random.Random):
    """Random numbers that are the same under every version of Python, which only promises `random()`."""

    def below(self, bound: int) -> int:
        return int(self.random() * bound)

    def tuple_below(self, bounds: Sequence[int]) -> tuple[int, ...]:
        return tuple(map(self.below, bounds))


def picture(
    cells: Sequence[Sequence[int]],
    covariances: Sequence[Sequence[int]],
    colors: Sequence[Sequence[int]],
    ranges: Sequence[Range] = ALPHA_BLENDED,
    image_size: tuple[int, int] = (18, 21),
    grid_size: tuple[int, int] = (9, 11),
    background: tuple[int, int, int] = (200, 120, 40),
    blending: Blending = "alpha",
    subdivision: int = 0,
    is_gray: bool = False,
    seed: int = 0,
) -> QuantizedGaussians:
    """Return a picture of N Gaussians: cells [N, 2], symbols [N, 3] and [N, 4], offsets by chance."""
    quantizers = tuple(UniformQuantizer(*values) for values in ranges)
    made = QuantizedGaussians(
        image_size=image_size,
        background=np.array(background, dtype=np.uint8),
        blending=blending,
        grid_size=grid_size,
        cells=_integers(cells, 2),
        subdivision=subdivision,
        offsets=np.zeros((len(cells), 2), dtype=np.int64),
        covariance_codebook=QuantizedCodebook(_integers(covariances, 3), quantizers[:3]),
        covariance_indices=np.arange(len(cells)),
        color_codebook=QuantizedCodebook(_integers(colors, 4), quantizers[3:]),
        color_indices=np.arange(len(cells)),
        is_gray=is_gray,
    )
    dice = Dice(seed)
    offsets = [dice.tuple_below(levels) for levels in lattice_of_picture(made).levels.tolist()]
    return replace(made, offsets=_integers(offsets, 2))


def random_picture(
    num_gaussians: int,
    num_codewords: tuple[int, int] = (5, 6),
    ranges: Sequence[Range] = ALPHA_BLENDED,
    grid_size: tuple[int, int] = (9, 11),
    cells: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    **options: Any,
) -> QuantizedGaussians:
    """Return a picture with Gaussians by chance, and with exactly so many codewords in either codebook."""
    dice = Dice(seed)
    levels = [1 << bits for _, _, bits in ranges]
    drawn = []
    for count, own in zip(num_codewords, (levels[:3], levels[3:]), strict=True):
        codewords: dict[tuple[int, ...], None] = {}
        while len(codewords) < min(count, num_gaussians):
            codewords[dice.tuple_below(own)] = None
        choices = list(codewords)
        # Every codeword once, and then any.
        drawn.append([choices[i if i < len(choices) else dice.below(len(choices))] for i in range(num_gaussians)])
    if cells is None:
        cells = [dice.tuple_below(grid_size) for _ in range(num_gaussians)]
    return picture(cells, *drawn, ranges=ranges, grid_size=grid_size, seed=seed, **options)


def normalized(num_gaussians: int, **options: Any) -> QuantizedGaussians:
    """Return a random picture with normalised blending."""
    return random_picture(num_gaussians, **{"ranges": NORMALIZED, "blending": "normalized", **options})


def gray(num_gaussians: int, **options: Any) -> QuantizedGaussians:
    """Return a gray random picture."""
    ranges = options.pop("ranges", NORMALIZED)
    ranges = (*ranges[:4], (0.0, 0.0, 0), (0.0, 0.0, 0), ranges[6])
    options = {"blending": "normalized", "background": (90, 90, 90), **options}
    return random_picture(num_gaussians, ranges=ranges, is_gray=True, **options)


@cache
def color_profile() -> bytes:
    """An ICC profile: sRGB's primaries and a gamma of 2.2."""
    columns = {b"rXYZ": (28578, 14586, 912), b"gXYZ": (25238, 46981, 6362), b"bXYZ": (9380, 3967, 46793)}
    tags = {name: b"XYZ \0\0\0\0" + struct.pack(">3i", *column) for name, column in columns.items()}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)
    return icc_profile(b"mntr", b"RGB ", b"XYZ ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def gray_profile() -> bytes:
    return icc_profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)})


def with_tail(data: bytes, tail: bytes) -> bytes:
    """Return a file without a tail with one that is taken as it is."""
    header = parse_header(data)
    start, end = header.header_bytes, header.header_bytes + header.payload_bytes
    body = SIGNATURE + bytes([2, data[9] | HAS_TAIL]) + data[10:start] + varint(header.payload_bytes)
    return with_checksum(body + data[start:end] + tail)


def as_it_stands(quantized: QuantizedGaussians) -> bytes:
    """Return the file of a picture without flags, its codebooks and the order of its Gaussians left as they are."""
    codebooks = (quantized.covariance_codebook, quantized.color_codebook)
    quantizers = [quantizer for codebook in codebooks for quantizer in codebook.quantizers]
    return file_of(
        size=quantized.image_size[::-1],
        num_gaussians=len(quantized),
        grid=quantized.grid_size[::-1],
        codewords=(len(codebooks[0]), len(codebooks[1])),
        background=quantized.background.tobytes(),
        bits=[quantizer.bits for quantizer in quantizers],
        ranges=[value for quantizer in quantizers for value in (quantizer.minimum, quantizer.step)],
        payload=encode_payload(quantized),
    )


def _integers(rows: Sequence[Sequence[int]], num_columns: int) -> Any:
    return np.array(rows, dtype=np.int64).reshape(-1, num_columns)


def _clustered(num_points: int, side: int, concentration: float, seed: int) -> list[tuple[int, int]]:
    """Cells of a square grid such that the shares of halves vary as beta distributions do with this concentration."""
    dice = Dice(seed)
    deviation = 0.5 / math.sqrt(concentration + 1)
    shares: dict[tuple[int, ...], float] = {}

    def cell() -> tuple[int, int]:
        place = [0, 0]
        path: tuple[int, ...] = ()
        for level in range(2 * (side.bit_length() - 1)):
            if path not in shares:
                shares[path] = 0.5 + deviation * (1 - 2 * dice.below(2))
            is_right = int(dice.random() >= shares[path])
            path += (is_right,)
            place[1 - level % 2] = 2 * place[1 - level % 2] + is_right
        return place[0], place[1]

    return [cell() for _ in range(num_points)]


def _spread(side: int) -> list[tuple[int, int]]:
    """Every cell of a square grid once."""
    return [(row, column) for row in range(side) for column in range(side)]


def _crowded(counts: Sequence[int], columns: int) -> list[tuple[int, int]]:
    """So many points in each cell, in raster order."""
    return [divmod(cell, columns) for cell, count in enumerate(counts) for _ in range(count)]


def _with_range(channel: int, *values: float, ranges: Sequence[Range] = ALPHA_BLENDED) -> tuple[Any, ...]:
    """Ranges of which that of one channel is (minimum, step, bits)."""
    return (*ranges[:channel], values, *ranges[channel + 1 :])


def both_versions() -> dict[str, tuple[str, QuantizedGaussians]]:
    """Return the pictures that version 1 could hold too, by name, each with what it is there for.

    `v1/` has the same, as they were when it was made.
    """
    return {
        "nothing": ("no Gaussians: the background alone, and an empty payload", random_picture(0)),
        "one": ("one Gaussian", random_picture(1)),
        "one_pixel": (
            "1 x 1 pixels, one Gaussian, a grid of one cell",
            random_picture(1, image_size=(1, 1), grid_size=(1, 1)),
        ),
        "two_alike": (
            "two Gaussians that are the same in everything",
            random_picture(2, (1, 1), cells=[(4, 5), (4, 5)]),
        ),
        "wide": ("1000 x 1 pixels", random_picture(9, image_size=(1, 1000), grid_size=(1, 250))),
        "tall": ("1 x 1000 pixels", random_picture(9, image_size=(1000, 1), grid_size=(250, 1))),
        "widest": (
            "65535 x 1 pixels, a grid of 65535 columns",
            picture(
                [(0, 0), (0, 40000), (0, 65534)],
                [(1, 1, 0), (0, 0, 0), (1, 1, 0)],
                [(3, 9, 8, 12), (15, 8, 8, 12), (9, 3, 12, 13)],
                ranges=((2.0, 8.0, 2), (0.0, 7.0, 1), (0.0, 0.0, 0), *COLORS, OPACITIES),
                image_size=(1, 65535),
                grid_size=(1, 65535),
            ),
        ),
        "tallest": (
            "1 x 65535 pixels, a grid of 65535 rows",
            picture(
                [(0, 0), (40000, 0), (65534, 0)],
                [(1, 0, 0), (0, 1, 0), (1, 0, 0)],
                [(3, 9, 8, 12), (15, 8, 8, 12), (9, 3, 12, 13)],
                ranges=((2.0, 8.0, 2), (-7.0, 7.0, 1), (0.0, 0.0, 0), *COLORS, OPACITIES),
                image_size=(65535, 1),
                grid_size=(65535, 1),
            ),
        ),
        "coarse_grid": (
            "a grid much coarser than the picture: 2 x 3 cells for 64 x 64 pixels",
            random_picture(9, image_size=(64, 64), grid_size=(2, 3), ranges=_with_range(0, 1.0, 0.375, 4)),
        ),
        "one_cell": (
            "several Gaussians in a grid of one cell, whose positions cost nothing",
            random_picture(12, image_size=(20, 30), grid_size=(1, 1)),
        ),
        "finest_grid": (
            "a grid of 65535 x 65535 cells over 8 x 11 pixels",
            random_picture(7, image_size=(8, 11), grid_size=(65535, 65535)),
        ),
        "row_of_cells": ("a grid of 1 x 17 cells", random_picture(20, grid_size=(1, 17))),
        "column_of_cells": ("a grid of 17 x 1 cells", random_picture(20, grid_size=(17, 1))),
        "odd_sides_to_63": (
            "a grid of 63 x 61 cells, whose sides and their halves are odd and at most 63",
            random_picture(40, grid_size=(63, 61)),
        ),
        "odd_sides_above_63": (
            "a grid of 65 x 131 cells: longer odd sides count as even",
            random_picture(40, grid_size=(65, 131)),
        ),
        "square_grid": (
            "a grid of 32 x 32 cells: equal sides are halved by columns",
            random_picture(40, grid_size=(32, 32)),
        ),
        "one_codeword": ("codebooks of one codeword", random_picture(15, (1, 1))),
        "two_codewords": ("codebooks of two codewords", random_picture(15, (2, 2))),
        "codewords_as_gaussians": (
            "as many codewords in either codebook as Gaussians, which is what remains when more are asked for",
            random_picture(11, (11, 11)),
        ),
        "many_codewords": ("more than 256 codewords in either codebook", random_picture(320, (260, 300))),
        "no_bits": (
            "channels of 0 bits, and a step that means nothing",
            random_picture(6, (1, 1), ranges=[(minimum, step, 0) for minimum, step, _ in ALPHA_BLENDED]),
        ),
        "one_bit": (
            "channels of 1 bit",
            random_picture(20, ranges=[(minimum, 8 * step, 1) for minimum, step, _ in ALPHA_BLENDED]),
        ),
        "twelve_bits": (
            "channels of 12 bits",
            random_picture(20, ranges=[(minimum, step / 256, 12) for minimum, step, _ in ALPHA_BLENDED]),
        ),
        "mixed_bits": (
            "channels of 12, 0, 1, 5, 0, 12 and 1 bits",
            random_picture(
                30,
                ranges=[
                    (minimum, step * 2.0 ** (4 - bits), bits)
                    for (minimum, step, _), bits in zip(ALPHA_BLENDED, (12, 0, 1, 5, 0, 12, 1), strict=True)
                ],
            ),
        ),
        "one_symbol": (
            "channels of 4 and 12 bits that hold one symbol only: the first, the last, or one between",
            picture(
                [(1, 2), (4, 4), (4, 5), (8, 10)],
                [(9, 0, 15), (9, 0, 15), (9, 0, 15), (9, 0, 15)],
                [(0, 7, 4095, 12), (0, 7, 4095, 12), (0, 7, 4095, 12), (0, 7, 4095, 12)],
                ranges=_with_range(5, -0.5, 2.0**-12, 12),
            ),
        ),
        "all_alike": (
            "300 Gaussians without a payload: one cell, one codeword, 0 bits",
            random_picture(
                300, (1, 1), grid_size=(1, 1), ranges=[(minimum, step, 0) for minimum, step, _ in ALPHA_BLENDED]
            ),
        ),
        "most_without_payload": (
            "4096 Gaussians without a payload, the most there can be",
            random_picture(
                4096,
                (1, 1),
                grid_size=(1, 1),
                image_size=(2, 3),
                ranges=[(minimum, step, 0) for minimum, step, _ in _with_range(6, -5.0, 0.0, 0)],
            ),
        ),
        "counts_of_256": (
            "256 and 255 points in a box: counts with a low bit coded apart, and without",
            random_picture(511, (2, 3), cells=_crowded([255, 0, 1, 255], 2), grid_size=(2, 2)),
        ),
        "crowded": (
            "2600 points in 3 x 5 cells: counts with up to four low bits coded apart, several of them in one step",
            random_picture(
                2600,
                (2, 2),
                cells=_crowded([0, 700, 3, 256, 1, 511, 128, 0, 90, 1, 300, 500, 2, 104, 4], 5),
                grid_size=(3, 5),
                image_size=(6, 10),
            ),
        ),
        "huge": (
            "covariances of exp(-32) and exp(32) square pixels, beyond any picture",
            random_picture(6, (2, 5), ranges=(*EXTREME, *COLORS, OPACITIES), seed=3),
        ),
        "limits_of_covariance": (
            "each covariance channel at either end of its range",
            picture(
                [(0, 1), (2, 3), (3, 6), (5, 0), (7, 2), (6, 7)],
                [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 0, 1)],
                [(12, 8, 8, 9), (3, 8, 6, 4), (9, 2, 8, 8), (6, 8, 14, 8), (15, 9, 9, 8), (2, 2, 2, 9)],
                ranges=(*EXTREME, *COLORS, OPACITIES),
                image_size=(16, 16),
                grid_size=(8, 8),
            ),
        ),
        "tiny": (
            "covariances of exp(-32) square pixels, on the centres of pixels: each is seen in one pixel",
            picture(
                [(0, 0), (3, 4), (7, 2), (7, 7)],
                [(0, 1, 1)] * 4,
                [(15, 8, 8, 14), (9, 15, 8, 15), (15, 3, 4, 12), (12, 8, 15, 15)],
                ranges=((-32.0, 64.0, 1), (-1.0, 1.0, 1), (-1.0, 1.0, 1), *COLORS, OPACITIES),
                image_size=(8, 8),
                grid_size=(8, 8),
            ),
        ),
        "thin": (
            "axes of up to 3000 : 1, upright, level and oblique, about a pixel wide",
            picture(
                [(2, 3), (5, 5), (6, 1), (3, 8)],
                [(1, 0, 8), (1, 15, 8), (1, 8, 0), (1, 8, 15)],
                [(15, 8, 8, 14), (9, 15, 8, 15), (15, 3, 4, 12), (12, 8, 15, 15)],
                ranges=((0.0, 8.0, 1), *TURNED, *COLORS, OPACITIES),
                image_size=(40, 50),
            ),
        ),
        "colors_beyond": (
            "colours below 0 and above 1, which are clipped after blending and not before",
            random_picture(
                14, ranges=(*SHAPES, (-2.0, 0.3125, 4), (-2.0, 0.25, 4), (-2.0, 0.25, 4), OPACITIES), seed=1
            ),
        ),
        "limits_of_color": (
            "luma at either end of its range",
            picture(
                [(2, 2), (6, 8)],
                [(9, 8, 8), (9, 8, 8)],
                [(0, 0, 0, 8), (1, 0, 0, 8)],
                ranges=(*SHAPES, (-16.0, 32.0, 1), (0.0, 0.0, 0), (0.0, 0.0, 0), OPACITIES),
            ),
        ),
        "limits_of_opacity": (
            "opacities from less than the cut-off of 1/255 to 0.99",
            picture(
                [(1, 1), (3, 8), (6, 4), (7, 9)],
                [(9, 8, 8), (9, 2, 8), (9, 8, 13), (7, 9, 9)],
                [(15, 8, 8, 0), (9, 15, 8, 1), (3, 3, 4, 2), (15, 8, 8, 3)],
                ranges=(*SHAPES, *COLORS, (-16.0, 10.6640625, 2)),
            ),
        ),
        "cut_off": (
            "opacities just below the cut-off of 1/255, which do not count, and just above, everywhere in the picture",
            random_picture(60, (3, 16), ranges=(*FLAT, *BRIGHT, (-5.75, 0.03125, 4)), background=(0, 0, 0)),
        ),
    }


OUT_OF_ORDER = (
    "out_of_order",
    "codewords that are unused, equal, or sorted by their first channel only; Gaussians of a cell in any order",
)


def out_of_order() -> QuantizedGaussians:
    """A picture that an encoder may write and this one would not."""
    made = random_picture(12, cells=[(1, 3)] * 3 + [(5, 5)] * 4 + [(6, 2)] * 5, seed=4)
    covariances = [(3, 9, 2), (3, 1, 14), (3, 9, 2), (8, 4, 4), (11, 15, 0), (11, 0, 15)]
    colors = [(0, 8, 8, 15), (6, 8, 3, 9), (6, 2, 8, 9), (6, 2, 8, 9), (15, 0, 0, 0)]
    return replace(
        made,
        covariance_codebook=replace(made.covariance_codebook, symbols=_integers(covariances, 3)),
        covariance_indices=np.array([5, 0, 3, 2, 0, 4, 1, 1, 1, 0, 5, 2]),
        color_codebook=replace(made.color_codebook, symbols=_integers(colors, 4)),
        color_indices=np.array([3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0]),
    )


CONCENTRATION_SEEDS = (0, 0, 0, 0, 1, 12, 4)
"""What makes the encoder choose each concentration but the last."""


def concentrations() -> list[Case]:
    """Return a file for each concentration that a multiset of cells can have."""
    places = [_clustered(120, 8, 4.0**code, seed) for code, seed in enumerate(CONCENTRATION_SEEDS)]
    return [
        Case(
            f"concentration_{code}",
            f"cells with the concentration 4^{code}",
            serialize(random_picture(len(cells), cells=cells, grid_size=(8, 8), seed=code)),
        )
        for code, cells in enumerate([*places, _spread(8)])
    ]


def flags() -> list[Case]:
    """Return a file for each combination of flags."""
    cases = []
    for value in range(16):
        make = gray if value & IS_GRAY else random_picture
        is_normalized = bool(value & IS_NORMALIZED)
        quantized = make(
            10,
            ranges=NORMALIZED if is_normalized else ALPHA_BLENDED,
            blending="normalized" if is_normalized else "alpha",
            subdivision=30 if value & IS_SUBDIVIDED else 0,
            grid_size=(4, 5),
            seed=value,
        )
        names = ("tail", "normalised", "subdivided", "gray")
        about = ", ".join(name for bit, name in enumerate(names) if value >> bit & 1)
        data = serialize(quantized, {b"note": b"a chunk"} if value & HAS_TAIL else {})
        cases.append(Case(f"flags_{value:02x}", f"flags: {about or 'none'}", data))
    return cases


def version_2() -> list[Case]:
    """Return the files of `v2/` that `v1/` has no twin of."""
    turned = (*SHAPES[:1], *TURNED, *COLORS, WEIGHTS)
    pictures: dict[str, tuple[str, QuantizedGaussians]] = {
        "long_end": (
            "a payload that ends in the longer of two ways, with R + 2 words: one in a hundred does",
            random_picture(6, seed=75),
        ),
        "normalized": ("normalised blending", normalized(25)),
        "normalized_nothing": ("normalised blending of nothing", normalized(0)),
        "normalized_colors_beyond": (
            "normalised blending of colours below 0 and above 1",
            normalized(14, ranges=(*SHAPES, *BEYOND, WEIGHTS)),
        ),
        "limits_of_weight": (
            "amplitude codes at -2, 0 and 2, cells subdivided",
            normalized(12, ranges=(*SHAPES, *COLORS, (-2.0, 2.0, 1)), subdivision=30, grid_size=(3, 4)),
        ),
        "light_weights": (
            "weights just below and just above 1/64, which is subtracted, everywhere in the picture",
            normalized(
                60, num_codewords=(3, 16), ranges=(*FLAT, *BRIGHT, (-1.0625, 0.00390625, 4)), background=(0, 0, 0)
            ),
        ),
        "subdivided": ("cells subdivided, alpha blending", random_picture(25, subdivision=40, grid_size=(5, 6))),
        "subdivided_normalized": (
            "cells subdivided, normalised blending: heavy Gaussians have more points",
            normalized(25, ranges=(*SHAPES, *COLORS, (-1.5, 0.1875, 4)), subdivision=40, grid_size=(5, 6)),
        ),
        "subdivided_nothing": ("cells subdivided, and no Gaussians", random_picture(0, subdivision=7)),
        "subdivision_1": ("the subdivision 1: lattices of one point", random_picture(9, subdivision=1)),
        "subdivision_65535": (
            "the largest subdivision, in a grid of one cell: lattices of up to 4096 points a side",
            normalized(16, subdivision=65535, grid_size=(1, 1), ranges=_with_range(0, -4.0, 1.5, 4, ranges=NORMALIZED)),
        ),
        "least_half_precision": (
            "ranges from and by 2^-24, the least that half precision can tell, where lattices depend on every bit",
            normalized(12, ranges=7 * [(2.0**-24, 2.0**-24, 12)], subdivision=65535, grid_size=(6, 7)),
        ),
        "sheared": (
            "shears of both signs, in cells wider than high",
            normalized(16, subdivision=60, grid_size=(6, 3), image_size=(30, 44), ranges=turned, seed=2),
        ),
        "shears_clamped": (
            "shears beyond +-2^15, in cells much wider than high",
            normalized(16, subdivision=60, grid_size=(600, 1), image_size=(6, 40), ranges=turned, seed=2),
        ),
        "lattices_at_limits": (
            "covariances at either end of their ranges: lattices of one point and of 4096",
            random_picture(
                8,
                ranges=(*EXTREME, *COLORS, OPACITIES),
                subdivision=3,
                grid_size=(3, 5),
                image_size=(17, 19),
            ),
        ),
        "lattice_in_fine_grid": (
            "cells much smaller than pixels, and subdivided",
            normalized(9, subdivision=65535, grid_size=(65535, 40000), image_size=(8, 9)),
        ),
        "gray": ("gray, alpha blending", gray(20, ranges=ALPHA_BLENDED, blending="alpha")),
        "gray_normalized": ("gray, normalised blending, cells subdivided", gray(20, subdivision=40, grid_size=(5, 6))),
        "gray_nothing": ("gray, and no Gaussians", gray(0)),
        "gray_wide": ("gray, 300 x 1 pixels", gray(8, image_size=(1, 300), grid_size=(1, 60))),
    }
    cases = [Case(name, about, serialize(quantized)) for name, (about, quantized) in pictures.items()]

    plane = serialize(gray(12, subdivision=20, grid_size=(4, 4), background=(0, 0, 0), seed=5))
    plain_plane = serialize(gray(5, ranges=ALPHA_BLENDED, blending="alpha", background=(255, 255, 255), seed=6))
    flat_plane = serialize(gray(0, background=(128, 128, 128)))
    color, luma = normalized(15, seed=7), gray(15, seed=8)
    everything = {b"ICCP": color_profile(), b"EXIF": EXIF, b"XMP_": XMP, b"ALPH": plane}
    tails: dict[str, tuple[str, bytes]] = {
        "alpha_plane": ("an alpha plane: normalised, subdivided", serialize(color, {b"ALPH": plane})),
        "alpha_plane_blended": ("an alpha plane: alpha blending", serialize(color, {b"ALPH": plain_plane})),
        "alpha_plane_flat": (
            "an alpha plane without Gaussians: half transparent",
            serialize(color, {b"ALPH": flat_plane}),
        ),
        "blended_alpha_plane": (
            "alpha blending, and an alpha plane",
            serialize(random_picture(15, seed=9), {b"ALPH": flat_plane}),
        ),
        "gray_alpha": ("gray with an alpha plane", serialize(luma, {b"ALPH": plane})),
        "gray_all": (
            "all flags, and every kind of chunk",
            serialize(
                gray(15, subdivision=33, grid_size=(4, 5), seed=8),
                {**everything, b"ICCP": gray_profile(), b"note": b"a"},
            ),
        ),
        "icc_profile": ("an ICC profile", serialize(color, {b"ICCP": color_profile()})),
        "exif": ("Exif with an orientation, which is not to be applied", serialize(color, {b"EXIF": EXIF})),
        "xmp": ("an XMP packet", serialize(color, {b"XMP_": XMP})),
        "every_chunk": ("profile, Exif, XMP and alpha plane, in this order", serialize(color, everything)),
        "every_chunk_reversed": (
            "the same in the reverse order",
            serialize(color, dict(reversed(everything.items()))),
        ),
        "unknown_chunks": (
            "chunks to be skipped: their tags begin with a lower-case letter, and may go on with any bytes",
            serialize(color, {b"note": b"of no interest", b"z\0\xff ": b"", b"xTGS": bytes(range(40))}),
        ),
        "tail_of_nothing": ("a tail of no bytes", with_tail(serialize(color), b"")),
        "empty_metadata": ("XMP of no bytes, compressed", serialize(color, {b"XMP_": b""})),
        "stored_metadata": (
            "metadata in a zlib stream of stored blocks",
            with_tail(serialize(color), chunk(b"XMP_", zlib.compress(XMP, 0))),
        ),
        "tail_after_no_payload": ("a tail after an empty payload", serialize(normalized(0), {b"XMP_": XMP})),
    }
    return cases + [Case(name, about, data) for name, (about, data) in tails.items()]


def files_of_version_2() -> list[Case]:
    """Return the files of `v2/`."""
    plain = [Case(name, about, serialize(quantized)) for name, (about, quantized) in both_versions().items()]
    return [*plain, Case(*OUT_OF_ORDER, as_it_stands(out_of_order())), *concentrations(), *flags(), *version_2()]
