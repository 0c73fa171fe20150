"""`FitConfig`: how to fit."""

from __future__ import annotations

from dataclasses import dataclass

from taichi_gs.fit.precision import Precision
from taichi_gs.model.gaussians import Blending


@dataclass(frozen=True)
class FitConfig:
    """How to fit.

    Attributes:
        num_gaussians: N, the budget; fewer may remain.
        precision: what the file may spend on what.
        blending: of the Gaussians, "alpha" or "normalized".
        loss: "l2", the mean squared error, or "l1-ssim", see `losses.py`.
        steps: optimisation steps, all stages together.
        density: how the Gaussians come to be N: "prune" or "gradient", see `free.fit_free`.
        seed: of every random choice.
        min_psnr: in dB of the 8-bit picture; Gaussians that it can be reached without are removed in the end, if given.
    """

    num_gaussians: int
    precision: Precision
    blending: Blending
    loss: str
    steps: int
    density: str
    seed: int
    min_psnr: float | None = None
