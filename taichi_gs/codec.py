"""The codec: a picture in, bytes out, and back; the presets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taichi_gs import bitstream, files, metrics
from taichi_gs.decoder import decode_bytes
from taichi_gs.errors import BitstreamError, DeviceError, ImageError, OptionError
from taichi_gs.fit import budget
from taichi_gs.gaussians import Blending
from taichi_gs.kernels import runtime

MAX_K = 4096
MIN_STEPS = 10

MIN_PIXELS_PER_GAUSSIAN = 4
"""In search of a quality; more Gaussians would make a file that is no smaller than that of a codec without loss."""

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


@dataclass(frozen=True)
class Progress:
    """How far the encoder is: steps done, steps in all, and the PSNR in dB measured last.

    Where several fits are made, in search of a PSNR, steps count on, and those in all are what is planned so far.
    """

    step: int
    num_steps: int
    psnr: float | None


@dataclass(frozen=True)
class FileInfo:
    """What a .tgs file says of itself; see `bitstream.Header` for the terms."""

    version: int
    width: int
    height: int
    num_gaussians: int
    covariance_codewords: int
    color_codewords: int
    grid_width: int
    grid_height: int
    subdivision: int
    blending: Blending
    bytes: int
    header_bytes: int
    payload_bytes: int
    bits_per_pixel: float


def encode(
    image: ArrayLike,
    *,
    preset: str = "default",
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    k: int | None = None,
    **options: Any,
) -> bytes:
    """Return the .tgs file of a picture.

    Args:
        image: [H, W, 3], or [H, W] for gray; uint8, uint16, bool, or floating point from 0 to 1; see
        `images.as_float_image`.
        preset: a name in PRESETS.
        device: "auto", "cpu" or "cuda".
        progress: called after every optimisation step.
        k: the size of both codebooks.
        options: fields of EncoderConfig, over the preset's.

    Raises:
        ImageError: if the picture cannot be encoded.
        OptionError: if an option, or a combination, makes no sense.
        DeviceError: if the device is not available.
        QualityError: if no file reaches the option psnr; it has the best one.
    """
    from taichi_gs import images

    config = _configure(preset, k, options)
    pixels = images.as_float_image(image)
    if max(pixels.shape) > bitstream.MAX_SIDE:
        raise ImageError(f"the image has a side of {max(pixels.shape):,} pixels, more than the limit of 65,535")
    num_pixels = pixels.shape[0] * pixels.shape[1]
    max_bytes = _max_bytes(config, num_pixels)
    import torch

    from taichi_gs.fit.quality import fit_to_psnr
    from taichi_gs.fit.trials import best_file

    arch = _start(device, torch.cuda.is_available())
    planar = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C")).to(arch)

    def report(step: int, num_steps: int, psnr: float) -> None:
        if progress is not None:
            progress(Progress(step, num_steps, psnr))

    if config.psnr is not None:
        sizes = _searched_sizes(config, num_pixels)

        def plan(size: int, trial: int) -> Any:
            return _fit_config(config, num_pixels, size, trial)

        return fit_to_psnr(planar, config.psnr, plan, sizes, config.trials, report)
    configs = [_fit_config(config, num_pixels, max_bytes, trial) for trial in range(config.trials)]
    return best_file(planar, configs, report)


def decode(data: bytes, *, device: str = "auto", limits: bitstream.Limits | None = None) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3], sRGB uint8, that the bytes of a .tgs file hold; never imports PyTorch.

    Raises:
        BitstreamError: if the bytes are not a whole, undamaged .tgs file.
        LimitError: if the file asks for more than `limits`.
        DeviceError: if the device is not available.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise BitstreamError(f"A .tgs file is decoded from its bytes, not from {type(data).__name__}.")
    return decode_bytes(bytes(data), device=device, limits=limits)


def imread(path: files.Path, *, device: str = "auto") -> NDArray[np.uint8]:
    """Read a .tgs file as a picture [H, W, 3], sRGB uint8; raises FileError and what `decode` raises."""
    return decode(files.read_bytes(path), device=device)


def imwrite(path: files.Path, image: ArrayLike, *, overwrite: bool = True, **options: Any) -> None:
    """Write a picture as a .tgs file, whole or not at all; options and errors are those of `encode`, and FileError.

    Where a PSNR is out of reach nothing is written; the QualityError has the best file.
    """
    files.check_target(path, overwrite=overwrite)
    files.write_atomic(path, encode(image, **options), overwrite=overwrite)


def info(source: files.Path | bytes) -> FileInfo:
    """Return what a .tgs file, by path or as bytes, says of itself, without decoding its payload.

    Raises:
        FileError: if it cannot be read.
        BitstreamError: if it is not a whole, undamaged .tgs file.
    """
    data = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else files.read_bytes(source)
    header = bitstream.parse_header(data)
    height, width = header.image_size
    return FileInfo(
        version=header.version,
        width=width,
        height=height,
        num_gaussians=header.num_gaussians,
        covariance_codewords=header.num_covariance_codewords,
        color_codewords=header.num_color_codewords,
        grid_width=header.grid_size[1],
        grid_height=header.grid_size[0],
        subdivision=header.subdivision,
        blending=header.blending,
        bytes=len(data),
        header_bytes=header.header_bytes,
        payload_bytes=header.payload_bytes,
        bits_per_pixel=metrics.bits_per_pixel(len(data), header.image_size),
    )


def _start(device: str, torch_has_cuda: bool) -> str:
    """Start Taichi where PyTorch can follow it; return the architecture."""
    arch = runtime.start("cpu" if device == "auto" and not torch_has_cuda else device)
    if arch == "cuda" and not torch_has_cuda:
        raise DeviceError("the installed PyTorch has no CUDA: install one that has, or choose the device cpu")
    return arch


def _configure(preset: str, k: int | None, options: Mapping[str, Any]) -> EncoderConfig:
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


def _max_bytes(config: EncoderConfig, num_pixels: int) -> int | None:
    """The limit in bytes that follows from the options, if any."""
    if config.bits_per_pixel is not None:
        max_bytes = math.floor(min(config.bits_per_pixel * num_pixels / 8, files.MAX_FILE_BYTES))
        if max_bytes < budget.MIN_BYTES:
            least = 8 * budget.MIN_BYTES / num_pixels
            raise OptionError(
                f"{config.bits_per_pixel:g} bits per pixel is too little for this picture: at least {least:.4g}"
            )
        return max_bytes
    return config.num_bytes


def _searched_sizes(config: EncoderConfig, num_pixels: int) -> tuple[int, int]:
    """The smallest and the largest file, in bytes, among which a quality is looked for."""
    most = min(max(num_pixels // MIN_PIXELS_PER_GAUSSIAN, 1), budget.MAX_GAUSSIANS)
    largest = budget.budget_for_count(most, config.covariance_k, config.color_k)
    size = math.ceil(budget.expected_bytes(largest, config.position_bits))
    return budget.MIN_BYTES, min(max(size, budget.MIN_BYTES), files.MAX_FILE_BYTES)


def _fit_config(config: EncoderConfig, num_pixels: int, max_bytes: int | None, trial: int) -> Any:
    """The fit's configuration for a picture, with a limit in bytes or without, in the trial of a number from 0."""
    from taichi_gs.fit.config import FitConfig
    from taichi_gs.fit.precision import Precision

    sizes = (config.covariance_k, config.color_k)
    per_codeword = budget.TRIED_PER_CODEWORD[trial % len(budget.TRIED_PER_CODEWORD)]
    if max_bytes is not None:
        most = min(num_pixels, budget.MAX_GAUSSIANS)  # one a pixel shows everything
        chosen = budget.budget_for_bytes(max_bytes, *sizes, config.position_bits, most, per_codeword)
    else:
        count = config.num_gaussians or max(1, num_pixels // budget.PIXELS_PER_GAUSSIAN)
        chosen = budget.budget_for_count(count, *sizes, per_codeword)
    return FitConfig(
        num_gaussians=chosen.num_gaussians,
        precision=Precision(
            num_codewords={"log_covariances": chosen.covariance_k, "color_codes": chosen.color_k},
            position_bits=config.position_bits,
            channel_bits={
                "log_covariances": (config.covariance_bits,) * 3,
                "color_codes": (config.color_bits,) * 3 + (config.amplitude_bits,),
            },
            max_bytes=max_bytes,
        ),
        blending=config.blending,
        loss=config.loss,
        steps=config.steps,
        density=config.density,
        seed=config.seed + trial,
    )
