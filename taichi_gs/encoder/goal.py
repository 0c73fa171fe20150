"""A quality that a file should have: how it is measured, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.pictures.metrics import ms_ssim, psnr

QUALITY_PER_DECIBEL = 5.0
"""Of MS-SSIM: `quality` is -50 log10(1 - MS-SSIM), so that 50 is 0.9 and 100 is 0.99."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Goal:
    """A quality that a file should have.

    Attributes:
        option: of EncoderConfig, that asks for it.
        decibels: what decoded pixels should have at least, in dB of `measure`.
    """

    option: Literal["psnr", "quality"]
    decibels: float

    @property
    def drops_gaussians(self) -> bool:
        """Whether a fit drops Gaussians until just this quality is left; looking is too slow for MS-SSIM."""
        return self.option == "psnr"

    @property
    def measure(self) -> Callable[[Pixels, Pixels], float]:
        """What measures decoded pixels [H, W, 3] against those of the picture, in dB."""
        return psnr if self.option == "psnr" else ms_ssim_decibels

    def told(self, decibels: float) -> str:
        """Say a measured quality, as the option counts it."""
        return f"{decibels:.2f} dB" if self.option == "psnr" else f"{QUALITY_PER_DECIBEL * decibels:.1f}"

    def missed(self, decibels: float, which: str) -> str:
        """Say in one sentence that files have no more than `decibels`; `which` is what that is."""
        value = self.decibels * (1.0 if self.option == "psnr" else QUALITY_PER_DECIBEL)
        return f"{which} is {self.told(decibels)}, not {value:g}"

    def asked_of(self, config: EncoderConfig, decibels: float) -> EncoderConfig:
        """The same configuration with so many dB as its goal."""
        if self.option == "psnr":
            return replace(config, psnr=decibels)
        return replace(config, quality=QUALITY_PER_DECIBEL * decibels)


def goal_of(config: EncoderConfig) -> Goal | None:
    """The quality that is asked for, if any."""
    if config.psnr is not None:
        return Goal("psnr", config.psnr)
    if config.quality is not None:
        return Goal("quality", config.quality / QUALITY_PER_DECIBEL)
    return None


def ms_ssim_decibels(a: Pixels, b: Pixels) -> float:
    """MS-SSIM on a scale of decibels, -10 log10(1 - MS-SSIM)."""
    return -10.0 * math.log10(max(1.0 - ms_ssim(a, b), 1e-10))
