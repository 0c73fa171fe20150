"""Pictures of `valid/` with subdivided cells."""

from __future__ import annotations

from conformance.pictures import (
    COLORS,
    NORMALIZED,
    OPACITIES,
    SHAPES,
    TURNED,
    WEIGHTS,
    WHOLE_SHAPES,
    Case,
    normalized,
    picture,
    random_picture,
    with_span,
)
from conformance.raw import IS_FRONT_TO_BACK, file_of
from conformance.valid_pictures import Pictures

from taichi_gs.format.payload import encode_payload
from taichi_gs.model.lattice import MAX_SUBDIVISION_CODE, subdivision_of

ROUNDABOUT_CODE = 8
"""It stands for the subdivision 1, as smaller codes do."""


def lattices() -> Pictures:
    """Return the pictures with subdivided cells."""
    turned = (*SHAPES[:1], *TURNED, *COLORS, WEIGHTS)
    slopes = [(1.0, -8.0, 0.05), (1.0, -8.0, -0.05), (1.0, -7.0, 1.0), (1.0, -7.0, -1.0)]
    colors = [(0.9, 0, 0, 0.2), (0.5, 0.4, 0, 0.3), (0.9, -0.3, -0.2, 0), (0.7, 0, 0.4, 0.1)]
    largest = subdivision_of(MAX_SUBDIVISION_CODE)
    return {
        "subdivided": (
            "cells subdivided, blended front to back",
            random_picture(25, subdivision=subdivision_of(44), columns=6),
        ),
        "subdivided_normalized": (
            "cells subdivided, normalised blending: heavy Gaussians have more points",
            normalized(25, spans=with_span(6, -1.0, 1.3, NORMALIZED), subdivision=subdivision_of(44), columns=6),
        ),
        "subdivision_1": ("the subdivision 1: lattices of one point", random_picture(9, subdivision=1)),
        "subdivision_2": ("the subdivision 2", random_picture(9, subdivision=2)),
        "largest_subdivision": (
            "the largest subdivision, in a grid of one cell: lattices of up to 4096 points a side",
            normalized(16, subdivision=largest, columns=1, spans=with_span(0, -4.0, 8.0, NORMALIZED)),
        ),
        "sheared": (
            "shears of both signs",
            normalized(16, subdivision=subdivision_of(48), columns=3, image_size=(30, 44), spans=turned, seed=2),
        ),
        "sheared_in_wide_cells": (
            "shears in cells much wider than high: 1 x 1 cells for 50 x 2 pixels",
            normalized(16, subdivision=subdivision_of(60), columns=1, image_size=(2, 50), spans=turned, seed=2),
        ),
        "shears_clamped": (
            "shears beyond +-2^15, and large ones",
            picture(
                [(1, 1), (2, 3), (2, 0), (0, 2)],
                slopes,
                colors,
                steps=(14, 18, 26, 8, 8, 8, 16),
                blending="normalized",
                subdivision=subdivision_of(48),
                columns=4,
            ),
        ),
        "lattices_at_limits": (
            "covariances at either end of their ranges: lattices of one point and of 4096",
            random_picture(
                8,
                spans=(*WHOLE_SHAPES, *COLORS, OPACITIES),
                steps=(0, 0, 0, 8, 8, 8, 12),
                subdivision=3,
                columns=5,
                image_size=(17, 19),
            ),
        ),
        "lattices_in_fine_grid": (
            "cells much smaller than pixels, and subdivided",
            normalized(9, subdivision=largest, columns=65535, image_size=(8, 9)),
        ),
    }


def roundabout_subdivision() -> Case:
    """A file with a subdivision that has a smaller code too."""
    quantized = random_picture(9, subdivision=1, seed=1).canonical()
    data = file_of(
        flags=IS_FRONT_TO_BACK,
        size=quantized.image_size[::-1],
        num_gaussians=len(quantized),
        columns=quantized.grid_size[1],
        subdivision_code=ROUNDABOUT_CODE,
        codewords=(len(quantized.covariance_codebook), len(quantized.color_codebook)),
        payload=encode_payload(quantized),
    )
    return Case("subdivision_code_8", "the subdivision code 8, which stands for 1 as smaller codes do", data)
