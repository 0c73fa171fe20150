"""Changes of what a file holds: integers that still make a picture, if not one that an encoder would make."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from fuzz.field_edits import EDGES
from taichi_gs.format.limits import Limits
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


def edit_content(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Change one thing; offsets may then lie beyond their lattices."""
    return random.choice(_EDITS)(random, picture)


def _side(random: Random, side: int) -> int:
    """A side that is possible, most of them small, since it takes the time of its pixels to draw a picture."""
    if random.random() < 0.1:
        return random.choice([edge for edge in EDGES if 0 < edge <= 65535])
    return max(1, min(random.choice((1, side - 1, side + 1, 2 * side, int(2 ** random.uniform(0, 11)))), 65535))


def _resize(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    height, width = picture.image_size
    return replace(picture, image_size=(_side(random, height), _side(random, width)))


def _regrid(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    rows, columns = picture.grid_size
    size = (_side(random, rows), _side(random, columns))
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
    """Give one channel of a codebook another range or number of bits, and symbols at its ends or anywhere."""
    name = random.choice(("covariance_codebook", "color_codebook"))
    codebook: QuantizedCodebook = getattr(picture, name)
    channel = random.randrange(len(codebook.quantizers))
    bits = random.choice((0, 1, 3, 8, 12, codebook.quantizers[channel].bits))
    low, high = sorted(random.choice((-32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 12, 16, 24, 32)) for _ in range(2))
    step = float(np.float16((high - low) / max(1, (1 << bits) - 1)))
    if low + step * ((1 << bits) - 1) > high:
        step = float(np.nextafter(np.float16(step), np.float16(0)))
    quantizers = list(codebook.quantizers)
    quantizers[channel] = UniformQuantizer(float(low), step if step > 0 else 2.0**-24, bits)
    symbols = codebook.symbols.copy()
    generator = np.random.default_rng(random.randrange(2**32))
    top = (1 << bits) - 1
    symbols[:, channel] = random.choice(
        (np.full(len(codebook), random.choice((0, top))), generator.integers(0, top + 1, len(codebook)))
    )
    return _with(picture, **{name: QuantizedCodebook(symbols, tuple(quantizers))})


def _subdivide(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    return replace(picture, subdivision=random.choice((0, 1, 40, 1000, 65535)))


def _blend_otherwise(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    return replace(picture, blending="alpha" if picture.blending == "normalized" else "normalized")


def _with(picture: QuantizedGaussians, **changes: object) -> QuantizedGaussians:
    """Replace fields whose names are found at run time."""
    return replace(picture, **changes)  # type: ignore[arg-type]


_EDITS = (
    *(_resize, _regrid, _gather, _multiply, _swap_indices),
    *(_stretch, _stretch, _stretch, _subdivide, _blend_otherwise),
)
