"""Dividing what is drawn into parts, each of which needs little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.projection import Projected
from taichi_gs.kernels.tiles import TILE, num_tiles, reached_tiles

SAMPLES_PER_PART, PAIRS_PER_PART = 1 << 21, 1 << 20
"""The floats of a part need no more memory than those of a picture of this size, and its lists no more than those of so
many pairs of a Gaussian and a tile, or of those of one to nine tiles if these have more.

Pixels may depend on this in their last digits: means are rounded once they are counted from the corner of a part."""

SIDE_OF_PART = 4096
"""At most: the further a mean is from the corner, the fewer digits does single precision leave it after the point."""

_Y, _X = 0, 1


@dataclass(frozen=True)
class Reach:
    """Gaussians, and the rectangle of tiles that each of them reaches.

    Attributes:
        which: [M] int32, ascending, the Gaussians among those of a picture.
        first, last: [2, M] int32 each, the (row, column) of the first tile and the one after the last.
    """

    which: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]

    @classmethod
    def of(cls, projected: Projected) -> Reach:
        """What the Gaussians of a picture reach, but for those that reach nothing."""
        left, top, widths, heights = reached_tiles(projected.means, projected.extents, projected.image_size)
        visible = ((widths > 0) & (heights > 0)).nonzero()[0]
        left, top, widths, heights = (side[visible] for side in (left, top, widths, heights))
        return cls(visible.astype(np.int32), np.stack([top, left]), np.stack([top + heights, left + widths]))

    @property
    def num_pairs(self) -> int:
        """Pairs of a Gaussian and a tile; they may be more than memory would hold."""
        rows, columns = (self.last - self.first).astype(np.float64)
        return int(np.dot(rows, columns))

    def within(self, axis: int, start: int, stop: int) -> Reach:
        """Return what is in the rows, or the columns, of tiles from `start` to before `stop`."""
        inside = ((self.last[axis] > start) & (self.first[axis] < stop)).nonzero()[0]
        first, last = self.first[:, inside], self.last[:, inside]
        np.maximum(first[axis], start, out=first[axis])
        np.minimum(last[axis], stop, out=last[axis])
        return Reach(self.which[inside], first, last)

    def pairs_along(self, axis: int, start: int, stop: int) -> NDArray[np.float64]:
        """Return how many pairs each row, or column, of tiles has from `start` to before `stop`, where all are."""
        lengths = (self.last - self.first)[1 - axis]
        begun, ended = (
            np.bincount(ends[axis] - start, lengths, minlength=stop - start + 1) for ends in (self.first, self.last)
        )
        return np.cumsum(begun - ended)[:-1]


def divide(projected: Projected, reach: Reach, samples: tuple[int, int]) -> Iterator[tuple[int, int, Projected]]:
    """Yield the (left, top) of each part of a picture, in its samples, and the part, ready to be drawn.

    The picture is cut into columns, these into rows, and a row that still has too many pairs into columns again.
    What reaches a part is copied when it is its turn, and dropped afterwards. So memory does not grow with the number
    of parts, and that grows with samples and with pairs.

    Args:
        projected: the picture.
        reach: of all its Gaussians.
        samples: (down, across) a pixel; parts have whole pixels.
    """
    height, width = projected.image_size
    if _is_small(height, width) and reach.num_pairs <= PAIRS_PER_PART:
        yield 0, 0, projected.drawable()
        return
    rows, columns = num_tiles(projected.image_size)
    # The tiles that have whole pixels together.
    step_y, step_x = (math.lcm(TILE, count) // TILE for count in samples)
    most_across = SIDE_OF_PART // TILE // step_x
    most_down = max(1, min(SIDE_OF_PART, SAMPLES_PER_PART // min(width, SIDE_OF_PART)) // TILE // step_y)
    for left, right in _spans(np.zeros(columns), step_x, most_across):
        band = reach.within(_X, left, right)
        for top, bottom in _spans(band.pairs_along(_Y, 0, rows), step_y, most_down):
            strip = band.within(_Y, top, bottom)
            for start, stop in _spans(strip.pairs_along(_X, left, right), step_x, most_across):
                cell = strip.within(_X, left + start, left + stop)
                x, y = TILE * (left + start), TILE * top
                size = min(TILE * bottom, height) - y, min(TILE * (left + stop), width) - x
                yield x, y, projected.part(cell.which, (x, y), size).drawable()


def _is_small(height: int, width: int) -> bool:
    return height * width <= SAMPLES_PER_PART and max(height, width) <= SIDE_OF_PART


def _spans(pairs: NDArray[np.float64], step: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of spans of rows or columns of tiles, which have so many pairs each, one after another.

    A span has at most PAIRS_PER_PART pairs and at most `most` steps, unless a single step has more.
    """
    start, total = 0, 0.0
    for at, added in enumerate(np.add.reduceat(pairs, np.arange(0, len(pairs), step)).tolist()):
        if at > start and (at - start == most or total + added > PAIRS_PER_PART):
            yield step * start, step * at
            start, total = at, 0.0
        total += added
    yield step * start, len(pairs)
