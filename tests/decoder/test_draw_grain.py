"""Grain where pictures are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import taichi_gs


def textured() -> NDArray[np.uint8]:
    """A picture that is bright and smooth on the left, darker and rough on the right."""
    rough = 90.0 + np.random.default_rng(0).normal(0.0, 30.0, (64, 64, 1))
    rough[:, :32] = 220.0
    return np.clip(rough, 0, 255).astype(np.uint8).repeat(3, axis=2)


@pytest.fixture(scope="module")
def data() -> bytes:
    return taichi_gs.encode(textured(), num_bytes=200, steps=60)


def difference(data: bytes, **options: object) -> NDArray[np.int64]:
    grain, plain = (taichi_gs.decode(data, grain=grain, **options).astype(np.int64) for grain in (True, False))
    return np.asarray(grain - plain)


def test_grain_is_drawn_where_texture_was(data: bytes) -> None:
    assert taichi_gs.info(data).has_grain
    added = difference(data)
    assert added[:, 40:].std() > 3.0 * max(added[:, :20].std(), 0.1)
    assert np.abs(added - added[:, :, :1]).max() <= 1  # in all three channels alike, before rounding


def test_grain_is_the_same_every_time_and_in_parts(data: bytes) -> None:
    whole = taichi_gs.decode(data, grain=True)
    np.testing.assert_array_equal(taichi_gs.decode(data, grain=True), whole)
    part = taichi_gs.decode(data, grain=True, region=(30, 10, 25, 40)).astype(int)
    assert np.abs(part - whole[10:50, 30:55]).max() <= 1


def test_grain_keeps_its_place_at_twice_the_size(data: bytes) -> None:
    once, twice = difference(data), difference(data, scale=2)
    halved = twice.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(once[:, 40:].ravel(), halved[:, 40:].ravel())[0, 1] > 0.9


def test_a_picture_tuned_for_psnr_has_none() -> None:
    data = taichi_gs.encode(textured(), num_bytes=200, steps=60, tune="psnr")
    assert not taichi_gs.info(data).has_grain
    assert not difference(data).any()


def test_an_alpha_plane_has_none() -> None:
    alpha = np.full((64, 64, 1), 128, np.uint8)
    alpha[10:30] += np.random.default_rng(1).integers(0, 100, (20, 64, 1), dtype=np.uint8)
    data = taichi_gs.encode(np.dstack([textured(), alpha]), num_bytes=400, steps=60)
    added = difference(data)
    assert added[:, :, :3].any()
    assert not added[:, :, 3].any()
