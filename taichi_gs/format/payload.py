"""The payload of a .tgs file, most of its bytes: the integers of a picture, entropy-coded as one stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from taichi_gs.format.entropy import BLOCK_DIVISOR, GridSize, SymbolDecoder, SymbolEncoder
from taichi_gs.format.header import Header
from taichi_gs.model.lattice import Lattice, lattice_of, lattice_of_picture
from taichi_gs.model.quantized import CodedVectors, IntArray, QuantizedCodebook, QuantizedGaussians, UniformQuantizer

BLOCK_DIVISOR_1 = 16
"""What `entropy.BLOCK_DIVISOR` was in version 1."""


class _Plane(NamedTuple):
    """N symbols of one kind: a channel of a codebook, or the indices into one.

    Attributes:
        num_symbols: N.
        num_levels: every symbol is below it.
        is_sorted: whether they are in ascending order, so that their order needs no coding.
    """

    num_symbols: int
    num_levels: int
    is_sorted: bool = False

    @property
    def grid_size(self) -> GridSize:
        return (1, self.num_levels)


def _planes_of(num_gaussians: int, num_codewords: int, quantizers: tuple[UniformQuantizer, ...]) -> list[_Plane]:
    """The channels of a codebook, which is sorted by the first, and then the indices."""
    channels = [_Plane(num_codewords, q.num_levels, is_sorted=channel == 0) for channel, q in enumerate(quantizers)]
    return [*channels, _Plane(num_gaussians, num_codewords)]


def encode_payload(quantized: QuantizedGaussians) -> bytes:
    """Code a canonical picture.

    Raises:
        ValueError: if a cell, an offset, an index or a symbol is out of the range that `quantized` itself gives it.
    """
    planes: list[tuple[_Plane, IntArray]] = []
    for codebook, indices in (quantized.covariances, quantized.colors):
        shapes = _planes_of(len(quantized), len(codebook), codebook.quantizers)
        planes += zip(shapes, [*codebook.symbols.T, indices], strict=True)
    on_lines = [(np.stack([np.zeros_like(symbols), symbols], axis=1), plane.grid_size) for plane, symbols in planes]
    encoder = SymbolEncoder()
    encoder.points([(quantized.cells, quantized.grid_size), *on_lines])
    for plane, symbols in planes:
        if not plane.is_sorted:
            encoder.order(symbols, plane.num_levels)
    levels = lattice_of_picture(quantized).levels
    for axis in (1, 0):
        encoder.uniform(quantized.offsets[:, axis], levels[:, axis])
    return encoder.finish()


def decode_payload(payload: bytes, header: Header) -> tuple[QuantizedGaussians, Lattice]:
    """Return the picture that `encode_payload` has coded, and its lattices, which take time to find.

    Raises:
        BitstreamError: if `payload` cannot be its work.
    """
    num_gaussians = header.num_gaussians
    planes = [
        *_planes_of(num_gaussians, header.covariance_k, header.covariance_quantizers),
        *_planes_of(num_gaussians, header.color_k, header.color_quantizers),
    ]
    cells_of, planes_of = (num_gaussians, header.grid_size), [(plane.num_symbols, plane.grid_size) for plane in planes]
    decoder = SymbolDecoder(payload)
    if header.version == 1:  # each on its own, followed by its order
        (cells,) = decoder.points([cells_of])
        multisets: Iterable[IntArray] = (decoder.points([points])[0] for points in planes_of)
        block_divisor = BLOCK_DIVISOR_1
    else:
        cells, *multisets = decoder.points([cells_of, *planes_of])
        block_divisor = BLOCK_DIVISOR
    symbols = [
        _in_order(decoder, points[:, 1], plane, block_divisor) for points, plane in zip(multisets, planes, strict=True)
    ]
    num_channels = len(header.covariance_quantizers)
    covariances = CodedVectors(
        QuantizedCodebook(np.stack(symbols[:num_channels], axis=1), header.covariance_quantizers), symbols[num_channels]
    )
    colors = CodedVectors(
        QuantizedCodebook(np.stack(symbols[num_channels + 1 : -1], axis=1), header.color_quantizers), symbols[-1]
    )
    lattice = lattice_of(covariances, colors, header.grid_size, header.image_size, header.subdivision, header.blending)
    offsets = np.empty_like(cells)
    for axis in (1, 0):
        offsets[:, axis] = decoder.uniform(lattice.levels[:, axis])
    decoder.finish()
    quantized = QuantizedGaussians(
        image_size=header.image_size,
        background=np.array(header.background, dtype=np.uint8),
        blending=header.blending,
        grid_size=header.grid_size,
        cells=cells,
        subdivision=header.subdivision,
        offsets=offsets,
        covariance_codebook=covariances.codebook,
        covariance_indices=covariances.indices,
        color_codebook=colors.codebook,
        color_indices=colors.indices,
        is_gray=header.is_gray,
    )
    return quantized, lattice


def _in_order(decoder: SymbolDecoder, multiset: IntArray, plane: _Plane, block_divisor: int) -> IntArray:
    """The symbols of a plane in their order."""
    if plane.is_sorted:
        return multiset
    return decoder.order(np.bincount(multiset, minlength=plane.num_levels), block_divisor)
