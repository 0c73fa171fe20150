"""Files spelt out byte by byte, and the pictures that are in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from taichi_gs.model.channels import quantizers_of
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians

GOLDEN_FILE = bytes.fromhex("89544710503c06042c030212306f4e0e494ffbfb8c2b9edaa5c186c5f2a029ee3ace283573d66e8e")
"""The file of `golden_picture`. If it no longer decodes, files in other people's hands do not either."""

GOLDEN_GRAY_FILE = bytes.fromhex(
    "89544715503c06042c030215206f4e10a674eae176824cc6739cc73cd23cc15296414c50481800000089544714503c02042c"
    "0201206f4e10a41355780b10d98f87584d505f0e00000078dab3a9c82dd0b70300076601ffd177"
)
"""The file of `golden_gray_picture`, with two of its Gaussians as alpha, and with "<xmp/>" as XMP."""

GOLDEN_FRONT_TO_BACK_FILE = bytes.fromhex(
    "8954471a08060c10000303e9a029ecc4363123b5101be87c3a55c62deb68451287d5216d556030576a4ef534b2e51e3b9e6b2e"
)
"""The file of `golden_front_to_back_picture`."""

STEP_CODES = [12, 12, 12, 4, 4, 4, 8]


def golden_picture() -> QuantizedGaussians:
    """A normalised picture; lattices of (4, 4), (5, 4), (5, 1), (1, 1), (21, 21) and (30, 3) rows and columns."""
    quantizers = quantizers_of(STEP_CODES, 1, "normalized", is_gray=False)
    return QuantizedGaussians(
        image_size=(60, 80),
        background=np.array([17, 34, 51], dtype=np.uint8),
        blending="normalized",
        grid_size=(3, 4),
        cells=np.array([(0, 0), (0, 0), (0, 3), (1, 2), (2, 1), (2, 3)]),
        subdivision=41,
        offsets=np.array([(3, 1), (4, 2), (4, 0), (0, 0), (20, 19), (28, 1)]),
        covariance_codebook=QuantizedCodebook(np.array([[29, 16, 16], [33, 20, 14], [37, 12, 19]]), quantizers[:3]),
        covariance_indices=np.array([0, 2, 1, 2, 0, 1]),
        color_codebook=QuantizedCodebook(np.array([[8, 12, 16, 4], [12, 8, 8, 11]]), quantizers[3:]),
        color_indices=np.array([0, 1, 0, 0, 1, 1]),
    )


def golden_gray_picture(kept: slice) -> QuantizedGaussians:
    """Those Gaussians of `golden_picture` without chroma, over a dark gray."""
    picture = golden_picture()
    quantizers = quantizers_of(STEP_CODES, 1, "normalized", is_gray=True)
    symbols = picture.color_codebook.symbols.copy()
    symbols[:, 1:3] = 0
    return replace(
        picture,
        background=np.array([34, 34, 34], dtype=np.uint8),
        cells=picture.cells[kept],
        offsets=picture.offsets[kept],
        covariance_indices=picture.covariance_indices[kept],
        color_codebook=QuantizedCodebook(symbols, quantizers[3:]),
        color_indices=picture.color_indices[kept],
        is_gray=True,
    ).canonical()


def golden_front_to_back_picture() -> QuantizedGaussians:
    """A picture blended front to back, with grain."""
    cells = [(0, 7), (2, 0), (3, 4), (3, 5), (3, 11), (3, 15), (5, 13), (9, 1), (9, 2), (9, 13), (10, 9), (10, 14)]
    quantizers = quantizers_of([20, 18, 19, 12, 13, 11, 17], 0, "alpha", is_gray=False)
    return QuantizedGaussians(
        image_size=(6, 8),
        background=np.array([238, 153, 170], dtype=np.uint8),
        blending="alpha",
        grid_size=(12, 16),
        cells=np.array(cells),
        subdivision=0,
        offsets=np.zeros((12, 2), dtype=np.int64),
        covariance_codebook=QuantizedCodebook(np.array([[120, 40, 53], [124, 46, 50], [130, 45, 56]]), quantizers[:3]),
        covariance_indices=np.array([0, 1, 2, 1, 0, 0, 2, 0, 2, 1, 2, 1]),
        color_codebook=QuantizedCodebook(
            np.array([[60, 30, 26, 30], [60, 30, 26, 34], [80, 40, 20, 50]]), quantizers[3:]
        ),
        color_indices=np.array([0, 2, 0, 1, 1, 0, 1, 0, 0, 2, 0, 1]),
        grain=np.array([5, 3, 0]),
    )
