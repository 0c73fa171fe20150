"""What integers stand for: by hand, and against the reference decoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference_decoder
from hypothesis import given, settings
from numpy.typing import NDArray
from quantized_pictures import PICTURES

from taichi_gs.format.bitstream import serialize
from taichi_gs.model.dequantize import amplitudes_of, dequantize_gaussians, rgb_from_ycocg
from taichi_gs.model.quantized import QuantizedGaussians


def test_rgb_from_ycocg_by_hand() -> None:
    colors = rgb_from_ycocg(np.array([[0.5, 0, 0], [0.5, 0.25, 0], [0.5, 0, 0.125]], np.float32))
    assert colors.tolist() == [[0.5, 0.5, 0.5], [0.75, 0.5, 0.25], [0.375, 0.625, 0.375]]


def test_amplitudes_by_hand() -> None:
    codes = np.array([0.0, math.log(3.0), -2.0], np.float32)
    np.testing.assert_allclose(amplitudes_of(codes, "normalized"), [1.0, 81.0, math.exp(-8)], rtol=1e-6)
    np.testing.assert_allclose(amplitudes_of(codes, "alpha"), [0.495, 0.7425, 0.99 / (1 + math.exp(2))], rtol=1e-6)


def reference_gaussians(quantized: QuantizedGaussians, monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[Any]]:
    """What the reference decoder hands to its renderer."""
    handed: dict[str, NDArray[Any]] = {}

    def render(**inputs: Any) -> NDArray[np.float64]:
        handed.update(inputs)
        return np.zeros((1, 1, 3))

    monkeypatch.setattr(reference_decoder, "render", render)
    reference_decoder.decode(serialize(quantized))
    return handed


@given(PICTURES.filter(len))
@settings(deadline=None, max_examples=25)
def test_gaussians_are_those_of_the_reference_decoder(quantized: QuantizedGaussians) -> None:
    canonical = quantized.canonical()
    gaussians = dequantize_gaussians(canonical)
    with pytest.MonkeyPatch.context() as monkeypatch:
        expected = reference_gaussians(canonical, monkeypatch)
    for name in ("image_size", "blending"):
        assert getattr(gaussians, name) == expected.pop(name) == getattr(quantized, name)
    assert sorted(expected) == ["amplitudes", "background", "colors", "log_covariances", "means"]
    for name, array in expected.items():
        found = getattr(gaussians, name)
        assert found.dtype == (np.float64 if name == "means" else np.float32)
        # An exponent of 8, the largest of an amplitude, turns half a unit in the last place of its code into 8 of them.
        rtol = 7e-7 if name == "amplitudes" else 3e-7
        np.testing.assert_allclose(found, array, rtol=rtol, atol=3e-7, err_msg=name)
