"""Changes of what a file holds: integers that still make a picture, if not one that an encoder would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np

from fuzz.field_edits import EDGES
from taichi_gs.format.limits import Limits
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import MAX_AREA_CODE, MAX_DIFFERENCE, MAX_STEP_CODE, codes_of, quantizers_of
from taichi_gs.model.lattice import MAX_COLUMNS, MAX_SUBDIVISION_CODE, rows_of, subdivision_of
from taichi_gs.model.quantized import (
    BACKGROUND_UNIT,
    COVARIANCE_CHANNELS,
    NUM_CHANNELS,
    NUM_GRAIN_LEVELS,
    QuantizedCodebook,
    QuantizedGaussians,
    UniformQuantizer,
)


def edit_content(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Change one thing; offsets may then lie beyond their lattices."""
    return random.choice(_EDITS)(random, picture)


def _side(random: Random, side: int) -> int:
    """A side that is possible, most of them small, since it takes the time of its pixels to draw a picture."""
    if random.random() < 0.1:
        return random.choice([edge for edge in EDGES if 0 < edge <= MAX_COLUMNS])
    return max(1, min(random.choice((1, side - 1, side + 1, 2 * side, int(2 ** random.uniform(0, 11)))), MAX_COLUMNS))


def _resize(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    height, width = picture.image_size
    size = _side(random, height), _side(random, width)
    return _on_grid(replace(picture, image_size=size), picture.grid_size[1])


def _regrid(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    return _on_grid(picture, _side(random, picture.grid_size[1]))


def _on_grid(picture: QuantizedGaussians, columns: int) -> QuantizedGaussians:
    """Give it the one grid that has so many columns."""
    size = rows_of(columns, picture.image_size), columns
    return replace(picture, grid_size=size, cells=np.minimum(picture.cells, np.array(size) - 1))


def _gather(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Move all Gaussians into one cell, or into a corner's."""
    cell = random.choice((picture.cells[0], np.zeros(2, np.int64), np.array(picture.grid_size) - 1))
    return replace(picture, cells=np.broadcast_to(cell, picture.cells.shape).copy())


def _multiply(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Take fewer of the Gaussians, or some thousand times the same ones, or as many as there may be."""
    most = Limits().max_gaussians + random.choice((0, 1)) if random.random() < 0.1 else random.randint(1, 6000)
    count = random.choice((1, 2, len(picture) // 2, 2 * len(picture), 4096, most))
    taken = np.resize(np.arange(random.choice((1, len(picture)))), count)
    arrays = {
        name: getattr(picture, name)[taken] for name in ("cells", "offsets", "covariance_indices", "color_indices")
    }
    return replace(picture, **arrays)


def _swap_indices(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    name, codebook = random.choice(
        (("covariance_indices", picture.covariance_codebook), ("color_indices", picture.color_codebook))
    )
    generator = np.random.default_rng(random.randrange(2**32))
    indices = generator.integers(0, random.choice((1, len(codebook))), len(picture))
    return _with(picture, **{name: indices})


def _stretch(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Give one channel of a codebook symbols at its ends or anywhere, and perhaps another step."""
    codes, area_code = _codes(picture)
    channel = random.randrange(NUM_CHANNELS)
    if random.random() < 0.5:
        codes[channel] += random.randint(-MAX_DIFFERENCE, MAX_DIFFERENCE)
    picture = _rounded(picture, codes, area_code, picture.blending)
    name = "covariance_codebook" if channel < COVARIANCE_CHANNELS else "color_codebook"
    codebook: QuantizedCodebook = getattr(picture, name)
    own = channel if channel < COVARIANCE_CHANNELS else channel - COVARIANCE_CHANNELS
    top = codebook.quantizers[own].num_levels - 1
    symbols = codebook.symbols.copy()
    generator = np.random.default_rng(random.randrange(2**32))
    symbols[:, own] = random.choice(
        (np.full(len(codebook), random.choice((0, top))), generator.integers(0, top + 1, len(codebook)))
    )
    return _with(picture, **{name: replace(codebook, symbols=symbols)})


def _round_otherwise(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Give all channels other steps, or other areas."""
    codes, area_code = _codes(picture)
    if random.random() < 0.5:
        areas = (0, area_code - 1, area_code + 1, MAX_AREA_CODE, random.randint(0, MAX_AREA_CODE))
        return _rounded(picture, codes, min(max(random.choice(areas), 0), MAX_AREA_CODE), picture.blending)
    first = random.choice((0, MAX_STEP_CODE, random.randint(0, MAX_STEP_CODE)))
    apart = random.choice((0, random.randint(0, MAX_DIFFERENCE)))
    return _rounded(picture, [first + random.choice((-apart, apart)) for _ in codes], area_code, picture.blending)


def _blend_otherwise(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    codes, area_code = _codes(picture)
    return _rounded(picture, codes, area_code, "alpha" if picture.blending == "normalized" else "normalized")


def _quantizers(picture: QuantizedGaussians) -> tuple[UniformQuantizer, ...]:
    return *picture.covariance_codebook.quantizers, *picture.color_codebook.quantizers


def _codes(picture: QuantizedGaussians) -> tuple[list[int], int]:
    """The step codes of the seven channels, and the area code."""
    return codes_of(_quantizers(picture), picture.blending, is_gray=picture.is_gray)


def _rounded(
    picture: QuantizedGaussians, codes: Sequence[int], area_code: int, blending: Blending
) -> QuantizedGaussians:
    """Round to these steps, as far as there are such."""
    first = min(max(codes[0], 0), MAX_STEP_CODE)
    low, high = max(0, first - MAX_DIFFERENCE), min(first + MAX_DIFFERENCE, MAX_STEP_CODE)
    codes = [min(max(code, low), high) for code in [first, *codes[1:]]]
    new = quantizers_of(codes, area_code, blending, is_gray=picture.is_gray)
    covariances = _requantized(picture.covariance_codebook, new[:COVARIANCE_CHANNELS])
    colors = _requantized(picture.color_codebook, new[COVARIANCE_CHANNELS:])
    return replace(picture, blending=blending, covariance_codebook=covariances, color_codebook=colors)


def _requantized(codebook: QuantizedCodebook, quantizers: tuple[UniformQuantizer, ...]) -> QuantizedCodebook:
    """Round the values of a codebook with other quantisers."""
    columns = []
    for symbols, own, new in zip(codebook.symbols.T, codebook.quantizers, quantizers, strict=True):
        values = own.minimum + own.step * symbols
        nearest = np.rint((values - new.minimum) / new.step) if new.step else np.zeros(len(values))
        columns.append(nearest.clip(0, new.num_levels - 1).astype(np.int64))
    return QuantizedCodebook(np.stack(columns, axis=1), quantizers)


def _subdivide(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    code = random.choice((0, 1, 43, 80, MAX_SUBDIVISION_CODE, random.randint(0, MAX_SUBDIVISION_CODE)))
    return replace(picture, subdivision=subdivision_of(code))


def _color_background(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    levels = [random.choice((0, 255, BACKGROUND_UNIT * random.randrange(16))) for _ in range(3)]
    return replace(picture, background=np.array(levels[:1] * 3 if picture.is_gray else levels, np.uint8))


def _change_grain(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Take grain away, or give some to each colour, to none, or the most to all."""
    generator = np.random.default_rng(random.randrange(2**32))
    most, count = NUM_GRAIN_LEVELS - 1, len(picture.color_codebook)
    strengths = (None, np.zeros(count, np.int64), np.full(count, most), generator.integers(0, most + 1, count))
    return replace(picture, grain=random.choice(strengths))


def _with(picture: QuantizedGaussians, **changes: object) -> QuantizedGaussians:
    """Replace fields whose names are found at run time."""
    return replace(picture, **changes)  # type: ignore[arg-type]


_EDITS = (
    *(_resize, _regrid, _gather, _multiply, _swap_indices, _color_background, _change_grain),
    *(_stretch, _stretch, _stretch, _round_otherwise, _subdivide, _blend_otherwise),
)
