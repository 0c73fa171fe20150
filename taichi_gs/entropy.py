"""Integer symbols to bytes and back, losslessly and close to the entropy, with one range coder (constriction).

Four kinds of data are coded, each by one method that `SymbolEncoder` and `SymbolDecoder` share by name:

* `points`: the multiset of N cells of a grid. The grid is halved again and again, and each time it is coded how many of
  the points in a box lie in its left half. What is never said is which point is which: that saves log2(N!) bits.
* `multiset`: N sorted symbols, which are points on a line.
* `sequence`: N symbols in order: their multiset first, then the order, drawn from it without replacement.
* `uniform`: N symbols in order, each equally likely among a number of levels of its own.

Nothing is trained or sent beforehand. The number of points in a left half is beta-binomially distributed, which is what
results when densities are themselves random (a Polya tree); one 3-bit number per multiset says how uneven they are, and
the encoder chooses the best.

Only integers decide what the decoder sees. Every probability is an integer number of 2**-24, and constriction is handed
tables that it need not round: it places the left edge of symbol i at i + floor(scale * sum(table[:i])), where scale is
(2**24 - n) / sum(table), so that a table of n integers with the sum 2**24 - n makes the scale exactly 1. Its coder
has 64 bits of state and emits words of 32, which are written little-endian; `docs/format.md` specifies it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from taichi_gs.errors import BitstreamError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

PROBABILITY_BITS = 24
"""Probabilities are multiples of 2**-24, which is constriction's precision."""

NUM_CONCENTRATIONS = 8
"""The beta-binomial distributions of a multiset all have the concentration alpha + beta = 4**code, 0 <= code < 8."""

MAX_COUNT_BITS = 8
"""Counts of more bits than this are coded in two parts, so that no beta-binomial table has more than 256 entries."""

MAX_ODD_SIDE = 63
"""Longer odd sides count as even where probabilities are concerned: it saves tables and costs nothing."""

BLOCK_DIVISOR = 16
"""A sequence is coded in blocks of 1/16 of what remains, between which the probabilities follow what has been drawn.

One block would cost 25 bytes more for 1000 symbols of 64 levels; blocks of one symbol would save 0.2."""


_UNIFORM_FAMILY = constriction.stream.model.Uniform()
"""Uniform models, given an array of their numbers of levels, 2 or more each; they are those of `_uniform_model`."""


class SymbolEncoder:
    """Code symbols into bytes; `SymbolDecoder` reads them with the same calls in the same order."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def points(self, cells: IntArray, grid_size: tuple[int, int]) -> None:
        """Code the multiset of `cells` [N, 2] int, each a (row, column) of a grid of `grid_size` (rows, columns).

        The order of the cells is lost. N itself is not coded.

        Raises:
            ValueError: if a cell lies outside the grid.
        """
        if cells.size and (cells.min() < 0 or (cells.max(axis=0) >= grid_size).any()):
            raise ValueError(f"a cell lies outside the grid of {grid_size[0]} x {grid_size[1]} cells")
        code = 0
        if _needs_concentration(len(cells), grid_size):
            code = _best_concentration(cells, grid_size)
            self.encode(np.array([code]), _uniform_model(NUM_CONCENTRATIONS))
        for boxes, num_left in _splits(cells, grid_size):
            shifts = boxes.count_shifts
            high = num_left >> shifts
            for members, model in _high_groups(boxes, shifts, code):
                self.encode(high[members], model)
            for shift, members in _low_groups(shifts):
                self.encode(num_left[members] & ((1 << shift) - 1), _uniform_model(1 << shift))

    def multiset(self, symbols: IntArray, num_levels: int) -> None:
        """Code `symbols` [N] int, 0 <= symbol < num_levels, without their order.

        Raises:
            ValueError: if a symbol is out of range.
        """
        self.points(np.stack([np.zeros_like(symbols), symbols], axis=1), (1, num_levels))

    def sequence(self, symbols: IntArray, num_levels: int) -> None:
        """Code `symbols` [N] int, 0 <= symbol < num_levels, in order.

        Raises:
            ValueError: if a symbol is out of range.
        """
        self.multiset(symbols, num_levels)
        remaining = np.bincount(symbols, minlength=num_levels)
        for start, stop in _blocks(len(symbols)):
            block = symbols[start:stop]
            kinds = remaining.nonzero()[0]
            if len(kinds) > 1:
                self.encode(np.searchsorted(kinds, block), _categorical_model(remaining[kinds]))
            remaining -= np.bincount(block, minlength=num_levels)

    def uniform(self, symbols: IntArray, num_levels: IntArray) -> None:
        """Code `symbols` [N] int, 0 <= symbol < num_levels [N], in order. One level costs nothing.

        Raises:
            ValueError: if a symbol is out of range.
        """
        if ((symbols < 0) | (symbols >= num_levels)).any():
            raise ValueError("a symbol is outside its levels")
        uncertain = num_levels > 1
        self.encode(symbols[uncertain], _UNIFORM_FAMILY, num_levels[uncertain].astype(np.int32))

    def finish(self) -> bytes:
        """Return everything coded so far: whole words of four bytes, none if nothing had to be coded."""
        words: NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes()

    def encode(self, symbols: NDArray[np.integer], model: Any, *parameters: NDArray[np.int32]) -> None:
        """Code `symbols` [N] with one of this module's models; a family of models has parameters [N] too."""
        self._coder.encode(symbols.astype(np.int32, copy=False), model, *parameters)


class SymbolDecoder:
    """Read back what a `SymbolEncoder` wrote. Every method raises BitstreamError if the bytes cannot be its work.

    The caller bounds the numbers it passes in: a few bytes can stand for any number of identical symbols.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise BitstreamError(f"The payload has {len(data)} bytes, which is not a multiple of four.")
        self._data = data
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype="<u4").astype(np.uint32))
        self._encoder = SymbolEncoder()

    def points(self, num_points: int, grid_size: tuple[int, int]) -> IntArray:
        """Return the cells [num_points, 2] int64 in raster order."""
        code = 0
        if _needs_concentration(num_points, grid_size):
            code = int(self._decode(1, _uniform_model(NUM_CONCENTRATIONS))[0])
        found = [np.empty((0, 2), dtype=np.int64)]
        boxes = _Boxes.whole(num_points, grid_size)
        while len(boxes):
            is_single = boxes.areas == 1
            if is_single.any():
                found.append(np.repeat(boxes.corners[is_single], boxes.counts[is_single], axis=0))
            boxes = boxes.select(boxes.divisible)
            num_left = np.zeros(len(boxes), dtype=np.int64)
            shifts = boxes.count_shifts
            for members, model in _high_groups(boxes, shifts, code):
                num_left[members] = self._decode(len(members), model)
            num_left <<= shifts
            for shift, members in _low_groups(shifts):
                num_left[members] |= self._decode(len(members), _uniform_model(1 << shift))
            if (num_left > boxes.counts).any():
                raise BitstreamError("The payload is damaged: more points in a part than in the whole.")
            boxes = boxes.halves(num_left)
        cells = np.concatenate(found)
        return cells[np.lexsort((cells[:, 1], cells[:, 0]))]

    def multiset(self, num_symbols: int, num_levels: int) -> IntArray:
        """Return the symbols [num_symbols] int64 in ascending order."""
        return self.points(num_symbols, (1, num_levels))[:, 1]

    def sequence(self, num_symbols: int, num_levels: int) -> IntArray:
        """Return the symbols [num_symbols] int64 in their order."""
        remaining = np.bincount(self.multiset(num_symbols, num_levels), minlength=num_levels)
        symbols = np.empty(num_symbols, dtype=np.int64)
        for start, stop in _blocks(num_symbols):
            kinds = remaining.nonzero()[0]
            if len(kinds) > 1:
                drawn = self._decode(stop - start, _categorical_model(remaining[kinds]))
                symbols[start:stop] = kinds[drawn]
            else:
                symbols[start:stop] = kinds[0]
            remaining -= np.bincount(symbols[start:stop], minlength=num_levels)
            if remaining.min() < 0:
                raise BitstreamError("The payload is damaged: a symbol comes up more often than was announced.")
        return symbols

    def uniform(self, num_levels: IntArray) -> IntArray:
        """Return symbols [N] int64 in their order, each below its `num_levels` [N]."""
        symbols = np.zeros(len(num_levels), dtype=np.int64)
        uncertain = num_levels > 1
        levels = num_levels[uncertain].astype(np.int32)
        symbols[uncertain] = self._decode(len(levels), _UNIFORM_FAMILY, levels)
        return symbols

    def finish(self) -> None:
        """Check that the bytes are exactly what an encoder makes of the symbols, no more and no less.

        A range decoder reads past the end without a word and cannot tell what it has not read. Coding the symbols again
        takes less time than decoding them and answers both.
        """
        if self._encoder.finish() != self._data:
            raise BitstreamError("The payload is damaged: it holds more or less than the header announces.")

    def _decode(self, num_symbols: int, model: Any, *parameters: NDArray[np.int32]) -> NDArray[np.int32]:
        try:
            # Of a family, the parameters tell the number.
            symbols: NDArray[np.int32] = self._coder.decode(model, *(parameters or (num_symbols,)))
        except BaseException as error:
            # A panic inside constriction is not an Exception, and its class cannot be imported.
            if isinstance(error, AssertionError) or type(error).__name__ == "PanicException":
                raise BitstreamError("The payload is damaged: it holds a symbol that cannot be.") from error
            raise
        self._encoder.encode(symbols, model, *parameters)
        return symbols


@dataclass(frozen=True)
class _Boxes:
    """M boxes of one level of the halving: corners [M, 2] and sides [M, 2] in (row, column), counts [M] of points."""

    corners: IntArray
    sides: IntArray
    counts: IntArray

    @classmethod
    def whole(cls, num_points: int, grid_size: tuple[int, int]) -> _Boxes:
        """Return the one box that is the whole grid, or none if there are no points."""
        level = cls(np.zeros((1, 2), dtype=np.int64), np.array([grid_size], dtype=np.int64), np.array([num_points]))
        return level.select(level.counts > 0)

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, which: BoolArray) -> _Boxes:
        """Return the boxes where `which` [M] bool holds."""
        return _Boxes(self.corners[which], self.sides[which], self.counts[which])

    def halves(self, num_left: IntArray) -> _Boxes:
        """Return the left and the right half of every box in turn [2 M], with `num_left` [M] points in the left one."""
        # By how much the right half begins later, which along the other axis is not at all.
        shifts = self.left_sides[:, None] * (self.axes[:, None] == (0, 1))
        return _Boxes(
            _interleaved(self.corners, self.corners + shifts),
            _interleaved(np.where(shifts > 0, shifts, self.sides), self.sides - shifts),
            _interleaved(num_left, self.counts - num_left),
        )

    @cached_property
    def areas(self) -> IntArray:
        return self.sides[:, 0] * self.sides[:, 1]

    @cached_property
    def divisible(self) -> BoolArray:
        return (self.areas > 1) & (self.counts > 0)

    @cached_property
    def axes(self) -> IntArray:
        """The axis along which each box is halved: 1 (columns) unless there are more rows than columns."""
        return (self.sides[:, 1] >= self.sides[:, 0]).astype(np.int64)

    @cached_property
    def left_sides(self) -> IntArray:
        """The side of the left half along the axis of halving: half of the longer side, rounded down."""
        return self.longest_sides // 2

    @cached_property
    def longest_sides(self) -> IntArray:
        return np.maximum(self.sides[:, 0], self.sides[:, 1])

    @cached_property
    def count_shifts(self) -> IntArray:
        """How many low bits of each box's counts are coded apart."""
        return np.maximum(_bit_lengths(self.counts) - MAX_COUNT_BITS, 0)


def _splits(cells: IntArray, grid_size: tuple[int, int]) -> Iterator[tuple[_Boxes, IntArray]]:
    """Yield, level by level, the boxes that are halved and how many of `cells` lie in the left half of each."""
    boxes = _Boxes.whole(len(cells), grid_size)
    box_of = np.zeros(len(cells), dtype=np.int64)
    while len(boxes):
        divisible = boxes.divisible
        inside = divisible[box_of]
        cells, box_of = cells[inside], (np.cumsum(divisible) - 1)[box_of[inside]]
        boxes = boxes.select(divisible)
        axes = boxes.axes
        middles = boxes.corners[np.arange(len(boxes)), axes] + boxes.left_sides
        is_right = cells[np.arange(len(cells)), axes[box_of]] >= middles[box_of]
        box_of = 2 * box_of + is_right
        num_left = np.bincount(box_of, minlength=2 * len(boxes))[::2]
        yield boxes, num_left
        boxes = boxes.halves(num_left)


def _high_groups(boxes: _Boxes, shifts: IntArray, code: int) -> Iterator[tuple[IntArray, Any]]:
    """Yield the boxes that share a distribution, as indices into `boxes`, with its model.

    Distributions are taken in ascending order of (count, denominator of the left half's share).
    """
    longest = boxes.longest_sides
    denominators = np.where((longest % 2 == 1) & (longest <= MAX_ODD_SIDE), longest, 2)
    keys = ((boxes.counts >> shifts) << 8) | denominators
    for key, members in _grouped(keys):
        yield members, _beta_binomial_model(key >> 8, key & 255, 4**code)


def _low_groups(shifts: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield the numbers of low bits that occur, ascending, each with the indices of the boxes that have so many."""
    if shifts.any():
        yield from ((shift, members) for shift, members in _grouped(shifts) if shift > 0)


def _interleaved(left: IntArray, right: IntArray) -> IntArray:
    """Return the rows of two arrays in turn."""
    both = np.empty((2 * len(left), *left.shape[1:]), dtype=np.int64)
    both[::2], both[1::2] = left, right
    return both


def _grouped(keys: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield the distinct keys in ascending order, each with the indices at which it stands, ascending too."""
    order = keys.argsort(kind="stable")
    ordered = keys[order]
    changes = (ordered[1:] != ordered[:-1]).nonzero()[0] + 1
    for start, stop in pairwise([0, *changes.tolist(), len(keys)] if len(keys) else []):
        yield int(ordered[start]), order[start:stop]


def _bit_lengths(values: IntArray) -> IntArray:
    """Return the number of bits of non-negative integers below 2**53: 0 for 0, 1 for 1, 2 for 2 and 3."""
    exponents: NDArray[np.int32] = np.frexp(values.astype(np.float64))[1]
    return exponents.astype(np.int64)


def _blocks(num_symbols: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each block of a sequence, one in BLOCK_DIVISOR of what remains, at least one."""
    start = 0
    while start < num_symbols:
        stop = start + max(1, (num_symbols - start) // BLOCK_DIVISOR)
        yield start, stop
        start = stop


def _needs_concentration(num_points: int, grid_size: tuple[int, int]) -> bool:
    """Tell whether the concentration can make a difference, without which it is not coded."""
    return num_points > 1 and grid_size[0] * grid_size[1] > 1


def _best_concentration(cells: IntArray, grid_size: tuple[int, int]) -> int:
    """Return the code of the concentration that makes `cells` shortest, as if all boxes were halved exactly.

    This is a choice of the encoder, so that floating point does no harm here.
    """
    levels = []
    for boxes, num_left in _splits(cells, grid_size):
        shifts = boxes.count_shifts
        levels.append(np.stack([boxes.counts >> shifts, num_left >> shifts]))
    counts, lefts = np.concatenate(levels, axis=1)
    costs = []
    for code in range(NUM_CONCENTRATIONS):
        bits_of_whole = _log_rising_factorials(4.0**code)
        bits_of_half = _log_rising_factorials(4.0**code / 2)
        costs.append((bits_of_whole[counts] - bits_of_half[lefts] - bits_of_half[counts - lefts]).sum())
    return int(np.argmin(costs))


def _log_rising_factorials(start: float) -> NDArray[np.float64]:
    """Return log2 of x (x + 1) ... (x + k - 1) [2**MAX_COUNT_BITS] for x = `start` and every k."""
    logs = np.log2(start + np.arange((1 << MAX_COUNT_BITS) - 1))
    return np.concatenate([[0.0], np.cumsum(logs)])


@lru_cache(maxsize=16384)
def _beta_binomial_model(count: int, denominator: int, concentration: int) -> Any:
    """Return the model of how many of n points fall in a left half that is floor(d / 2) / d of its box.

    n is `count`, d `denominator`, c `concentration`. With l = floor(d / 2) and r = d - l the weights are the integers
    C(n, k) prod_{i<k} (c l + i d) prod_{i<n-k} (c r + i d): beta-binomial with alpha = c l / d, beta = c r / d.
    """
    left = concentration * (denominator // 2)
    right = concentration * denominator - left
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
    return _model_of_edges(np.array([partial * scale // sums[-1] for partial in sums]))


def _categorical_model(weights: IntArray) -> Any:
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
def _uniform_model(num_levels: int) -> Any:
    """Return the model of num_levels >= 2 equally likely symbols; the last one gets the remainder of the division."""
    return constriction.stream.model.Uniform(num_levels)
