"""Uniform quantisers and how many bits they get; what they make of values, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from taichi_gs.fit.quantizers import bits_for_distortion, fit_quantizer, quantize, quantize_vectors
from taichi_gs.model.dequantize import dequantize, dequantize_vectors
from taichi_gs.model.quantized import MAX_BITS, UniformQuantizer

Values = NDArray[np.float32]

VALUES = st.one_of(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-30, 30, width=32)),
    # Many values in a tiny range somewhere, down to steps that float16 cannot hold.
    st.builds(
        lambda center, reach, steps: (center + reach * np.array(steps) / 1000).astype(np.float32),
        st.floats(-29, 29),
        st.sampled_from([1e-9, 1e-6, 1e-3, 0.1]),
        st.lists(st.integers(-1000, 1000), min_size=1, max_size=30),
    ),
)


def is_float16(value: float) -> bool:
    return value == float(np.float16(value)) and math.isfinite(value)


@given(VALUES, st.integers(1, MAX_BITS))
@example(np.array([-30, 30], np.float32), 1)
@example(np.array([29.999998, 30], np.float32), MAX_BITS)
@example(np.array([-1e-9, 1e-9], np.float32), MAX_BITS)
@settings(deadline=None)
def test_quantizer_covers_its_values(values: Values, bits: int) -> None:
    quantizer = fit_quantizer(values, bits)
    assert is_float16(quantizer.minimum)
    assert is_float16(quantizer.step)
    if len(np.unique(values)) == 1:
        assert (quantizer.step, quantizer.bits) == (0, 0)
        assert abs(quantizer.minimum - values[0]) <= 2**-11 * abs(float(values[0])) + 2**-25
        return
    assert quantizer.bits == bits
    last = quantizer.minimum + quantizer.step * (2**bits - 1)
    assert quantizer.minimum <= values.min()
    assert values.max() <= last
    # And no further than rounding to float16 demands.
    spread = float(values.max()) - float(values.min())
    slack = 2**-10 * np.abs(values).max() + 2**-24
    assert quantizer.minimum >= values.min() - slack
    assert quantizer.step <= (spread + slack) / (2**bits - 1) * (1 + 2**-10) + 2**-24


@given(VALUES, st.integers(1, MAX_BITS))
@settings(deadline=None)
def test_quantising_is_off_by_half_a_step_at_most(values: Values, bits: int) -> None:
    quantizer = fit_quantizer(values, bits)
    symbols = quantize(values, quantizer)
    assert symbols.dtype == np.int64
    assert symbols.min() >= 0
    assert symbols.max() < 2**quantizer.bits
    decoded = dequantize(symbols, quantizer)
    assert decoded.dtype == np.float32
    error = np.abs(decoded.astype(np.float64) - values).max()
    rounding = 4e-6 if quantizer.bits else 2**-11 * float(np.abs(values).max()) + 2**-25
    assert error <= quantizer.step / 2 + rounding


@given(
    st.builds(
        UniformQuantizer, st.sampled_from([-29.5, -0.0078125, 0.0, 7.0]), st.sampled_from([0.5, 2**-9]), st.just(7)
    )
)
@settings(deadline=None)
def test_every_symbol_comes_back(quantizer: UniformQuantizer) -> None:
    symbols = np.arange(quantizer.num_levels)
    assert quantizer.num_levels == 128
    values = dequantize(symbols, quantizer)
    np.testing.assert_array_equal(values, [quantizer.minimum + quantizer.step * q for q in range(128)])
    np.testing.assert_array_equal(quantize(values, quantizer), symbols)


def test_values_outside_go_to_the_ends() -> None:
    quantizer = UniformQuantizer(-1.0, 0.5, 2)
    assert quantize(np.array([-9.0, -1.2, -0.8, -0.7, 0.4, 0.6, 9.0]), quantizer).tolist() == [0, 0, 0, 1, 3, 3, 3]


def test_quantizers_of_nothing_and_of_no_bits() -> None:
    assert fit_quantizer(np.zeros(0, np.float32), 8) == UniformQuantizer(0.0, 0.0, 0)
    quantizer = fit_quantizer(np.array([1, 2, 30], np.float32), 0)
    assert quantizer == UniformQuantizer(2.0, 0.0, 0)
    symbols = quantize(np.array([1.0, 2.0, 30.0]), quantizer)
    assert symbols.tolist() == [0, 0, 0]
    assert dequantize(symbols, quantizer).tolist() == [2, 2, 2]


@given(
    spread=st.floats(1e-3, 30),
    curvature=st.floats(1e-3, 1e6),
    bit_price=st.floats(1e-6, 1e3),
    count=st.integers(1, 5000),
)
@settings(deadline=None)
def test_bits_are_about_the_cheapest(spread: float, curvature: float, bit_price: float, count: int) -> None:
    values = np.array([0, spread, spread / 3])

    def cost(bits: int) -> float:
        """Squared error of uniformly distributed values plus the price of the bits."""
        step = spread / max(2**bits - 1, 1)
        return curvature * step**2 / 12 + bit_price * count * bits

    best = min(range(MAX_BITS + 1), key=cost)
    assert abs(bits_for_distortion(values, curvature, bit_price, count) - best) <= 1


def test_bits_where_there_is_nothing_to_choose() -> None:
    assert bits_for_distortion(np.zeros(0), 1.0, 1.0, 1) == 0
    assert bits_for_distortion(np.full(9, 0.3), 1.0, 1.0, 9) == 0
    assert bits_for_distortion(np.arange(9.0), 0.0, 1.0, 9) == 0
    assert bits_for_distortion(np.arange(9.0), 1e30, 1.0, 9) == MAX_BITS


@pytest.mark.parametrize("array", [np.array, torch.tensor])
def test_vectors_by_hand(array: Callable[..., Any]) -> None:
    quantizers = (UniformQuantizer(-1.0, 0.5, 2), UniformQuantizer(3.0, 0.0, 0))
    symbols, vectors = [[0, 0], [3, 0], [1, 0]], [[-1, 3], [0.5, 3], [-0.5, 3]]
    assert dequantize_vectors(array(symbols), quantizers).tolist() == vectors
    assert quantize_vectors(array(vectors), quantizers).tolist() == symbols


@given(VALUES, st.integers(1, MAX_BITS))
@settings(deadline=None)
def test_tensors_are_quantised_as_arrays_are(values: Values, bits: int) -> None:
    quantizer = fit_quantizer(values, bits)
    symbols = quantize(values, quantizer)
    for function, array in ((quantize, values), (dequantize, symbols)):
        expected, found = function(array, quantizer), function(torch.from_numpy(array), quantizer)
        assert isinstance(found, torch.Tensor)
        assert found.numpy().dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)
