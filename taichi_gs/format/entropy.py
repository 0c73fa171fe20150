"""Integer symbols to bytes and back, losslessly and close to the entropy, with one range coder (constriction).

Four kinds of data are coded, each by one method that `SymbolEncoder` and `SymbolDecoder` share by name:

* `points`: several multisets, each of N cells of a grid. The grid is halved again and again, and each time it is coded
  how many of the points in a box lie in its left half. What is never said is which point is which: that saves log2(N!)
  bits. Symbols without an order are points on a line. A grid may have weights along its sides: then a box is cut where
  half of its weight is. The grids are cut side by side, because the time goes into the number of arrays and not into
  their sizes.
* `order`: the order of N symbols whose multiset is known, drawn from it without replacement.
* `uniform`: N symbols in order, each equally likely among a number of levels of its own.
* `weighted`: N symbols in order, all with the same distribution.

Weights are the only thing that is known beforehand, see `priors.py`. The number of points in a left half is
beta-binomially distributed, which is what results when densities are themselves random (a Polya tree); one 3-bit number
per multiset says how uneven they are, and the encoder chooses the best.

Only integers decide what the decoder sees: see `probabilities.py`. The coder has 64 bits of state and emits words of
32, which are written big-endian; bytes of zeros at the end are left out. `docs/format.md` specifies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from taichi_gs.errors import BitstreamError
from taichi_gs.format.counts import (
    MAX_COUNT_BITS,
    NUM_CONCENTRATIONS,
    Groups,
    Level,
    best_concentrations,
    count_shifts,
    high_groups,
    keys_of,
    keys_of_shares,
    low_groups,
)
from taichi_gs.format.grids import Grid, Plan, splits
from taichi_gs.format.probabilities import categorical_model, model_of_list, uniform_model
from taichi_gs.model.quantized import IntArray

BLOCK_DIVISOR = 8
"""An order is coded in blocks of 1/8 of what remains, between which the probabilities follow what has been drawn.

One block would cost 25 bytes more for 1000 symbols of 64 levels; blocks of one symbol would save one byte and be 20
times as many."""


_STATE_BITS, _STATE_MASK, _WORD_MASK = 64, (1 << 64) - 1, (1 << 32) - 1

_UNIFORM_FAMILY = constriction.stream.model.Uniform()
"""Uniform models, given an array of their numbers of levels, 2 or more each; they are those of `uniform_model`."""


class SymbolEncoder:
    """Code symbols into bytes; `SymbolDecoder` reads them with the same calls in the same order."""

    def __init__(self) -> None:
        self.coder = constriction.stream.queue.RangeEncoder()

    def points(self, multisets: Sequence[tuple[IntArray, Grid]]) -> None:
        """Code multisets, each of `cells` [N, 2] int, the (row, column) of each in a grid.

        The order of the cells of a multiset is lost. Its N and its grid are not coded.

        Raises:
            ValueError: if a cell lies outside its grid.
        """
        for cells, grid in multisets:
            if cells.size and (cells.min() < 0 or (cells.max(axis=0) >= grid.size).any()):
                raise ValueError(f"a cell lies outside the grid of {grid.size[0]} x {grid.size[1]} cells")
        uneven = _uneven([(len(cells), grid) for cells, grid in multisets])
        codes = np.zeros(len(multisets), dtype=np.uint16)
        plan = Plan.of([grid for _, grid in multisets])
        levels = [Level.of(plan, *split) for split in splits(plan, [cells for cells, _ in multisets])]
        codes[uneven] = best_concentrations(levels, uneven)
        self.encode(codes[uneven], uniform_model(NUM_CONCENTRATIONS))
        for level in levels:
            self._grouped(level.high, high_groups(level.keys | codes[level.layers]))
            self._grouped(level.low, low_groups(level.shifts))

    def order(self, symbols: IntArray, num_levels: int) -> None:
        """Code the order of `symbols` [N] int, 0 <= symbol < num_levels."""
        remaining = np.bincount(symbols, minlength=num_levels)
        for start, stop in _blocks(len(symbols), BLOCK_DIVISOR):
            block = symbols[start:stop]
            kinds = remaining.nonzero()[0]
            if len(kinds) > 1:
                self.encode(kinds.searchsorted(block), categorical_model(remaining[kinds]))
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

    def weighted(self, symbols: IntArray, weights: IntArray) -> None:
        """Code `symbols` [N] int, each with probabilities proportional to positive `weights` [L]. One costs nothing.

        Raises:
            ValueError: if a symbol is out of range.
        """
        if symbols.size and (symbols.min() < 0 or symbols.max() >= len(weights)):
            raise ValueError("a symbol is outside its levels")
        if len(weights) > 1:
            self.encode(symbols, categorical_model(weights))

    def finish(self) -> bytes:
        """Return everything coded so far, in as few bytes as can be, none if nothing had to be coded.

        Of the numbers in the final interval, the one with the most zeros at its end is taken, and these are left out.
        """
        words: NDArray[np.uint32] = self.coder.get_compressed()
        if not len(words):
            return b""
        num_words: int
        lower: int
        width: int
        num_words, (lower, width) = self.coder.pos()
        sealed_carry = lower + _WORD_MASK >> _STATE_BITS
        for num_bytes in range(1 + _STATE_BITS // 8):
            shift = _STATE_BITS - 8 * num_bytes
            value = -(-lower >> shift) << shift
            if value < lower + width:
                break
        head: bytes = words[:num_words].astype(">u4").tobytes()
        carry = (value >> _STATE_BITS) - sealed_carry
        if carry:
            head = (int.from_bytes(head, "big") + carry).to_bytes(len(head), "big")
        tail = (value & _STATE_MASK).to_bytes(8, "big")
        return (head + tail).rstrip(b"\0")

    def _grouped(self, values: NDArray[np.int32], groups: Groups) -> None:
        """Code `values` group by group."""
        encode, start = self.coder.encode, 0
        ordered = values[groups.order]
        if groups.sizes is None:
            list(map(encode, ordered.tolist(), groups.models))
            return
        for size, model in zip(groups.sizes, groups.models, strict=True):
            encode(ordered[start : start + size], model)
            start += size

    def encode(self, symbols: NDArray[np.integer], model: Any, *parameters: NDArray[np.int32]) -> None:
        """Code `symbols` [N] with one of this module's models; a family of models has parameters [N] too."""
        self.coder.encode(symbols.astype(np.int32, copy=False), model, *parameters)


class SymbolDecoder:
    """Read back what a `SymbolEncoder` wrote. Every method raises BitstreamError if the bytes cannot be its work.

    The caller bounds the numbers it passes in: a few bytes can stand for any number of identical symbols.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        words = np.frombuffer(data + bytes(-len(data) % 4), dtype=">u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._encoder = SymbolEncoder()

    def points(self, multisets: Sequence[tuple[int, Grid]]) -> list[IntArray]:
        """Return the cells [N, 2] int64 of multisets, each of N points in a grid, in raster order."""
        uneven = _uneven(multisets)
        codes = np.zeros(len(multisets), dtype=np.uint16)
        codes[uneven] = self._decode(len(uneven), uniform_model(NUM_CONCENTRATIONS))
        plan = Plan.of([grid for _, grid in multisets])
        boxes = plan.whole([num_points for num_points, _ in multisets])
        lowest = keys_of_shares(plan.shares) | codes[plan.layers]
        found = [boxes.select(boxes.single(plan))]
        while len(boxes := boxes.select(boxes.divisible(plan))):
            boxes = boxes.halved(plan, self._num_left(boxes.counts, lowest[boxes.longer]))
            found.append(boxes.select(boxes.single(plan)))
        return plan.cells(found)

    def order(self, counts: IntArray) -> IntArray:
        """Return N symbols [N] int64, of which symbol s occurs `counts[s]` times, in their order."""
        remaining = counts.copy()
        symbols = np.empty(counts.sum(), dtype=np.int64)
        for start, stop in _blocks(len(symbols), BLOCK_DIVISOR):
            if stop == start + 1:  # as are all blocks from here on
                symbols[start:] = self._one_by_one(remaining)
                break
            kinds = (remaining > 0).nonzero()[0]
            if len(kinds) > 1:
                drawn = self._decode(stop - start, categorical_model(remaining[kinds]))
                symbols[start:stop] = kinds[drawn]
            else:
                symbols[start:stop] = kinds[0]
            remaining -= np.bincount(symbols[start:stop], minlength=len(remaining))
        return symbols

    def _one_by_one(self, remaining: IntArray) -> list[int]:
        """Return the last symbols of an order: lists of so few take half the time that arrays would."""
        if (remaining < 0).any():
            raise BitstreamError("The payload is damaged: a symbol comes up more often than was announced.")
        kinds = remaining.nonzero()[0].tolist()
        counts: list[int] = remaining[kinds].tolist()
        symbols: list[int] = []
        with _panics_are_damage:
            while len(kinds) > 1:
                model = model_of_list(counts)
                drawn = self._coder.decode(model)
                self._encoder.coder.encode(drawn, model)
                symbols.append(kinds[drawn])
                counts[drawn] -= 1
                if counts[drawn] == 0:
                    del kinds[drawn], counts[drawn]
        return symbols + kinds * sum(counts)

    def uniform(self, num_levels: IntArray) -> IntArray:
        """Return symbols [N] int64 in their order, each below its `num_levels` [N]."""
        symbols = np.zeros(len(num_levels), dtype=np.int64)
        uncertain = num_levels > 1
        levels = num_levels[uncertain].astype(np.int32)
        with _panics_are_damage:
            found = self._coder.decode(_UNIFORM_FAMILY, levels)
        self._encoder.encode(found, _UNIFORM_FAMILY, levels)
        symbols[uncertain] = found
        return symbols

    def weighted(self, num_symbols: int, weights: IntArray) -> IntArray:
        """Return symbols [N] int64 in their order, each with probabilities proportional to `weights` [L]."""
        if len(weights) == 1:
            return np.zeros(num_symbols, dtype=np.int64)
        return self._decode(num_symbols, categorical_model(weights)).astype(np.int64)

    def finish(self) -> None:
        """Check that the bytes are exactly what an encoder makes of the symbols, no more and no less.

        A range decoder reads past the end without a word and cannot tell what it has not read. Coding the symbols again
        takes less time than decoding them and answers both.
        """
        if self._encoder.finish() != self._data:
            raise BitstreamError("The payload is damaged: it holds more or less than the header announces.")

    def _num_left(self, counts: IntArray, lowest: NDArray[np.uint16]) -> IntArray:
        """Return how many of their points [M] boxes have in their left halves; `lowest` [M] is of `keys_of`."""
        if counts.max() < 1 << MAX_COUNT_BITS:  # as on most levels
            return self._grouped(high_groups(keys_of(counts, lowest)), len(counts))
        shifts = count_shifts(counts)
        num_left = self._grouped(high_groups(keys_of(counts >> shifts, lowest)), len(counts)) << shifts
        num_left |= self._grouped(low_groups(shifts), len(counts))
        if (num_left > counts).any():
            raise BitstreamError("The payload is damaged: more points in a part than in the whole.")
        return num_left

    def _grouped(self, groups: Groups, num_boxes: int) -> IntArray:
        """Return the values of boxes [num_boxes] that were coded group by group; 0 for boxes in no group."""
        values = np.zeros(num_boxes, dtype=np.int64)
        if not groups.models:
            return values
        with _panics_are_damage:
            # Most symbols come this way, in so many calls that loops written out would take as long again.
            if groups.sizes is None:
                found = list(map(self._coder.decode, groups.models))
            else:
                found = list(map(self._coder.decode, groups.models, groups.sizes))
            list(map(self._encoder.coder.encode, found, groups.models))
        values[groups.order] = found if groups.sizes is None else np.concatenate(found)
        return values

    def _decode(self, num_symbols: int, model: Any) -> NDArray[np.int32]:
        with _panics_are_damage:
            symbols: NDArray[np.int32] = self._coder.decode(model, num_symbols)
            self._encoder.coder.encode(symbols, model)
        return symbols


class _PanicsAreDamage:
    """Makes a BitstreamError of what constriction raises when it meets a symbol that cannot be."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        # A panic inside constriction is not an Exception, and its class cannot be imported.
        if kind is not None and (issubclass(kind, AssertionError) or kind.__name__ == "PanicException"):
            raise BitstreamError("The payload is damaged: it holds a symbol that cannot be.") from error


_panics_are_damage = _PanicsAreDamage()


def _blocks(num_symbols: int, divisor: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each block of an order, one in `divisor` of what remains, at least one."""
    start = 0
    while start < num_symbols:
        stop = start + max(1, (num_symbols - start) // divisor)
        yield start, stop
        start = stop


def _uneven(multisets: Sequence[tuple[int, Grid]]) -> list[int]:
    """Return which multisets have a concentration: those where it can make a difference."""
    return [part for part, (n, grid) in enumerate(multisets) if n > 1 and not grid.has_one_cell]
