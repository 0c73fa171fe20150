"""Files that ask for as much work as they can, made in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import MAX_STEP_CODE, quantizers_of
from taichi_gs.model.lattice import lattice_of_picture, rows_of
from taichi_gs.model.quantized import COVARIANCE_CHANNELS, NUM_CHANNELS, IntArray, QuantizedCodebook, QuantizedGaussians

SMALL, HUGE = -1.0, 23.0
"""Logarithms of areas: of Gaussians that reach a tile or two, and of those that cover any picture."""

AREA_CODE = 30
"""With it both are in the range of areas, at its ends."""


def crowd(
    num_gaussians: int,
    num_covering: int,
    image_size: tuple[int, int],
    *,
    columns: int = 1,
    num_codewords: int = 1,
    blending: Blending = "normalized",
    is_gray: bool = False,
) -> QuantizedGaussians:
    """Return a picture of small Gaussians, and of some that cover all of it.

    With one column all stand in the middle of the picture, else each somewhere. With more than one codeword in either
    codebook, they are random ones, and steps are as small as there can be. The picture is not higher than wide.
    """
    generator = np.random.default_rng(0)
    is_random, is_detailed = columns > 1, num_codewords > 1
    step_codes = [MAX_STEP_CODE if is_detailed else 0] * NUM_CHANNELS
    quantizers = quantizers_of(step_codes, AREA_CODE, blending, is_gray=is_gray)

    def symbols(channel: int, values: NDArray[np.float64]) -> IntArray:
        """The symbols for values of a channel."""
        own = quantizers[channel]
        return np.rint((values - own.minimum) / own.step).astype(np.int64) if own.step else np.zeros(len(values), int)

    def below_one(count: int) -> NDArray[np.float64]:
        return generator.random(count) * (1 - 2.0**-10) if is_detailed else np.zeros(count)

    areas = SMALL + below_one(num_codewords + 1) / 8
    areas[-1] = HUGE  # a codeword of its own for those that cover all
    shapes = [symbols(0, areas), *(symbols(channel, below_one(num_codewords + 1)) for channel in (1, 2))]
    colors = [symbols(channel, below_one(num_codewords)) for channel in range(COVARIANCE_CHANNELS, NUM_CHANNELS)]
    covariance_indices = generator.integers(0, num_codewords, num_gaussians)
    covariance_indices[:num_covering] = num_codewords
    grid_size = rows_of(columns, image_size), columns
    cells = generator.integers(0, grid_size, (num_gaussians, 2)) if is_random else np.zeros((num_gaussians, 2), int)
    picture = QuantizedGaussians(
        image_size=image_size,
        background=np.full(3, 102, np.uint8),
        blending=blending,
        grid_size=grid_size,
        cells=cells,
        subdivision=0,
        offsets=np.zeros((num_gaussians, 2), np.int64),
        covariance_codebook=QuantizedCodebook(np.stack(shapes, axis=1), quantizers[:COVARIANCE_CHANNELS]),
        covariance_indices=covariance_indices,
        color_codebook=QuantizedCodebook(np.stack(colors, axis=1), quantizers[COVARIANCE_CHANNELS:]),
        color_indices=generator.integers(0, num_codewords, num_gaussians),
        is_gray=is_gray,
    )
    assert (lattice_of_picture(picture).levels == 1).all()
    return picture
