"""How finely a file rounds: chosen by rate and distortion, or as it is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.parameters import CODED, ROWS, CodebookParameters
from taichi_gs.fit.quantizers import bits_for_distortion, fit_quantizer, step_for_distortion
from taichi_gs.fit.rounding import Rounding
from taichi_gs.fit.stage import Stage
from taichi_gs.format.limits import MAX_SIDE
from taichi_gs.model.lattice import MAX_SUBDIVISION
from taichi_gs.model.quantized import UniformQuantizer


@dataclass(frozen=True)
class _Worth:
    """What decides how finely to round.

    Attributes:
        bit_weight: λ, the squared error that one bit is worth.
        curvatures: of the squared error in all codewords, [D] by name in CODED.
        position_curvature: the same in all positions, along the steps of the lattices with the first subdivision; None
            chooses that subdivision.
    """

    bit_weight: float
    curvatures: dict[str, Tensor]
    position_curvature: float | None = None

    def of(self, name: str) -> list[tuple[float, float]]:
        """λ and the curvature of each channel of a codebook."""
        return [(self.bit_weight, float(curvature)) for curvature in self.curvatures[name]]


@dataclass(frozen=True)
class Precision:
    """How the precision of a file is chosen.

    Attributes:
        cells_per_gaussian: of the grid whose cells are subdivided. Fewer would leave several Gaussians in a cell, and
            their order costs bits.
        first_subdivision: at which the curvatures of positions are measured.
        position_share: the part of λ that positions are charged: moving a Gaussian moves borders, which curvatures
            underrate.
        max_octaves: where bytes would be left unused, λ is lowered until the file is as large as it may be, by so many
            octaves at most.
        octaves_apart: and so exactly.
    """

    cells_per_gaussian: float = 16.0
    first_subdivision: int = 4096
    position_share: float = 0.5
    max_octaves: float = 8.0
    octaves_apart: float = 1 / 16

    def choose(self, stage: Stage, parameters: CodebookParameters, aimed_bytes: int | None) -> Rounding:
        """Choose how to round by λ, and more finely where that would leave some of `aimed_bytes` unused."""
        objective, config = stage.objective, stage.config
        drawn = parameters.expanded().ordered()
        drawn = replace(drawn, **{name: getattr(drawn, name).detach().requires_grad_() for name in ROWS})
        bit_weight = stage.weight_of_a_bit(objective.squared_error(drawn).detach(), len(drawn))
        rows = objective.curvatures(drawn, stage.generator)
        curvatures = {name: rows[name].sum(dim=0) for name in CODED}
        first = self._rounding(parameters, config, objective.size, _Worth(bit_weight, curvatures))
        steps: Tensor = first.lattice(parameters).steps()
        along_steps = float(objective.curvatures(drawn, stage.generator, steps)["means"].sum())
        worth = _Worth(bit_weight, curvatures, along_steps)
        best = self._rounding(parameters, config, objective.size, worth)
        if aimed_bytes is None or best.num_bytes(parameters) > aimed_bytes:
            return best
        # By bisection: a file grows as λ is lowered.
        low, high = 0.0, self.max_octaves
        while high - low > self.octaves_apart:
            middle = (low + high) / 2
            finer = replace(worth, bit_weight=bit_weight / 2.0**middle)
            rounding = self._rounding(parameters, config, objective.size, finer)
            if rounding.num_bytes(parameters) <= aimed_bytes:
                low, best = middle, rounding
            else:
                high = middle
        return best

    def _rounding(
        self, parameters: CodebookParameters, config: FitConfig, image_size: tuple[int, int], worth: _Worth
    ) -> Rounding:
        """The rounding that is worth its bits."""
        bits = {"log_covariances": config.covariance_bits, "color_codes": config.color_bits}
        quantizers = {name: _quantizers(parameters.codewords[name], bits[name], worth.of(name)) for name in CODED}
        if config.position_bits is not None:
            side = 1 << config.position_bits
            return Rounding(quantizers, image_size, (side, side), 0, config.is_gray)
        count = len(parameters)
        cell = math.sqrt(math.prod(image_size) / (self.cells_per_gaussian * count))
        rows, columns = (min(max(round(length / cell), 1), MAX_SIDE) for length in image_size)
        subdivision = self.first_subdivision
        if worth.position_curvature is not None:
            step = step_for_distortion(worth.position_curvature, self.position_share * worth.bit_weight, 2 * count)
            subdivision = min(max(round(self.first_subdivision / step), 1), MAX_SUBDIVISION)
        return Rounding(quantizers, image_size, (rows, columns), subdivision, config.is_gray)


def _quantizers(
    codewords: Tensor, bits: tuple[int | None, ...], worth: list[tuple[float, float]]
) -> tuple[UniformQuantizer, ...]:
    """The quantisers of codewords [K, D], with the bits that are given or else worth it."""
    return tuple(
        fit_quantizer(
            channel,
            bits_for_distortion(channel, curvature, bit_weight, len(channel)) if own_bits is None else own_bits,
        )
        for channel, own_bits, (bit_weight, curvature) in zip(
            codewords.detach().cpu().numpy().T, bits, worth, strict=True
        )
    )
