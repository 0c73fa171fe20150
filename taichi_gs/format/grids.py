"""Grids whose boxes are cut in two again and again, until each has one cell: how points on them are coded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taichi_gs.format.probabilities import SHARES
from taichi_gs.model.quantized import IntArray

MAX_COUNT_BITS = 8
"""Counts of more bits than this are coded in two parts, so that no beta-binomial table has more than 256 entries."""

_AXES = np.array([[0], [1]])


@dataclass(frozen=True)
class Grid:
    """A grid of cells, and how likely points are beforehand.

    Attributes:
        rows: [R + 1] int64, strictly ascending from 0, the weight of all rows before each; likely rows have much.
        columns: [C + 1] int64, likewise of the columns.
    """

    rows: IntArray
    columns: IntArray

    @classmethod
    def uniform(cls, rows: int, columns: int) -> Grid:
        """Return a grid whose cells are all equally likely."""
        return cls(np.arange(rows + 1), np.arange(columns + 1))

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.rows) - 1, len(self.columns) - 1

    @property
    def has_one_cell(self) -> bool:
        """Whether there is nothing to be said about where points are."""
        return self.size == (1, 1)


class Cuts(NamedTuple):
    """Where M boxes are cut in two.

    Attributes:
        axes: [M], the axis along which each is cut: 1 (columns) unless there are more rows than columns.
        middles: [M], where the right half begins along it, counted as in a `Plan`.
        lefts: [M], the length of the left half along it.
        shares: [M], its share of the box's weight, in units of 1 / SHARES.
    """

    axes: IntArray
    middles: IntArray
    lefts: IntArray
    shares: IntArray


@dataclass(frozen=True)
class Plan:
    """The weights of several grids, one after another.

    Attributes:
        weights: ascending, those of the rows of the first grid, of its columns, of the rows of the second, and so on.
        starts: [2, layers], where the rows and the columns of each grid begin in it.
        sizes: of the grids.
    """

    weights: IntArray
    starts: IntArray
    sizes: list[tuple[int, int]]

    @classmethod
    def of(cls, grids: Sequence[Grid]) -> Plan:
        """Return the plan of grids."""
        sides = [side for grid in grids for side in (grid.rows, grid.columns)]
        starts = np.cumsum([0, *map(len, sides)])[:-1]
        # All weights together ascend, so that one search finds the cuts of all boxes.
        before = np.cumsum([0, *(side[-1] + 1 for side in sides)])[:-1]
        weights = np.concatenate(sides) + before.repeat([len(side) for side in sides])
        return cls(weights, starts.reshape(-1, 2).T, [grid.size for grid in grids])

    def whole(self, counts: Sequence[int]) -> Boxes:
        """Return a box for each whole grid that has any of its number of points."""
        boxes = [
            (layer, *self.starts[:, layer].tolist(), *size, count)
            for layer, (size, count) in enumerate(zip(self.sizes, counts, strict=True))
            if count > 0
        ]
        return Boxes(np.array(boxes, dtype=np.int64).reshape(-1, 6).T)

    def cuts(self, boxes: Boxes) -> Cuts:
        """Return where to cut boxes: before the first row, or column, that half of the weight is before."""
        (rows, columns), (heights, widths) = boxes.corners[1:], boxes.sides
        is_wide = widths >= heights
        first = np.where(is_wide, columns, rows)
        last = first + np.maximum(widths, heights)
        low = self.weights[first]
        total = self.weights[last] - low
        # Every row has some weight, so that half of that of two rows or more is before none but the first.
        middles = np.minimum(self.weights.searchsorted(low + (total >> 1)), last - 1)
        shares = (2 * SHARES * (self.weights[middles] - low) + total) // (2 * total)
        shares = np.minimum(np.maximum(shares, 1), SHARES - 1)
        return Cuts(is_wide.astype(np.int64), middles, middles - first, shares)

    def cells(self, found: Sequence[Boxes]) -> list[IntArray]:
        """Return the cells [N, 2] of the points of each grid, in raster order, from boxes of one cell in any order."""
        boxes = Boxes.joined(found)
        # The rows of a grid come after those of the grids before it, so that this sorts by layer too.
        order = (boxes.corners[1] << 32 | boxes.corners[2]).argsort(kind="stable")
        corners = boxes.corners.take(order.repeat(boxes.counts[order]), axis=1)
        layers = corners[0]
        cells = (corners[1:] - self.starts.take(layers, axis=1)).T
        return np.split(cells, layers.searchsorted(range(1, len(self.sizes))))


class Boxes:
    """M boxes of one level of the halving of several grids, which count as layers of one.

    Attributes:
        corners: [3, M], (layer, row, column) of the first cell, rows and columns counted as in a `Plan`.
        sides: [2, M], in rows and in columns.
        counts: [M], of points.
    """

    def __init__(self, table: IntArray) -> None:
        """The rows of `table` [6, M] are those of the attributes, one after another."""
        self._table = table
        self.corners: IntArray = table[:3]
        self.sides: IntArray = table[3:5]
        self.counts: IntArray = table[5]
        self._areas: IntArray = table[3] * table[4]

    @classmethod
    def joined(cls, parts: Sequence[Boxes]) -> Boxes:
        """Return the boxes of all parts."""
        return cls(np.concatenate([part._table for part in parts], axis=1))

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, which: IntArray) -> Boxes:
        """Return the boxes with the numbers `which`."""
        return Boxes(self._table.take(which, axis=1))

    def halves(self, cuts: Cuts, num_left: IntArray) -> Boxes:
        """Return the left and the right half of every box in turn [2 M], with `num_left` [M] points in the left one."""
        # By how much the right half begins later, which along the other axis is not at all.
        shifts = (cuts.axes == _AXES) * cuts.lefts
        table = np.empty((len(self._table), len(self), 2), dtype=np.int64)
        left, right = table[:, :, 0], table[:, :, 1]
        left[:3] = self.corners
        left[3:5] = np.where(shifts, shifts, self.sides)
        left[5] = num_left
        right[0] = self.corners[0]
        right[1:3] = self.corners[1:] + shifts
        right[3:5] = self.sides - shifts
        right[5] = self.counts - num_left
        return Boxes(table.reshape(len(table), -1))

    def single(self) -> IntArray:
        """Return the numbers of the boxes of one cell."""
        single: IntArray = (self._areas == 1).nonzero()[0]
        return single

    def divisible(self) -> IntArray:
        """Return the numbers of the boxes where there is anything to be said about where their points are."""
        divisible: IntArray = ((self._areas > 1) & (self.counts > 0)).nonzero()[0]
        return divisible

    def count_shifts(self) -> NDArray[np.int32]:
        """[M], how many low bits of each box's counts are coded apart."""
        # The exponent that frexp finds is the number of bits, 0 for 0.
        shifts: NDArray[np.int32] = np.frexp(self.counts >> MAX_COUNT_BITS)[1]
        return shifts


def splits(multisets: Sequence[tuple[IntArray, Grid]]) -> Iterator[tuple[Boxes, Cuts, IntArray]]:
    """Yield, level by level, the boxes, where they are cut, and how many of their cells lie in each left half."""
    plan = Plan.of([grid for _, grid in multisets])
    boxes = plan.whole([len(cells) for cells, _ in multisets])
    cells = np.concatenate([cells + plan.starts[:, layer] for layer, (cells, _) in enumerate(multisets)]).T.copy()
    box_of = np.repeat(np.arange(len(boxes)), boxes.counts)
    while len(divisible := boxes.divisible()):
        # Where each box is among those that are left, and -1 for the others.
        places = np.full(len(boxes), -1)
        places[divisible] = np.arange(len(divisible))
        boxes, box_of = boxes.select(divisible), places[box_of]
        if len(divisible) < len(places):
            inside = (box_of >= 0).nonzero()[0]
            cells, box_of = cells.take(inside, axis=1), box_of[inside]
        cuts = plan.cuts(boxes)
        is_right = np.where(cuts.axes[box_of], cells[1], cells[0]) >= cuts.middles[box_of]
        box_of = 2 * box_of + is_right
        num_left = np.bincount(box_of, minlength=2 * len(boxes))[::2]
        yield boxes, cuts, num_left
        boxes = boxes.halves(cuts, num_left)
