"""How likely the values of codewords are before anything is known of a picture."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from taichi_gs.format.prior_tables import NUM_BINS, TABLES
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import channels_of
from taichi_gs.model.quantized import IntArray, UniformQuantizer

_BIN_BITS = 12
"""A bin is divided into so many bits' parts, whose weights are equal."""

_STEP_BITS = 28
"""Steps are multiples of 2**-28."""


@lru_cache(maxsize=64)
def cumulative_weights(channel: int, quantizer: UniformQuantizer, blending: Blending) -> IntArray:
    """Return the weight of all symbols before each [L + 1] int64, for the L symbols of a channel's quantiser.

    A symbol stands for the values that are rounded to it. It has the weight of these values in the channel's table of
    bins of equal width, and 1. The weights are kept, for encoders that count the bytes of one picture after another,
    and read-only.

    Args:
        channel: its number among the seven.
        quantizer: of `channels.quantizer_of`.
        blending: of the picture.
    """
    own = channels_of(blending)[channel]
    symbols = np.arange(quantizer.num_levels + 1)
    if quantizer.num_levels == 1:
        symbols.flags.writeable = False
        return symbols
    step = int(quantizer.step * 2**_STEP_BITS)
    multiples = symbols - own.levels_below(quantizer.step)
    # Twice the distance of the lower end of each symbol's values from the end of the range.
    above = (2 * multiples - 1) * step - (2 * own.low << _STEP_BITS)
    parts = above * (NUM_BINS << _BIN_BITS - 1) // (own.high - own.low << _STEP_BITS)
    parts[0], parts[-1] = 0, NUM_BINS << _BIN_BITS
    table, before = _table_of(channel, blending)
    bins, within = parts >> _BIN_BITS, parts & (1 << _BIN_BITS) - 1
    weights: IntArray = (before[bins] << _BIN_BITS) + table[bins] * within + symbols
    weights.flags.writeable = False
    return weights


@cache
def _table_of(channel: int, blending: Blending) -> tuple[IntArray, IntArray]:
    """Return the weight of each bin of a channel, and 0 after them, and the weight of all bins before each."""
    table = TABLES[channel] if channel < 6 or blending == "normalized" else (1,) * NUM_BINS
    return np.array([*table, 0]), np.cumsum([0, *table])
