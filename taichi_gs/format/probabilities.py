"""Probability models for constriction that it need not round, so that only integers decide what the decoder sees.

Every probability is an integer number of 2**-24. constriction places the left edge of symbol i at
i + floor(scale * sum(table[:i])), where scale is (2**24 - n) / sum(table): a table of n integers with the sum
2**24 - n makes the scale exactly 1.

The integers of large tables are long. Floating point stands for them where an error bound says that they would be
rounded to the same probabilities.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from math import gcd, prod
from typing import Any

import constriction
import numpy as np

from taichi_gs.model.quantized import IntArray

PROBABILITY_BITS = 24
"""Probabilities are multiples of 2**-24, which is constriction's precision."""

MIN_COUNT_OF_FLOATS = 40
"""From so many points on, float64 takes less time than the integers that it stands for."""

SHARES = 16
"""The share of its box's weight that a left half has is rounded to a multiple of 1/16: it saves tables."""


def beta_binomial_model(count: int, share: int, concentration: int) -> Any:
    """Return the model of how many of n points fall in a left half with a share of the weight, in units of 1/16.

    n is `count`, c `concentration`. With l / d = share / 16 in lowest terms and r = d - l the weights are the integers
    C(n, k) prod_{i<k} (c l + i d) prod_{i<n-k} (c r + i d): beta-binomial with alpha = c l / d, beta = c r / d.
    """
    common = gcd(share, SHARES)
    denominator = SHARES // common
    left = concentration * (share // common)
    right = concentration * denominator - left
    edges = certain_edges(count, left, right, denominator) if count >= MIN_COUNT_OF_FLOATS else None
    return _model_of_edges(exact_edges(count, left, right, denominator) if edges is None else edges)


def exact_edges(count: int, left: int, right: int, denominator: int) -> IntArray:
    """Return what `_model_of_edges` takes, from the integers themselves, which have up to 4600 bits."""
    weights = [prod(range(right, right + count * denominator, denominator))]
    is_symmetric = left == right
    # Each weight follows from the one before by small factors. There is no remainder.
    for k in range(count // 2 if is_symmetric else count):
        grown = weights[-1] * ((count - k) * (left + k * denominator))
        weights.append(grown // ((k + 1) * (right + (count - k - 1) * denominator)))
    if is_symmetric:
        weights += weights[(count - 1) // 2 :: -1]
    sums = list(accumulate(weights))
    scale = (1 << PROBABILITY_BITS) - len(sums)
    return np.array([partial * scale // sums[-1] for partial in sums])


def certain_edges(count: int, left: int, right: int, denominator: int) -> IntArray | None:
    """Return what `exact_edges` does, from float64, or None if rounding to integers could go either way.

    Each weight is wrong by one part in 2**53 for every factor, and so is each sum for every term: together by less than
    6 n + 2 parts, which is one in 2**42. Edges beyond the middle are counted from the end, where they are as exact.
    The sum of all weights is at most 16**n times the first, and no weight is less than the first divided by 15**n: that
    is within the range of float64.
    """
    rest = np.arange(count, 0, -1)
    k = count - rest
    ratios = rest * (left + k * denominator) / ((k + 1) * (right + (rest - 1) * denominator))
    weights = np.ones(count + 1)
    np.multiply.accumulate(ratios, out=weights[1:])
    below, above = np.add.accumulate(weights), np.add.accumulate(weights[:0:-1])[::-1]
    scale = (1 << PROBABILITY_BITS) - len(weights)
    smaller = np.minimum(below[:-1], above) / below[-1] * scale
    is_uncertain = abs(smaller - np.rint(smaller)) <= smaller * 2.0**-40
    edges = np.full(count + 1, scale)
    edges[:-1] = np.where(below[:-1] < above, np.floor(smaller), scale - 1 - np.floor(smaller))
    if left == right and count % 2:
        # What is exactly half of all would seem uncertain.
        edges[count // 2], is_uncertain[count // 2] = scale // 2, False
    return None if is_uncertain.any() else edges


def categorical_model(weights: IntArray) -> Any:
    """Return the model of n >= 2 symbols with probabilities proportional to positive integers, of a sum below 2**39."""
    sums = np.add.accumulate(weights)  # what cumsum returns, in half the time for so few
    return _model_of_edges(sums * ((1 << PROBABILITY_BITS) - len(sums)) // sums[-1])


def _model_of_edges(edges: IntArray) -> Any:
    """Return the model in which the interval of symbol i ends at i + 1 + edges[i], in units of 2**-24.

    With C_i the sum of the weights of the symbols up to the i-th, edges[i] is floor(C_i (2**24 - n) / C_n), and
    constriction adds the i + 1 itself.
    """
    table = edges.astype(np.float64)
    table[1:] -= edges[:-1]
    return constriction.stream.model.Categorical(table, perfect=False)


@lru_cache(maxsize=32)
def uniform_model(num_levels: int) -> Any:
    """Return the model of num_levels >= 2 equally likely symbols; the last one gets the remainder of the division."""
    return constriction.stream.model.Uniform(num_levels)
