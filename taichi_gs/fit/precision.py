"""How finely a file rounds: chosen by rate and distortion, or as it is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.parameters import CODED, COLORS, CodebookParameters
from taichi_gs.fit.quantizers import step_code_for, step_code_for_bits, step_for_distortion
from taichi_gs.fit.rounding import Rounding
from taichi_gs.fit.stage import Stage
from taichi_gs.model.channels import MAX_DIFFERENCE, area_code_of, channels_of, present_channels, quantizers_of
from taichi_gs.model.lattice import MAX_COLUMNS, subdivision_code_of
from taichi_gs.model.quantized import COVARIANCE_CHANNELS, UniformQuantizer


@dataclass(frozen=True)
class _Worth:
    """What decides how finely to round.

    Attributes:
        bit_weight: λ, the squared error that one bit is worth.
        position_share: the part of it that positions are charged.
        curvatures: of the squared error in all codewords, [D] by name in CODED.
        position_curvature: the same in all positions, along the steps of the lattices with the first subdivision; None
            chooses that subdivision.
        grain: the strength codes that the file will have, if any: they cost bits too.
    """

    bit_weight: float
    position_share: float
    curvatures: dict[str, Tensor]
    position_curvature: float | None = None
    grain: Tensor | None = None

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
        searched_share: so many times λ is charged where what is rounded is searched afterwards, see `FinalSearch`: what
            one number's rounding does, that of others makes good for, and curvatures know nothing of it.
        position_share: the part of λ that positions are charged where it is not: moving a Gaussian moves borders, which
            curvatures underrate.
        max_octaves: where bytes would be left unused, λ is lowered until the file is as large as it may be, by so many
            octaves at most.
        octaves_apart: and so exactly.
    """

    cells_per_gaussian: float = 16.0
    first_subdivision: int = 4096
    searched_share: float = 3.0
    position_share: float = 0.5
    max_octaves: float = 8.0
    octaves_apart: float = 1 / 16

    def choose(self, stage: Stage, parameters: CodebookParameters, max_bytes: int | None) -> Rounding:
        """Choose how to round by λ, and more finely where that would leave some of `max_bytes` unused."""
        objective, config = stage.objective, stage.config
        drawn = parameters.expanded().ordered()
        bit_weight = stage.weight_of_a_bit(objective.squared_error(drawn), len(drawn))
        position_share = self.position_share
        if config.blending == "normalized":
            bit_weight, position_share = self.searched_share * bit_weight, 1.0
        rows = objective.curvatures(drawn, stage.generator)
        curvatures = {name: rows[name].sum(dim=0) for name in CODED}
        first = self._rounding(parameters, config, objective.size, _Worth(bit_weight, position_share, curvatures))
        steps = torch.as_tensor(first.lattice(parameters).steps())
        along_steps = float(objective.curvatures(drawn, stage.generator, steps)["means"].sum())
        grain = objective.grain_codes(drawn, parameters.indices[COLORS], len(parameters.codewords[COLORS]))
        worth = _Worth(bit_weight, position_share, curvatures, along_steps, grain)
        best = self._rounding(parameters, config, objective.size, worth)
        if max_bytes is None or best.num_bytes(parameters) > max_bytes:
            return best
        # By bisection: a file grows as λ is lowered.
        low, high = 0.0, self.max_octaves
        while high - low > self.octaves_apart:
            middle = (low + high) / 2
            finer = replace(worth, bit_weight=bit_weight / 2.0**middle)
            rounding = self._rounding(parameters, config, objective.size, finer)
            if rounding.num_bytes(parameters) <= max_bytes:
                low, best = middle, rounding
            else:
                high = middle
        return best

    def _rounding(
        self, parameters: CodebookParameters, config: FitConfig, image_size: tuple[int, int], worth: _Worth
    ) -> Rounding:
        """The rounding that is worth its bits."""
        height, width = image_size
        count = len(parameters)
        quantizers = _quantizers(parameters.codewords, config, worth, area_code_of(height * width, count))
        if config.position_bits is not None:
            columns = max(1, round((1 << config.position_bits) * width / max(height, width)))
            return Rounding(quantizers, image_size, columns, 0, config.is_gray, worth.grain)
        cell = math.sqrt(height * width / (self.cells_per_gaussian * count))
        columns = min(max(round(width / cell), 1), MAX_COLUMNS)
        subdivision: float = self.first_subdivision
        if worth.position_curvature is not None:
            step = step_for_distortion(worth.position_curvature, worth.position_share * worth.bit_weight, 2 * count)
            subdivision = max(self.first_subdivision / step, 1.0)
        return Rounding(quantizers, image_size, columns, subdivision_code_of(subdivision), config.is_gray, worth.grain)


def _quantizers(
    codewords: Mapping[str, Tensor], config: FitConfig, worth: _Worth, area_code: int
) -> dict[str, tuple[UniformQuantizer, ...]]:
    """The quantisers of codewords [K, D], with the bits that are asked for or else worth it, by name in CODED."""
    channels, bits = channels_of(config.blending), (*config.covariance_bits, *config.color_bits)
    codes: list[int] = []
    for name in CODED:
        for values, (bit_weight, curvature) in zip(codewords[name].cpu().numpy().T, worth.of(name), strict=True):
            channel, own_bits = channels[len(codes)], bits[len(codes)]
            if own_bits is not None:
                codes.append(step_code_for_bits(values, channel, own_bits))
            else:
                codes.append(step_code_for(channel, step_for_distortion(curvature, bit_weight, len(values))))
    present = [codes[channel] for channel in present_channels(is_gray=config.is_gray)]
    first = min(max(codes[0], max(present) - MAX_DIFFERENCE), min(present) + MAX_DIFFERENCE)
    codes = [first, *(min(max(code, first - MAX_DIFFERENCE), first + MAX_DIFFERENCE) for code in codes[1:])]
    quantizers = quantizers_of(codes, area_code, config.blending, is_gray=config.is_gray)
    return {"log_covariances": quantizers[:COVARIANCE_CHANNELS], "color_codes": quantizers[COVARIANCE_CHANNELS:]}
