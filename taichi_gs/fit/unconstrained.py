"""The first stage of a fit: Gaussians with parameters of their own, and as a rule more of them than the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from taichi_gs.fit.adam import Adam, decay
from taichi_gs.fit.clone_and_split import CloneAndSplit
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.initialize import Initialization
from taichi_gs.fit.parameters import Parameters
from taichi_gs.fit.stage import Stage


@dataclass(frozen=True)
class Unconstrained:
    """How the first stage runs.

    Attributes:
        overgrowth: with density "prune", how many times the budget's Gaussians there are, unless they would crowd.
        sparse_overgrowth: as many as that where they stay sparse.
        sparse_pixels_per_gaussian: where that is.
        min_pixels_per_gaussian: where they would crowd.
        decay_start: the fraction of the stage after which learning rates fall.
        initialization: of the first Gaussians.
        clone_and_split: how Gaussians are added with density "gradient".
    """

    overgrowth: float = 6.0
    sparse_overgrowth: float = 10.0
    sparse_pixels_per_gaussian: int = 60
    min_pixels_per_gaussian: int = 15
    decay_start: float = 0.5
    initialization: Initialization = field(default_factory=Initialization)
    clone_and_split: CloneAndSplit = field(default_factory=CloneAndSplit)

    def num_gaussians(self, config: FitConfig, num_pixels: int) -> int:
        """How many Gaussians there are in the end: with density "prune" more than the budget, where there is room."""
        if config.density != "prune":
            return config.num_gaussians
        usual, most = (round(f * config.num_gaussians) for f in (self.overgrowth, self.sparse_overgrowth))
        count = max(usual, min(most, num_pixels // self.sparse_pixels_per_gaussian))
        return max(config.num_gaussians, min(count, num_pixels // self.min_pixels_per_gaussian))

    def run(self, stage: Stage, steps: int) -> tuple[Parameters, Adam]:
        """Fit Gaussians and return them with what Adam remembers of them.

        With density "prune" they are all there from the start, and the next stage keeps the best. With "gradient" half
        of the budget is sampled from the picture, and the rest is cloned and split off in portions where the positional
        gradient is high (paper section 3.4). The blending order is that of the areas, small ones in front: that is how
        the decoder will order them.
        """
        objective, config, growth = stage.objective, stage.config, self.clone_and_split
        picture = objective.coarse.picture
        count = self.num_gaussians(config, math.prod(objective.size))
        growing = config.density == "gradient"
        spacing = objective.spacing(count)
        first = max(1, round(growth.initial_fraction * count)) if growing else count
        parameters = self.initialization.sample(picture, first, objective.size, config.blending, stage.generator)
        adam = Adam(parameters.tensors, stage.rates.by_name(spacing))
        events = growth.events(steps) if growing else []
        activity, since = torch.zeros(first, device=picture.device), 0
        for step in range(steps):
            drawn = parameters.ordered()
            squared_error, gradients = objective.differentiate(drawn, objective.coarse)
            if events:
                activity += gradients["means"].norm(dim=1)
                since += 1
            stage.listener(drawn, squared_error, objective.coarse)
            adam.step(parameters.tensors, gradients, decay(step / steps, start=self.decay_start))
            stage.constrain(parameters.tensors)
            if step + 1 in events:
                left = len(events) - events.index(step + 1)
                portion = -(-(count - len(parameters)) // left)
                parameters = growth.grow(parameters, adam, activity / since, portion, spacing, stage.generator)
                activity, since = torch.zeros(len(parameters), device=picture.device), 0
        return parameters, adam
