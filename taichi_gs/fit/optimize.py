"""The fit: from a picture to the integers of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from taichi_gs.fit.clustered import ClusteredFit
from taichi_gs.fit.grow import grow
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.pull import pull
from taichi_gs.fit.target import Target
from taichi_gs.quantized import QuantizedGaussians

GROW, PULL, REASSIGN = 0.3, 0.35, 0.15
"""The stages' shares of the steps; refining has the rest."""


@dataclass(frozen=True)
class FitConfig:
    """How to fit.

    Attributes:
        num_gaussians: N, the budget; fewer may remain.
        precision: what the file may spend on what.
        loss: a name in `losses.LOSSES`.
        steps: optimisation steps, all stages together.
        density: "error" or "gradient", see `grow`.
        seed: of every random choice.
    """

    num_gaussians: int
    precision: Precision
    loss: str
    steps: int
    density: str
    seed: int


def fit(image: Tensor, config: FitConfig, report: Callable[[int, float], None]) -> QuantizedGaussians:
    """Fit Gaussians to a picture [3, H, W], RGB from 0 to 1, and return them quantised.

    `report(step, psnr)` is called after every step, with the PSNR in dB at the resolution of that step.
    """
    generator = torch.Generator().manual_seed(config.seed)
    target = Target(image, config.loss, config.num_gaussians)
    done = 0

    def tick(psnr: float) -> None:
        nonlocal done
        done += 1
        report(done, psnr)

    growing, pulling, reassigning = (max(1, round(share * config.steps)) for share in (GROW, PULL, REASSIGN))
    adam = grow(target, config.num_gaussians, growing, config.density, generator, tick)
    clusters = pull(adam, target, config.precision, pulling, generator, tick)
    clustered = ClusteredFit(adam, clusters, target, config.precision, generator)
    clustered.reassign(reassigning, tick)
    return clustered.refine(config.steps - growing - pulling - reassigning, tick).canonical()
