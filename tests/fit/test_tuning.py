"""Weights for what people see: errors count where a picture is smooth, as NumPy says."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from small_fits import noise, photograph, tensor_of

import taichi_gs
from taichi_gs.encoder.choices import Tune
from taichi_gs.fit.tuning import TUNINGS, VisualWeights


@pytest.mark.parametrize("options", [{}, {"window": 5, "constant": 20.0, "exponent": 1.0}])
def test_weights_are_those_of_the_formula(options: dict[str, Any]) -> None:
    visual = VisualWeights(**options)
    picture = photograph((40, 56))
    luma = 255.0 * picture.astype(np.float64) @ [0.299, 0.587, 0.114]
    reach = visual.window // 2
    expected = np.empty_like(luma)
    for y, x in np.ndindex(luma.shape):
        window = luma[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        expected[y, x] = (2 * window.var() + visual.constant) ** -visual.exponent
    found = visual.of(tensor_of(picture)).cpu().numpy()
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=2e-3)


def test_smooth_parts_weigh_more_than_busy_ones() -> None:
    picture = noise(64, 64)
    picture[:, :, :32] = 0.5 + 0.01 * picture[:, :, :32]
    weights = VisualWeights().of(picture)
    assert float(weights[:, :20].mean()) > 2 * float(weights[:, 44:].mean())
    assert float(weights.mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5)])
def test_small_and_flat_pictures_have_even_weights(size: tuple[int, int]) -> None:
    weights = VisualWeights().of(torch.full((3, *size), 0.7))
    assert weights.shape == size
    torch.testing.assert_close(weights, torch.ones(size))


def test_visual_tuning_keeps_what_is_faint() -> None:
    """Beside noise, which no Gaussians can show, as many of them show more of a faint pattern."""
    y, x = np.mgrid[0:64, 0:128]
    picture = np.repeat((0.5 + 0.05 * np.sin(x / 5) * np.sin(y / 6))[:, :, None], 3, axis=2)
    picture[:, :64] = np.random.default_rng(0).random((64, 64, 3))
    pixels = (255 * picture).round().astype(np.uint8)
    options: dict[str, Any] = {"preset": "fast", "steps": 100, "num_gaussians": 40}
    visual, plain = (
        taichi_gs.decode(taichi_gs.encode(pixels, tune=tune, **options)).astype(float) for tune in get_args(Tune)
    )
    faint = [float(np.square(decoded[:, 72:] - pixels[:, 72:]).mean()) for decoded in (visual, plain)]
    assert faint[0] < 0.7 * faint[1]


def test_tunings_are_those_that_options_name() -> None:
    assert set(TUNINGS) == set(get_args(Tune))
    assert TUNINGS["psnr"].weights is None
    assert TUNINGS["visual"].weights is not None
