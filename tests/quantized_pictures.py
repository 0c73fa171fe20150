"""Random `QuantizedGaussians` for tests, as a plain function and as a Hypothesis strategy, and how to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import CHROMA, MAX_AREA_CODE, MAX_DIFFERENCE, MAX_STEP_CODE, quantizers_of
from taichi_gs.model.lattice import MAX_SUBDIVISION_CODE, lattice_of_picture, rows_of, subdivision_of
from taichi_gs.model.quantized import (
    BACKGROUND_UNIT,
    COVARIANCE_CHANNELS,
    NUM_CHANNELS,
    NUM_GRAIN_LEVELS,
    QuantizedCodebook,
    QuantizedGaussians,
)

MODEST = ((-1.0, 7.0), (-4.0, 4.0), (-4.0, 4.0), (-0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5))
"""Between what the values of most channels are, unless they are wide."""

MODEST_CODES = {"alpha": (-4.0, 4.0), "normalized": (-1.0, 1.0)}
"""Likewise of amplitude codes."""


def quantized_picture(
    num_gaussians: int = 50,
    num_codewords: int = 8,
    step_codes: int | Sequence[int] = 20,
    columns: int = 64,
    blending: Blending = "alpha",
    seed: int = 0,
    *,
    area_code: int = 2,
    is_gray: bool = False,
    is_wide: bool = False,
    has_grain: bool = False,
    **fields: Any,
) -> QuantizedGaussians:
    """Return a picture whose Gaussians and codewords are in no particular order, some codewords unused or equal.

    Args:
        num_gaussians: N.
        num_codewords: of either codebook.
        step_codes: of all seven channels, or of each.
        columns: of the grid.
        blending: of the Gaussians.
        seed: of all that is random.
        area_code: of the quantiser of m.
        is_gray: whether it is gray.
        is_wide: whether codewords have any symbols, and not only such as pictures have.
        has_grain: whether there are strengths of grain.
        fields: of the picture, instead of the usual ones.
    """
    generator = np.random.default_rng(seed)
    image_size = fields.pop("image_size", (24, 32))
    codes = [step_codes] * NUM_CHANNELS if isinstance(step_codes, int) else step_codes
    quantizers = quantizers_of(codes, area_code, blending, is_gray=is_gray)
    planes = []
    for channel, quantizer in enumerate(quantizers):
        first, last = 0, quantizer.num_levels - 1
        if not is_wide and not (is_gray and channel in CHROMA):
            low, high = (*MODEST, MODEST_CODES[blending])[channel]
            ends = np.rint((np.array([low, high]) - quantizer.minimum) / quantizer.step)
            first, last = ends.astype(int).clip(0, last).tolist()
        planes.append(generator.integers(first, last + 1, num_codewords if num_gaussians else 0))
    grid_size = (rows_of(columns, image_size), columns)
    background = BACKGROUND_UNIT * generator.integers(0, 255 // BACKGROUND_UNIT + 1, 3)
    picture = QuantizedGaussians(
        **{"subdivision": 0, **fields},
        image_size=image_size,
        background=background[[0, 0, 0] if is_gray else [0, 1, 2]].astype(np.uint8),
        blending=blending,
        grid_size=grid_size,
        cells=generator.integers(0, grid_size, (num_gaussians, 2)),
        offsets=np.zeros((num_gaussians, 2), dtype=np.int64),
        covariance_codebook=_codebook(planes, quantizers, slice(0, COVARIANCE_CHANNELS)),
        covariance_indices=generator.integers(0, num_codewords, num_gaussians),
        color_codebook=_codebook(planes, quantizers, slice(COVARIANCE_CHANNELS, NUM_CHANNELS)),
        color_indices=generator.integers(0, num_codewords, num_gaussians),
        is_gray=is_gray,
        grain=generator.integers(0, NUM_GRAIN_LEVELS, len(planes[0])) if has_grain else None,
    )
    return replace(picture, offsets=generator.integers(0, lattice_of_picture(picture).levels))


def _codebook(planes: Sequence[Any], quantizers: Sequence[Any], channels: slice) -> QuantizedCodebook:
    return QuantizedCodebook(np.stack(planes[channels], axis=1), tuple(quantizers[channels]))


def gray_picture(**options: Any) -> QuantizedGaussians:
    """Return a gray `quantized_picture`, by default with normalised blending and subdivided cells."""
    usual = {"blending": "normalized", "subdivision": subdivision_of(44), "columns": 7}
    return quantized_picture(**{**usual, **options}, is_gray=True)


COLUMNS = st.one_of(st.integers(1, 40), st.sampled_from([63, 65, 1024, 65535]))
"""Columns of grids; many more than there are Gaussians among them."""


@st.composite
def step_codes(draw: st.DrawFn) -> list[int]:
    """The step codes of seven channels, as far apart as they can be, sometimes."""
    first = draw(st.integers(0, MAX_STEP_CODE))
    others = st.integers(max(first - MAX_DIFFERENCE, 0), min(first + MAX_DIFFERENCE, MAX_STEP_CODE))
    return [first, *draw(st.lists(others, min_size=NUM_CHANNELS - 1, max_size=NUM_CHANNELS - 1))]


PICTURES = st.builds(
    lambda make, **options: make(**options),
    make=st.sampled_from([quantized_picture, gray_picture]),
    num_gaussians=st.one_of(st.integers(0, 3), st.integers(0, 400)),
    num_codewords=st.integers(1, 70),
    step_codes=step_codes(),
    area_code=st.integers(0, MAX_AREA_CODE),
    image_size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    columns=COLUMNS,
    blending=st.sampled_from(["alpha", "normalized"]),
    subdivision=st.one_of(st.just(0), st.integers(0, MAX_SUBDIVISION_CODE).map(subdivision_of)),
    is_wide=st.booleans(),
    has_grain=st.booleans(),
    seed=st.integers(0, 2**32),
)


def assert_same(one: QuantizedGaussians, other: QuantizedGaussians) -> None:
    """Assert that two pictures are the same integers in the same order.

    Of a picture without Gaussians a file says nothing about grids, lattices and quantisers.
    """
    names = ["image_size", "blending", "is_gray"] + (["grid_size", "subdivision"] if len(one) else [])
    for name in names:
        assert getattr(one, name) == getattr(other, name)
    for name in ("background", "cells", "offsets", "covariance_indices", "color_indices"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.grain is None) == (other.grain is None)
    if one.grain is not None and other.grain is not None:
        np.testing.assert_array_equal(one.grain, other.grain)
    for name in ("covariance_codebook", "color_codebook"):
        assert getattr(one, name).quantizers == getattr(other, name).quantizers or not len(one)
        np.testing.assert_array_equal(getattr(one, name).symbols, getattr(other, name).symbols)
