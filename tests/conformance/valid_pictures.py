"""Pictures of `valid/`: sizes, grids, codebooks, both blendings, gray, and grain."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.pictures import (
    BEYOND,
    BRIGHT,
    COLORS,
    FLAT,
    NORMALIZED,
    OPACITIES,
    SHAPES,
    TURNED,
    WEIGHTS,
    WHOLE_SHAPES,
    gray,
    normalized,
    picture,
    random_picture,
    with_grain,
    with_span,
)

from taichi_gs.model.lattice import subdivision_of
from taichi_gs.model.quantized import QuantizedGaussians

Pictures = dict[str, tuple[str, QuantizedGaussians]]
"""Pictures by name, each with what it is there for."""


def pictures() -> Pictures:
    """Return the pictures without subdivided cells and without grain, but for their payloads' sake."""
    return _sizes_and_grids() | _codewords() | _colors_and_amplitudes() | _others()


def _sizes_and_grids() -> Pictures:
    return {
        "nothing": ("no Gaussians: the background alone", random_picture(0)),
        "black": ("no Gaussians over black: an empty payload", random_picture(0, background=(0, 0, 0))),
        "white": ("no Gaussians over white", random_picture(0, background=(255, 255, 255))),
        "one": ("one Gaussian", random_picture(1)),
        "one_pixel": (
            "1 x 1 pixels, one Gaussian, a grid of one cell",
            random_picture(1, image_size=(1, 1), columns=1),
        ),
        "two_alike": (
            "two Gaussians that are the same in everything",
            random_picture(2, (1, 1), cells=[(4, 5), (4, 5)]),
        ),
        "wide": ("1000 x 1 pixels, 250 columns, and not less than one row", random_picture(9, **_long(1000, 250))),
        "tall": ("1 x 1000 pixels, one column of 1000 cells", random_picture(9, image_size=(1000, 1), columns=1)),
        "widest": (
            "65535 x 1 pixels, a grid of 65535 columns",
            picture(
                [(0, 0), (0, 40000), (0, 65534)],
                [(8, 7, 0), (2, 0, 0), (8, 7, 0)],
                [(0.2, 0, 0, 2), (0.9, 0, 0, 2), (0.6, -0.3, 0.2, 2.5)],
                **_long(65535, 65535),
            ),
        ),
        "tallest": (
            "1 x 65535 pixels, a grid of 65535 rows",
            picture(
                [(0, 0), (40000, 0), (65534, 0)],
                [(8, -7, 0), (2, 0, 0), (8, -7, 0)],
                [(0.2, 0, 0, 2), (0.9, 0, 0, 2), (0.6, -0.3, 0.2, 2.5)],
                image_size=(65535, 1),
                columns=1,
            ),
        ),
        "coarse_grid": (
            "a grid much coarser than the picture: 3 x 3 cells for 64 x 64 pixels",
            random_picture(9, image_size=(64, 64), columns=3, spans=with_span(0, 1.0, 6.6)),
        ),
        "one_cell": (
            "several Gaussians in a grid of one cell, whose positions cost nothing",
            random_picture(12, image_size=(20, 30), columns=1),
        ),
        "finest_grid": (
            "a grid of 65535 columns and no more rows, though the picture is higher than wide",
            random_picture(7, image_size=(11, 8), columns=65535),
        ),
        "half_a_row": (
            "a grid whose number of rows is half-way between two, and rounded up: 3 x 5 cells for 4 x 6 pixels",
            random_picture(9, image_size=(6, 4), columns=3),
        ),
        "row_of_cells": ("a grid of 17 x 1 cells", random_picture(20, image_size=(2, 60), columns=17)),
        "column_of_cells": ("a grid of 1 x 17 cells", random_picture(20, image_size=(51, 3), columns=1)),
        "odd_grid": ("a grid of 63 x 54 cells", random_picture(40, columns=63)),
        "square_grid": (
            "a grid of 32 x 32 cells: equal sides are cut by columns",
            random_picture(40, image_size=(32, 32), columns=32),
        ),
        "counts_of_256": (
            "256 and 255 points in a box: counts with a low bit coded apart, and without",
            random_picture(511, (2, 3), cells=crowded([255, 0, 1, 255], 2), image_size=(10, 10), columns=2),
        ),
        "crowded": (
            "2600 points in 5 x 3 cells: counts with up to four low bits coded apart, several of them in one step",
            random_picture(
                2600,
                (2, 2),
                cells=crowded([0, 700, 3, 256, 1, 511, 128, 0, 90, 1, 300, 500, 2, 104, 4], 5),
                image_size=(6, 10),
                columns=5,
            ),
        ),
    }


def _codewords() -> Pictures:
    axes = [(8, 0, 7), (8, 0, -7), (0, 7, 0), (0, -7, 0)]
    return {
        "one_codeword": ("codebooks of one codeword", random_picture(15, (1, 1))),
        "two_codewords": ("codebooks of two codewords", random_picture(15, (2, 2))),
        "codewords_as_gaussians": (
            "as many codewords in either codebook as Gaussians, the most there can be",
            random_picture(11, (11, 11)),
        ),
        "many_codewords": ("more than 256 codewords in either codebook", random_picture(320, (260, 300))),
        "same_places": (
            "codewords that agree in their first two channels and differ in the others",
            picture(
                [(1, 2), (4, 4), (4, 5), (8, 10)],
                [(2, 0, -1), (2, 0, 0), (2, 0, 1), (2, 0, 1.2)],
                [(0.5, 0, -0.2, 0), (0.5, 0, -0.2, 2), (0.5, 0, 0.1, -1), (0.5, 0, 0.3, 1)],
            ),
        ),
        "limits_of_covariance": (
            "each covariance channel at either end of its range",
            picture(
                [(0, 1), (2, 3), (3, 6), (5, 0), (7, 2), (6, 7)],
                [(-16, -8, -8), (8, -8, -8), (-16, 8, 8), (8, 8, -8), (8, -8, 8), (-16, -8, 8)],
                [
                    (0.8, 0, 0, 0.5),
                    (0.2, 0, 0, -2),
                    (0.6, -0.4, 0, 0),
                    (0.4, 0, 0.4, 0),
                    (0.9, 0, 0, 0),
                    (0.1, -0.4, 0, 0),
                ],
                image_size=(16, 16),
                columns=8,
            ),
        ),
        "huge": (
            "covariances of exp(31.5) square pixels, beyond any picture",
            random_picture(6, (2, 5), area_code=47, spans=(*WHOLE_SHAPES[:1], *SHAPES[1:], *COLORS, OPACITIES), seed=3),
        ),
        "tiny": (
            "covariances of exp(-16) square pixels, on the centres of pixels: each is seen in one pixel",
            picture(
                [(0, 0), (3, 4), (7, 2), (7, 7)],
                [(-16, 0, 0)] * 4,
                [(0.9, 0, 0, 3), (0.5, 0.4, 0, 3.5), (0.9, -0.3, -0.2, 2), (0.7, 0, 0.4, 3.5)],
                image_size=(8, 8),
                columns=8,
            ),
        ),
        "thin": (
            "axes of up to 1000 : 1, upright, level and oblique, about a pixel wide",
            picture(
                [(2, 3), (5, 5), (6, 1), (3, 8)],
                [(x, y, z) for x, y, z in axes],
                [(0.9, 0, 0, 3), (0.5, 0.4, 0, 3.5), (0.9, -0.3, -0.2, 2), (0.7, 0, 0.4, 3.5)],
                image_size=(40, 50),
            ),
        ),
        "turned": (
            "covariances of all directions and sizes",
            random_picture(24, (20, 20), spans=((-2.0, 3.0), *TURNED, *COLORS, OPACITIES), image_size=(40, 50)),
        ),
    }


def _colors_and_amplitudes() -> Pictures:
    return {
        "colors_beyond": (
            "colours below 0 and above 1, which are clipped after blending and not before",
            random_picture(14, spans=(*SHAPES, *BEYOND, OPACITIES), seed=1),
        ),
        "limits_of_color": (
            "each channel of colour at either end of its range",
            picture(
                [(2, 2), (6, 8), (3, 9), (8, 1)],
                [(3, 0, 0)] * 4,
                [(-1, 0, 0, 1), (2, 0, 0, 1), (0.5, -1, 1, 1), (0.5, 1, -1, 1)],
            ),
        ),
        "limits_of_opacity": (
            "opacities from less than the cut-off of 1/255 to 0.99",
            picture(
                [(1, 1), (3, 8), (6, 4), (7, 9)],
                [(3, 0, 0), (3, -1, 0), (3, 0, 1), (2, 0.2, 0.2)],
                [(0.9, 0, 0, -8), (0.5, 0.4, 0, -2), (0.2, -0.3, -0.2, 3), (0.9, 0, 0, 8)],
            ),
        ),
        "cut_off": (
            "opacities just below the cut-off of 1/255, which do not count, and just above, everywhere in the picture",
            random_picture(
                60,
                (3, 16),
                steps=(24, 24, 24, 16, 16, 16, 28),
                area_code=40,
                spans=(*FLAT, *BRIGHT, (-5.75, -5.28)),
                background=(0, 0, 0),
            ),
        ),
        "normalized": ("normalised blending", normalized(25)),
        "normalized_nothing": ("normalised blending of nothing", normalized(0)),
        "normalized_colors_beyond": (
            "normalised blending of colours below 0 and above 1",
            normalized(14, spans=(*SHAPES, *BEYOND, WEIGHTS)),
        ),
        "limits_of_weight": (
            "amplitude codes at -1, 0 and 2, cells subdivided",
            normalized(
                12,
                steps=(14, 18, 18, 8, 8, 8, 2),
                spans=with_span(6, -1.0, 2.0, NORMALIZED),
                subdivision=subdivision_of(41),
                columns=4,
            ),
        ),
        "light_weights": (
            "weights of little more than 1/64, which is subtracted, everywhere in the picture",
            normalized(
                60,
                num_codewords=(3, 16),
                steps=(22, 24, 24, 16, 16, 16, 32),
                area_code=40,
                spans=(*FLAT, *BRIGHT, (-1.0, -0.94)),
                background=(0, 0, 0),
            ),
        ),
    }


def _others() -> Pictures:
    return {
        "gray": ("gray, blended front to back", gray(20, blending="alpha")),
        "gray_normalized": (
            "gray, normalised blending, cells subdivided",
            gray(20, subdivision=subdivision_of(44), columns=6),
        ),
        "gray_nothing": ("gray, and no Gaussians", gray(0)),
        "gray_wide": ("gray, 300 x 1 pixels", gray(8, **_long(300, 60))),
    }


def grains() -> Pictures:
    """Return the pictures that say how strong grain is."""
    smooth = {"image_size": (24, 24), "columns": 8}
    return {
        "grain": ("grain, blended front to back: each strength occurs", with_grain(random_picture(30, (8, 16)))),
        "grain_normalized": (
            "grain, normalised blending, cells subdivided",
            with_grain(
                normalized(30, num_codewords=(8, 16), subdivision=subdivision_of(44), **smooth), (7, 0, 5, 6, 3)
            ),
        ),
        "grain_gray": ("grain in a gray picture", with_grain(gray(20, num_codewords=(8, 16), **smooth), (7, 5, 3, 1))),
        "grain_none": ("strengths of grain that are all 0", with_grain(normalized(20, num_codewords=(5, 9)), (0,))),
        "grain_alike": (
            "strengths of grain that are all 6, and one codeword: they take next to no bits",
            with_grain(random_picture(20, (5, 1)), (6,)),
        ),
        "grain_nothing": ("grain is flagged, but there are no Gaussians", with_grain(normalized(0))),
        "grain_apart": (
            "colour codewords that agree in all but their grain",
            with_grain(
                picture(
                    [(1, 2), (4, 4), (4, 5), (8, 10)],
                    [(2, 0, 0), (3, 0, 0), (2, 1, 0), (3, 0, 1)],
                    [(0.5, 0, -0.2, 0), (0.5, 0, -0.2, 2), (0.5, 0, 0.1, -1), (0.5, 0, 0.3, 1)],
                ),
                (7, 7, 5, 5),
            ),
        ),
    }


def crowded(counts: Sequence[int], columns: int) -> list[tuple[int, int]]:
    """So many points in each cell, in raster order."""
    return [divmod(cell, columns) for cell, count in enumerate(counts) for _ in range(count)]


def _long(width: int, columns: int) -> dict[str, object]:
    return {"image_size": (1, width), "columns": columns}
