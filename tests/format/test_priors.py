"""The weights of symbols, whatever the step; `test_quantizers_in_files.py` compares them with the specification."""

from __future__ import annotations

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
