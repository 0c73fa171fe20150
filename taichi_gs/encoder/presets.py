"""What decides how a picture is encoded: `EncoderConfig`, the presets, and the check of options."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict, get_args

import numpy as np

from taichi_gs import files
from taichi_gs.encoder.choices import (
    MAX_BUDGET,
    MAX_K,
    MAX_QUALITY,
    MAX_RESTARTS,
    MAX_STEPS,
    MIN_BYTES,
    MIN_STEPS,
    PREVIEW_BYTES,
    PREVIEW_STEPS,
    Density,
    LossName,
    Preset,
    Tune,
)
from taichi_gs.encoder.rate_model import UNSEARCHED, RateModel
from taichi_gs.errors import OptionError
from taichi_gs.model.blending import Blending

if TYPE_CHECKING:
    from taichi_gs.fit.fit import Hyperparameters

GOALS = ("num_gaussians", "bits_per_pixel", "num_bytes", "quality", "psnr")
"""The options that decide how large the file is. One of them can be given."""


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides what `encode` makes of a picture.

    Presets are instances, and `encode` takes the fields as options.

    Attributes:
        steps: optimisation steps of a fit, all stages together.
        restarts: fits from which the best file is kept.
        blending: "normalized", or "alpha" as in the paper.
        loss: "l2"; "l1-ssim" as in the paper; or "l1", its first part alone.
        tune: "visual" weighs errors by how visible they are; "psnr" weighs all alike, and is what losses other than
            "l2" need.
        density: how the Gaussians come to be as many as they should: "prune" fits several times as many and keeps the
            best, "gradient" is the paper's clone and split.
        position_bits: bits of the coordinate along the longer side; None lets rate and distortion decide.
        covariance_bits, color_bits, amplitude_bits: each such channel of the codewords is rounded as finely as so many
            bits would do, as far as the format has such steps; None likewise.
        num_gaussians: N; None follows from the rate that is asked for, or from the picture's size.
        covariance_k, color_k: the most codewords of the two codebooks, and never more than one for four Gaussians;
            None follows from N.
        bits_per_pixel, num_bytes: the file is kept at or below this rate or size, if given.
        quality: from 0 to 100; the file is made as small as this quality allows, if given: -50 log10(1 - MS-SSIM) of
            the decoded file against the picture rounded to 8 bits, so that 50 is an MS-SSIM of 0.9 and 100 of 0.99.
        psnr: in dB; the file is made as small as this quality allows, if given: that of the decoded file against the
            picture rounded to 8 bits. At most one of num_gaussians, bits_per_pixel, num_bytes, quality and psnr can
            be given. Both qualities of a picture with alpha are measured over black and over white, see
            `picture.comparable_rgb`.
        seed: of every random choice.
        rate_model: what files are expected to cost.
        hyperparameters: all other choices of a fit, for experiments; None leaves them to `fit`.
    """

    steps: int
    restarts: int = 1
    blending: Blending = "normalized"
    loss: LossName = "l2"
    tune: Tune = "visual"
    density: Density = "prune"
    position_bits: int | None = None
    covariance_bits: int | None = None
    color_bits: int | None = None
    amplitude_bits: int | None = None
    num_gaussians: int | None = None
    covariance_k: int | None = None
    color_k: int | None = None
    bits_per_pixel: float | None = None
    num_bytes: int | None = None
    quality: float | None = None
    psnr: float | None = None
    seed: int = 0
    rate_model: RateModel = field(default_factory=RateModel)
    hyperparameters: Hyperparameters | None = None


class EncodeOptions(TypedDict, total=False):
    """The options of `encode`, for type checkers: the fields of EncoderConfig, `k`, `max_pixels` and `preview`.

    `k` stands for `covariance_k` and `color_k` where those are not given. `max_pixels` is the largest picture that is
    taken. `preview` makes a placeholder.
    """

    k: int | None
    steps: int
    restarts: int
    blending: Blending
    loss: LossName
    tune: Tune
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
    quality: float | None
    psnr: float | None
    seed: int
    rate_model: RateModel
    hyperparameters: Hyperparameters | None
    max_pixels: int | None
    preview: bool


PRESETS: Mapping[Preset, EncoderConfig] = MappingProxyType(
    {
        "fast": EncoderConfig(steps=250),
        "default": EncoderConfig(steps=500),
        "best": EncoderConfig(steps=500, restarts=6),
        "paper": EncoderConfig(
            steps=600, blending="alpha", loss="l1-ssim", tune="psnr", density="gradient", position_bits=10
        ),
    }
)
"""How hard `encode` tries, by name; "paper" stays as close to Zhang et al. 2024 as a real bitstream allows."""


def configure(preset: Preset, options: Mapping[str, Any], *, preview: bool = False) -> EncoderConfig:
    """Return a preset with `options`: fields of EncoderConfig, and `k` for the size of both codebooks.

    A preview has at most PREVIEW_BYTES where the options set no goal, and then PREVIEW_STEPS at most, or those that the
    options set.

    Raises:
        OptionError: if an option, or a combination, makes no sense.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise OptionError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    # PyTorch and the rate model want Python's own integers.
    chosen: dict[str, Any] = {
        name: int(value) if isinstance(value, np.integer) else value for name, value in options.items()
    }
    if preview and all(chosen.get(goal) is None for goal in GOALS):
        chosen["num_bytes"] = PREVIEW_BYTES
        chosen.setdefault("steps", min(PRESETS[preset].steps, PREVIEW_STEPS))
    k = chosen.pop("k", None)
    unknown = min(chosen.keys() - EncoderConfig.__dataclass_fields__.keys(), default=None)
    if unknown is not None:
        nearest = difflib.get_close_matches(unknown, [*EncoderConfig.__dataclass_fields__, "k"], 1)
        raise OptionError(f"unknown option {unknown!r}" + "".join(f": did you mean {name}?" for name in nearest))
    config = replace(PRESETS[preset], **chosen)
    if config.loss != "l2" and "tune" not in chosen:
        config = replace(config, tune="psnr")
    if config.blending == "alpha" and "rate_model" not in chosen:
        config = replace(config, rate_model=UNSEARCHED)
    if k is not None:
        covariance_k = k if config.covariance_k is None else config.covariance_k
        config = replace(config, covariance_k=covariance_k, color_k=k if config.color_k is None else config.color_k)
    _check(config)
    return config


def _check(config: EncoderConfig) -> None:
    ranges = {
        "steps": (MIN_STEPS, MAX_STEPS),
        "restarts": (1, MAX_RESTARTS),
        "num_gaussians": (1, MAX_BUDGET),
        "num_bytes": (MIN_BYTES, files.MAX_FILE_BYTES),
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
        given = value is not None or name in ("steps", "restarts", "seed")
        if given and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise OptionError(f"{name} must be a whole number from {low} to {high:,}, not {value!r}")
    for name, known in (("loss", LossName), ("tune", Tune), ("density", Density), ("blending", Blending)):
        value = getattr(config, name)
        if value not in get_args(known):
            raise OptionError(f"unknown {name} {value!r}: choose {' or '.join(get_args(known))}")
    for name in ("bits_per_pixel", "quality", "psnr"):
        value = getattr(config, name)
        if value is None:
            continue
        if isinstance(value, bool) or not (isinstance(value, Real) and math.isfinite(value) and float(value) > 0):
            raise OptionError(f"{name} must be a positive number, not {value!r}")
    if config.quality is not None and config.quality > MAX_QUALITY:
        raise OptionError(f"quality must be at most {MAX_QUALITY}, not {config.quality!r}")
    goals = [name for name in GOALS if getattr(config, name) is not None]
    if len(goals) > 1:
        raise OptionError(f"{goals[0]} and {goals[1]} exclude each other: give one of {', '.join(GOALS)}")
    if not isinstance(config.rate_model, RateModel):
        raise OptionError(f"rate_model must be a RateModel, not {config.rate_model!r}")
    if config.hyperparameters is not None:
        from taichi_gs.fit.fit import Hyperparameters

        if not isinstance(config.hyperparameters, Hyperparameters):
            raise OptionError(f"hyperparameters must be Hyperparameters, not {config.hyperparameters!r}")
    if config.tune != "psnr" and config.loss != "l2":
        raise OptionError(
            f"tune {config.tune} and loss {config.loss} exclude each other: only l2 weighs errors "
            "(the preset paper has l1-ssim)"
        )
