"""Pictures for the conformance set, of integers that are chosen, or drawn by dice that always fall the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taichi_gs.model.channels import quantizers_of
from taichi_gs.model.lattice import lattice_of_picture, rows_of
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

Span = tuple[float, float]
"""Between what the values of a channel are."""

SHAPES: tuple[Span, ...] = ((-1.0, 4.6), (-1.5, 1.3), (-1.5, 1.3))
COLORS: tuple[Span, ...] = ((0.0, 0.94), (-0.5, 0.44), (-0.5, 0.44))
FLAT: tuple[Span, ...] = ((24.0, 27.75), (-0.5, 0.44), (-0.5, 0.44))
WHOLE_SHAPES: tuple[Span, ...] = ((-40.0, 40.0), (-8.0, 8.0), (-8.0, 8.0))
TURNED: tuple[Span, ...] = ((-8.0, 7.0), (-8.0, 7.0))
BEYOND: tuple[Span, ...] = ((-1.0, 2.0), (-1.0, 1.0), (-1.0, 1.0))
BRIGHT: tuple[Span, ...] = ((0.75, 0.985), (-0.125, 0.11), (-0.125, 0.11))
OPACITIES: Span = (-4.0, 3.5)
WEIGHTS: Span = (-0.5, 0.44)
FRONT_TO_BACK = (*SHAPES, *COLORS, OPACITIES)
NORMALIZED = (*SHAPES, *COLORS, WEIGHTS)

STEPS = (14, 18, 18, 8, 8, 8, 12)
"""Step codes, such that about 16 symbols are in each of FRONT_TO_BACK."""


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
    covariances: Sequence[Sequence[float]],
    colors: Sequence[Sequence[float]],
    columns: int = 11,
    steps: Sequence[int] = STEPS,
    area_code: int = 0,
    background: tuple[int, int, int] = (204, 119, 34),
    seed: int = 0,
    **fields: Any,
) -> QuantizedGaussians:
    """Return a picture of N Gaussians: cells [N, 2], values [N, 3] and [N, 4], offsets by chance, and `fields`."""
    usual: dict[str, Any] = {"image_size": (18, 21), "blending": "alpha", "subdivision": 0, "is_gray": False, **fields}
    quantizers = quantizers_of(steps, area_code, usual["blending"], is_gray=usual["is_gray"])
    made = QuantizedGaussians(
        **usual,
        grid_size=(rows_of(columns, usual["image_size"]), columns),
        background=np.array(background, dtype=np.uint8),
        cells=integers(cells, 2),
        offsets=np.zeros((len(cells), 2), dtype=np.int64),
        covariance_codebook=_codebook(covariances, quantizers[:3]),
        covariance_indices=np.arange(len(cells)),
        color_codebook=_codebook(colors, quantizers[3:]),
        color_indices=np.arange(len(cells)),
    )
    dice = Dice(seed)
    offsets = [dice.tuple_below(levels) for levels in lattice_of_picture(made).levels.tolist()]
    return replace(made, offsets=integers(offsets, 2))


def random_picture(
    num_gaussians: int,
    num_codewords: tuple[int, int] = (5, 6),
    spans: Sequence[Span] = FRONT_TO_BACK,
    columns: int = 11,
    cells: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    **options: Any,
) -> QuantizedGaussians:
    """Return a picture with Gaussians by chance, and with exactly so many codewords in either codebook."""
    dice = Dice(seed)
    blending, is_gray = options.get("blending", "alpha"), options.get("is_gray", False)
    steps, area_code = options.get("steps", STEPS), options.get("area_code", 0)
    quantizers = quantizers_of(steps, area_code, blending, is_gray=is_gray)
    drawn = []
    for count, channels in zip(num_codewords, (slice(0, 3), slice(3, 7)), strict=True):
        own = quantizers[channels]
        lows, highs = ([symbol_of(v[end], q) for v, q in zip(spans[channels], own, strict=True)] for end in (0, 1))
        codewords: dict[tuple[float, ...], None] = {}
        while len(codewords) < min(count, num_gaussians):
            above = dice.tuple_below([high - low + 1 for low, high in zip(lows, highs, strict=True)])
            symbols = zip(own, lows, above, strict=True)
            codewords[tuple(q.minimum + q.step * (low + more) for q, low, more in symbols)] = None
        choices = list(codewords)
        # Every codeword once, and then any.
        drawn.append([choices[i if i < len(choices) else dice.below(len(choices))] for i in range(num_gaussians)])
    if cells is None:
        grid_size = (rows_of(columns, options.get("image_size", (18, 21))), columns)
        cells = [dice.tuple_below(grid_size) for _ in range(num_gaussians)]
    return picture(cells, *drawn, columns=columns, seed=seed, **options)


def normalized(num_gaussians: int, **options: Any) -> QuantizedGaussians:
    """Return a random picture with normalised blending."""
    usual = {"spans": NORMALIZED, "blending": "normalized", "steps": (*STEPS[:6], 16)}
    return random_picture(num_gaussians, **{**usual, **options})


def gray(num_gaussians: int, **options: Any) -> QuantizedGaussians:
    """Return a gray random picture, with normalised blending unless told otherwise."""
    make = random_picture if options.get("blending") == "alpha" else normalized
    return make(num_gaussians, **{"background": (85, 85, 85), **options}, is_gray=True)


def with_grain(
    quantized: QuantizedGaussians, strengths: Sequence[int] = (0, 1, 2, 3, 4, 5, 6, 7)
) -> QuantizedGaussians:
    """Return a picture with these strengths of grain, in turn, in the order of its sorted codebook."""
    sorted_picture = quantized.canonical()
    grain = np.resize(np.array(strengths, dtype=np.int64), len(sorted_picture.color_codebook))
    return replace(sorted_picture, grain=grain)


def with_span(channel: int, low: float, high: float, spans: Sequence[Span] = FRONT_TO_BACK) -> tuple[Span, ...]:
    """Spans of which that of one channel is (low, high)."""
    return (*spans[:channel], (low, high), *spans[channel + 1 :])


def symbol_of(value: float, quantizer: UniformQuantizer) -> int:
    """Return the symbol that is the nearest to a value."""
    symbol = round((value - quantizer.minimum) / quantizer.step) if quantizer.step else 0
    return min(max(symbol, 0), quantizer.num_levels - 1)


def integers(rows: Sequence[Sequence[int]], num_columns: int) -> Any:
    return np.array(rows, dtype=np.int64).reshape(-1, num_columns)


def _codebook(values: Sequence[Sequence[float]], quantizers: tuple[UniformQuantizer, ...]) -> QuantizedCodebook:
    symbols = [[symbol_of(value, q) for value, q in zip(row, quantizers, strict=True)] for row in values]
    return QuantizedCodebook(integers(symbols, len(quantizers)), quantizers)
