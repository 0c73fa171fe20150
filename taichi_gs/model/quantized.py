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


NUM_CHANNELS = COVARIANCE_CHANNELS + COLOR_CHANNELS

BACKGROUND_UNIT = 17
"""The background is in multiples of it: it shows only where no Gaussian reaches, and has four bits a channel."""

NUM_GRAIN_LEVELS = 8
"""Strengths of grain, see `grain.deviations_of`."""

AMPLITUDE_UNIT = 4.0
"""An amplitude code of normalised blending counts in units of e^4, so that it ranges as colours do."""


@dataclass(frozen=True)
class UniformQuantizer:
    """A uniform scalar quantiser, value = minimum + step * symbol with 0 <= symbol < num_levels (paper eq. 7, 8).

    A file can hold those of `channels.py`. Their numbers are multiples of 2**-32.
    """

    minimum: float
    step: float
    num_levels: int


NO_CHROMA = UniformQuantizer(0.0, 0.0, 1)
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
        background: [3] uint8, RGB, multiples of BACKGROUND_UNIT.
        blending: of the Gaussians, "alpha" or "normalized".
        grid_size: (rows, columns) of the grid of cells that covers the image.
        cells: [N, 2] int64, the (row, column) of the cell of each mean.
        subdivision: how finely cells are subdivided, see `lattice.Lattice`; 0 if means stand at the centres of cells.
        offsets: [N, 2] int64, the (row, column) of each mean on the lattice of its cell; 0 where that has one point.
        covariance_codebook, color_codebook: the codewords.
        covariance_indices, color_indices: [N] int64.
        is_gray: whether the picture has one channel: then Co and Cg are 0, and the background is gray.
        grain: [K] int64, how strong the texture is that the Gaussians with each colour codeword leave out, from 0 to
            NUM_GRAIN_LEVELS - 1; None if that is not known.

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
    grain: IntArray | None = None

    def __post_init__(self) -> None:
        n = len(self.cells)
        shapes = [array.shape for array in (self.cells, self.offsets, self.covariance_indices, self.color_indices)]
        if shapes != [(n, 2), (n, 2), (n,), (n,)]:
            raise ValueError("cells, offsets and indices disagree about the number of Gaussians")
        if self.blending not in get_args(Blending):
            raise ValueError(f"unknown blending {self.blending!r}")
        if self.grain is not None and self.grain.shape != (len(self.color_codebook),):
            raise ValueError("there is not one strength of grain for each colour codeword")
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
        shapes, covariance_indices = _sorted(self.covariance_codebook.symbols, self.covariance_indices)
        colors, color_indices = _sorted(self._color_symbols(), self.color_indices)
        places = (*self.offsets.T, color_indices, covariance_indices, self.cells[:, 1], self.cells[:, 0])
        order = np.lexsort(places)
        return replace(
            self,
            cells=self.cells[order],
            offsets=self.offsets[order],
            covariance_codebook=replace(self.covariance_codebook, symbols=shapes),
            covariance_indices=covariance_indices[order],
            color_codebook=replace(self.color_codebook, symbols=colors[:, :COLOR_CHANNELS]),
            color_indices=color_indices[order],
            grain=None if self.grain is None else colors[:, COLOR_CHANNELS],
        )

    def _color_symbols(self) -> IntArray:
        """The symbols of the colour codewords and, if there is grain, that of its strength."""
        symbols = self.color_codebook.symbols
        return symbols if self.grain is None else np.column_stack([symbols, self.grain])

    def blending_order(self) -> IntArray:
        """The permutation [N] that puts the Gaussians of a canonical picture front to back.

        By covariance index (codewords are sorted by area, so that small ones stand in front), ties in raster order of
        their cells, then by colour index, then in the order of the file. Normalised blending needs no order, but with
        one its sums are the same run after run.
        """
        return np.lexsort((self.color_indices, self.cells[:, 1], self.cells[:, 0], self.covariance_indices))


def _sorted(codewords: IntArray, indices: IntArray) -> tuple[IntArray, IntArray]:
    """Drop unused codewords [K, D], merge equal ones, sort the rest; return them with the indices renumbered."""
    used = np.unique(indices)
    symbols, renumbered = np.unique(codewords[used], axis=0, return_inverse=True)
    lookup = np.zeros(len(codewords), dtype=np.int64)
    lookup[used] = renumbered.reshape(-1)
    return symbols, lookup[indices]
