"""Fits of the planes of a picture, one after another, and how far they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from taichi_gs import files
from taichi_gs.encoder.choices import MIN_BYTES
from taichi_gs.encoder.goal import goal_of
from taichi_gs.encoder.plane_fits import Outcome, PlaneFits, Planes
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.encoder.quality_search import fit_to_goal
from taichi_gs.encoder.rate_model import CodebookSizes
from taichi_gs.encoder.restarts import ProgressListener, best_of
from taichi_gs.kernels.runtime import Arch

MIN_PIXELS_PER_GAUSSIAN = 4
"""In search of a quality; more Gaussians would make a file that is no smaller than that of a codec without loss."""


class Fitter:
    """Fits the planes of one picture, one after another.

    Steps count on from fit to fit for the listener, and those in all are what is planned so far.

    Attributes:
        arch: where kernels run.
    """

    def __init__(self, arch: Arch, listener: ProgressListener) -> None:
        self.arch, self._listener = arch, listener
        self._num_done = self._num_later = 0

    @contextmanager
    def before(self, num_steps: int) -> Iterator[None]:
        """Let the fits in the block know that so many steps will come after them."""
        self._num_later = num_steps
        try:
            yield
        finally:
            self._num_later = 0

    def fit(
        self, planes: Planes, config: EncoderConfig, max_bytes: int | None = None, min_psnr: float | None = None
    ) -> Outcome:
        """Fit planes [H, W, 1] or [H, W, 3] by all that `config` asks for.

        Args:
            planes: gray, or RGB, 0 to 1.
            config: what is asked for.
            max_bytes: limit of the file, without chunks, if there is one.
            min_psnr: if given, Gaussians that the planes have this PSNR without are dropped.
        """
        fits = PlaneFits(planes, config, self.arch)
        before = self._num_done

        def tick(step: int, num_steps: int, psnr: float) -> None:
            self._num_done = before + step
            self._listener(self._num_done, before + num_steps + self._num_later, psnr)

        goal = goal_of(config)
        if goal is not None:
            return fit_to_goal(fits, goal, _searched_sizes(config, fits.num_pixels), config.restarts, tick)
        configs = [fits.configure(max_bytes, restart, min_psnr) for restart in range(config.restarts)]
        return Outcome(best_of(fits, configs, tick))


def _searched_sizes(config: EncoderConfig, num_pixels: int) -> tuple[int, int]:
    """The smallest and the largest file, in bytes, among which a quality is looked for."""
    most = max(num_pixels // MIN_PIXELS_PER_GAUSSIAN, 1)
    largest = config.rate_model.budget_for_count(most, CodebookSizes(config.covariance_k, config.color_k))
    size = math.ceil(config.rate_model.expected_bytes(largest, num_pixels, config.position_bits))
    return MIN_BYTES, min(max(size, MIN_BYTES), files.MAX_FILE_BYTES)
