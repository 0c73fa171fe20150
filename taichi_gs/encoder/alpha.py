"""Pictures with alpha: how much of a file the alpha plane gets, and colours that are as good as they are visible."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.draw import draw_integers
from taichi_gs.encoder.choices import MIN_BYTES
from taichi_gs.encoder.fitter import Fitter
from taichi_gs.encoder.goal import QUALITY_PER_DECIBEL, Goal, goal_of
from taichi_gs.encoder.plane_fits import Outcome, Planes
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.format.bitstream import num_bytes_of
from taichi_gs.model.quantized import QuantizedGaussians
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.picture import comparable_rgb
from taichi_gs.pictures.transparency import fill_transparent


@dataclass(frozen=True)
class Layers:
    """A picture with alpha.

    Attributes:
        colors: the integers of its colours.
        alpha: those of its alpha plane.
        shortfall: how it misses what was asked for, in one sentence, if it does.
    """

    colors: QuantizedGaussians
    alpha: QuantizedGaussians
    shortfall: str | None = None


@dataclass(frozen=True)
class AlphaCoding:
    """How pictures with alpha are coded.

    Attributes:
        soft_share, hard_share: of the bytes, or of the number of Gaussians, for the alpha plane of a mask that is soft,
            or cut out with scissors.
        hard_steps: the mean step between neighbouring pixels along the edges of the latter, smoothed over the width of
            a pixel.
        sufficient_psnr: in dB; an alpha plane that is better than this gives Gaussians back: simple masks need less
            than their share.
        color_margin, alpha_margin: in dB over a quality that is asked for, for colours where they are opaque, and for
            alpha.
        psnr_over_ms_ssim: in dB, about; alpha always has a PSNR as its goal.
        max_fits: how often colours are fitted until the PSNR is reached.
    """

    soft_share: float = 0.15
    hard_share: float = 0.35
    hard_steps: float = 0.4
    sufficient_psnr: float = 46.0
    color_margin: float = 0.5
    alpha_margin: float = 6.0
    psnr_over_ms_ssim: float = 15.5
    max_fits: int = 5

    def run(
        self, fitter: Fitter, colors: Planes, alpha: Planes, config: EncoderConfig, max_bytes: int | None
    ) -> Layers:
        """Fit alpha [H, W], and then the colours [H, W, 1] or [H, W, 3] with the bytes that it leaves.

        `max_bytes` is the limit for both together, if there is one. Either has at most half of all Gaussians.
        """
        model = config.rate_model
        config = replace(config, rate_model=replace(model, max_gaussians=max(model.max_gaussians // 2, 1)))
        with fitter.before(config.steps * config.restarts):
            plane = self._fit_plane(fitter, alpha, config, max_bytes).quantized
        # What a plane that is not good enough means for the picture is seen in the end.
        filled = fill_transparent(colors, alpha)
        goal = goal_of(config)
        if goal is not None:
            return self._fit_to_goal(fitter, np.dstack([colors, alpha]), filled, plane, config, goal)
        room = None if max_bytes is None else max_bytes - num_bytes_of(plane)
        outcome = fitter.fit(filled, config, room)
        return Layers(outcome.quantized, plane, outcome.shortfall)

    def share(self, alpha: Planes) -> float:
        """The part of a file that alpha [H, W] is worth: the more, the harder its edges are."""
        steps = np.concatenate([np.abs(np.diff(alpha, axis=axis)).ravel() for axis in (0, 1)])
        # The mean of the steps, each weighted by itself: where nothing changes does not count.
        steepness = float(np.square(steps).sum() / max(steps.sum(), np.float32(1e-9)))
        return self.soft_share + (self.hard_share - self.soft_share) * min(steepness / self.hard_steps, 1.0)

    def _fit_plane(self, fitter: Fitter, alpha: Planes, config: EncoderConfig, max_bytes: int | None) -> Outcome:
        """Fit alpha [H, W] with its share of what there is."""
        # Of alpha, errors show where the picture is busy too.
        planes, config = alpha[:, :, None], replace(config, tune="psnr")
        share, config = self.share(alpha), replace(config, restarts=1)
        if config.psnr is not None:
            return fitter.fit(planes, replace(config, psnr=config.psnr + self.alpha_margin))
        if config.quality is not None:
            decibels = config.quality / QUALITY_PER_DECIBEL + self.psnr_over_ms_ssim
            return fitter.fit(planes, replace(config, quality=None, psnr=decibels + self.alpha_margin))
        if max_bytes is not None:
            return fitter.fit(planes, config, max(MIN_BYTES, int(share * max_bytes)), self.sufficient_psnr)
        count = config.num_gaussians or alpha.size // config.rate_model.pixels_per_gaussian
        config = replace(config, num_gaussians=max(1, int(share * count)))
        return fitter.fit(planes, config, min_psnr=self.sufficient_psnr)

    def _fit_to_goal(
        self,
        fitter: Fitter,
        picture: Planes,
        filled: Planes,
        plane: QuantizedGaussians,
        config: EncoderConfig,
        goal: Goal,
    ) -> Layers:
        """Fit the filled colours until with the alpha plane they make `picture` [H, W, C] of the quality asked for."""
        expected, expected_colors = (comparable_rgb(as_byte_image(planes)) for planes in (picture, filled))
        # Errors count as much as they are visible, and are about the same everywhere.
        visible = float(np.square(picture[:, :, -1]).mean()) if goal.option == "psnr" else 1.0
        wanted = max(goal.decibels + self.color_margin + 10.0 * math.log10(max(visible, 1e-3)), 1.0)
        which = f"what the last of {self.max_fits} attempts reached"
        for _ in range(self.max_fits):
            colors = fitter.fit(filled, goal.asked_of(config, wanted))
            reached = goal.measure(expected, _drawn(fitter, colors.quantized, plane))
            if reached >= goal.decibels:
                return Layers(colors.quantized, plane)
            own = goal.measure(expected_colors, _drawn(fitter, colors.quantized))
            if colors.shortfall is not None or math.isinf(own):  # no other colours would be better
                which = "the best that this preset reaches"
                break
            # Small files are often better than they had to be: nearly the same goal would make the same file again.
            wanted = max(wanted, own) + goal.decibels - reached + 0.1
        return Layers(colors.quantized, plane, goal.missed(reached, which))


def _drawn(fitter: Fitter, colors: QuantizedGaussians, alpha: QuantizedGaussians | None = None) -> NDArray[np.uint8]:
    return comparable_rgb(draw_integers(colors, alpha, device=fitter.arch))
