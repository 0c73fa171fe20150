"""What is tried on the picture when training has ended: other positions, codewords, and symbols of codewords.

Rounding takes each number for itself. What the rounding of one Gaussian does, that of its neighbours can make good for:
the border between two stands where it should, though neither of them does. So what is rounded coarsely and then
searched takes fewer bits for the same error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from taichi_gs.fit.codeword_search import CodewordSearch
from taichi_gs.fit.parameters import CodebookParameters
from taichi_gs.fit.position_search import PositionSearch
from taichi_gs.fit.rounding import Rounding
from taichi_gs.fit.stage import Stage
from taichi_gs.fit.symbol_search import SymbolSearch


@dataclass(frozen=True)
class FinalSearch:
    """What is tried: positions, then codewords, then symbols and positions in turn.

    Attributes:
        positions: how the points of lattices are.
        codewords: how the codewords of Gaussians are; None leaves them as they are.
        symbols: how the symbols of codewords are.
        sweeps: how often symbols and positions have their turn.
    """

    positions: PositionSearch = field(default_factory=PositionSearch)
    codewords: CodewordSearch | None = field(default_factory=CodewordSearch)
    symbols: SymbolSearch = field(default_factory=SymbolSearch)
    sweeps: int = 2

    def improve(self, stage: Stage, parameters: CodebookParameters, rounding: Rounding) -> CodebookParameters:
        """Return Gaussians that have less error when they are rounded.

        Args:
            stage: what they are judged by.
            parameters: the Gaussians; of a blending that is not normalised nothing is changed.
            rounding: what rounds them.
        """
        if parameters.blending != "normalized":
            return parameters
        parameters = self.positions.improve(stage, parameters, rounding)
        if self.codewords is not None:
            parameters = self.codewords.improve(stage, parameters, rounding.codewords(parameters).rounded)
        for _ in range(self.sweeps):
            parameters = self.symbols.improve(stage, parameters, rounding)
            parameters = self.positions.improve(stage, parameters, rounding)
        return parameters
