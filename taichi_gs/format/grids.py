"""Grids whose boxes are cut in two again and again, until each has one cell: how points on them are coded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taichi_gs.format.probabilities import SHARES
from taichi_gs.model.quantized import IntArray

BoolArray = NDArray[np.bool_]

MAX_COUNT_BITS = 8
"""Counts of more bits than this are coded in two parts, so that no beta-binomial table has more than 256 entries."""

_AXES = np.array([[0], [1]])


@dataclass(frozen=True)
class Grid:
    """A grid of cells, and how likely points are beforehand.

    Attributes:
        rows: [R + 1] int64, ascending from 0, the weight of all rows before each; likely rows have much.
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
        lefts: [M], the length of the left half along the axis that is cut.
        shares: [M], its share of the box's weight, in units of 1 / SHARES.
    """

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
        first = boxes.corners[1 + boxes.axes(), np.arange(len(boxes))]
        last = first + boxes.longest_sides()
        low, high = self.weights[first], self.weights[last]
        middle = self.weights.searchsorted(low + high >> 1)
        middle = middle.clip(first + 1, last - 1)
        total = high - low
        shares = (2 * SHARES * (self.weights[middle] - low) + total) // (2 * total)
        return Cuts(middle - first, shares.clip(1, SHARES - 1))


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

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, which: BoolArray) -> Boxes:
        """Return the boxes where `which` [M] bool holds."""
        return Boxes(self._table[:, which])

    def halves(self, cuts: Cuts, num_left: IntArray) -> Boxes:
        """Return the left and the right half of every box in turn [2 M], with `num_left` [M] points in the left one."""
        # By how much the right half begins later, which along the other axis is not at all.
        shifts = (self.axes() == _AXES) * cuts.lefts
        table = self._table.repeat(2, axis=1)
        left, right = table[:, ::2], table[:, 1::2]
        np.copyto(left[3:5], shifts, where=shifts > 0)
        left[5] = num_left
        right[1:3] += shifts
        right[3:5] -= shifts
        right[5] -= num_left
        return Boxes(table)

    def areas(self) -> IntArray:
        """[M], in cells."""
        areas: IntArray = self.sides[0] * self.sides[1]
        return areas

    def divisible(self) -> BoolArray:
        """[M], whether there is anything to be said about where the points of a box are."""
        divisible: BoolArray = (self.areas() > 1) & (self.counts > 0)
        return divisible

    def axes(self) -> IntArray:
        """[M], the axis along which each box is cut: 1 (columns) unless there are more rows than columns."""
        axes: IntArray = (self.sides[1] >= self.sides[0]).astype(np.int64)
        return axes

    def longest_sides(self) -> IntArray:
        """[M], the sides along these axes."""
        longest: IntArray = np.maximum(self.sides[0], self.sides[1])
        return longest

    def count_shifts(self) -> IntArray:
        """[M], how many low bits of each box's counts are coded apart."""
        shifts: IntArray = np.maximum(_bit_lengths(self.counts) - MAX_COUNT_BITS, 0)
        return shifts


def splits(multisets: Sequence[tuple[IntArray, Grid]]) -> Iterator[tuple[Boxes, Cuts, IntArray]]:
    """Yield, level by level, the boxes, where they are cut, and how many of their cells lie in each left half."""
    plan = Plan.of([grid for _, grid in multisets])
    boxes = plan.whole([len(cells) for cells, _ in multisets])
    cells = np.concatenate([cells + plan.starts[:, layer] for layer, (cells, _) in enumerate(multisets)]).T
    box_of = np.repeat(np.arange(len(boxes)), boxes.counts)
    while len(boxes):
        divisible = boxes.divisible()
        inside = divisible[box_of]
        cells, box_of = cells[:, inside], (np.cumsum(divisible) - 1)[box_of[inside]]
        boxes = boxes.select(divisible)
        axes, every, cuts = boxes.axes(), np.arange(len(boxes)), plan.cuts(boxes)
        middles = boxes.corners[1 + axes, every] + cuts.lefts
        is_right = cells[axes[box_of], np.arange(len(box_of))] >= middles[box_of]
        box_of = 2 * box_of + is_right
        num_left = np.bincount(box_of, minlength=2 * len(boxes))[::2]
        yield boxes, cuts, num_left
        boxes = boxes.halves(cuts, num_left)


def _bit_lengths(values: IntArray) -> IntArray:
    """Return the number of bits of non-negative integers below 2**53: 0 for 0, 1 for 1, 2 for 2 and 3."""
    exponents: NDArray[np.int32] = np.frexp(values.astype(np.float64))[1]
    return exponents.astype(np.int64)
