"""The pictures of `v2/` that version 1 could hold too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from conformance.pictures import (
    ALPHA_BLENDED,
    BRIGHT,
    COLORS,
    EXTREME,
    FLAT,
    OPACITIES,
    SHAPES,
    TURNED,
    integers,
    picture,
    random_picture,
    with_range,
)
from conformance.raw import file_of

from taichi_gs.format.payload import encode_payload
from taichi_gs.model.quantized import QuantizedGaussians


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
            random_picture(9, image_size=(64, 64), grid_size=(2, 3), ranges=with_range(0, 1.0, 0.375, 4)),
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
                ranges=with_range(5, -0.5, 2.0**-12, 12),
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
                ranges=[(minimum, step, 0) for minimum, step, _ in with_range(6, -5.0, 0.0, 0)],
            ),
        ),
        "counts_of_256": (
            "256 and 255 points in a box: counts with a low bit coded apart, and without",
            random_picture(511, (2, 3), cells=crowded([255, 0, 1, 255], 2), grid_size=(2, 2)),
        ),
        "crowded": (
            "2600 points in 3 x 5 cells: counts with up to four low bits coded apart, several of them in one step",
            random_picture(
                2600,
                (2, 2),
                cells=crowded([0, 700, 3, 256, 1, 511, 128, 0, 90, 1, 300, 500, 2, 104, 4], 5),
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
        covariance_codebook=replace(made.covariance_codebook, symbols=integers(covariances, 3)),
        covariance_indices=np.array([5, 0, 3, 2, 0, 4, 1, 1, 1, 0, 5, 2]),
        color_codebook=replace(made.color_codebook, symbols=integers(colors, 4)),
        color_indices=np.array([3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0]),
    )


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


def crowded(counts: Sequence[int], columns: int) -> list[tuple[int, int]]:
    """So many points in each cell, in raster order."""
    return [divmod(cell, columns) for cell, count in enumerate(counts) for _ in range(count)]
