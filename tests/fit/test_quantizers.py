"""How finely channels are rounded; what quantisers make of values, and back."""

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

from taichi_gs.fit.quantizers import (
    quantize,
    step_code_for,
    step_code_for_bits,
    step_for_distortion,
)
from taichi_gs.model.channels import MAX_STEP_CODE, Channel, channels_of, quantizer_of, step_of
from taichi_gs.model.dequantize import dequantize
from taichi_gs.model.quantized import UniformQuantizer

Values = NDArray[np.float32]

CHANNEL = Channel(-8, 8, 4.0)
CHANNELS = st.sampled_from([*channels_of("alpha"), *channels_of("normalized")])
STEP_CODES = st.integers(0, MAX_STEP_CODE)
VALUES = arrays(np.float32, st.integers(1, 60), elements=st.floats(-8, 8, width=32))


def symbols_of(values: Any, quantizer: UniformQuantizer) -> Any:
    """The symbols [N] of numbers [N]."""
    return quantize(values[:, None], [quantizer])[:, 0]


def values_of(symbols: Any, quantizer: UniformQuantizer) -> Any:
    """The numbers [N] that symbols [N] stand for."""
    return dequantize(symbols[:, None], [quantizer])[:, 0]


@given(VALUES, st.integers(1, 12))
@example(np.array([-8, 8], np.float32), 1)
@example(np.array([7.999999, 8], np.float32), 12)
@settings(deadline=None)
def test_as_many_levels_as_are_asked_for_are_enough(values: Values, bits: int) -> None:
    """The smallest step is taken with which they are."""
    step = step_of(CHANNEL, step_code_for_bits(values, CHANNEL, bits))
    spread = float(values.max()) - float(values.min())
    assert step * (2**bits - 1) >= spread * (1 - 1e-5) or step == CHANNEL.largest_step
    assert step * (2**bits - 1) < 2**0.25 * spread * (1 + 1e-4) or step == step_of(CHANNEL, MAX_STEP_CODE)


def test_steps_for_bits_where_there_is_nothing_to_choose() -> None:
    assert step_code_for_bits(np.zeros(0, np.float32), CHANNEL, 8) == MAX_STEP_CODE
    assert step_code_for_bits(np.full(9, 0.3), CHANNEL, 8) == MAX_STEP_CODE
    assert step_code_for_bits(np.array([-8.0, 8.0]), CHANNEL, 1) == 0


@given(CHANNELS, STEP_CODES, st.floats(-0.12, 0.12))
@settings(deadline=None)
def test_the_nearest_step(channel: Channel, code: int, octaves_off: float) -> None:
    step = step_of(channel, code)
    assert step_code_for(channel, step * 2**octaves_off) == code
    at_least = step_code_for(channel, step * 2**octaves_off, at_least=True)
    if octaves_off > 1e-4:
        assert at_least == max(code - 1, 0)
    elif octaves_off < -1e-4:
        assert at_least == code


def test_steps_beyond_the_family_are_the_last_ones() -> None:
    for at_least in (False, True):
        assert step_code_for(CHANNEL, math.inf, at_least=at_least) == 0
        assert step_code_for(CHANNEL, 100.0, at_least=at_least) == 0
        for step in (1e-9, 0.0, -1.0):
            assert step_code_for(CHANNEL, step, at_least=at_least) == MAX_STEP_CODE


@given(CHANNELS, STEP_CODES, st.sampled_from([0.0, 11.5]), st.integers(0, 2**32))
@settings(deadline=None)
def test_quantising_is_off_by_half_a_step_at_most(channel: Channel, code: int, start: float, seed: int) -> None:
    quantizer = quantizer_of(channel, code, start)
    last = quantizer.minimum + quantizer.step * (quantizer.num_levels - 1)
    values = np.random.default_rng(seed).uniform(quantizer.minimum, last, 60).astype(np.float32)
    symbols = symbols_of(values, quantizer)
    assert symbols.dtype == np.int64
    assert symbols.min() >= 0
    assert symbols.max() < quantizer.num_levels
    decoded = values_of(symbols, quantizer)
    assert decoded.dtype == np.float32
    assert np.abs(decoded.astype(np.float64) - values).max() <= quantizer.step / 2 + 4e-6


@given(CHANNELS, STEP_CODES, st.sampled_from([0.0, 0.5, 23.5]))
@settings(deadline=None)
def test_every_symbol_comes_back(channel: Channel, code: int, start: float) -> None:
    quantizer = quantizer_of(channel, code, start)
    symbols = np.arange(quantizer.num_levels)
    values = values_of(symbols, quantizer)
    exact = np.array([quantizer.minimum + quantizer.step * q for q in range(quantizer.num_levels)])
    np.testing.assert_array_equal(values, exact.astype(np.float32))
    np.testing.assert_array_equal(symbols_of(values, quantizer), symbols)
    np.testing.assert_array_equal(symbols_of(torch.from_numpy(values), quantizer).numpy(), symbols)


def test_values_outside_go_to_the_ends() -> None:
    quantizer = UniformQuantizer(-1.0, 0.5, 4)
    assert symbols_of(np.array([-9.0, -1.2, -0.8, -0.7, 0.4, 0.6, 9.0]), quantizer).tolist() == [0, 0, 0, 1, 3, 3, 3]


def test_a_single_level_is_all_there_is() -> None:
    quantizer = UniformQuantizer(2.0, 0.0, 1)
    symbols = symbols_of(np.array([1.0, 2.0, 30.0]), quantizer)
    assert symbols.tolist() == [0, 0, 0]
    assert values_of(symbols, quantizer).tolist() == [2, 2, 2]


@given(curvature=st.floats(1e-3, 1e6), bit_price=st.floats(1e-6, 1e3), count=st.integers(1, 5000))
@settings(deadline=None)
def test_steps_are_the_cheapest(curvature: float, bit_price: float, count: int) -> None:
    def cost(step: float) -> float:
        """Squared error of uniformly distributed values plus the price of the bits."""
        return curvature * step**2 / 12 - bit_price * count * math.log2(step)

    step = step_for_distortion(curvature, bit_price, count)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert cost(step) < cost(factor * step)


def test_what_makes_no_difference_is_rounded_as_coarsely_as_can_be() -> None:
    assert step_for_distortion(0.0, 1.0, 9) == math.inf
    assert step_for_distortion(-1.0, 1.0, 9) == math.inf


@pytest.mark.parametrize("array", [np.array, torch.tensor])
def test_vectors_by_hand(array: Callable[..., Any]) -> None:
    quantizers = (UniformQuantizer(-1.0, 0.5, 4), UniformQuantizer(3.0, 0.0, 1))
    symbols, vectors = [[0, 0], [3, 0], [1, 0]], [[-1, 3], [0.5, 3], [-0.5, 3]]
    assert dequantize(array(symbols), quantizers).tolist() == vectors
    assert quantize(array(vectors), quantizers).tolist() == symbols


@given(VALUES, STEP_CODES)
@settings(deadline=None)
def test_tensors_are_quantised_as_arrays_are(values: Values, code: int) -> None:
    quantizer = quantizer_of(CHANNEL, code)
    symbols = symbols_of(values, quantizer)
    for function, array in ((symbols_of, values), (values_of, symbols)):
        expected, found = function(array, quantizer), function(torch.from_numpy(array), quantizer)
        assert isinstance(found, torch.Tensor)
        assert found.numpy().dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)
