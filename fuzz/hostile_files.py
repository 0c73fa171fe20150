"""Files that ask for as much work as they can, made in memory."""

from __future__ import annotations

import numpy as np

from taichi_gs.model.blending import Blending
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import NO_CHROMA, QuantizedCodebook, QuantizedGaussians, UniformQuantizer

SMALL, HUGE = -1.0, 31.0
"""Logarithms of areas: of Gaussians that reach a tile or two, and of those that cover any picture."""


def crowd(
    num_gaussians: int,
    num_covering: int,
    image_size: tuple[int, int],
    *,
    grid_size: tuple[int, int] = (1, 1),
    num_codewords: int = 1,
    blending: Blending = "normalized",
    is_gray: bool = False,
) -> QuantizedGaussians:
    """Return a picture of small Gaussians, and of some that cover all of it.

    On a grid of one cell all stand in the middle of the picture, else each somewhere. With more than one codeword in
    either codebook, they are random ones of as many bits as there can be.
    """
    generator = np.random.default_rng(0)
    is_random, is_detailed = grid_size != (1, 1), num_codewords > 1
    fine = UniformQuantizer(0.0, 2.0**-12 if is_detailed else 0.0, 12 if is_detailed else 0)
    shapes = generator.integers(0, fine.num_levels, (num_codewords + 1, 2))
    areas = np.zeros(num_codewords + 1, np.int64)
    areas[-1] = 1  # a codeword of its own for those that cover all
    covariances = QuantizedCodebook(
        np.column_stack([areas, shapes]), (UniformQuantizer(SMALL, HUGE - SMALL, 1), fine, fine)
    )
    quantizers = (fine, NO_CHROMA, NO_CHROMA, fine) if is_gray else (fine,) * 4
    colors = np.stack([generator.integers(0, q.num_levels, num_codewords) for q in quantizers], axis=1)
    covariance_indices = generator.integers(0, num_codewords, num_gaussians)
    covariance_indices[:num_covering] = num_codewords
    cells = generator.integers(0, grid_size, (num_gaussians, 2)) if is_random else np.zeros((num_gaussians, 2), int)
    picture = QuantizedGaussians(
        image_size=image_size,
        background=np.full(3, 99, np.uint8),
        blending=blending,
        grid_size=grid_size,
        cells=cells,
        subdivision=0,
        offsets=np.zeros((num_gaussians, 2), np.int64),
        covariance_codebook=covariances,
        covariance_indices=covariance_indices,
        color_codebook=QuantizedCodebook(colors, quantizers),
        color_indices=generator.integers(0, num_codewords, num_gaussians),
        is_gray=is_gray,
    )
    assert (lattice_of_picture(picture).levels == 1).all()
    return picture
