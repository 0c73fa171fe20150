"""`QuantizedGaussians`: the integers that a .tgs file holds, and nothing else.

Everything to the right of this class (entropy coding, the bitstream) is exact; everything to its left is lossy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.blending import Blending

IntArray = NDArray[np.int64]

COVARIANCE_CHANNELS = 3
"""Channels of a covariance codeword: the matrix logarithm (m, u, v), see `gaussians.py`."""

COLOR_CHANNELS = 4
"""Channels of a colour codeword: Y, Co, Cg and the amplitude code, see `dequantize.amplitudes_of`."""

CHROMA_CHANNELS = (1, 2)
"""Co and Cg among them, which a gray picture has not."""

AMPLITUDE_CHANNEL = 3
"""The last of them."""


MAX_BITS = 12

MAX_LOG_AREA_CODE = 32.0
"""Bound on the values of m: exp(32) square pixels is beyond any picture, and no float overflows."""

MAX_ANISOTROPY_CODE = 8.0
"""Bound on u and v, axes of e^8 to e^11 : 1: the integers of their lattices fit 64 bits."""

MAX_COLOR_CODE = 16.0
"""Bound on Y, Co and Cg, which go from -1 to 1 but where Gaussians make up for each other, and on opacity codes."""

AMPLITUDE_UNIT = 4.0
"""An amplitude code of normalised blending counts in units of e^4, so that it ranges as colours do."""

MAX_AMPLITUDE_CODE = 2.0
"""Bound on the amplitude codes of normalised blending, so that no weight drowns all others in float32."""


def color_bounds(blending: Blending) -> list[float]:
    """The bounds on the magnitude of each channel of a color codeword."""
    bounds = [MAX_COLOR_CODE] * COLOR_CHANNELS
    if blending == "normalized":
        bounds[AMPLITUDE_CHANNEL] = MAX_AMPLITUDE_CODE
    return bounds


@dataclass(frozen=True)
class UniformQuantizer:
    """A uniform scalar quantiser, value = minimum + step * symbol with 0 <= symbol < 2**bits (paper eq. 7, 8).

    `minimum` and `step` are exactly representable in float16, which is how a file keeps them. With `bits` 0 every
    symbol is 0 and every value is `minimum`.
    """

    minimum: float
    step: float
    bits: int

    @property
    def num_levels(self) -> int:
        """2**bits."""
        return 1 << self.bits


NO_CHROMA = UniformQuantizer(0.0, 0.0, 0)
"""The quantiser of Co and of Cg in a gray picture."""


@dataclass(frozen=True)
class QuantizedCodebook:
    """K codewords as symbols [K, D] int64, with one quantiser a channel."""

    symbols: IntArray
    quantizers: tuple[UniformQuantizer, ...]

    def __post_init__(self) -> None:
        if self.symbols.ndim != 2 or self.symbols.shape[1] != len(self.quantizers):
            raise ValueError(f"symbols have shape {self.symbols.shape} for {len(self.quantizers)} quantisers")

    def __len__(self) -> int:
        return len(self.symbols)


class CodedVectors(NamedTuple):
    """N vectors, as a codebook and the index [N] int64 of each vector's codeword."""

    codebook: QuantizedCodebook
    indices: IntArray


@dataclass(frozen=True)
class QuantizedGaussians:
    """A picture as integers.

    Attributes:
        image_size: (height, width) in pixels.
        background: [3] uint8, RGB.
        blending: of the Gaussians, "alpha" or "normalized".
        grid_size: (rows, columns) of the grid of cells that covers the image.
        cells: [N, 2] int64, the (row, column) of the cell of each mean.
        subdivision: how finely cells are subdivided, see `lattice.Lattice`; 0 if means stand at the centres of cells.
        offsets: [N, 2] int64, the (row, column) of each mean on the lattice of its cell; 0 where that has one point.
        covariance_codebook, color_codebook: the codewords.
        covariance_indices, color_indices: [N] int64.
        is_gray: whether the picture has one channel: then Co and Cg are 0, and the background is gray.

    The order of the N Gaussians in these arrays carries no information: the picture is a multiset, kept sorted
    (`canonical`), and blended in `blending_order`, which the decoder derives.

    Raises:
        ValueError: if the shapes do not agree, the blending is not one of the two, or a gray picture has colours.
    """

    image_size: tuple[int, int]
    background: NDArray[np.uint8]
    blending: Blending
    grid_size: tuple[int, int]
    cells: IntArray
    subdivision: int
    offsets: IntArray
    covariance_codebook: QuantizedCodebook
    covariance_indices: IntArray
    color_codebook: QuantizedCodebook
    color_indices: IntArray
    is_gray: bool = False

    def __post_init__(self) -> None:
        n = len(self.cells)
        shapes = [array.shape for array in (self.cells, self.offsets, self.covariance_indices, self.color_indices)]
        if shapes != [(n, 2), (n, 2), (n,), (n,)]:
            raise ValueError("cells, offsets and indices disagree about the number of Gaussians")
        if self.blending not in get_args(Blending):
            raise ValueError(f"unknown blending {self.blending!r}")
        if self.is_gray:
            chroma = [self.color_codebook.quantizers[channel] for channel in CHROMA_CHANNELS]
            if chroma != [NO_CHROMA, NO_CHROMA] or np.ptp(self.background) != 0:
                raise ValueError("a gray picture has colours")

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def covariances(self) -> CodedVectors:
        """The covariance codebook and the index of each Gaussian."""
        return CodedVectors(self.covariance_codebook, self.covariance_indices)

    @property
    def colors(self) -> CodedVectors:
        """The color codebook and the index of each Gaussian."""
        return CodedVectors(self.color_codebook, self.color_indices)

    def canonical(self) -> QuantizedGaussians:
        """The same picture in the one order that a file keeps.

        Codewords that no Gaussian uses are dropped, the others sorted by their symbols (first channel first), and the
        Gaussians sorted by cell in raster order, then by covariance index, colour index, and the column and the row of
        their offsets.
        """
        covariance_codebook, covariance_indices = _sorted_codebook(self.covariance_codebook, self.covariance_indices)
        color_codebook, color_indices = _sorted_codebook(self.color_codebook, self.color_indices)
        places = (*self.offsets.T, color_indices, covariance_indices, self.cells[:, 1], self.cells[:, 0])
        order = np.lexsort(places)
        return replace(
            self,
            cells=self.cells[order],
            offsets=self.offsets[order],
            covariance_codebook=covariance_codebook,
            covariance_indices=covariance_indices[order],
            color_codebook=color_codebook,
            color_indices=color_indices[order],
        )

    def blending_order(self) -> IntArray:
        """The permutation [N] that puts the Gaussians of a canonical picture front to back.

        By covariance index (codewords are sorted by area, so that small ones stand in front), ties in raster order of
        their cells, then by colour index, then in the order of the file. Normalised blending needs no order, but with
        one its sums are the same run after run.
        """
        return np.lexsort((self.color_indices, self.cells[:, 1], self.cells[:, 0], self.covariance_indices))


def _sorted_codebook(codebook: QuantizedCodebook, indices: IntArray) -> tuple[QuantizedCodebook, IntArray]:
    """Drop unused codewords, merge equal ones, sort the rest; return them with the indices renumbered."""
    used = np.unique(indices)
    symbols, renumbered = np.unique(codebook.symbols[used], axis=0, return_inverse=True)
    lookup = np.zeros(len(codebook), dtype=np.int64)
    lookup[used] = renumbered.reshape(-1)
    return QuantizedCodebook(symbols, codebook.quantizers), lookup[indices]
