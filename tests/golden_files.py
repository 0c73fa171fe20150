"""Files of both versions of the format spelt out byte by byte, and the pictures that are in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

GOLDEN_FILE = bytes.fromhex(
    "895447530d0a1a0a010008060c100c0303f1a0af3333330300bc003000c4003000c4003000b8003000b8003000b8003000c4"
    "0030099521f21edd879fdff3467ada52a3e39aa91f3997e0471f988a6dcb"
)
"""The file of `golden_picture` in version 1. If it no longer decodes, files in other people's hands do not either."""

GOLDEN_FILE_2 = bytes.fromhex(
    "895447530d0a1a0a0206503c0604032803020102034444440400bc003800c0003800c0003800b8003800b8003800b8003800"
    "c00034ff49aeffb0e053e3623b3193ab0b143f75494686e1d5681c"
)
"""The file of `golden_picture_2`, in version 2."""

GOLDEN_GRAY_FILE = bytes.fromhex(
    "895447530d0a1a0a020f503c060403280302074444000400bc003800c0003800c0003800b8003800c0003410c57faeff884b"
    "5cb12f7fe225a632b3de414c504837000000895447530d0a1a0a020e503c020403280201074444000400bc003800c0003800"
    "c0003800b8003800c00034fa709fffd056f260ddd6ac8d584d505f0e00000078dab3a9c82dd0b70300076601ff09d23a2c"
)
"""The file of `golden_gray_picture`, in version 2, with two of its Gaussians as alpha, and with "<xmp/>" as XMP."""


def golden_picture() -> QuantizedGaussians:
    cells = [(0, 7), (2, 0), (3, 4), (3, 5), (3, 11), (3, 15), (5, 13), (9, 1), (9, 2), (9, 13), (10, 9), (10, 14)]
    minimums = [-1.0, -4.0, -4.0, -0.5, -0.5, -0.5, -4.0]
    quantizers = tuple(UniformQuantizer(minimum, 0.125, 3) for minimum in minimums)
    return QuantizedGaussians(
        image_size=(6, 8),
        background=np.array([241, 160, 175], dtype=np.uint8),
        blending="alpha",
        grid_size=(12, 16),
        cells=np.array(cells),
        subdivision=0,
        offsets=np.zeros((12, 2), dtype=np.int64),
        covariance_codebook=QuantizedCodebook(np.array([[3, 3, 4], [4, 4, 4], [7, 6, 6]]), quantizers[:3]),
        covariance_indices=np.array([0, 1, 2, 1, 0, 0, 2, 0, 2, 1, 2, 1]),
        color_codebook=QuantizedCodebook(np.array([[3, 0, 1, 4], [6, 5, 3, 4], [7, 3, 6, 7]]), quantizers[3:]),
        color_indices=np.array([0, 2, 0, 1, 1, 0, 1, 0, 0, 2, 0, 1]),
    )


def golden_picture_2() -> QuantizedGaussians:
    """A normalised picture; lattices of (4, 4), (5, 4), (5, 1), (1, 1), (21, 21) and (29, 3) rows and columns."""
    minimums = [-1.0, -2.0, -2.0, -0.5, -0.5, -0.5]
    quantizers = (*(UniformQuantizer(minimum, 0.5, 4) for minimum in minimums), UniformQuantizer(-2.0, 0.25, 4))
    return QuantizedGaussians(
        image_size=(60, 80),
        background=np.array([1, 2, 3], dtype=np.uint8),
        blending="normalized",
        grid_size=(3, 4),
        cells=np.array([(0, 0), (0, 0), (0, 3), (1, 2), (2, 1), (2, 3)]),
        subdivision=40,
        offsets=np.array([(3, 1), (4, 2), (4, 0), (0, 0), (20, 19), (28, 1)]),
        covariance_codebook=QuantizedCodebook(np.array([[0, 4, 4], [4, 8, 2], [8, 0, 7]]), quantizers[:3]),
        covariance_indices=np.array([0, 2, 1, 2, 0, 1]),
        color_codebook=QuantizedCodebook(np.array([[1, 2, 3, 8], [2, 1, 1, 15]]), quantizers[3:]),
        color_indices=np.array([0, 1, 0, 0, 1, 1]),
    )


def golden_gray_picture(kept: slice) -> QuantizedGaussians:
    """Those Gaussians of `golden_picture_2` without chroma, over a dark gray."""
    picture = golden_picture_2()
    symbols, quantizers = picture.color_codebook.symbols.copy(), picture.color_codebook.quantizers
    symbols[:, 1:3], none = 0, UniformQuantizer(0.0, 0.0, 0)
    return replace(
        picture,
        background=np.array([7, 7, 7], dtype=np.uint8),
        cells=picture.cells[kept],
        offsets=picture.offsets[kept],
        covariance_indices=picture.covariance_indices[kept],
        color_codebook=QuantizedCodebook(symbols, (quantizers[0], none, none, quantizers[3])),
        color_indices=picture.color_indices[kept],
        is_gray=True,
    ).canonical()
