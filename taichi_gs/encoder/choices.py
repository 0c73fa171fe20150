"""What the options of an encoder can be. Importing this costs nothing, so that help texts can show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from taichi_gs.kernels import Device as Device
from taichi_gs.model.blending import Blending

if TYPE_CHECKING:
    from taichi_gs.encoder.rate_model import RateModel
    from taichi_gs.fit.fit import Hyperparameters

Preset = Literal["fast", "default", "best", "paper"]
"""How hard the encoder tries; see `presets.PRESETS`."""

LossName = Literal["l2", "l1-ssim"]
"""What a fit minimises; see `fit/losses.py`."""

Density = Literal["prune", "gradient"]
"""How the Gaussians come to be as many as they should; see `fit/unconstrained.py`."""

MAX_BUDGET = 1_000_000
"""The most Gaussians that the encoder is asked for."""

MIN_BYTES = 120
"""No limit below this can be met: it is the size of a file with a handful of Gaussians."""

MAX_K = 4096
"""The most codewords of a codebook."""

MIN_STEPS, MAX_STEPS = 10, 10_000_000

MAX_RESTARTS = 1000


class EncodeOptions(TypedDict, total=False):
    """The options of `encode` over its preset's, for type checkers: the fields of `presets.EncoderConfig`, and `k`.

    `k` stands for `covariance_k` and `color_k` where those are not given.
    """

    k: int | None
    steps: int
    restarts: int
    blending: Blending
    loss: LossName
    density: Density
    position_bits: int | None
    covariance_bits: int | None
    color_bits: int | None
    amplitude_bits: int | None
    num_gaussians: int | None
    covariance_k: int | None
    color_k: int | None
    bits_per_pixel: float | None
    num_bytes: int | None
    psnr: float | None
    seed: int
    rate_model: RateModel
    hyperparameters: Hyperparameters | None
