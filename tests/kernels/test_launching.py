"""Kernels that are launched without most of what Taichi does before."""

from typing import Any

import numpy as np
import pytest

from taichi_gs.kernels import runtime
from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.taichi import ti

floats = ti.types.ndarray(dtype=ti.f32, ndim=2)
integers = ti.types.ndarray(dtype=ti.i32, ndim=1)


@Launcher
@ti.kernel
def add(array: floats, rows: integers, addend: ti.f32, times: ti.i32):  # type: ignore[no-untyped-def, valid-type]
    for k in range(rows.shape[0]):
        for column in range(array.shape[1]):
            array[rows[k], column] += addend * times


def added(*arguments: Any) -> None:
    runtime.call(lambda: add(*arguments))


@pytest.fixture(autouse=True)
def _launched_before(device: str) -> None:
    added(np.zeros((1, 1), np.float32), np.zeros(1, np.int32), 0.0, 0)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (5, 2)])
def test_arrays_of_any_shape(shape: tuple[int, int]) -> None:
    array = np.zeros(shape, np.float32)
    for _ in range(3):
        added(array, np.array([shape[0] - 1], np.int32), 0.5, 3)
    expected = np.zeros(shape)
    expected[-1] = 4.5
    np.testing.assert_array_equal(array, expected)


def test_arrays_without_rows() -> None:
    array = np.ones((2, 2), np.float32)
    added(array, np.zeros(0, np.int32), 1.0, 1)
    np.testing.assert_array_equal(array, 1.0)


def test_numbers_of_any_class() -> None:
    array = np.zeros((1, 1), np.float32)
    added(array, np.zeros(1, np.int32), np.float64(0.25), np.int64(2))
    added(array, np.zeros(1, np.int32), 1, True)
    assert array[0, 0] == 1.5


@pytest.mark.parametrize(
    ("array", "rows"),
    [
        (np.zeros((2, 2)), np.zeros(1, np.int32)),
        (np.zeros(4, np.float32), np.zeros(1, np.int32)),
        (np.zeros((2, 2), np.float32), np.zeros(1, np.int64)),
        (np.zeros((2, 4), np.float32)[:, ::2], np.zeros(1, np.int32)),
        ([[0.0]], np.zeros(1, np.int32)),
    ],
    ids=["dtype", "dimensions", "integers", "gaps", "list"],
)
def test_arrays_that_a_kernel_cannot_take(array: Any, rows: Any) -> None:
    with pytest.raises((ValueError, ti.TaichiRuntimeTypeError)):
        added(array, rows, 1.0, 1)
    np.testing.assert_array_equal(array, 0.0)


@pytest.mark.parametrize("arguments", [("one", 1), (None, 1), (1.0, 1.5), (1.0, "1")])
def test_what_is_no_number(arguments: tuple[Any, Any]) -> None:
    array = np.zeros((1, 1), np.float32)
    with pytest.raises((TypeError, ValueError)):
        added(array, np.zeros(1, np.int32), *arguments)
    assert array[0, 0] == 0.0


def test_missing_arguments() -> None:
    with pytest.raises((TypeError, AssertionError, ti.TaichiSyntaxError)):
        added(np.zeros((1, 1), np.float32))


def test_columns_in_the_place_of_rows() -> None:
    array = np.zeros((2, 3), np.float32, order="F")
    added(array, np.ones(1, np.int32), 1.0, 1)
    np.testing.assert_array_equal(array, [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
