"""Arrays of many types as pixels in floats, and floats as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from taichi_gs.errors import ImageError
from taichi_gs.pictures.convert import as_byte_image, as_float_image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)])
def test_arrays(dtype: type, shape: tuple[int, ...]) -> None:
    white = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    array = np.zeros(shape, dtype)
    array[1] = white
    if shape[-1] == 4:
        array[..., 3] = white
    image = as_float_image(array)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, np.broadcast_to(np.array([[[0]], [[1]]]), (2, 3, 3)))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0), np.uint8), "no pixels"),
        (np.zeros(4, np.uint8), "has the shape"),
        (np.zeros((4, 4, 5), np.uint8), "has the shape"),
        (np.zeros((4, 4, 0), np.uint8), "has the shape"),
        (np.zeros((4, 4, 2), np.uint8), "transparent"),
        (np.zeros((1, 4, 4, 3), np.uint8), "has the shape"),
        (np.zeros((4, 4, 3), np.int64), "not int64"),
        (np.full((4, 4, 3), 128.0), "from 128 to 128"),
        (np.full((4, 4, 3), np.nan), "from nan to nan"),
        (np.full((4, 4, 3), -0.5), "from -0.5"),
        (np.zeros((4, 4, 4), np.uint8), "transparent"),
        (np.broadcast_to(np.uint8(0), (10_000, 9_000)), "more than the limit"),
        (None, "there is no image: it is None"),
        ([[1], [1, 2]], "has to be an array"),
    ],
)
def test_arrays_that_are_no_image(array: Any, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        as_float_image(array)


def test_float_overshoot_by_rounding_is_clipped() -> None:
    image = as_float_image(np.array([[1 + 1e-6, -1e-6]], np.float32))
    assert (image.min(), image.max()) == (0, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_hair_beyond_white_is_white(dtype: type) -> None:
    """The next number above 1 in half precision, and what is left over of it below 0."""
    image = as_float_image(np.array([[1.000977, -0.0009]], dtype))
    assert (image.min(), image.max()) == (0, 1)
    with pytest.raises(ImageError, match="from 0 to 1"):
        as_float_image(np.array([[1.003, 0]], dtype))


@pytest.mark.parametrize("kind", ["u2", "f2", "f4", "f8"])
def test_either_byte_order(kind: str) -> None:
    values = np.array([[0, 1, 3]]) * (20_000 if kind == "u2" else 0.25)
    images = [as_float_image(values.astype(order + kind)) for order in "<>"]
    np.testing.assert_array_equal(*images)
    assert images[0].max() > 0.7


def test_as_byte_image_rounds_to_nearest() -> None:
    levels = np.arange(256, dtype=np.float32)[:, None, None] / np.float32(255)
    np.testing.assert_array_equal(as_byte_image(levels).ravel(), np.arange(256))
    np.testing.assert_array_equal(
        as_byte_image(np.array([-0.1, 0.499 / 255, 0.501 / 255, 2], np.float32)), [0, 0, 1, 255]
    )
