"""How a file rounds: its quantisers and lattices, the integers that come of them, and the size in bytes."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from taichi_gs.fit.parameters import (
    CODED,
    CodebookParameters,
    Parameters,
    background_levels,
)
from taichi_gs.fit.quantizers import quantize
from taichi_gs.fit.tensors import raw
from taichi_gs.format.bitstream import num_bytes_of
from taichi_gs.model.arrays import Array
from taichi_gs.model.blending import Blending
from taichi_gs.model.dequantize import dequantize
from taichi_gs.model.lattice import CodewordLattices, Lattice, rows_of, subdivision_of
from taichi_gs.model.quantized import (
    IntArray,
    QuantizedCodebook,
    QuantizedGaussians,
    UniformQuantizer,
)

KEY_BITS = 15
"""No channel has more levels."""


@dataclass(frozen=True)
class Rounding:
    """How a file rounds.

    Attributes:
        quantizers: of the codebooks' channels, by name in CODED.
        image_size: (height, width) of the picture.
        columns: of the grid of the positions, whose cells are square.
        subdivision_code: of its cells, see `lattice.subdivision_of`.
        is_gray: whether the picture has no colours.
        grain: [K] int64, the strength code of each colour codeword, if the file has them.
    """

    quantizers: dict[str, tuple[UniformQuantizer, ...]]
    image_size: tuple[int, int]
    columns: int
    subdivision_code: int
    is_gray: bool = False
    grain: Tensor | None = None

    @property
    def grid_size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return rows_of(self.columns, self.image_size), self.columns

    @property
    def subdivision(self) -> int:
        """Of the cells, see `lattice.Lattice`."""
        return subdivision_of(self.subdivision_code)

    def codewords(self, parameters: CodebookParameters) -> RoundedCodewords:
        """Return the codewords as a decoder will see them."""
        # NumPy's arrays on the CPU, which take half the time with so few.
        symbols = {name: quantize(raw(parameters.codewords[name]), self.quantizers[name]) for name in CODED}
        return RoundedCodewords(self, symbols, parameters.blending)

    def rounded(self, parameters: CodebookParameters, lattice: Lattice | None = None) -> Parameters:
        """Return each Gaussian as a decoder will see it.

        `lattice` is what positions are rounded to, by default that of the codewords as they are. Nothing but finding it
        makes the host wait for a device.
        """
        return self.codewords(parameters).rounded(parameters, lattice)

    def lattice(self, parameters: CodebookParameters) -> Lattice:
        """The lattices on which positions stand, on the device of the parameters; NumPy's arrays if that is the CPU."""
        return self.codewords(parameters).lattice(parameters)

    def integers(self, parameters: CodebookParameters) -> QuantizedGaussians:
        """Return what a file holds, in its canonical order."""
        return self._in_own_order(parameters).canonical()

    def num_bytes(self, parameters: CodebookParameters) -> int:
        """The size of the file, without chunks."""
        return num_bytes_of(self._in_own_order(parameters))

    def _in_own_order(self, parameters: CodebookParameters) -> QuantizedGaussians:
        """Return what a file holds, in the order of the parameters."""
        codewords = self.codewords(parameters)
        cells, offsets = codewords.lattice(parameters).nearest(raw(parameters.means))
        covariances, colors = codewords.codebooks
        covariance_indices, color_indices = _indices_on_host(parameters)
        return QuantizedGaussians(
            image_size=self.image_size,
            background=background_levels(parameters.background).to(torch.uint8).cpu().numpy(),
            blending=parameters.blending,
            grid_size=self.grid_size,
            cells=_on_host(cells),
            subdivision=self.subdivision,
            offsets=_on_host(offsets),
            covariance_codebook=covariances,
            covariance_indices=covariance_indices,
            color_codebook=colors,
            color_indices=color_indices,
            is_gray=self.is_gray,
            grain=None if self.grain is None else self.grain.cpu().numpy(),
        )


@dataclass(frozen=True)
class RoundedCodewords:
    """Codewords as a file rounds them, for any Gaussians that have them.

    Attributes:
        rounding: how they are rounded.
        symbols: [K, D] int64 by name in CODED, on the device of the parameters; NumPy's arrays if that is the CPU.
        blending: "alpha" or "normalized".
    """

    rounding: Rounding
    symbols: dict[str, Array]
    blending: Blending

    @functools.cached_property
    def codebooks(self) -> tuple[QuantizedCodebook, QuantizedCodebook]:
        """The covariance codebook and the color codebook of the file, on the host."""
        covariances, colors = (
            QuantizedCodebook(_on_host(self.symbols[name]), self.rounding.quantizers[name]) for name in CODED
        )
        return covariances, colors

    @functools.cached_property
    def values(self) -> dict[str, Tensor]:
        """What the symbols stand for, [K, D] by name in CODED."""
        return {name: torch.as_tensor(dequantize(self.symbols[name], self.rounding.quantizers[name])) for name in CODED}

    @functools.cached_property
    def _lattices(self) -> CodewordLattices:
        grid_size, image_size = self.rounding.grid_size, self.rounding.image_size
        return CodewordLattices.of(*self.codebooks, grid_size, image_size, self.rounding.subdivision, self.blending)

    def with_symbols(self, name: str, symbols: Tensor) -> RoundedCodewords:
        """Return them with other symbols [K, D] int64 of a name in CODED."""
        return replace(self, symbols=self.symbols | {name: raw(symbols)})

    def lattice(self, parameters: CodebookParameters) -> Lattice:
        """The lattices on which positions of Gaussians stand, where `Rounding.lattice` has them."""
        lattice, device = self._lattices.of_gaussians(*_indices_on_host(parameters)), parameters.means.device
        levels, shears = (raw(torch.from_numpy(x).to(device)) for x in (lattice.levels, lattice.shears))
        return replace(lattice, levels=levels, shears=shears)

    def rounded(self, parameters: CodebookParameters, lattice: Lattice | None = None) -> Parameters:
        """Return what `Rounding.rounded` does, of Gaussians that have these codewords."""
        lattice = lattice or self.lattice(parameters)
        drawn = parameters.expanded(torch.as_tensor(lattice.rounded(raw(parameters.means))), self.values)
        if self.blending == "normalized":
            return drawn
        cells = torch.as_tensor(lattice.nearest(raw(parameters.means))[0])
        # The order of the file, in which codewords that round to the same symbols are one.
        covariances, colors = (_keys(torch.as_tensor(self.symbols[name]))[parameters.indices[name]] for name in CODED)
        return replace(drawn, order=_lexsort(colors, cells[:, 1], cells[:, 0], covariances))


def _indices_on_host(parameters: CodebookParameters) -> tuple[IntArray, IntArray]:
    """Those of the covariances and those of the colours."""
    covariances, colors = (parameters.indices[name].cpu().numpy() for name in CODED)
    return covariances, colors


def _on_host(integers: Array) -> IntArray:
    found: IntArray = torch.as_tensor(integers).cpu().numpy()
    return found


def _keys(symbols: Tensor) -> Tensor:
    """Integers [K] that are ordered as symbols [K, D] are, the first channel before the others."""
    keys = torch.zeros_like(symbols[:, 0])
    for channel in symbols.unbind(dim=1):
        keys = (keys << KEY_BITS) + channel
    return keys


def _lexsort(*keys: Tensor) -> Tensor:
    """The permutation [N] that sorts by the last of keys [N], ties by the one before it, and so on."""
    order = keys[0].argsort(stable=True)
    for key in keys[1:]:
        order = order[key[order].argsort(stable=True)]
    return order
