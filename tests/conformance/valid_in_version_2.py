"""The pictures of `v2/` that only version 2 can hold, without tails but for one of each combination of flags."""

from __future__ import annotations

import math

from conformance.pictures import (
    ALPHA_BLENDED,
    BEYOND,
    BRIGHT,
    COLORS,
    EXTREME,
    FLAT,
    NORMALIZED,
    OPACITIES,
    SHAPES,
    TURNED,
    WEIGHTS,
    Case,
    Dice,
    gray,
    normalized,
    random_picture,
    with_range,
)
from conformance.raw import HAS_TAIL, IS_GRAY, IS_NORMALIZED, IS_SUBDIVIDED

from taichi_gs.format.bitstream import serialize
from taichi_gs.model.quantized import QuantizedGaussians

CONCENTRATION_SEEDS = (0, 0, 0, 0, 1, 12, 4)
"""What makes the encoder choose each concentration but the last."""


def concentrations() -> list[Case]:
    """Return a file for each concentration that a multiset of cells can have."""
    places = [clustered(120, 8, 4.0**code, seed) for code, seed in enumerate(CONCENTRATION_SEEDS)]
    return [
        Case(
            f"concentration_{code}",
            f"cells with the concentration 4^{code}",
            serialize(random_picture(len(cells), cells=cells, grid_size=(8, 8), seed=code)),
        )
        for code, cells in enumerate([*places, spread(8)])
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


def pictures_of_version_2() -> list[Case]:
    """Return the files without tails of `v2/` that `v1/` has no twin of."""
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
            normalized(16, subdivision=65535, grid_size=(1, 1), ranges=with_range(0, -4.0, 1.5, 4, ranges=NORMALIZED)),
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
    return [Case(name, about, serialize(quantized)) for name, (about, quantized) in pictures.items()]


def clustered(num_points: int, side: int, concentration: float, seed: int) -> list[tuple[int, int]]:
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


def spread(side: int) -> list[tuple[int, int]]:
    """Every cell of a square grid once."""
    return [(row, column) for row in range(side) for column in range(side)]
