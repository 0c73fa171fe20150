"""What decides how a picture is encoded: `EncoderConfig`, the presets, and the check of options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import Any, get_args

import numpy as np

from taichi_gs import files
from taichi_gs.encoder import rate_model as budget
from taichi_gs.errors import OptionError
from taichi_gs.model.gaussians import Blending

MAX_K = 4096

MIN_STEPS = 10

TARGETS = ("num_gaussians", "bits_per_pixel", "num_bytes", "psnr")
"""The options that decide how large the file is, of which one can be given."""


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides what `encode` makes of a picture.

    Presets are instances, and `encode` takes the fields as options.

    Attributes:
        steps: optimisation steps of a fit, all stages together.
        trials: fits from which the best file is kept, see `fit/trials.py`.
        blending: "normalized", or "alpha" as in the paper.
        loss: "l2", or "l1-ssim" as in the paper.
        density: how the Gaussians come to be as many as they should: "prune" fits several times as many and keeps the
            best, "gradient" is the paper's clone and split.
        position_bits: bits of either coordinate; None lets rate and distortion decide.
        covariance_bits, color_bits, amplitude_bits: bits of each such channel of the codewords; None likewise.
        num_gaussians: N; None follows from the target rate, or from the picture's size.
        covariance_k, color_k: sizes of the two codebooks; None follows from N.
        bits_per_pixel, num_bytes: the file is kept at or below this rate or size, if given.
        psnr: in dB; the file is made as small as this quality allows, if given: that of the decoded file against the
            picture rounded to 8 bits. At most one of num_gaussians, bits_per_pixel, num_bytes and psnr can be given.
            That of a picture with alpha is measured over black and over white, see `picture.comparable_rgb`.
        seed: of every random choice.
    """

    steps: int
    trials: int = 1
    blending: Blending = "normalized"
    loss: str = "l2"
    density: str = "prune"
    position_bits: int | None = None
    covariance_bits: int | None = None
    color_bits: int | None = None
    amplitude_bits: int | None = None
    num_gaussians: int | None = None
    covariance_k: int | None = None
    color_k: int | None = None
    bits_per_pixel: float | None = None
    num_bytes: int | None = None
    psnr: float | None = None
    seed: int = 0


PRESETS: Mapping[str, EncoderConfig] = MappingProxyType(
    {
        "fast": EncoderConfig(steps=250),
        "default": EncoderConfig(steps=500),
        "best": EncoderConfig(steps=500, trials=6),
        "paper": EncoderConfig(steps=600, blending="alpha", loss="l1-ssim", density="gradient", position_bits=10),
    }
)
"""How hard `encode` tries, by name; "paper" stays as close to Zhang et al. 2024 as a real bitstream allows."""


def configure(preset: str, k: int | None, options: Mapping[str, Any]) -> EncoderConfig:
    """Return a preset with `options`, fields of EncoderConfig, and with `k` as the size of both codebooks, if given.

    Raises:
        OptionError: if an option, or a combination, makes no sense.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise OptionError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    unknown = options.keys() - EncoderConfig.__dataclass_fields__.keys()
    if unknown:
        raise OptionError(f"unknown option {min(unknown)!r}")
    # PyTorch and the budgets want Python's own integers.
    options = {name: int(value) if isinstance(value, np.integer) else value for name, value in options.items()}
    config = replace(PRESETS[preset], **options)
    if k is not None:
        k = int(k) if isinstance(k, np.integer) else k
        covariance_k = k if config.covariance_k is None else config.covariance_k
        config = replace(config, covariance_k=covariance_k, color_k=k if config.color_k is None else config.color_k)
    _check(config)
    return config


def _check(config: EncoderConfig) -> None:
    ranges = {
        "steps": (MIN_STEPS, 10_000_000),
        "trials": (1, 1000),
        "num_gaussians": (1, budget.MAX_GAUSSIANS),
        "num_bytes": (budget.MIN_BYTES, files.MAX_FILE_BYTES),
        "covariance_k": (1, MAX_K),
        "color_k": (1, MAX_K),
        "position_bits": (1, 15),
        "covariance_bits": (1, 12),
        "color_bits": (1, 12),
        "amplitude_bits": (1, 12),
        "seed": (0, 2**32 - 1),
    }
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        given = value is not None or name in ("steps", "trials", "seed")
        if given and (not isinstance(value, int) or not low <= value <= high):
            raise OptionError(f"{name} must be a whole number from {low} to {high:,}, not {value!r}")
    if config.loss not in ("l2", "l1-ssim"):
        raise OptionError(f"unknown loss {config.loss!r}: choose l2 or l1-ssim")
    if config.density not in ("prune", "gradient"):
        raise OptionError(f"unknown density {config.density!r}: choose prune or gradient")
    if config.blending not in get_args(Blending):
        raise OptionError(f"unknown blending {config.blending!r}: choose {' or '.join(get_args(Blending))}")
    for name in ("bits_per_pixel", "psnr"):
        value = getattr(config, name)
        if value is not None and not (isinstance(value, Real) and math.isfinite(value) and float(value) > 0):
            raise OptionError(f"{name} must be a positive number, not {value!r}")
    targets = [name for name in TARGETS if getattr(config, name) is not None]
    if len(targets) > 1:
        raise OptionError(f"{targets[0]} and {targets[1]} exclude each other: give one of {', '.join(TARGETS)}")
