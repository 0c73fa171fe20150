"""What a bit is worth: by hand, and of a decoded picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_fits import config_of, noise, stage_of

from taichi_gs.fit.fit import Hyperparameters
from taichi_gs.fit.lagrangian import Lagrangian

CONFIG = replace(config_of(), covariance_k=8, color_k=16)


def test_the_worth_of_a_bit_by_hand() -> None:
    """A quarter of the slope; 10 bits a position, 3 and 4 an index, 6 each of 8 * 3 and 16 * 4 numbers."""
    lagrangian = Lagrangian(rate_slope=0.25, position_bits=10.0, channel_bits=6.0)
    expected = 0.25 * 100 / (50 * (10 + 3 + 4) + 6 * (24 + 64))
    assert lagrangian.weight(100.0, 50, CONFIG) == pytest.approx(expected)
    assert replace(lagrangian, rate_slope=0.5).weight(100.0, 50, CONFIG) == pytest.approx(2 * expected)
    assert Lagrangian().weight(100.0, 50, CONFIG) == pytest.approx(expected)


def test_a_codebook_of_one_still_counts_a_bit() -> None:
    config = replace(CONFIG, covariance_k=1, color_k=1)
    lagrangian = Lagrangian(rate_slope=1.0, position_bits=0.0, channel_bits=0.0)
    assert lagrangian.weight(1.0, 1, config) == pytest.approx(1 / 2)


def test_in_a_fit_it_follows_from_the_decoded_picture() -> None:
    chosen = Hyperparameters(lagrangian=Lagrangian(rate_slope=0.125))
    stage = stage_of(noise(20, 24), CONFIG, hyperparameters=chosen)
    per_error = Lagrangian(rate_slope=0.125).weight(1.0, 50, CONFIG)
    assert stage.weight_of_a_bit(torch.tensor(7.0), 50) == pytest.approx(7.0 * per_error)
    # What rounding to 8 bits makes of a perfect picture.
    least = 3 * 20 * 24 / (12 * 255**2)
    assert stage.weight_of_a_bit(torch.tensor(0.0), 50) == pytest.approx(least * per_error)
