"""The colours of what cannot be seen are filled in from what can be."""

from __future__ import annotations

import numpy as np
import pytest

from taichi_gs.pictures.transparency import fill_transparent


def test_filling_leaves_what_is_visible() -> None:
    generator = np.random.default_rng(0)
    colors = generator.random((13, 22, 3)).astype(np.float32)
    alpha = generator.choice([0.0, 0.3, 1.0], (13, 22)).astype(np.float32)
    filled = fill_transparent(colors, alpha)
    np.testing.assert_allclose(filled[alpha > 0], colors[alpha > 0], atol=1e-6)
    assert filled.min() >= colors.min() - 1e-6
    assert filled.max() <= colors.max() + 1e-6


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (16, 16), (13, 22)])
def test_filling_takes_the_only_color_there_is(size: tuple[int, int]) -> None:
    colors = np.random.default_rng(0).random((*size, 2)).astype(np.float32)
    alpha = np.zeros(size, np.float32)
    alpha[-1, -1] = 0.9
    np.testing.assert_allclose(
        fill_transparent(colors, alpha), np.broadcast_to(colors[-1, -1], colors.shape), atol=1e-6
    )
    np.testing.assert_array_equal(fill_transparent(colors, np.zeros(size, np.float32)), 0)


def test_filling_is_smooth() -> None:
    """A hole in a ramp is filled with about the ramp."""
    colors = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 64, axis=0)
    alpha = np.ones((64, 64), np.float32)
    alpha[20:40, 20:40] = 0
    hidden = np.where(alpha[:, :, None] > 0, colors, 1)
    filled = fill_transparent(hidden.astype(np.float32), alpha)
    assert np.abs(filled - colors).max() < 0.15
    assert np.abs(np.diff(filled[..., 0], axis=1)).max() < 0.08
