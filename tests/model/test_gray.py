"""Gray pictures of integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quantized_pictures import gray_picture, quantized_picture

from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.quantized import QuantizedCodebook, UniformQuantizer


def test_as_gray_is_the_mean_of_red_green_and_blue() -> None:
    picture = quantized_picture()
    luma, _, _, amplitude = picture.color_codebook.quantizers
    symbols = picture.color_codebook.symbols.copy()
    symbols[:, 1:3] = 0
    constant = (luma, UniformQuantizer(0.0625, 0.0, 0), UniformQuantizer(-0.09375, 0.0, 0), amplitude)
    tinted = replace(picture, color_codebook=QuantizedCodebook(symbols, constant))
    gray = tinted.as_gray()
    assert gray.is_gray
    expected = dequantize_gaussians(tinted).colors.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(dequantize_gaussians(gray).colors, np.repeat(expected, 3, axis=1), atol=1e-4)
    np.testing.assert_array_equal(gray.background, np.rint(tinted.background.mean()))


def test_gray_pictures_have_no_colors() -> None:
    picture = gray_picture()
    with pytest.raises(ValueError, match="has colours"):
        replace(quantized_picture(), is_gray=True)
    with pytest.raises(ValueError, match="has colours"):
        replace(picture, background=np.array([1, 2, 1], np.uint8))
