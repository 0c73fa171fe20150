"""Pictures that no file can hold, or that contradict themselves, are not written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_files import FULL_PICTURE, PICTURE
from quantized_pictures import quantized_picture

from taichi_gs.errors import BitstreamError
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (replace(PICTURE, image_size=(70000, 1)), "70000 pixels of height"),
        (replace(PICTURE, image_size=(0, 1)), "no pixels of height"),
        (replace(PICTURE, grid_size=(48, 70000)), "70000 columns"),
        (replace(FULL_PICTURE, image_size=(0, 1)), "no pixels of height"),
        (replace(PICTURE, subdivision=65536), "the subdivision 65536"),
        (replace(quantized_picture(bits=8), blending="normalized"), "Channel 6 has a range that goes beyond 2"),
    ],
)
def test_what_cannot_be_read_is_not_written(picture: QuantizedGaussians, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        serialize(picture)


@pytest.mark.parametrize(
    "quantizer", [(0.1, 1.0, 3), (0.0, 1e-9, 3), (0.0, 1e6, 3), (0.0, 1.0, 13), (0.0, 0.0, 3), (1e30, 0.0, 0)]
)
def test_quantizers_that_a_file_cannot_hold_are_refused(quantizer: tuple[float, float, int]) -> None:
    quantizers = (*PICTURE.color_codebook.quantizers[:-1], UniformQuantizer(*quantizer))
    codebook = QuantizedCodebook(PICTURE.color_codebook.symbols % 8, quantizers)
    for picture in (PICTURE, FULL_PICTURE):
        with pytest.raises(BitstreamError):
            serialize(replace(picture, color_codebook=codebook, offsets=np.zeros((50, 2), dtype=np.int64)))


def test_inconsistent_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the grid"):
        serialize(replace(PICTURE, grid_size=(47, 1)))
    with pytest.raises(ValueError, match="outside the grid"):
        serialize(
            replace(
                PICTURE,
                color_codebook=QuantizedCodebook(
                    PICTURE.color_codebook.symbols + 64, PICTURE.color_codebook.quantizers
                ),
            )
        )
    for picture in (PICTURE, FULL_PICTURE):
        levels = lattice_of_picture(picture).levels
        for offsets in (-np.eye(50, 2, dtype=np.int64), np.where(np.arange(100).reshape(50, 2) == 77, levels, 0)):
            with pytest.raises(ValueError, match="outside its levels"):
                serialize(replace(picture, offsets=offsets))
    with pytest.raises(ValueError, match="four bytes"):
        serialize(PICTURE, {b"ICC": b""})
