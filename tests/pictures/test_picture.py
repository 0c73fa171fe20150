"""How notebooks show a picture, and the pixels on which its quality is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from picture_files import swapped_profile

from taichi_gs import Picture
from taichi_gs.pictures.picture import comparable_rgb
from taichi_gs.pictures.read import picture_from_bytes

Bytes = NDArray[np.uint8]


def test_notebooks_show_pictures(picture: Bytes) -> None:
    shown = Picture(picture, swapped_profile())._repr_png_()
    assert shown is not None
    read = picture_from_bytes(shown)
    np.testing.assert_array_equal(read.pixels, picture)
    assert read.icc_profile == swapped_profile()
    assert Picture(picture / 255)._repr_png_() is None


def test_comparable_rgb() -> None:
    np.testing.assert_array_equal(comparable_rgb(np.array([[7, 8]], np.uint8)), [[[7] * 3, [8] * 3]])
    np.testing.assert_array_equal(comparable_rgb(np.array([[[1, 2, 3]]], np.uint8)), [[[1, 2, 3]]])
    clear, half, gray = [200, 100, 50, 0], [200, 100, 50, 128], [90, 128]
    np.testing.assert_array_equal(
        comparable_rgb(np.array([[clear, half]], np.uint8)),
        [[[0, 0, 0], [100, 50, 25], [255, 255, 255], [227, 177, 152]]],
    )
    np.testing.assert_array_equal(comparable_rgb(np.array([[gray]], np.uint8)), [[[45] * 3, [172] * 3]])
