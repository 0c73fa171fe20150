"""Pictures that no file can hold, or that contradict themselves, are not written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_files import FULL_PICTURE, GRAY_PICTURE, PICTURE
from quantized_pictures import quantized_picture

from taichi_gs.errors import BitstreamError
from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.model.channels import channels_of, quantizer_of
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


def with_quantizer(picture: QuantizedGaussians, channel: int, quantizer: UniformQuantizer) -> QuantizedGaussians:
    """Return a picture with another quantiser of one of the seven channels, and symbols that all of them have."""
    codebooks = []
    for codebook, first in ((picture.covariance_codebook, 0), (picture.color_codebook, 3)):
        quantizers = [quantizer if first + c == channel else own for c, own in enumerate(codebook.quantizers)]
        codebooks.append(QuantizedCodebook(np.minimum(codebook.symbols, 2), tuple(quantizers)))
    made = replace(picture, covariance_codebook=codebooks[0], color_codebook=codebooks[1])
    return replace(made, offsets=np.zeros_like(made.offsets), subdivision=0)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (replace(PICTURE, image_size=(70000, 1)), "70000 pixels of height"),
        (replace(PICTURE, image_size=(0, 1)), "no pixels of height"),
        (replace(PICTURE, grid_size=(48, 70000)), "70000 columns"),
        (replace(FULL_PICTURE, image_size=(0, 1)), "no pixels of height"),
        (replace(PICTURE, grid_size=(49, 64)), "a grid of 64 x 49 cells"),
        (replace(PICTURE, grid_size=(48, 65)), "a grid of 65 x 48 cells"),
        (replace(PICTURE, image_size=(25, 32)), "a grid of 64 x 48 cells"),
        (replace(PICTURE, subdivision=40), "the subdivision 40"),
        (replace(PICTURE, subdivision=60161), "the subdivision 60161"),
        (replace(PICTURE, background=np.array([17, 34, 52], np.uint8)), "the background"),
        (replace(GRAY_PICTURE, background=np.array([1, 1, 1], np.uint8)), "the background"),
        (replace(quantized_picture(0), background=np.array([254, 0, 0], np.uint8)), "the background"),
        (replace(PICTURE, blending="normalized"), "these quantisers: they have other ranges"),
        (quantized_picture(step_codes=[20, 20, 20, 33, 20, 20, 20]), "steps that differ so much"),
        (quantized_picture(step_codes=[20, 20, 7, 20, 20, 20, 20]), "steps that differ so much"),
    ],
)
def test_what_cannot_be_read_is_not_written(picture: QuantizedGaussians, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        serialize(picture)


@pytest.mark.parametrize("code", [8, 32])
def test_steps_may_differ_by_twelve(code: int) -> None:
    picture = quantized_picture(step_codes=[20, code, 40 - code, code, code, 20, code])
    assert parse(serialize(picture)).covariance_codebook.quantizers == picture.covariance_codebook.quantizers


ALPHA_CHANNELS = channels_of("alpha")


@pytest.mark.parametrize(
    ("channel", "quantizer", "message"),
    [
        (3, UniformQuantizer(-1.0, 0.1, 31), "the step 0.1"),
        (3, UniformQuantizer(-1.0, 1e-9, 3), "the step 1e-09"),
        (3, UniformQuantizer(0.0, 0.0, 1), "the step 0.0"),
        (4, UniformQuantizer(0.0, 0.5, 3), "the step 0.5"),
        (4, UniformQuantizer(-1.0, 2.0**-13, 2**14 + 1), "the step 0.0001"),
        (0, quantizer_of(ALPHA_CHANNELS[0], 20, 0.25), "other ranges"),
        (0, quantizer_of(ALPHA_CHANNELS[0], 20, 24.0), "other ranges"),
        (0, quantizer_of(ALPHA_CHANNELS[0], 20, -0.5), "other ranges"),
        (1, quantizer_of(ALPHA_CHANNELS[1], 20, 0.5), "other ranges"),
        (5, replace(quantizer_of(ALPHA_CHANNELS[5], 20), num_levels=255), "other ranges"),
        (6, replace(quantizer_of(ALPHA_CHANNELS[6], 20), minimum=0.0), "other ranges"),
    ],
)
def test_quantizers_that_a_file_cannot_hold_are_refused(
    channel: int, quantizer: UniformQuantizer, message: str
) -> None:
    with pytest.raises(BitstreamError, match=message):
        serialize(with_quantizer(PICTURE, channel, quantizer))


def test_quantizers_that_a_file_can_hold_are_not_refused() -> None:
    for start in (0.0, 0.5, 23.5):
        picture = with_quantizer(PICTURE, 0, quantizer_of(ALPHA_CHANNELS[0], 20, start))
        assert parse(serialize(picture)).covariance_codebook.quantizers == picture.covariance_codebook.quantizers


def test_inconsistent_pictures_are_refused() -> None:
    cells = PICTURE.cells.copy()
    cells[7] = (48, 0)
    with pytest.raises(ValueError, match="outside the grid"):
        serialize(replace(PICTURE, cells=cells))
    for channel, message in ((0, "outside the grid"), (3, "outside its levels")):
        codebook = PICTURE.color_codebook
        symbols = codebook.symbols.copy()
        symbols[:, channel] += codebook.quantizers[channel].num_levels
        with pytest.raises(ValueError, match=message):
            serialize(replace(PICTURE, color_codebook=replace(codebook, symbols=symbols)))
    for picture in (PICTURE, FULL_PICTURE):
        levels = lattice_of_picture(picture).levels
        for offsets in (-np.eye(50, 2, dtype=np.int64), np.where(np.arange(100).reshape(50, 2) == 77, levels, 0)):
            with pytest.raises(ValueError, match="outside its levels"):
                serialize(replace(picture, offsets=offsets))
    with pytest.raises(ValueError, match="four bytes"):
        serialize(PICTURE, {b"ICC": b""})
