"""Steps, ranges and priors that a file names by numbers are those of the specification."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference_decoder

from taichi_gs.format.prior_tables import NUM_BINS, TABLES
from taichi_gs.format.priors import cumulative_weights
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import (
    MAX_STEP_CODE,
    channels_of,
    quantizer_of,
    starts_of,
)

BLENDINGS: tuple[Blending, ...] = ("alpha", "normalized")


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("channel", range(7))
def test_each_step_is_the_specified_one(channel: int, blending: Blending) -> None:
    priors = TABLES if blending == "normalized" else (*TABLES[:6], (1,) * NUM_BINS)
    own, start = channels_of(blending)[channel], starts_of(5)[channel]
    for code in range(MAX_STEP_CODE + 1):
        step, low, weights = reference_decoder.quantizer(
            reference_decoder.CHANNELS[blending][channel], code, priors[channel]
        )
        found = quantizer_of(own, code, start)
        assert (found.step, found.minimum) == (step, start - low * step)
        assert found.num_levels == len(weights) - 1
        assert step / own.largest_step == pytest.approx(2 ** (-code / 4), rel=1e-5)
        assert own.low <= found.minimum - start < own.low + step
        last = found.minimum - start + step * (found.num_levels - 1)
        assert own.high - step < last <= own.high
        assert cumulative_weights(channel, found, blending).tolist() == weights


def test_the_weights_of_symbols_by_hand() -> None:
    """Y by steps of 1/4: 13 symbols from -1 to 2, of which each has 16 parts of 3 that are a bin's 64th."""
    table = TABLES[3]
    quantizer = quantizer_of(channels_of("normalized")[3], 0)
    assert (quantizer.minimum, quantizer.step, quantizer.num_levels) == (-1.0, 0.25, 13)
    weights = np.diff(cumulative_weights(3, quantizer, "normalized"))
    # A bin is 3/64 wide, so that 1/8, half a symbol, is 2 2/3 bins.
    first = 4096 * (table[0] + table[1]) + 4096 * 8 // 3 % 4096 * table[2]
    assert weights[0] == first + 1
    assert weights.sum() == 4096 * sum(table) + 13


def test_priors_are_for_likely_values() -> None:
    assert [len(table) for table in TABLES] == [NUM_BINS] * 7
    assert all(weight >= 1 for table in TABLES for weight in table)
    assert all(sum(table) == 65536 for table in TABLES)
    # So that Q in a box, and shares, are integers of 53 bits, and edges of distributions differ.
    for channel, own in enumerate(channels_of("normalized")):
        weights = cumulative_weights(channel, quantizer_of(own, MAX_STEP_CODE), "normalized")
        assert all(before < after for before, after in pairwise(weights.tolist()))
        assert weights[-1] < 2**29
