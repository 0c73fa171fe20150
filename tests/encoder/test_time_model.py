"""Expected times: what makes an encoder slower makes them longer, by about as much."""

from __future__ import annotations

from typing import Any

import pytest

from taichi_gs.encoder.presets import PRESETS, configure
from taichi_gs.encoder.time_model import TimeModel

MODEL = TimeModel()
KODAK = 768 * 512


def expected(num_pixels: int = KODAK, preset: Any = "default", **options: Any) -> float:
    return MODEL.expected_seconds(configure(preset, options), num_pixels)


def test_presets_differ_by_their_steps_and_restarts() -> None:
    steps = {name: PRESETS[name].steps for name in ("fast", "default", "best")}
    assert expected(preset="fast") == pytest.approx(expected() * steps["fast"] / steps["default"])
    assert expected(preset="best") == pytest.approx(expected() * 6 * steps["best"] / steps["default"])
    assert expected(preset="paper") > 2 * expected(steps=PRESETS["paper"].steps)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"bits_per_pixel": 0.5}, {"bits_per_pixel": 0.1}),
        ({"num_bytes": 9000}, {"num_bytes": 900}),
        ({"num_gaussians": 9000}, {"num_gaussians": 900}),
        ({"psnr": 30.0}, {"bits_per_pixel": 0.3}),
        ({"quality": 60.0}, {"bits_per_pixel": 0.3}),
        ({"num_pixels": 2 * KODAK}, {}),
        ({"steps": 600}, {}),
    ],
)
def test_what_takes_longer(more: dict[str, Any], less: dict[str, Any]) -> None:
    assert expected(**more) > 1.05 * expected(**less)


def test_a_large_picture_in_few_bytes_takes_no_longer_than_a_small_one() -> None:
    assert expected(50_000_000, num_bytes=300) == expected(12_000_000, num_bytes=300) < 1.5 * expected(num_bytes=300)


def test_times_are_of_the_right_magnitude() -> None:
    """On any processor of these years: half a second to a minute for a Kodak picture, minutes for twelve megapixels."""
    assert 0.5 < expected() < 60
    assert 60 < expected(12_000_000) < 1800
