"""Means over windows, as NumPy finds them one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from taichi_gs.fit.window_means import window_means


@pytest.mark.parametrize("window", [1, 3, 5, 33])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (20, 3), (30, 41)])
def test_means_are_of_what_is_in_the_plane(size: tuple[int, int], window: int) -> None:
    plane = np.random.default_rng(window).random(size)
    reach = window // 2
    expected = np.empty_like(plane)
    for y, x in np.ndindex(size):
        expected[y, x] = plane[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].mean()
    np.testing.assert_allclose(window_means(torch.from_numpy(plane), window).numpy(), expected, rtol=1e-12)
