"""Fits of the planes of a picture: gray, or red, green and blue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.draw import draw_integers
from taichi_gs.encoder.goal import goal_of
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.encoder.rate_model import CodebookSizes
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.device import picture_tensor, renderer_on
from taichi_gs.fit.fit import fit, make_objective
from taichi_gs.fit.objective import Objective
from taichi_gs.format.bitstream import num_bytes_of
from taichi_gs.kernels.runtime import Arch, call
from taichi_gs.model.quantized import AMPLITUDE_CHANNEL, COLOR_CHANNELS, COVARIANCE_CHANNELS, QuantizedGaussians
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.picture import comparable_rgb

Planes = NDArray[np.float32]

StepListener = Callable[[int, float], None]
"""Called as listener(step, psnr) after every step of a fit."""


@dataclass(frozen=True)
class Outcome:
    """What became of planes.

    Attributes:
        quantized: their integers.
        shortfall: how they miss what was asked for, in one sentence, if they do.
    """

    quantized: QuantizedGaussians
    shortfall: str | None = None


@dataclass(frozen=True)
class FitResult:
    """A fit and what it is worth.

    Attributes:
        quantized: its integers.
        num_bytes: the size of its file, without chunks.
        reached: in dB, of the decoded file against the planes rounded to 8 bits, by the measure of the quality that is
            asked for; the PSNR without such a goal.
        weighted_psnr: with each pixel's error weighted as the fit's objective does.
    """

    quantized: QuantizedGaussians
    num_bytes: int
    reached: float
    weighted_psnr: float


class PlaneFits:
    """Fits of the planes of one picture, on one device.

    Attributes:
        num_pixels: H times W.
    """

    def __init__(self, planes: Planes, config: EncoderConfig, arch: Arch) -> None:
        """Prepare fits of planes [H, W, 1] or [H, W, 3], 0 to 1, by `config`."""
        height, width, num_channels = planes.shape
        rgb = planes if num_channels == 3 else np.broadcast_to(planes, (height, width, 3))
        self.num_pixels = height * width
        self._is_gray = num_channels == 1
        self._config, self._arch = config, arch
        self._rgb = rgb
        self._picture = picture_tensor(rgb, arch)

    def configure(self, max_bytes: int | None, restart: int, min_psnr: float | None = None) -> FitConfig:
        """Return how to fit with a limit in bytes or without, in the restart of a number from 0.

        With `min_psnr`, Gaussians that the planes have this PSNR without are dropped.
        """
        config, model = self._config, self._config.rate_model
        scale = model.codebook_scales[restart % len(model.codebook_scales)]
        sizes = CodebookSizes(config.covariance_k, config.color_k, scale)
        if max_bytes is not None:
            spare = model.spare_of_growth if config.density == "gradient" else 1.0
            budget = model.budget_for_bytes(
                round(spare * max_bytes),
                self.num_pixels,
                sizes,
                config.position_bits,
                is_gray=self._is_gray,
            )
        else:
            count = config.num_gaussians or max(1, self.num_pixels // model.pixels_per_gaussian)
            budget = model.budget_for_count(count, sizes)
        return FitConfig(
            num_gaussians=budget.num_gaussians,
            covariance_k=budget.covariance_k,
            color_k=budget.color_k,
            blending=config.blending,
            loss=config.loss,
            tune=config.tune,
            density=config.density,
            steps=config.steps,
            seed=config.seed + restart,
            position_bits=config.position_bits,
            covariance_bits=(config.covariance_bits,) * COVARIANCE_CHANNELS,
            color_bits=tuple(
                config.amplitude_bits if channel == AMPLITUDE_CHANNEL else config.color_bits
                for channel in range(COLOR_CHANNELS)
            ),
            is_gray=self._is_gray,
            max_bytes=max_bytes,
            min_psnr=min_psnr,
        )

    def fit(self, config: FitConfig, listener: StepListener) -> QuantizedGaussians:
        """Fit once."""
        return self._fit(config, listener)[0]

    def measured(self, config: FitConfig, listener: StepListener) -> FitResult:
        """Fit once, and measure what a decoder makes of it."""
        quantized, objective = self._fit(config, listener)
        pixels = comparable_rgb(draw_integers(quantized, device=self._arch))
        goal = goal_of(self._config)
        reached = (goal.measure if goal else psnr)(as_byte_image(self._rgb), pixels)
        return FitResult(quantized, num_bytes_of(quantized), reached, objective.weighted_psnr(pixels))

    def _fit(self, config: FitConfig, listener: StepListener) -> tuple[QuantizedGaussians, Objective]:
        chosen = self._config.hyperparameters
        objective = make_objective(self._picture, config, renderer_on(self._arch), chosen)
        return call(fit, objective, config, listener, chosen), objective
