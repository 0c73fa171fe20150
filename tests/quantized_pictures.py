"""Random `QuantizedGaussians` for tests, as a plain function and as a Hypothesis strategy, and how to compare them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from taichi_gs.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


def quantized_picture(
    num_gaussians: int = 50,
    num_codewords: int = 8,
    bits: int = 6,
    image_size: tuple[int, int] = (24, 32),
    grid_size: tuple[int, int] = (48, 64),
    seed: int = 0,
) -> QuantizedGaussians:
    """Return a picture whose Gaussians and codewords are in no particular order, some codewords unused or equal."""
    generator = np.random.default_rng(seed)

    def codebook(minimums: list[float]) -> QuantizedCodebook:
        quantizers = tuple(UniformQuantizer(minimum, 0.125 if bits else 0.0, bits) for minimum in minimums)
        num_rows = num_codewords if num_gaussians else 0
        return QuantizedCodebook(generator.integers(0, 1 << bits, (num_rows, len(minimums))), quantizers)

    return QuantizedGaussians(
        image_size=image_size,
        background=generator.integers(0, 256, 3).astype(np.uint8),
        grid_size=grid_size,
        cells=generator.integers(0, grid_size, (num_gaussians, 2)),
        covariance_codebook=codebook([-1.0, -4.0, -4.0]),
        covariance_indices=generator.integers(0, num_codewords, num_gaussians),
        color_codebook=codebook([-0.5, -0.5, -0.5, -4.0]),
        color_indices=generator.integers(0, num_codewords, num_gaussians),
    )


SIDES = st.one_of(st.integers(1, 40), st.sampled_from([63, 65, 1024, 65535]))
"""Sides of grids; much larger ones than there are Gaussians among them."""

PICTURES = st.builds(
    quantized_picture,
    num_gaussians=st.one_of(st.integers(0, 3), st.integers(0, 400)),
    num_codewords=st.integers(1, 70),
    bits=st.integers(0, 8),
    image_size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    grid_size=st.tuples(SIDES, SIDES),
    seed=st.integers(0, 2**32),
)


def assert_same(one: QuantizedGaussians, other: QuantizedGaussians) -> None:
    """Assert that two pictures are the same integers in the same order."""
    assert (one.image_size, one.grid_size) == (other.image_size, other.grid_size)
    for name in ("background", "cells", "covariance_indices", "color_indices"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("covariance_codebook", "color_codebook"):
        assert getattr(one, name).quantizers == getattr(other, name).quantizers
        np.testing.assert_array_equal(getattr(one, name).symbols, getattr(other, name).symbols)
