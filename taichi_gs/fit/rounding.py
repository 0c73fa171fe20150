"""How a file rounds: its quantisers and lattices, the integers that come of them, and the size in bytes."""

from __future__ import annotations

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
from taichi_gs.model.dequantize import dequantize
from taichi_gs.model.lattice import Lattice, lattice_of, rows_of, subdivision_of
from taichi_gs.model.quantized import (
    CodedVectors,
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

    def rounded(self, parameters: CodebookParameters, lattice: Lattice | None = None) -> Parameters:
        """Return each Gaussian as a decoder will see it.

        `lattice` is what positions are rounded to, by default that of the codewords as they are. Nothing but finding it
        makes the host wait for a device.
        """
        lattice = lattice or self.lattice(parameters)
        symbols = {name: self._symbols(parameters, name) for name in CODED}
        codewords = {name: torch.as_tensor(dequantize(symbols[name], self.quantizers[name])) for name in CODED}
        drawn = parameters.expanded(torch.as_tensor(lattice.rounded(raw(parameters.means))), codewords)
        if parameters.blending == "normalized":
            return drawn
        cells = torch.as_tensor(lattice.nearest(raw(parameters.means))[0])
        # The order of the file, in which codewords that round to the same symbols are one.
        covariances, colors = (_keys(torch.as_tensor(symbols[name]))[parameters.indices[name]] for name in CODED)
        return replace(drawn, order=_lexsort(colors, cells[:, 1], cells[:, 0], covariances))

    def lattice(self, parameters: CodebookParameters) -> Lattice:
        """The lattices on which positions stand, on the device of the parameters; NumPy's arrays if that is the CPU."""
        return self._lattice_of(self._coded(parameters), parameters)

    def integers(self, parameters: CodebookParameters) -> QuantizedGaussians:
        """Return what a file holds, in its canonical order."""
        return self._in_own_order(parameters).canonical()

    def num_bytes(self, parameters: CodebookParameters) -> int:
        """The size of the file, without chunks."""
        return num_bytes_of(self._in_own_order(parameters))

    def _in_own_order(self, parameters: CodebookParameters) -> QuantizedGaussians:
        """Return what a file holds, in the order of the parameters."""
        covariances, colors = coded = self._coded(parameters)
        cells, offsets = self._lattice_of(coded, parameters).nearest(raw(parameters.means))
        return QuantizedGaussians(
            image_size=self.image_size,
            background=background_levels(parameters.background).to(torch.uint8).cpu().numpy(),
            blending=parameters.blending,
            grid_size=self.grid_size,
            cells=_on_host(cells),
            subdivision=self.subdivision,
            offsets=_on_host(offsets),
            covariance_codebook=covariances.codebook,
            covariance_indices=covariances.indices,
            color_codebook=colors.codebook,
            color_indices=colors.indices,
            is_gray=self.is_gray,
            grain=None if self.grain is None else self.grain.cpu().numpy(),
        )

    def _symbols(self, parameters: CodebookParameters, name: str) -> Array:
        """Those of codewords [K, D] int64: as NumPy's array on the CPU, which takes half the time with so few."""
        return quantize(raw(parameters.codewords[name]), self.quantizers[name])

    def _coded(self, parameters: CodebookParameters) -> tuple[CodedVectors, CodedVectors]:
        """The covariances and the colours of a file, on the host."""
        covariances, colors = (
            CodedVectors(
                QuantizedCodebook(_on_host(self._symbols(parameters, name)), self.quantizers[name]),
                parameters.indices[name].cpu().numpy(),
            )
            for name in CODED
        )
        return covariances, colors

    def _lattice_of(self, coded: tuple[CodedVectors, CodedVectors], parameters: CodebookParameters) -> Lattice:
        lattice = lattice_of(*coded, self.grid_size, self.image_size, self.subdivision, parameters.blending)
        device = parameters.means.device
        levels, shears = (raw(torch.from_numpy(x).to(device)) for x in (lattice.levels, lattice.shears))
        return replace(lattice, levels=levels, shears=shears)


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
