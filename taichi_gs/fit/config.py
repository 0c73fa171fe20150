"""`FitConfig`: what a fit is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from taichi_gs.model.blending import Blending
from taichi_gs.model.quantized import COLOR_CHANNELS, COVARIANCE_CHANNELS


@dataclass(frozen=True)
class FitConfig:
    """What a fit is asked for. How it gets there is in `fit.Hyperparameters`.

    Attributes:
        num_gaussians: N, the budget; fewer may remain.
        covariance_k: codewords of the covariance codebook; fewer may remain.
        color_k: codewords of the color codebook; fewer may remain.
        blending: of the Gaussians, "alpha" or "normalized".
        loss: a name in `losses.LOSSES`.
        tune: what the errors' weights are for, "psnr" or "visual", see `tuning.py`.
        density: how the Gaussians come to be N: "prune" or "gradient", see `unconstrained.py`.
        steps: optimisation steps, all stages together.
        seed: of every random choice.
        position_bits: bits of the coordinate along the longer side; None lets rate and distortion decide.
        covariance_bits: each channel (m, u, v) of a covariance codeword is rounded as finely as so many bits would do,
            as far as the format has such steps; None likewise.
        color_bits: likewise, each channel (Y, Co, Cg, amplitude) of a color codeword.
        is_gray: whether the picture has no colours: then red, green and blue are equal, and Co and Cg stay 0.
        max_bytes: the file, without chunks, is kept at or below this size, if given.
        min_psnr: in dB of the 8-bit picture; Gaussians that it can be reached without are removed in the end, if given.
    """

    num_gaussians: int
    covariance_k: int
    color_k: int
    blending: Blending
    loss: str
    tune: str
    density: str
    steps: int
    seed: int
    position_bits: int | None = None
    covariance_bits: tuple[int | None, ...] = (None,) * COVARIANCE_CHANNELS
    color_bits: tuple[int | None, ...] = (None,) * COLOR_CHANNELS
    is_gray: bool = False
    max_bytes: int | None = None
    min_psnr: float | None = None
