"""Several fits of one picture, of which the best file is kept.

How many codewords suit a picture differs from picture to picture, and where Gaussians start is a matter of chance:
files of the same size differ by a tenth of a decibel and more. More steps do not even that out, more trials do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taichi_gs.decoder.decode import rasterize
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.fit import fit
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import psnr

DECIBELS_PER_DOUBLING = 1.7
"""What twice the bytes gain along a photograph's curve: the price at which files of different sizes are compared."""


@dataclass(frozen=True)
class Trial:
    """A file and what it is worth.

    Attributes:
        data: the file.
        psnr: in dB, of the decoded file against the picture rounded to 8 bits.
    """

    data: bytes
    psnr: float

    @property
    def merit(self) -> float:
        """The PSNR less the price of the bytes, in dB: the larger the better."""
        return self.psnr - DECIBELS_PER_DOUBLING * math.log2(len(self.data))


def byte_picture(image: Tensor) -> NDArray[np.uint8]:
    """The picture [3, H, W], RGB from 0 to 1, as a decoder would give it at best: [H, W, 3] uint8."""
    return as_byte_image(image.permute(1, 2, 0).cpu().numpy())


def run_trial(
    image: Tensor, picture: NDArray[np.uint8], config: FitConfig, report: Callable[[int, float], None]
) -> Trial:
    """Fit once and measure the decoded file against `picture` [H, W, 3]; the other arguments are those of `fit`."""
    quantized = fit(image, config, report)
    return Trial(serialize(quantized), psnr(picture, rasterize(dequantize_gaussians(quantized))))


def best_file(image: Tensor, configs: Sequence[FitConfig], report: Callable[[int, int, float], None]) -> bytes:
    """Fit with each of `configs` and return the best file.

    `report(step, num_steps, psnr)` is called after every step of any fit; steps count on, and those of all fits are
    known from the start.
    """
    num_steps = sum(config.steps for config in configs)
    done = 0

    def tick(step: int, psnr: float) -> None:
        report(done + step, num_steps, psnr)

    if len(configs) == 1:
        return serialize(fit(image, configs[0], tick))
    picture = byte_picture(image)
    trials = []
    for config in configs:
        trials.append(run_trial(image, picture, config, tick))
        done += config.steps
    return max(trials, key=lambda trial: trial.merit).data
