"""The weights of symbols, against what `docs/format.md` says of them, computed slowly in fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taichi_gs.format.prior_tables import TABLES
from taichi_gs.format.priors import cumulative_weights
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import MAX_AREA_CODE, MAX_STEP_CODE, channels_of, quantizers_of
from taichi_gs.model.quantized import IntArray

BLENDINGS: tuple[Blending, ...] = ("alpha", "normalized")


def weights_of(channel: int, step_code: int, area_code: int, blending: Blending) -> IntArray:
    quantizers = quantizers_of([step_code] * 7, area_code, blending, is_gray=False)
    return cumulative_weights(channel, quantizers[channel], blending)


def slow_weights(channel: int, step_code: int, blending: Blending) -> list[int]:
    """W_0, …, W_L of the document, one after another."""
    a, b = [(-16, 8), (-8, 8), (-8, 8), (-1, 2), (-1, 1), (-1, 1), (-1, 2) if blending == "normalized" else (-8, 8)][
        channel
    ]
    largest = [Fraction(4)] * 3 + [Fraction(1, 4)] * 3 + [Fraction(1 if blending == "normalized" else 4)]
    mantissa = (65536, 55109, 46341, 38968)[step_code % 4]
    step = largest[channel] * mantissa / 2 ** (16 + step_code // 4)
    table = [1] * 64 if channel == 6 and blending == "alpha" else list(TABLES[channel])
    low, high = math.floor(-a / step), math.floor(b / step)
    num_symbols = low + high + 1
    found = []
    for q in range(num_symbols + 1):
        # Where the values that are rounded to q begin, in the range.
        start = (Fraction(2 * (q - low) - 1, 2) * step - a) / (b - a)
        x = math.floor(start * 2**18)
        x = 0 if q == 0 else 2**18 if q == num_symbols else x
        bin_number, within = divmod(x, 2**12)
        in_bin = table[bin_number] * within if bin_number < 64 else 0
        found.append(2**12 * sum(table[:bin_number]) + in_bin + q)
    return found


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("channel", range(7))
@pytest.mark.parametrize("step_code", [0, 1, 2, 3, 17, 30])
def test_weights_are_those_of_the_document(channel: int, blending: Blending, step_code: int) -> None:
    assert weights_of(channel, step_code, 7, blending).tolist() == slow_weights(channel, step_code, blending)


@given(st.integers(0, 6), st.integers(0, MAX_STEP_CODE), st.integers(0, MAX_AREA_CODE), st.sampled_from(BLENDINGS))
@settings(deadline=None)
def test_every_symbol_has_weight(channel: int, step_code: int, area_code: int, blending: Blending) -> None:
    weights = weights_of(channel, step_code, area_code, blending)
    assert weights.dtype == np.int64
    assert weights[0] == 0
    assert (np.diff(weights) > 0).all()
    # 1 for each symbol, and all of the table. Sums of weights times 2^24 must fit into 64 bits.
    table = [1] * 64 if channel == 6 and blending == "alpha" else TABLES[channel]
    assert weights[-1] == 2**12 * sum(table) + len(weights) - 1 < 2**39
    # Where m begins makes no difference.
    np.testing.assert_array_equal(weights, weights_of(channel, step_code, 0, blending))


@pytest.mark.parametrize("channel", range(7))
def test_finer_steps_share_the_same_weight(channel: int) -> None:
    """About as much weight lies below a value, however finely it is rounded."""
    blending: Blending = "normalized"
    own = channels_of(blending)[channel]
    shares = []
    for step_code in (20, 30, 40):
        quantizer = quantizers_of([step_code] * 7, 0, blending, is_gray=False)[channel]
        weights = weights_of(channel, step_code, 0, blending)
        edges = quantizer.minimum + quantizer.step * (np.arange(len(weights)) - 0.5)
        values = np.linspace(own.low, own.high, 9)[1:-1]
        shares.append(np.interp(values, edges, weights / weights[-1]))
    np.testing.assert_allclose(shares[0], shares[2], atol=0.02)
    np.testing.assert_allclose(shares[1], shares[2], atol=0.01)


def test_a_single_symbol_needs_no_weight() -> None:
    quantizers = quantizers_of([0] * 7, 0, "normalized", is_gray=True)
    for channel in (4, 5):
        assert cumulative_weights(channel, quantizers[channel], "normalized").tolist() == [0, 1]


def test_tables_are_positive() -> None:
    assert [len(table) for table in TABLES] == [64] * 7
    assert all(isinstance(weight, int) and weight > 0 for table in TABLES for weight in table)
