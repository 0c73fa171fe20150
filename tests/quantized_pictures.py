"""Random `QuantizedGaussians` for tests, as a plain function and as a Hypothesis strategy, and how to compare them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from taichi_gs.model.blending import Blending
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


def quantized_picture(
    num_gaussians: int = 50,
    num_codewords: int = 8,
    bits: int = 6,
    grid_size: tuple[int, int] = (48, 64),
    blending: Blending = "alpha",
    seed: int = 0,
    **fields: Any,
) -> QuantizedGaussians:
    """Return a picture whose Gaussians and codewords are in no particular order, some codewords unused or equal."""
    generator = np.random.default_rng(seed)

    def codebook(minimums: list[float], steps: list[float]) -> QuantizedCodebook:
        quantizers = tuple(
            UniformQuantizer(minimum, step if bits else 0.0, bits)
            for minimum, step in zip(minimums, steps, strict=True)
        )
        num_rows = num_codewords if num_gaussians else 0
        return QuantizedCodebook(generator.integers(0, 1 << bits, (num_rows, len(minimums))), quantizers)

    # Of m up to 32, of other channels no more than 8 at any number of bits.
    step = min(0.125, 2.0 ** (3 - bits))
    amplitude_range = (-1.0, 2.0 ** (1 - bits)) if blending == "normalized" else (-4.0, step)
    usual: dict[str, Any] = {"image_size": (24, 32), "subdivision": 0}
    picture = QuantizedGaussians(
        **{**usual, **fields},
        background=generator.integers(0, 256, 3).astype(np.uint8),
        blending=blending,
        grid_size=grid_size,
        cells=generator.integers(0, grid_size, (num_gaussians, 2)),
        offsets=np.zeros((num_gaussians, 2), dtype=np.int64),
        covariance_codebook=codebook([-1.0, -4.0, -4.0], [0.125, step, step]),
        covariance_indices=generator.integers(0, num_codewords, num_gaussians),
        color_codebook=codebook([-0.5, -0.5, -0.5, amplitude_range[0]], [step] * 3 + [amplitude_range[1]]),
        color_indices=generator.integers(0, num_codewords, num_gaussians),
    )
    return replace(picture, offsets=generator.integers(0, lattice_of_picture(picture).levels))


def gray_picture(**options: Any) -> QuantizedGaussians:
    """Return a gray `quantized_picture`."""
    picture = quantized_picture(**{"blending": "normalized", "subdivision": 40, "grid_size": (5, 7), **options})
    symbols, quantizers = picture.color_codebook.symbols.copy(), list(picture.color_codebook.quantizers)
    symbols[:, 1:3], quantizers[1:3] = 0, [UniformQuantizer(0.0, 0.0, 0)] * 2
    codebook = QuantizedCodebook(symbols, tuple(quantizers))
    return replace(picture, color_codebook=codebook, background=picture.background[[0, 0, 0]], is_gray=True)


SIDES = st.one_of(st.integers(1, 40), st.sampled_from([63, 65, 1024, 65535]))
"""Sides of grids; much larger ones than there are Gaussians among them."""

PICTURES = st.builds(
    lambda make, **options: make(**options),
    make=st.sampled_from([quantized_picture, gray_picture]),
    num_gaussians=st.one_of(st.integers(0, 3), st.integers(0, 400)),
    num_codewords=st.integers(1, 70),
    bits=st.integers(0, 8),
    image_size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    grid_size=st.tuples(SIDES, SIDES),
    blending=st.sampled_from(["alpha", "normalized"]),
    subdivision=st.one_of(st.just(0), st.integers(1, 300), st.just(65535)),
    seed=st.integers(0, 2**32),
)


def assert_same(one: QuantizedGaussians, other: QuantizedGaussians) -> None:
    """Assert that two pictures are the same integers in the same order."""
    for name in ("image_size", "blending", "grid_size", "subdivision", "is_gray"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("background", "cells", "offsets", "covariance_indices", "color_indices"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("covariance_codebook", "color_codebook"):
        assert getattr(one, name).quantizers == getattr(other, name).quantizers
        np.testing.assert_array_equal(getattr(one, name).symbols, getattr(other, name).symbols)
