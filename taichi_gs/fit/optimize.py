"""The fit: from a picture to the integers of a file."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from taichi_gs.fit.clustered import ClusteredFit
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.free import fit_free, num_free
from taichi_gs.fit.pull import pull
from taichi_gs.fit.target import Target
from taichi_gs.quantized import QuantizedGaussians

FREE, PULL, REASSIGN = 0.3, 0.35, 0.15
"""The stages' shares of the steps; refining has the rest."""


def fit(image: Tensor, config: FitConfig, report: Callable[[int, float], None]) -> QuantizedGaussians:
    """Fit Gaussians to a picture [3, H, W], RGB from 0 to 1, and return them quantised.

    `report(step, psnr)` is called after every step, with the PSNR in dB at the resolution of that step.
    """
    generator = torch.Generator().manual_seed(config.seed)
    done = 0

    def tick(psnr: float) -> None:
        nonlocal done
        done += 1
        report(done, psnr)

    free, pulling, reassigning = (max(1, round(share * config.steps)) for share in (FREE, PULL, REASSIGN))
    target = Target(image, config.loss, num_free(config, image[0].numel()))
    adam = fit_free(target, config, free, generator, tick)
    clusters = pull(adam, target, config, pulling, generator, tick)
    clustered = ClusteredFit(adam, clusters, target, config, generator)
    clustered.reassign(reassigning, tick)
    return clustered.refine(config.steps - free - pulling - reassigning, tick).canonical()
