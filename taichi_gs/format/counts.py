"""How the numbers of points in left halves are coded: grouped by what they are distributed as."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taichi_gs.format.grids import Boxes, Plan
from taichi_gs.format.probabilities import SHARES, beta_binomial_model, uniform_model
from taichi_gs.model.quantized import IntArray

MAX_COUNT_BITS = 8
"""Counts of more bits than this are coded in two parts, so that no beta-binomial table has more than 256 entries."""

NUM_CONCENTRATIONS = 8
"""The beta-binomial distributions of a multiset all have the concentration alpha + beta = 4**code, 0 <= code < 8."""


BOXES_PER_GROUP = 3
"""So many symbols one by one take constriction as long as an array of them."""


class Groups(NamedTuple):
    """Boxes whose counts are coded with one distribution, group after group.

    Attributes:
        order: [G] int64, the boxes of the first group, then those of the second, and so on; ascending within each.
        sizes: the number of boxes of each group; None if each box is a group of its own.
        models: of each group.
    """

    order: IntArray
    sizes: list[int] | None
    models: list[Any]


class Level(NamedTuple):
    """What is said of M boxes of one level when they are cut; of all levels at once, so it is to be small.

    Attributes:
        layers: [M] int16.
        keys: [M] uint16, see `keys_of`.
        shifts: [M] int32, how many low bits of the counts are coded apart.
        high: [M] int32, the high bits of the number of points in the left half.
        low: [M] int32, the low bits.
    """

    layers: NDArray[np.int16]
    keys: NDArray[np.uint16]
    shifts: NDArray[np.int32]
    high: NDArray[np.int32]
    low: NDArray[np.int32]

    @classmethod
    def of(cls, plan: Plan, boxes: Boxes, num_left: IntArray) -> Level:
        """What is said of the numbers of points in left halves."""
        shifts = count_shifts(boxes.counts)
        high, low = num_left >> shifts, num_left & ((1 << shifts) - 1)
        layers, shares = plan.layers[boxes.longer], plan.shares[boxes.longer]
        keys = keys_of(boxes.counts >> shifts, keys_of_shares(shares))
        return cls(layers.astype(np.int16), keys, shifts, high.astype(np.int32), low.astype(np.int32))


def count_shifts(counts: IntArray) -> NDArray[np.int32]:
    """[M], how many low bits of the counts [M] of points in boxes are coded apart."""
    # The exponent that frexp finds is the number of bits, 0 for 0.
    shifts: NDArray[np.int32] = np.frexp(counts >> MAX_COUNT_BITS)[1]
    return shifts


def keys_of(high_counts: IntArray, lowest: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return high bits of counts and what is below them, see `keys_of_shares`, as one number.

    Boxes are sorted by it, and of no other width does NumPy sort numbers as fast.
    """
    return (high_counts << 7).astype(np.uint16) | lowest


def keys_of_shares(shares: IntArray) -> NDArray[np.uint16]:
    """Return the low bits of `keys_of`: shares, with room for the code of a concentration below them."""
    return (shares << 3).astype(np.uint16)


def high_groups(keys: NDArray[np.uint16]) -> Groups:
    """Group all boxes in ascending order of `keys_of` [M] with the codes of their layers' concentrations in them."""
    order, distinct, sizes = _sorted_runs(keys)
    if len(keys) < BOXES_PER_GROUP * len(distinct):
        return Groups(order, None, list(map(_model_of, keys[order].tolist())))
    return Groups(order, sizes, list(map(_model_of, distinct)))


@lru_cache(maxsize=16384)
def _model_of(key: int) -> Any:
    """Return the model of the high bits of boxes with a key with a code in it."""
    return beta_binomial_model(key >> 7, key >> 3 & SHARES - 1, 4 ** (key & NUM_CONCENTRATIONS - 1))


def low_groups(shifts: NDArray[np.int32]) -> Groups:
    """Group the boxes that have low bits in ascending order of how many."""
    if not shifts.any():
        return Groups(np.empty(0, dtype=np.int64), [], [])
    order, distinct, sizes = _sorted_runs(shifts)
    if distinct[0] == 0:
        order, distinct, sizes = order[sizes[0] :], distinct[1:], sizes[1:]
    return Groups(order, sizes, [uniform_model(1 << shift) for shift in distinct])


def _sorted_runs(keys: NDArray[np.integer]) -> tuple[IntArray, list[int], list[int]]:
    """Return the stable order that sorts `keys`, the distinct ones, ascending, and how often each of them occurs."""
    order = keys.argsort(kind="stable")
    ordered = keys[order]
    is_edge = np.ones(len(keys) + 1, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_edge[1:-1])
    edges = is_edge.nonzero()[0]
    return order, ordered[edges[:-1]].tolist(), (edges[1:] - edges[:-1]).tolist()


def best_concentrations(levels: Sequence[Level], chosen: Sequence[int]) -> list[int]:
    """Return, of each of the layers `chosen`, the code of the concentration that makes its points shortest.

    This is a choice of the encoder, so that floating point does no harm here.
    """
    if not chosen:
        return []
    layers = np.concatenate([level.layers for level in levels])
    keys = np.concatenate([level.keys for level in levels]).astype(np.int64)
    lefts = np.concatenate([level.high for level in levels])
    order = layers.argsort(kind="stable")
    starts = layers[order].searchsorted(range(max(chosen) + 2))
    codes = []
    for layer in chosen:
        own = order[starts[layer] : starts[layer + 1]]
        counts, shares, in_left = keys[own] >> 7, keys[own] >> 3 & SHARES - 1, lefts[own]
        # Where in a table with one row after another; looking up rows and columns would take longer.
        whole = SHARES << MAX_COUNT_BITS | counts
        left, right = shares << MAX_COUNT_BITS | in_left, SHARES - shares << MAX_COUNT_BITS | counts - in_left
        tables = [_log_rising_factorials(4.0**code) for code in range(NUM_CONCENTRATIONS)]
        lengths = [(bits.take(whole) - bits.take(left) - bits.take(right)).sum() for bits in tables]
        codes.append(int(np.argmin(lengths)))
    return codes


@cache
def _log_rising_factorials(concentration: float) -> NDArray[np.float64]:
    """Return log2 of x (x + 1) ... (x + k - 1) [SHARES + 1, 2**MAX_COUNT_BITS]; row s has x = s / SHARES of all."""
    starts = concentration / SHARES * np.arange(1, SHARES + 1)
    logs = np.log2(starts[:, None] + np.arange((1 << MAX_COUNT_BITS) - 1))
    table = np.zeros((SHARES + 1, 1 << MAX_COUNT_BITS))
    table[1:, 1:] = np.cumsum(logs, axis=1)
    return table
