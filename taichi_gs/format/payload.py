"""The payload of a .tgs file, most of its bytes: the integers of a picture, entropy-coded as one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from taichi_gs.errors import BitstreamError
from taichi_gs.format.entropy import SymbolDecoder, SymbolEncoder
from taichi_gs.format.grids import Grid
from taichi_gs.format.header import Header
from taichi_gs.format.priors import cumulative_weights
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import (
    MAX_AREA_CODE,
    MAX_DIFFERENCE,
    MAX_STEP_CODE,
    codes_of,
    present_channels,
    quantizers_of,
)
from taichi_gs.model.lattice import Lattice, lattice_of, lattice_of_picture
from taichi_gs.model.quantized import (
    BACKGROUND_UNIT,
    COVARIANCE_CHANNELS,
    NUM_CHANNELS,
    NUM_GRAIN_LEVELS,
    CodedVectors,
    IntArray,
    QuantizedCodebook,
    QuantizedGaussians,
    UniformQuantizer,
)

_BACKGROUND_LEVELS = 255 // BACKGROUND_UNIT + 1

_AREAS_AND_STEPS = np.array([MAX_AREA_CODE + 1, MAX_STEP_CODE + 1])

_DIFFERENCES = np.array([1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64, 96, 120, 96, 64, 32, 16, 8, 4, 2, 2, 1, 1, 1, 1])
"""The weights of the differences, -12 to 12, between the step codes of the other channels and that of m."""


class _Codebooks(NamedTuple):
    """What both codebooks are coded with, by channel.

    Attributes:
        quantizers: of the seven channels.
        weights: cumulative, of the symbols of each.
    """

    quantizers: tuple[UniformQuantizer, ...]
    weights: list[IntArray]

    @classmethod
    def of(cls, quantizers: tuple[UniformQuantizer, ...], blending: Blending) -> _Codebooks:
        """What codebooks with these quantisers are coded with."""
        weights = [cumulative_weights(channel, own, blending) for channel, own in enumerate(quantizers)]
        return cls(quantizers, weights)

    def grid(self, first: int) -> Grid:
        """Of the first two channels of a codebook, which is sorted by them."""
        return Grid(self.weights[first], self.weights[first + 1])


def encode_payload(quantized: QuantizedGaussians) -> bytes:
    """Code a canonical picture.

    Raises:
        BitstreamError: if the format does not have its quantisers or its background.
        ValueError: if a cell, an offset, an index or a symbol is out of the range that `quantized` itself gives it.
    """
    encoder = SymbolEncoder()
    levels = quantized.background[: 1 if quantized.is_gray else 3].astype(np.int64)
    if (levels % BACKGROUND_UNIT).any():
        raise BitstreamError(f"The format cannot hold the background {levels.tolist()}.")
    encoder.uniform(levels // BACKGROUND_UNIT, np.full(len(levels), _BACKGROUND_LEVELS))
    if not len(quantized):
        return encoder.finish()
    quantizers = (*quantized.covariance_codebook.quantizers, *quantized.color_codebook.quantizers)
    step_codes, area_code = codes_of(quantizers, quantized.blending, is_gray=quantized.is_gray)
    present = present_channels(is_gray=quantized.is_gray)
    differences = np.array(step_codes)[present[1:]] - step_codes[0] + MAX_DIFFERENCE
    if (abs(differences - MAX_DIFFERENCE) > MAX_DIFFERENCE).any():
        raise BitstreamError("The format cannot hold steps that differ so much.")
    encoder.uniform(np.array([area_code, step_codes[0]]), _AREAS_AND_STEPS)
    encoder.weighted(differences, _DIFFERENCES)
    codebooks = _Codebooks.of(quantizers, quantized.blending)
    (shapes, shape_indices), (colors, color_indices) = quantized.covariances, quantized.colors
    ordered = [(shape_indices, len(shapes)), (color_indices, len(colors))]
    if quantized.grain is not None:
        ordered.append((quantized.grain, NUM_GRAIN_LEVELS))
    encoder.points(
        [
            (quantized.cells, Grid.uniform(*quantized.grid_size)),
            (shapes.symbols[:, :2], codebooks.grid(0)),
            (colors.symbols[:, :2], codebooks.grid(COVARIANCE_CHANNELS)),
            *((_on_line(symbols), Grid.uniform(1, num_levels)) for symbols, num_levels in ordered),
        ]
    )
    for codebook, first in ((shapes, 0), (colors, COVARIANCE_CHANNELS)):
        for own, symbols in enumerate(codebook.symbols.T[2:], first + 2):
            encoder.weighted(symbols, np.diff(codebooks.weights[own]))
    for symbols, num_levels in ordered:
        encoder.order(symbols, num_levels)
    levels = lattice_of_picture(quantized).levels
    for axis in (1, 0):
        encoder.uniform(quantized.offsets[:, axis], levels[:, axis])
    return encoder.finish()


def decode_payload(payload: bytes, header: Header) -> tuple[QuantizedGaussians, Lattice]:
    """Return the picture that `encode_payload` has coded, and its lattices, which take time to find.

    Raises:
        BitstreamError: if `payload` cannot be its work.
    """
    decoder = SymbolDecoder(payload)
    background = decoder.uniform(np.full(1 if header.is_gray else 3, _BACKGROUND_LEVELS)) * BACKGROUND_UNIT
    codebooks = _decode_quantizers(decoder, header)
    n, shape_k, color_k = header.num_gaussians, header.covariance_k, header.color_k
    lines = [(n, shape_k), (n, color_k), *([(color_k, NUM_GRAIN_LEVELS)] if header.has_grain else [])]
    cells, shapes, colors, *on_lines = decoder.points(
        [
            (n, Grid.uniform(*header.grid_size)),
            (shape_k, codebooks.grid(0)),
            (color_k, codebooks.grid(COVARIANCE_CHANNELS)),
            *((count, Grid.uniform(1, max(num_levels, 1))) for count, num_levels in lines),
        ]
    )
    shape_codebook = _decode_codebook(decoder, shapes, codebooks, range(COVARIANCE_CHANNELS))
    color_codebook = _decode_codebook(decoder, colors, codebooks, range(COVARIANCE_CHANNELS, NUM_CHANNELS))
    shape_indices, color_indices, *grain = [
        decoder.order(np.bincount(points[:, 1], minlength=num_levels))
        for points, (_, num_levels) in zip(on_lines, lines, strict=True)
    ]
    covariances, coded_colors = CodedVectors(shape_codebook, shape_indices), CodedVectors(color_codebook, color_indices)
    lattice = lattice_of(
        covariances, coded_colors, header.grid_size, header.image_size, header.subdivision, header.blending
    )
    offsets = np.empty_like(cells)
    for axis in (1, 0):
        offsets[:, axis] = decoder.uniform(lattice.levels[:, axis])
    decoder.finish()
    quantized = QuantizedGaussians(
        image_size=header.image_size,
        background=np.broadcast_to(background, 3).astype(np.uint8),
        blending=header.blending,
        grid_size=header.grid_size,
        cells=cells,
        subdivision=header.subdivision,
        offsets=offsets,
        covariance_codebook=covariances.codebook,
        covariance_indices=covariances.indices,
        color_codebook=coded_colors.codebook,
        color_indices=coded_colors.indices,
        is_gray=header.is_gray,
        grain=grain[0] if grain else None,
    )
    return quantized, lattice


def _decode_quantizers(decoder: SymbolDecoder, header: Header) -> _Codebooks:
    """What the codebooks are coded with; of a picture without Gaussians nothing is coded."""
    step_codes, area_code = [0] * NUM_CHANNELS, 0
    if header.num_gaussians:
        area_code, first = decoder.uniform(_AREAS_AND_STEPS).tolist()
        present = present_channels(is_gray=header.is_gray)
        others = (first + decoder.weighted(len(present) - 1, _DIFFERENCES) - MAX_DIFFERENCE).tolist()
        if min(others) < 0 or max(others) > MAX_STEP_CODE:
            raise BitstreamError("The payload is damaged: it has a step that cannot be.")
        for channel, code in zip(present, [first, *others], strict=True):
            step_codes[channel] = code
    quantizers = quantizers_of(step_codes, area_code, header.blending, is_gray=header.is_gray)
    return _Codebooks.of(quantizers, header.blending)


def _decode_codebook(
    decoder: SymbolDecoder, first_two: IntArray, codebooks: _Codebooks, channels: Sequence[int]
) -> QuantizedCodebook:
    """The codebook of some of the seven channels, of which the first two [K, 2] are known."""
    others = [decoder.weighted(len(first_two), np.diff(codebooks.weights[channel])) for channel in channels[2:]]
    quantizers = tuple(codebooks.quantizers[channel] for channel in channels)
    return QuantizedCodebook(np.column_stack([first_two, *others]), quantizers)


def _on_line(symbols: IntArray) -> IntArray:
    """Symbols [N] as cells [N, 2] of a grid of one row."""
    return np.stack([np.zeros_like(symbols), symbols], axis=1)
