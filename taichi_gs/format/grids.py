"""Grids whose boxes are cut in two again and again, until each has one cell: how points on them are coded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from taichi_gs.format.probabilities import SHARES
from taichi_gs.model.quantized import IntArray

_SIDE_BITS = 24
"""More than a side of a grid needs."""


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


@dataclass(frozen=True)
class Plan:
    """How the boxes of several grids are cut; the grids count as layers of one.

    Where a box is cut depends on the side that it is cut along, and not on the other one. So the parts into which each
    side is cut again and again form a binary tree, and a box is two parts and a number of points. Parts are numbered
    over all sides, first those of one row or column, longer ones after shorter ones, and columns after as many rows:
    a box is cut along the side with the greater number.

    Attributes:
        wholes: [2, layers], the part that is all rows of each grid, and the one that is all columns.
        layers: [P], of which grid each part is a part of a side.
        is_column: [P], 1 for columns and 0 for rows.
        firsts: [P], the first of the rows or columns.
        halves: [P, 2], the left half and the right one; 0 for parts of one row or column.
        shares: [P], the share of the part's weight that the left half has, in units of 1 / SHARES; likewise.
        num_single: the number of parts of one row or column.
    """

    wholes: IntArray
    layers: IntArray
    is_column: IntArray
    firsts: IntArray
    halves: IntArray
    shares: IntArray
    num_single: int

    @classmethod
    def of(cls, grids: Sequence[Grid]) -> Plan:
        """Return the plan of grids."""
        sides = [side for grid in grids for side in (grid.rows, grid.columns)]
        lengths = [len(side) for side in sides]
        starts = np.array([0, *itertools.accumulate(lengths)])
        # All weights together ascend, so that one search finds the cuts of all sides.
        before = np.array([0, *itertools.accumulate(int(side[-1]) + 1 for side in sides)])[:-1]
        weights = np.concatenate(sides) + before.repeat(lengths)
        first, last = _parts_of(weights, starts[:-1], starts[1:] - 1)
        side = np.arange(len(sides)).repeat(lengths)[first]
        order = (2 * (last - first) + (side & 1)).argsort(kind="stable")
        numbers = np.empty_like(order)
        numbers[order] = np.arange(len(order))
        inner = (last - first > 1).nonzero()[0]
        # What follows the sides themselves is two halves of each part that has any.
        halves, shares = np.zeros((len(order), 2), dtype=np.int64), np.zeros_like(order)
        halves[numbers[inner]] = numbers[len(sides) :].reshape(-1, 2)
        shares[numbers[inner]] = _shares(*(weights[at] for at in (first[inner], last[len(sides) :: 2], last[inner])))
        firsts, side = (first - starts[side])[order], side[order]
        wholes = numbers[: len(sides)].reshape(-1, 2).T
        return cls(wholes, side >> 1, side & 1, firsts, halves, shares, len(order) - len(inner))

    def whole(self, counts: Sequence[int]) -> Boxes:
        """Return a box for each whole grid that has any of its number of points."""
        boxes = Boxes(np.stack([self.wholes.max(axis=0), self.wholes.min(axis=0), counts]))
        return boxes.select(boxes.counts.nonzero()[0])

    def cells(self, found: Sequence[Boxes]) -> list[IntArray]:
        """Return the cells [N, 2] of the points of each grid, in raster order, from boxes of one cell in any order."""
        longer, shorter, counts = np.concatenate([boxes.table for boxes in found], axis=1)
        # One number for a cell, with its layer in the highest bits, then its row, then its column.
        rows = self.layers << 2 * _SIDE_BITS | self.firsts << _SIDE_BITS
        addends = np.where(self.is_column, self.firsts, rows)
        cells = (addends[longer] + addends[shorter]).repeat(counts)
        cells.sort(kind="stable")  # because much of it is in order
        ends = cells.searchsorted(np.arange(1, self.wholes.shape[1]) << 2 * _SIDE_BITS)
        most = (1 << _SIDE_BITS) - 1
        return np.split(np.stack([cells >> _SIDE_BITS & most, cells & most], axis=1), ends)


def _parts_of(weights: IntArray, first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """The first and the last weights [P] of all parts that sides with these are cut into again and again.

    A part of more than one row is cut before the first row, but its own first, that half of the weight is before. Its
    halves come after all parts that are as often halved as itself, in the order of these.
    """
    firsts, lasts = [first], [last]
    while len(inner := (last - first > 1).nonzero()[0]):
        first, last = first[inner], last[inner]
        low = weights[first]
        # Every row has some weight, so that half of that of two rows or more is before none but the first.
        middle = np.minimum(weights.searchsorted(low + (weights[last] - low >> 1)), last - 1)
        edges = np.array([first, middle, last]).T
        first, last = edges[:, :2].ravel(), edges[:, 1:].ravel()
        firsts.append(first)
        lasts.append(last)
    return np.concatenate(firsts), np.concatenate(lasts)


def _shares(low: IntArray, middle: IntArray, high: IntArray) -> IntArray:
    """The shares of left halves, see `Plan`, given the weights before them, after them and after the parts."""
    total = high - low
    shares: IntArray = np.clip((2 * SHARES * (middle - low) + total) // (2 * total), 1, SHARES - 1)
    return shares


class Boxes:
    """M boxes of one level of the halving of several grids.

    Attributes:
        table: [3, M], the following ones.
        longer: [M], the part of a `Plan` along which each box would be cut.
        shorter: [M], the part that is its other side.
        counts: [M], of points.
    """

    def __init__(self, table: IntArray) -> None:
        """The rows of `table` [3, M] are the attributes in their order."""
        self.table = table
        self.longer, self.shorter, self.counts = table

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, which: IntArray) -> Boxes:
        """Return the boxes with the numbers `which`."""
        return Boxes(self.table.take(which, axis=1))

    def halved(self, plan: Plan, num_left: IntArray) -> Boxes:
        """Return the left and the right half of every box in turn [2 M], with `num_left` [M] points in the left one."""
        table = np.empty((3, 2 * len(self)), dtype=np.int64)
        halves, others = plan.halves.take(self.longer, axis=0).ravel(), self.shorter.repeat(2)
        np.maximum(halves, others, out=table[0])
        np.minimum(halves, others, out=table[1])
        table[2, ::2] = num_left
        table[2, 1::2] = self.counts - num_left
        return Boxes(table)

    def single(self, plan: Plan) -> IntArray:
        """Return the numbers of the boxes of one cell that have points."""
        single: IntArray = ((self.longer < plan.num_single) & (self.counts > 0)).nonzero()[0]
        return single

    def divisible(self, plan: Plan) -> IntArray:
        """Return the numbers of the boxes where there is anything to be said about where their points are."""
        divisible: IntArray = ((self.longer >= plan.num_single) & (self.counts > 0)).nonzero()[0]
        return divisible


def splits(plan: Plan, multisets: Sequence[IntArray]) -> Iterator[tuple[Boxes, IntArray]]:
    """Yield, level by level, the boxes that are cut, and how many of their cells lie in each left half.

    Args:
        plan: of the grids.
        multisets: the cells [N, 2] of each.
    """
    boxes = plan.whole([len(cells) for cells in multisets])
    cells = np.concatenate(multisets).T.copy()
    box_of = np.repeat(np.arange(len(boxes)), boxes.counts)
    while len(divisible := boxes.divisible(plan)):
        # Where each box is among those that are left, and -1 for the others.
        places = np.full(len(boxes), -1)
        places[divisible] = np.arange(len(divisible))
        boxes, box_of = boxes.select(divisible), places[box_of]
        if len(divisible) < len(places):
            inside = (box_of >= 0).nonzero()[0]
            cells, box_of = cells.take(inside, axis=1), box_of[inside]
        middles = plan.firsts[plan.halves[boxes.longer, 1]]
        is_right = np.where(plan.is_column[boxes.longer][box_of], cells[1], cells[0]) >= middles[box_of]
        box_of = 2 * box_of + is_right
        num_left = np.bincount(box_of, minlength=2 * len(boxes))[::2]
        yield boxes, num_left
        boxes = boxes.halved(plan, num_left)
