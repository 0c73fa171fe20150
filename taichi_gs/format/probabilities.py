"""Probability models for constriction that it need not round, so that only integers decide what the decoder sees.

Every probability is an integer number of 2**-24. constriction places the left edge of symbol i at
i + floor(scale * sum(table[:i])), where scale is (2**24 - n) / sum(table): a table of n integers with the sum
2**24 - n makes the scale exactly 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import gcd, prod
from typing import Any

import constriction
import numpy as np

from taichi_gs.model.quantized import IntArray

PROBABILITY_BITS = 24
"""Probabilities are multiples of 2**-24, which is constriction's precision."""

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
    weights = [prod(range(right, right + count * denominator, denominator))]
    is_symmetric = left == right
    # Each weight follows from the one before by small factors. There is no remainder.
    for k in range(count // 2 if is_symmetric else count):
        grown = weights[-1] * ((count - k) * (left + k * denominator))
        weights.append(grown // ((k + 1) * (right + (count - k - 1) * denominator)))
    if is_symmetric:
        weights += weights[(count - 1) // 2 :: -1]
    return model_of_list(weights)


def categorical_model(weights: IntArray) -> Any:
    """Return the model of n >= 2 symbols with probabilities proportional to positive integers, of a sum below 2**39."""
    sums = np.add.accumulate(weights)  # what cumsum returns, in half the time for so few
    return _model_of_edges(sums * ((1 << PROBABILITY_BITS) - len(sums)) // sums[-1])


def model_of_list(weights: Sequence[int]) -> Any:
    """Return `categorical_model` of positive integers of any size; of a few it is faster than that of an array."""
    sums = list(accumulate(weights))
    scale, total = (1 << PROBABILITY_BITS) - len(sums), sums[-1]
    return _model_of_edges(np.array([partial * scale // total for partial in sums]))


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
