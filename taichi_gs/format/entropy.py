"""Integer symbols to bytes and back, losslessly and close to the entropy, with one range coder (constriction).

Three kinds of data are coded, each by one method that `SymbolEncoder` and `SymbolDecoder` share by name:

* `points`: several multisets, each of N cells of a grid. The grid is halved again and again, and each time it is coded
  how many of the points in a box lie in its left half. What is never said is which point is which: that saves log2(N!)
  bits. Symbols without an order are points on a line. The grids are halved side by side, because the time goes into
  the number of arrays and not into their sizes.
* `order`: the order of N symbols whose multiset is known, drawn from it without replacement.
* `uniform`: N symbols in order, each equally likely among a number of levels of its own.

Nothing is trained or sent beforehand. The number of points in a left half is beta-binomially distributed, which is what
results when densities are themselves random (a Polya tree); one 3-bit number per multiset says how uneven they are, and
the encoder chooses the best.

Only integers decide what the decoder sees: see `probabilities.py`. The coder has 64 bits of state and emits words of
32, which are written little-endian; `docs/format.md` specifies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import constriction
import numpy as np
from numpy.typing import NDArray

from taichi_gs.errors import BitstreamError
from taichi_gs.format.probabilities import beta_binomial_model, categorical_model, uniform_model
from taichi_gs.model.quantized import IntArray

BoolArray = NDArray[np.bool_]

NUM_CONCENTRATIONS = 8
"""The beta-binomial distributions of a multiset all have the concentration alpha + beta = 4**code, 0 <= code < 8."""

MAX_COUNT_BITS = 8
"""Counts of more bits than this are coded in two parts, so that no beta-binomial table has more than 256 entries."""

MAX_ODD_SIDE = 63
"""Longer odd sides count as even where probabilities are concerned: it saves tables and costs nothing."""

BLOCK_DIVISOR = 8
"""An order is coded in blocks of 1/8 of what remains, between which the probabilities follow what has been drawn.

One block would cost 25 bytes more for 1000 symbols of 64 levels; blocks of one symbol would save one byte and be 20
times as many. Version 1 of the format had blocks of 1/16."""


_AXES = np.array([[0], [1]])

_UNIFORM_FAMILY = constriction.stream.model.Uniform()
"""Uniform models, given an array of their numbers of levels, 2 or more each; they are those of `uniform_model`."""


GridSize = tuple[int, int]
"""(rows, columns)."""


class SymbolEncoder:
    """Code symbols into bytes; `SymbolDecoder` reads them with the same calls in the same order."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def points(self, multisets: Sequence[tuple[IntArray, GridSize]]) -> None:
        """Code multisets, each of `cells` [N, 2] int, the (row, column) of each in a grid.

        The order of the cells of a multiset is lost. Its N and its grid are not coded.

        Raises:
            ValueError: if a cell lies outside its grid.
        """
        for cells, grid_size in multisets:
            if cells.size and (cells.min() < 0 or (cells.max(axis=0) >= grid_size).any()):
                raise ValueError(f"a cell lies outside the grid of {grid_size[0]} x {grid_size[1]} cells")
        uneven = _uneven([(len(cells), grid_size) for cells, grid_size in multisets])
        codes = np.zeros(len(multisets), dtype=np.int64)
        codes[uneven] = [_best_concentration(*multisets[part]) for part in uneven]
        self.encode(codes[uneven], uniform_model(NUM_CONCENTRATIONS))
        for boxes, num_left in _splits(multisets):
            shifts = boxes.count_shifts()
            self._grouped(num_left >> shifts, _high_groups(boxes, shifts, codes))
            self._grouped(num_left & ((1 << shifts) - 1), _low_groups(shifts))

    def order(self, symbols: IntArray, num_levels: int) -> None:
        """Code the order of `symbols` [N] int, 0 <= symbol < num_levels."""
        remaining = np.bincount(symbols, minlength=num_levels)
        for start, stop in _blocks(len(symbols), BLOCK_DIVISOR):
            block = symbols[start:stop]
            kinds = remaining.nonzero()[0]
            if len(kinds) > 1:
                self.encode(np.searchsorted(kinds, block), categorical_model(remaining[kinds]))
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

    def _grouped(self, values: IntArray, groups: _Groups) -> None:
        """Code `values` group by group."""
        start = 0
        ordered = values[groups.order]
        for size, model in groups.runs:
            self.encode(ordered[start : start + size], model)
            start += size

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

    def points(self, multisets: Sequence[tuple[int, GridSize]]) -> list[IntArray]:
        """Return the cells [N, 2] int64 of multisets, each of N points in a grid, in raster order."""
        uneven = _uneven(multisets)
        codes = np.zeros(len(multisets), dtype=np.int64)
        codes[uneven] = self._decode(len(uneven), uniform_model(NUM_CONCENTRATIONS))
        found = [np.empty((3, 0), dtype=np.int64)]
        boxes = _Boxes.whole(multisets)
        while len(boxes):
            single = (boxes.areas() == 1).nonzero()[0]
            if len(single):
                found.append(boxes.corners[:, single].repeat(boxes.counts[single], axis=1))
            boxes = boxes.select(boxes.divisible())
            shifts = boxes.count_shifts()
            num_left = self._grouped(_high_groups(boxes, shifts, codes), len(boxes)) << shifts
            if shifts.any():
                num_left |= self._grouped(_low_groups(shifts), len(boxes))
                if (num_left > boxes.counts).any():
                    raise BitstreamError("The payload is damaged: more points in a part than in the whole.")
            boxes = boxes.halves(num_left)
        corners = np.concatenate(found, axis=1)
        cells = corners[1:, np.lexsort(corners[::-1])].T
        return np.split(cells, list(accumulate(num_points for num_points, _ in multisets))[:-1])

    def order(self, counts: IntArray, block_divisor: int = BLOCK_DIVISOR) -> IntArray:
        """Return N symbols [N] int64, of which symbol s occurs `counts[s]` times, in their order."""
        remaining = counts.copy()
        symbols = np.empty(counts.sum(), dtype=np.int64)
        for start, stop in _blocks(len(symbols), block_divisor):
            kinds = (remaining > 0).nonzero()[0]
            if len(kinds) > 1:
                drawn = self._decode(stop - start, categorical_model(remaining[kinds]))
                symbols[start:stop] = kinds[drawn]
            else:
                symbols[start:stop] = kinds[0]
            remaining -= np.bincount(symbols[start:stop], minlength=len(remaining))
        # If one symbol has come up too often, another one has not been used up.
        if remaining.any():
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

    def _grouped(self, groups: _Groups, num_boxes: int) -> IntArray:
        """Return the values of boxes [num_boxes] that were coded group by group; 0 for boxes in no group."""
        values = np.zeros(num_boxes, dtype=np.int64)
        if groups.runs:
            values[groups.order] = np.concatenate([self._decode(size, model) for size, model in groups.runs])
        return values

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


class _Boxes:
    """M boxes of one level of the halving of several grids, which count as layers of one.

    Attributes:
        corners: [3, M], (layer, row, column) of the first cell.
        sides: [2, M], in rows and in columns.
        counts: [M], of points.
    """

    def __init__(self, table: IntArray) -> None:
        """The rows of `table` [6, M] are those of the attributes, one after another."""
        self._table = table
        self.corners: IntArray = table[:3]
        self.sides: IntArray = table[3:5]
        self.counts: IntArray = table[5]

    @classmethod
    def whole(cls, multisets: Sequence[tuple[int, GridSize]]) -> _Boxes:
        """Return a box for each whole grid that has any of its number of points."""
        boxes = [(layer, 0, 0, *grid_size, n) for layer, (n, grid_size) in enumerate(multisets) if n > 0]
        return cls(np.array(boxes, dtype=np.int64).reshape(-1, 6).T)

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, which: BoolArray) -> _Boxes:
        """Return the boxes where `which` [M] bool holds."""
        return _Boxes(self._table[:, which])

    def halves(self, num_left: IntArray) -> _Boxes:
        """Return the left and the right half of every box in turn [2 M], with `num_left` [M] points in the left one."""
        # By how much the right half begins later, which along the other axis is not at all.
        shifts = (self.axes() == _AXES) * (self.longest_sides() >> 1)
        table = self._table.repeat(2, axis=1)
        left, right = table[:, ::2], table[:, 1::2]
        np.copyto(left[3:5], shifts, where=shifts > 0)
        left[5] = num_left
        right[1:3] += shifts
        right[3:5] -= shifts
        right[5] -= num_left
        return _Boxes(table)

    def areas(self) -> IntArray:
        """[M], in cells."""
        areas: IntArray = self.sides[0] * self.sides[1]
        return areas

    def divisible(self) -> BoolArray:
        """[M], whether there is anything to be said about where the points of a box are."""
        divisible: BoolArray = (self.areas() > 1) & (self.counts > 0)
        return divisible

    def axes(self) -> IntArray:
        """[M], the axis along which each box is halved: 1 (columns) unless there are more rows than columns."""
        axes: IntArray = (self.sides[1] >= self.sides[0]).astype(np.int64)
        return axes

    def longest_sides(self) -> IntArray:
        """[M], the sides along these axes. A left half has half of that, rounded down."""
        longest: IntArray = np.maximum(self.sides[0], self.sides[1])
        return longest

    def count_shifts(self) -> IntArray:
        """[M], how many low bits of each box's counts are coded apart."""
        shifts: IntArray = np.maximum(_bit_lengths(self.counts) - MAX_COUNT_BITS, 0)
        return shifts


def _splits(multisets: Sequence[tuple[IntArray, GridSize]]) -> Iterator[tuple[_Boxes, IntArray]]:
    """Yield, level by level, the boxes that are halved and how many of their cells lie in the left half of each."""
    sizes = [len(cells) for cells, _ in multisets]
    cells = np.concatenate([cells for cells, _ in multisets]).T
    boxes = _Boxes.whole([(size, grid_size) for size, (_, grid_size) in zip(sizes, multisets, strict=True)])
    box_of = np.repeat(np.arange(len(boxes)), boxes.counts)
    while len(boxes):
        divisible = boxes.divisible()
        inside = divisible[box_of]
        cells, box_of = cells[:, inside], (np.cumsum(divisible) - 1)[box_of[inside]]
        boxes = boxes.select(divisible)
        axes, every = boxes.axes(), np.arange(len(boxes))
        middles = boxes.corners[1 + axes, every] + (boxes.longest_sides() >> 1)
        is_right = cells[axes[box_of], np.arange(len(box_of))] >= middles[box_of]
        box_of = 2 * box_of + is_right
        num_left = np.bincount(box_of, minlength=2 * len(boxes))[::2]
        yield boxes, num_left
        boxes = boxes.halves(num_left)


class _Groups(NamedTuple):
    """Boxes whose counts are coded with one distribution, group after group.

    Attributes:
        order: [G] int64, the boxes of the first group, then those of the second, and so on; ascending within each.
        runs: the number of boxes and the model of each group.
    """

    order: IntArray
    runs: list[tuple[int, Any]]


def _high_groups(boxes: _Boxes, shifts: IntArray, codes: IntArray) -> _Groups:
    """Group all boxes in ascending order of (high bits of the count, denominator of the left half's share, code).

    The code is that of the concentration of a box's layer, `codes` [layers].
    """
    longest = boxes.longest_sides()
    denominators = np.where((longest & 1 == 1) & (longest <= MAX_ODD_SIDE), longest, 2)
    order, runs = _sorted_runs(boxes.counts >> shifts << 9 | denominators << 3 | codes[boxes.corners[0]])
    models = [(size, beta_binomial_model(key >> 9, key >> 3 & 63, 4 ** (key & 7))) for key, size in runs]
    return _Groups(order, models)


def _low_groups(shifts: IntArray) -> _Groups:
    """Group the boxes that have low bits in ascending order of how many."""
    order, runs = _sorted_runs(shifts)
    num_without = sum(size for shift, size in runs if shift == 0)
    return _Groups(order[num_without:], [(size, uniform_model(1 << shift)) for shift, size in runs if shift > 0])


def _sorted_runs(keys: IntArray) -> tuple[IntArray, list[tuple[int, int]]]:
    """Return the stable order that sorts `keys`, and the distinct ones, ascending, each with how often it occurs."""
    order = keys.argsort(kind="stable")
    ordered = keys[order]
    starts = [0, *((ordered[1:] != ordered[:-1]).nonzero()[0] + 1).tolist()] if len(keys) else []
    sizes = [stop - start for start, stop in pairwise([*starts, len(keys)])]
    return order, list(zip(ordered[starts].tolist(), sizes, strict=True))


def _bit_lengths(values: IntArray) -> IntArray:
    """Return the number of bits of non-negative integers below 2**53: 0 for 0, 1 for 1, 2 for 2 and 3."""
    exponents: NDArray[np.int32] = np.frexp(values.astype(np.float64))[1]
    return exponents.astype(np.int64)


def _blocks(num_symbols: int, divisor: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each block of an order, one in `divisor` of what remains, at least one."""
    start = 0
    while start < num_symbols:
        stop = start + max(1, (num_symbols - start) // divisor)
        yield start, stop
        start = stop


def _uneven(multisets: Sequence[tuple[int, GridSize]]) -> list[int]:
    """Return which multisets have a concentration: those where it can make a difference."""
    return [part for part, (n, (rows, columns)) in enumerate(multisets) if n > 1 and rows * columns > 1]


def _best_concentration(cells: IntArray, grid_size: GridSize) -> int:
    """Return the code of the concentration that makes `cells` shortest, as if all boxes were halved exactly.

    This is a choice of the encoder, so that floating point does no harm here.
    """
    levels = []
    for boxes, num_left in _splits([(cells, grid_size)]):
        shifts = boxes.count_shifts()
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
