"""Pictures for the conformance set, of integers that are chosen, or drawn by dice that always fall the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

Range = tuple[float, float, int]
"""Minimum, step and bits of a channel."""

SHAPES: tuple[Range, ...] = ((-1.0, 0.375, 4), (-1.5, 0.1875, 4), (-1.5, 0.1875, 4))
COLORS: tuple[Range, ...] = ((0.0, 0.0625, 4), (-0.5, 0.0625, 4), (-0.5, 0.0625, 4))
FLAT: tuple[Range, ...] = ((24.0, 0.25, 4), (-0.5, 0.0625, 4), (-0.5, 0.0625, 4))
EXTREME: tuple[Range, ...] = ((-32.0, 64.0, 1), (-8.0, 16.0, 1), (-8.0, 16.0, 1))
TURNED: tuple[Range, ...] = ((-8.0, 1.0, 4), (-8.0, 1.0, 4))
BEYOND: tuple[Range, ...] = ((-2.0, 0.3125, 4), (-2.0, 0.25, 4), (-2.0, 0.25, 4))
BRIGHT: tuple[Range, ...] = ((0.75, 0.015625, 4), (-0.125, 0.015625, 4), (-0.125, 0.015625, 4))
OPACITIES: Range = (-4.0, 0.5, 4)
WEIGHTS: Range = (-0.5, 0.0625, 4)
ALPHA_BLENDED = (*SHAPES, *COLORS, OPACITIES)
NORMALIZED = (*SHAPES, *COLORS, WEIGHTS)


@dataclass(frozen=True)
class Case:
    """A file, its name without the suffix, and what it is there for."""

    name: str
    about: str
    data: bytes


class Dice(random.Random):
    """Random numbers that are the same under every version of Python, which only promises `random()`."""

    def below(self, bound: int) -> int:
        return int(self.random() * bound)

    def tuple_below(self, bounds: Sequence[int]) -> tuple[int, ...]:
        return tuple(map(self.below, bounds))


def picture(
    cells: Sequence[Sequence[int]],
    covariances: Sequence[Sequence[int]],
    colors: Sequence[Sequence[int]],
    ranges: Sequence[Range] = ALPHA_BLENDED,
    background: tuple[int, int, int] = (200, 120, 40),
    seed: int = 0,
    **fields: Any,
) -> QuantizedGaussians:
    """Return a picture of N Gaussians: cells [N, 2], symbols [N, 3] and [N, 4], offsets by chance, and `fields`."""
    quantizers = tuple(UniformQuantizer(*values) for values in ranges)
    usual: dict[str, Any] = {"image_size": (18, 21), "grid_size": (9, 11), "blending": "alpha", "subdivision": 0}
    made = QuantizedGaussians(
        **{**usual, **fields},
        background=np.array(background, dtype=np.uint8),
        cells=integers(cells, 2),
        offsets=np.zeros((len(cells), 2), dtype=np.int64),
        covariance_codebook=QuantizedCodebook(integers(covariances, 3), quantizers[:3]),
        covariance_indices=np.arange(len(cells)),
        color_codebook=QuantizedCodebook(integers(colors, 4), quantizers[3:]),
        color_indices=np.arange(len(cells)),
    )
    dice = Dice(seed)
    offsets = [dice.tuple_below(levels) for levels in lattice_of_picture(made).levels.tolist()]
    return replace(made, offsets=integers(offsets, 2))


def random_picture(
    num_gaussians: int,
    num_codewords: tuple[int, int] = (5, 6),
    ranges: Sequence[Range] = ALPHA_BLENDED,
    grid_size: tuple[int, int] = (9, 11),
    cells: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    **options: Any,
) -> QuantizedGaussians:
    """Return a picture with Gaussians by chance, and with exactly so many codewords in either codebook."""
    dice = Dice(seed)
    levels = [1 << bits for _, _, bits in ranges]
    drawn = []
    for count, own in zip(num_codewords, (levels[:3], levels[3:]), strict=True):
        codewords: dict[tuple[int, ...], None] = {}
        while len(codewords) < min(count, num_gaussians):
            codewords[dice.tuple_below(own)] = None
        choices = list(codewords)
        # Every codeword once, and then any.
        drawn.append([choices[i if i < len(choices) else dice.below(len(choices))] for i in range(num_gaussians)])
    if cells is None:
        cells = [dice.tuple_below(grid_size) for _ in range(num_gaussians)]
    return picture(cells, *drawn, ranges=ranges, grid_size=grid_size, seed=seed, **options)


def normalized(num_gaussians: int, **options: Any) -> QuantizedGaussians:
    """Return a random picture with normalised blending."""
    return random_picture(num_gaussians, **{"ranges": NORMALIZED, "blending": "normalized", **options})


def gray(num_gaussians: int, **options: Any) -> QuantizedGaussians:
    """Return a gray random picture."""
    ranges = options.pop("ranges", NORMALIZED)
    ranges = (*ranges[:4], (0.0, 0.0, 0), (0.0, 0.0, 0), ranges[6])
    options = {"blending": "normalized", "background": (90, 90, 90), **options}
    return random_picture(num_gaussians, ranges=ranges, is_gray=True, **options)


def with_range(channel: int, *values: float, ranges: Sequence[Range] = ALPHA_BLENDED) -> tuple[Any, ...]:
    """Ranges of which that of one channel is (minimum, step, bits)."""
    return (*ranges[:channel], values, *ranges[channel + 1 :])


def integers(rows: Sequence[Sequence[int]], num_columns: int) -> Any:
    return np.array(rows, dtype=np.int64).reshape(-1, num_columns)
