"""From planes of pixels to the bytes of a file: gray or RGB, and alpha beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taichi_gs import files
from taichi_gs.decoder.decode import decode_bytes
from taichi_gs.encoder import rate_model as budget
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.errors import OptionError, QualityError
from taichi_gs.format import bitstream
from taichi_gs.format.chunks import ALPHA_TAG, pack_tail
from taichi_gs.format.header import GRAY_SAVING
from taichi_gs.format.limits import FORMAT_LIMITS
from taichi_gs.format.varint import MAX_VARINT_BYTES
from taichi_gs.pictures import metrics
from taichi_gs.pictures.picture import comparable_rgb

Planes = NDArray[np.float32]

MIN_PIXELS_PER_GAUSSIAN = 4
"""In search of a quality; more Gaussians would make a file that is no smaller than that of a codec without loss."""

SOFT_SHARE, HARD_SHARE = 0.15, 0.35
"""Of the bytes, or of the number of Gaussians, for the alpha plane of a mask that is soft, or cut out with scissors."""

HARD_STEPS = 0.4
"""The mean step between neighbouring pixels along the edges of the latter, smoothed over a pixel's width."""

ALPHA_PSNR = 46.0
"""In dB; an alpha plane that is better than this gives Gaussians back: simple masks need less than their share."""

COLOR_MARGIN, ALPHA_MARGIN = 0.5, 6.0
"""In dB over a PSNR that is asked for, of a picture with alpha, for colours where they are opaque, and for alpha."""

MAX_CUT_OUTS = 5
"""How often colours are fitted until the PSNR of a picture with alpha is reached."""


class PictureEncoder:
    """Fits the planes of one picture, one after another.

    `report(step, num_steps, psnr)` is called after every step of any fit; steps count on, and those in all are what is
    planned so far.
    """

    def __init__(self, arch: str, num_pixels: int, report: Callable[[int, int, float], None]) -> None:
        self._arch, self._num_pixels, self._report_all = arch, num_pixels, report
        self._steps_before = self._steps = 0
        self._num_later_steps = 0

    def file(
        self, planes: Planes, config: EncoderConfig, max_bytes: int | None, min_psnr: float | None = None
    ) -> bytes:
        """Return the file, without a tail, of planes [H, W, 1] or [H, W, 3].

        With `min_psnr`, Gaussians that the plane has this PSNR without are dropped.
        """
        import torch

        from taichi_gs.encoder.quality_search import fit_to_psnr
        from taichi_gs.encoder.restarts import best_file

        is_gray = planes.shape[2] == 1
        if is_gray and max_bytes is not None:
            max_bytes += GRAY_SAVING
        shape = (*planes.shape[:2], 3)
        planar = torch.from_numpy(np.array(np.broadcast_to(planes, shape).transpose(2, 0, 1), order="C")).to(self._arch)

        def plan(size: int | None, trial: int) -> Any:
            return replace(_fit_config(config, self._num_pixels, size, trial, is_gray), min_psnr=min_psnr)

        self._steps_before = self._steps
        try:
            if config.psnr is not None:
                sizes = _searched_sizes(config, self._num_pixels)
                data = fit_to_psnr(planar, config.psnr, plan, sizes, config.trials, self._report)
            else:
                data = best_file(planar, [plan(max_bytes, trial) for trial in range(config.trials)], self._report)
        except QualityError as error:
            raise QualityError(str(error), _as_gray(error.data) if is_gray else error.data) from error
        return _as_gray(data) if is_gray else data

    def cut_out(self, colors: Planes, alpha: Planes, config: EncoderConfig, max_bytes: int | None) -> bytes:
        """Return the file, with no tail but alpha, of colours as `file` takes them and of alpha [H, W]."""
        from taichi_gs.pictures.transparency import fill_transparent

        self._num_later_steps = config.steps * config.trials
        try:
            plane = self.file(alpha[:, :, None], *_alpha_plan(alpha, config, max_bytes))
        except QualityError as error:
            plane = error.data  # what that means for the picture is seen in the end
        self._num_later_steps = 0
        filled = fill_transparent(colors, alpha)
        if config.psnr is None:
            room = None if max_bytes is None else max_bytes - len(plane)
            return with_tail(self.file(filled, config, room), {ALPHA_TAG: plane})
        return self._cut_out_to_psnr(np.dstack([colors, alpha]), filled, plane, config, config.psnr)

    def _cut_out_to_psnr(
        self,
        picture: Planes,
        filled: Planes,
        plane: bytes,
        config: EncoderConfig,
        goal: float,
    ) -> bytes:
        """Fit the filled colours so well that with the alpha plane they make `picture` of the PSNR that is the goal."""
        from taichi_gs.pictures.convert import as_byte_image

        expected, expected_colors = (comparable_rgb(as_byte_image(planes)) for planes in (picture, filled))
        # Errors count as much as they are visible, and are about the same everywhere.
        visible = float(np.square(picture[:, :, -1]).mean())
        target = max(goal + COLOR_MARGIN + 10.0 * math.log10(max(visible, 1e-3)), 1.0)
        for _ in range(MAX_CUT_OUTS):
            is_best = False
            try:
                colors = self.file(filled, replace(config, psnr=target), None)
            except QualityError as error:
                colors, is_best = error.data, True
            data = with_tail(colors, {ALPHA_TAG: plane})
            reached = metrics.psnr(expected, self._decoded(data))
            if reached >= goal:
                return data
            if is_best:
                break
            # Small files are often better than they had to be: nearly the same target would make the same file again.
            target = max(target, metrics.psnr(expected_colors, self._decoded(colors))) + goal - reached + 0.1
        which = "the best that this preset reaches" if is_best else f"what the last of {MAX_CUT_OUTS} attempts reached"
        raise QualityError(f"{which} is {reached:.2f} dB, not {goal:g}", data)

    def _decoded(self, data: bytes) -> NDArray[np.uint8]:
        return comparable_rgb(decode_bytes(data, device=self._arch, limits=FORMAT_LIMITS))

    def _report(self, step: int, num_steps: int, psnr: float) -> None:
        self._steps = self._steps_before + step
        self._report_all(self._steps, self._steps_before + num_steps + self._num_later_steps, psnr)


def with_tail(data: bytes, tail: Mapping[bytes, bytes]) -> bytes:
    """Return the file with these chunks added to its tail."""
    if not tail:
        return data
    old = bitstream.parse_header(data, FORMAT_LIMITS).tail
    return bitstream.serialize(bitstream.parse(data, FORMAT_LIMITS), {**tail, **old})


def max_bytes_of(config: EncoderConfig, num_pixels: int) -> int | None:
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


def room_beside(tail: Mapping[bytes, bytes], max_bytes: int | None, *, has_alpha: bool) -> int | None:
    """The bytes that metadata leave for colours and alpha together, if there is a limit."""
    if max_bytes is None or not (tail or has_alpha):
        return max_bytes
    beside = len(pack_tail({**tail, ALPHA_TAG: b""} if has_alpha else tail))
    room = max_bytes - beside - MAX_VARINT_BYTES
    least = budget.MIN_BYTES * (2 if has_alpha else 1)
    if room < least:
        raise OptionError(
            f"{max_bytes:,} bytes are too few for this picture with its transparency, colour profile and metadata: "
            f"at least {max_bytes + least - room:,}"
        )
    return room


def _as_gray(data: bytes) -> bytes:
    """The file of a fit without chroma as that of a gray picture."""
    return bitstream.serialize(bitstream.parse(data, FORMAT_LIMITS).as_gray())


def _alpha_plan(
    alpha: Planes, config: EncoderConfig, max_bytes: int | None
) -> tuple[EncoderConfig, int | None, float | None]:
    """How alpha [H, W] is fitted: the configuration, the limit in bytes, and the PSNR that suffices."""
    share = _alpha_share(alpha)
    if config.psnr is not None:
        return replace(config, psnr=config.psnr + ALPHA_MARGIN, trials=1), None, None
    if max_bytes is not None:
        return replace(config, trials=1), max(budget.MIN_BYTES, int(share * max_bytes)), ALPHA_PSNR
    count = config.num_gaussians or alpha.size // budget.PIXELS_PER_GAUSSIAN
    return replace(config, trials=1, num_gaussians=max(1, int(share * count))), None, ALPHA_PSNR


def _alpha_share(alpha: Planes) -> float:
    """The part of a file that alpha [H, W] is worth: the more, the harder its edges are."""
    steps = np.concatenate([np.abs(np.diff(alpha, axis=axis)).ravel() for axis in (0, 1)])
    # The mean of the steps, each weighted by itself: where nothing changes does not count.
    steepness = float(np.square(steps).sum() / max(steps.sum(), np.float32(1e-9)))
    return SOFT_SHARE + (HARD_SHARE - SOFT_SHARE) * min(steepness / HARD_STEPS, 1.0)


def _searched_sizes(config: EncoderConfig, num_pixels: int) -> tuple[int, int]:
    """The smallest and the largest file, in bytes, among which a quality is looked for."""
    most = min(max(num_pixels // MIN_PIXELS_PER_GAUSSIAN, 1), budget.MAX_GAUSSIANS)
    largest = budget.budget_for_count(most, config.covariance_k, config.color_k)
    size = math.ceil(budget.expected_bytes(largest, num_pixels, config.position_bits))
    return budget.MIN_BYTES, min(max(size, budget.MIN_BYTES), files.MAX_FILE_BYTES)


def _fit_config(config: EncoderConfig, num_pixels: int, max_bytes: int | None, trial: int, is_gray: bool) -> Any:
    """The fit's configuration for a picture, with a limit in bytes or without, in the trial of a number from 0."""
    from taichi_gs.fit.config import FitConfig
    from taichi_gs.fit.precision import Precision

    sizes = (config.covariance_k, config.color_k)
    scale = budget.CODEBOOK_SCALES[trial % len(budget.CODEBOOK_SCALES)]
    if max_bytes is not None:
        spare = budget.SPARE_OF_GROWTH if config.density == "gradient" else 1.0
        chosen = budget.budget_for_bytes(round(spare * max_bytes), num_pixels, *sizes, config.position_bits, scale)
    else:
        count = config.num_gaussians or max(1, num_pixels // budget.PIXELS_PER_GAUSSIAN)
        chosen = budget.budget_for_count(count, *sizes, scale)
    chroma_bits = 0 if is_gray else config.color_bits
    return FitConfig(
        num_gaussians=chosen.num_gaussians,
        precision=Precision(
            num_codewords={"log_covariances": chosen.covariance_k, "color_codes": chosen.color_k},
            position_bits=config.position_bits,
            channel_bits={
                "log_covariances": (config.covariance_bits,) * 3,
                "color_codes": (config.color_bits, chroma_bits, chroma_bits, config.amplitude_bits),
            },
            max_bytes=max_bytes,
        ),
        blending=config.blending,
        loss=config.loss,
        steps=config.steps,
        density=config.density,
        seed=config.seed + trial,
    )
