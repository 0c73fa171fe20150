"""Which pixels a decoder draws: those of a picture at another resolution, or of a part of it.

Gaussians have no resolution. A picture is drawn at another one by scaling their means and covariances, and no pixels
are resampled. Where that makes it smaller, a pixel is the mean of several samples, as the pixel of a smaller photograph
is the mean of the light that falls on it; one sample would miss what is thinner than a pixel.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.projection import Projected, project_gaussians
from taichi_gs.errors import LimitError, OptionError
from taichi_gs.format.limits import Limits
from taichi_gs.model.gaussians import FloatArray, Gaussians

MAX_SAMPLES = 4
"""Along either side of a pixel; more of them change less than rounding to 8 bits does."""

MAX_WHOLE_SIDE = 1 << 24
"""Of a whole picture of which a region is drawn."""


@dataclass(frozen=True)
class Viewport:
    """A picture at some resolution, and the part of it that is drawn.

    Attributes:
        image_size: (height, width) of the whole picture at this resolution.
        region: (left, top, width, height) of the part, in its pixels.
        samples: (down, across) a pixel.
    """

    image_size: tuple[int, int]
    region: tuple[int, int, int, int]
    samples: tuple[int, int] = (1, 1)

    @property
    def num_samples(self) -> int:
        """Of the part that is drawn."""
        return math.prod(self.samples) * self.region[2] * self.region[3]

    @property
    def num_whole_samples(self) -> int:
        """Of the whole picture."""
        return math.prod(self.samples) * math.prod(self.image_size)

    def project(self, gaussians: Gaussians) -> Projected:
        """Project the Gaussians that reach the part that is drawn, as a picture of its samples."""
        down, across = self.samples
        sampled = (self.image_size[0] * down, self.image_size[1] * across)
        left, top, width, height = self.region
        projected = project_gaussians(gaussians if sampled == gaussians.image_size else gaussians.resized(sampled))
        return projected.window((left * across, top * down), (height * down, width * across))

    def places(
        self, corner: tuple[int, int], shape: tuple[int, ...], image_size: tuple[int, int]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return where the samples of a part are in the picture of (height, width) itself, by row and by column.

        Args:
            corner: (left, top) of the part, in samples of the region.
            shape: (height, width) of the part, in samples.
            image_size: of the picture; the centre of its first pixel is (0, 0).
        """
        (down, across), (left, top, _, _) = self.samples, self.region
        places = []
        for side, samples, first, count, own in zip(
            self.image_size,
            (down, across),
            (top * down + corner[1], left * across + corner[0]),
            shape,
            image_size,
            strict=True,
        ):
            places.append((first + np.arange(count) + 0.5) * (own / (side * samples)) - 0.5)
        return places[0], places[1]

    def average(self, plane: FloatArray) -> FloatArray:
        """Return the pixels [H, W] of samples [H * down, W * across], each as a screen would show it, 0 to 1."""
        down, across = self.samples
        if self.samples == (1, 1):
            return plane
        plane = plane.clip(0.0, 1.0)
        # NumPy would take ten times as long to sum over axes as short as these.
        rows = _sum([plane[row::down] for row in range(down)])
        pixels = _sum([rows[:, column::across] for column in range(across)])
        pixels /= np.float32(down * across)
        return pixels


def choose_viewport(
    image_size: tuple[int, int],
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits | None = None,
) -> Viewport:
    """Return the viewport of a picture of (height, width) that the options ask for.

    Args:
        image_size: of the picture itself.
        scale: a factor of both sides, which are rounded to whole pixels.
        size: (width, height) in its place.
        region: (x, y, width, height) of the part to draw, in pixels of the scaled picture.
        limits: of the pixels and the sides of what is drawn.

    Raises:
        OptionError: if the options make no sense, or the region is not in the picture.
        LimitError: if what is to be drawn is larger than the limits.
    """
    limits = limits or Limits()
    height, width = _scaled_size(image_size, scale, size)
    if max(height, width) > MAX_WHOLE_SIDE:
        raise LimitError(f"A picture is drawn, whole or in part, as if of at most {MAX_WHOLE_SIDE:,} pixels a side.")
    left, top, columns, rows = (0, 0, width, height) if region is None else _whole_numbers("region", region, 4)
    if min(columns, rows) < 1:
        raise OptionError(f"a region has at least 1x1 pixels, not {columns}x{rows}")
    if left < 0 or top < 0 or left + columns > width or top + rows > height:
        raise OptionError(
            f"the region x={left}, y={top}, width={columns}, height={rows} reaches beyond a picture of {width}x{height}"
        )
    if columns * rows > limits.max_pixels or max(columns, rows) > limits.max_side:
        raise LimitError(
            f"{columns}x{rows} pixels are more than the limit, {limits.max_pixels:,} and {limits.max_side:,} a side."
        )
    # A little more than pixels, because half of an odd side, for instance, is rounded up.
    samples = _choose_samples(image_size, (height, width), columns * rows, limits.max_pixels * 9 // 8)
    return Viewport((height, width), (left, top, columns, rows), samples)


def _choose_samples(
    image_size: tuple[int, int], drawn_size: tuple[int, int], num_pixels: int, max_samples: int
) -> tuple[int, int]:
    """Return the samples (down, across) of a pixel: as many as show everything, or as `max_samples` leave.

    Args:
        image_size: of the picture itself.
        drawn_size: of the whole picture as it is drawn.
        num_pixels: that are drawn of it.
        max_samples: that may be drawn.
    """
    whole = math.prod(drawn_size)
    if whole <= max_samples:  # as for the whole picture, for a region to look the same
        num_pixels = whole
    sides = list(zip(image_size, drawn_size, strict=True))
    many, few = (
        tuple(min(MAX_SAMPLES, max(1, count)) for count in counts)
        for counts in ((-(-own // side) for own, side in sides), (own // side for own, side in sides))
    )
    for down, across in (many, few):
        if down * across * num_pixels <= max_samples:
            return down, across
    return 1, 1


def _sum(arrays: Sequence[FloatArray]) -> FloatArray:
    total = arrays[0].copy()
    for array in arrays[1:]:
        total += array
    return total


def _scaled_size(image_size: tuple[int, int], scale: float | None, size: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the whole picture as it is to be drawn."""
    if scale is not None and size is not None:
        raise OptionError("scale and size exclude each other: give one of them")
    if size is not None:
        width, height = _whole_numbers("size", size, 2)
        if min(width, height) < 1:
            raise OptionError(f"a picture has at least 1x1 pixels, not {width}x{height}")
        return height, width
    if scale is None:
        return image_size
    if not isinstance(scale, Real) or not 0 < scale < math.inf:
        raise OptionError(f"scale must be a positive number, not {scale!r}")
    # Bounded, because a product may be infinite; what is bounded is refused all the same.
    factor = float(min(scale, 2 * MAX_WHOLE_SIDE))
    height, width = (max(1, math.floor(min(factor * side, 2 * MAX_WHOLE_SIDE) + 0.5)) for side in image_size)
    return height, width


def _whole_numbers(name: str, values: Sequence[int], count: int) -> list[int]:
    try:
        numbers = [operator.index(value) for value in values]
    except TypeError:
        numbers = []
    if len(numbers) != count:
        raise OptionError(f"{name} must be {count} whole numbers, not {values!r}")
    return numbers
