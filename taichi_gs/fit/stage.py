"""What all stages of a fit share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from taichi_gs.fit.adam import LearningRates
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.lagrangian import Lagrangian
from taichi_gs.fit.objective import Objective
from taichi_gs.fit.parameters import Bounds, Parameters
from taichi_gs.fit.resolution import Resolution
from taichi_gs.model.quantized import CHROMA_CHANNELS


class Listener(Protocol):
    """Is told of every step."""

    def __call__(self, drawn: Parameters, squared_error: Tensor, resolution: Resolution) -> None:
        """Hear what was compared with the picture, the sum of weighted squared errors, and at which resolution."""


@dataclass(frozen=True)
class Stage:
    """What all stages of a fit share.

    Attributes:
        objective: what is fitted to.
        config: what is asked for.
        rates: Adam's learning rates.
        bounds: of the parameters.
        lagrangian: what a bit is worth.
        generator: source of all random choices.
        listener: is told of every step.
    """

    objective: Objective
    config: FitConfig
    rates: LearningRates
    bounds: Bounds
    lagrangian: Lagrangian
    generator: torch.Generator
    listener: Listener

    def constrain(self, tensors: Mapping[str, Tensor]) -> None:
        """Bring the tensors of parameters, in place, back to what is allowed after a step."""
        self.bounds.clamp(tensors, self.config.blending, self.objective.size)
        if self.config.is_gray:
            tensors["color_codes"][:, CHROMA_CHANNELS] = 0.0
            tensors["background"][:] = tensors["background"].mean()

    def weight_of_a_bit(self, squared_error: Tensor, num_gaussians: int, resolution: Resolution | None = None) -> float:
        """λ, the squared error that one bit is worth, where a resolution, `full` if None, has `squared_error`."""
        error = self.objective.decoded_error(squared_error, resolution or self.objective.full)
        return self.lagrangian.weight(error, num_gaussians, self.config)
