"""Grain: its noise, held against the document's formulas in Python's own integers."""

from __future__ import annotations

import numpy as np
import pytest

from taichi_gs.model.grain import LEVELS, deviations_of, noise_at

MASK = (1 << 32) - 1


def white(x: int, y: int) -> int:
    h = ((x & MASK) * 0x9E3779B1 + (y & MASK) * 0x85EBCA6B) & MASK
    h = ((h ^ h >> 15) * 0x2C1B3C6D) & MASK
    h = ((h ^ h >> 12) * 0x297A2D39) & MASK
    h ^= h >> 15
    return sum(h.to_bytes(4, "big")) - 510


def noise(x: int, y: int) -> float:
    weights = (1, 2, 1)
    return sum(weights[i + 1] * weights[j + 1] * white(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 886.8


def test_noise_at_pixels_is_that_of_the_document() -> None:
    found = noise_at(np.arange(-1.0, 6.0), np.arange(3.0, 9.0))
    expected = [[noise(x, y) for x in range(3, 9)] for y in range(-1, 6)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_noise_between_pixels_is_interpolated() -> None:
    (found,) = noise_at(np.array([2.25]), np.array([7.5]))
    above, below = ((noise(7, y) + noise(8, y)) / 2 for y in (2, 3))
    assert found == pytest.approx([0.75 * above + 0.25 * below], abs=1e-4)


def test_noise_of_a_part_is_that_of_the_whole() -> None:
    whole = noise_at(np.arange(40.0), np.arange(50.0))
    np.testing.assert_array_equal(noise_at(np.arange(7.0, 20.0), np.arange(30.0, 50.0)), whole[7:20, 30:])


def test_noise_has_mean_0_and_deviation_1_and_no_direction() -> None:
    many = noise_at(np.arange(400.0), np.arange(400.0))
    assert abs(many.mean()) < 0.02
    assert many.std() == pytest.approx(1.0, abs=0.02)
    # Neighbours of the filter 1, 2, 1 correlate by 4 / 6, those two apart by 1 / 6, those further apart not at all.
    for shift, expected in ((1, 4 / 6), (2, 1 / 6), (3, 0.0), (50, 0.0)):
        assert np.mean(many[:, shift:] * many[:, :-shift]) == pytest.approx(expected, abs=0.03)
        assert np.mean(many[shift:] * many[:-shift]) == pytest.approx(expected, abs=0.03)


def test_strengths_are_half_octaves_of_a_level() -> None:
    assert LEVELS[:3] == (0.0, 1.0, pytest.approx(2**0.5))
    np.testing.assert_allclose(255 * deviations_of(np.array([0, 1, 7])), [0, 1, 8], rtol=1e-6)
