"""A quality that a file should have: how it is measured, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.pictures.metrics import decibels_of_ms_ssim, ms_ssim, psnr

QUALITY_PER_DECIBEL = 5.0
"""Of MS-SSIM: `quality` is -50 log10(1 - MS-SSIM), so that 50 is 0.9 and 100 is 0.99."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Goal:
    """A quality that a file should have.

    Attributes:
        option: of EncoderConfig, that asks for it.
        decibels: what decoded pixels should have at least, in dB as `measure` has them.
    """

    option: Literal["psnr", "quality"]
    decibels: float

    @property
    def drops_gaussians(self) -> bool:
        """Whether a fit drops Gaussians until just this quality is left; looking is too slow for MS-SSIM."""
        return self.option == "psnr"

    def measure(self, original: Pixels, decoded: Pixels) -> float:
        """Measure decoded pixels [H, W, 3] against those of the picture, in dB."""
        if self.option == "psnr":
            return psnr(original, decoded)
        return decibels_of_ms_ssim(ms_ssim(original, decoded))

    @property
    def per_decibel(self) -> float:
        """What a dB is on the scale of the option."""
        return 1.0 if self.option == "psnr" else QUALITY_PER_DECIBEL

    def missed(self, decibels: float, which: str) -> str:
        """Say in one sentence that files have no more than `decibels`; `which` is what that is."""
        reached, wanted = self.per_decibel * decibels, self.per_decibel * self.decibels
        told = f"{reached:.2f} dB" if self.option == "psnr" else f"quality {reached:.1f}"
        return f"{which} is {told}, not {wanted:g}"

    def asked_of(self, config: EncoderConfig, decibels: float) -> EncoderConfig:
        """The same configuration with so many dB as its goal."""
        changed: dict[str, Any] = {self.option: self.per_decibel * decibels}
        return replace(config, **changed)


def goal_of(config: EncoderConfig) -> Goal | None:
    """The quality that is asked for, if any."""
    if config.psnr is not None:
        return Goal("psnr", config.psnr)
    if config.quality is not None:
        return Goal("quality", config.quality / QUALITY_PER_DECIBEL)
    return None
