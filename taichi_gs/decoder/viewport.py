"""Which pixels a decoder draws: those of a picture at another resolution, or of a part of it.

Gaussians have no resolution. A picture is drawn at another one by scaling their means and covariances, and no pixels
are resampled. Where that makes it smaller, a pixel is the mean of several samples, as the pixel of a smaller photograph
is the mean of the light that falls on it; one sample would miss what is thinner than a pixel.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from taichi_gs.decoder.projection import Projected, project_gaussians
from taichi_gs.errors import LimitError, OptionError
from taichi_gs.format.limits import Limits
from taichi_gs.model.gaussians import FloatArray, Gaussians

MAX_SAMPLES = 4
"""Along either side of a pixel; more of them change less than rounding to 8 bits does."""

MAX_WHOLE_SIDE = 1 << 24
"""Of a whole picture of which a region is drawn: up to here single precision counts its pixels."""

SAMPLES_PER_PART, PAIRS_PER_PART = 1 << 21, 1 << 21
"""A viewport is drawn in parts. The floats of a part need no more memory than those of a picture of this size, and its
lists no more than those of so many pairs of a Gaussian and a tile. Pixels may depend on this in their last digits:
means are rounded where a part begins."""


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

    def project(self, gaussians: Gaussians) -> Projected:
        """Project the Gaussians that reach the part that is drawn, as a picture of its samples."""
        down, across = self.samples
        sampled = (self.image_size[0] * down, self.image_size[1] * across)
        left, top, width, height = self.region
        projected = project_gaussians(gaussians if sampled == gaussians.image_size else gaussians.resized(sampled))
        return projected.window((left * across, top * down), (height * down, width * across))

    def parts(self, projected: Projected, corner: tuple[int, int] = (0, 0)) -> Iterator[tuple[int, int, Projected]]:
        """Yield what `project` returns in parts that can be drawn: (left, top) in pixels of the region, and a picture.

        It is halved again and again, by rows while there are several of tiles: so each Gaussian is looked at a few
        times, and not once a part. `corner` (x, y), in samples, is where `projected` lies.
        """
        from taichi_gs.kernels.blend import TILE
        from taichi_gs.kernels.tiles import count_pairs

        (left, top), (height, width), (down, across) = corner, projected.image_size, self.samples
        # Of whole tiles, and of whole pixels.
        upper, lefter = (-(-side // unit) // 2 * unit for side, unit in ((height, TILE * down), (width, TILE * across)))
        is_large = height * width > SAMPLES_PER_PART or (
            count_pairs(projected.means, projected.extents, projected.image_size) > PAIRS_PER_PART
        )
        if is_large and upper:
            yield from self.parts(projected.window((0, 0), (upper, width)), corner)
            yield from self.parts(projected.window((0, upper), (height - upper, width)), (left, top + upper))
        elif is_large and lefter:
            yield from self.parts(projected.window((0, 0), (height, lefter)), corner)
            yield from self.parts(projected.window((lefter, 0), (height, width - lefter)), (left + lefter, top))
        else:
            yield left // across, top // down, projected

    def average(self, planes: FloatArray) -> FloatArray:
        """Return the pixels [C, H, W] of samples [C, H * down, W * across], each as a screen would show it, 0 to 1."""
        down, across = self.samples
        if self.samples == (1, 1):
            return planes
        channels, height, width = planes.shape
        sums = planes.clip(0.0, 1.0).reshape(channels, height // down, down, width).sum(axis=2)
        pixels: FloatArray = sums[:, :, ::across].copy()
        # NumPy would take ten times as long to sum over a last axis as short as this.
        for column in range(1, across):
            pixels += sums[:, :, column::across]
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
    if left < 0 or top < 0 or columns < 1 or rows < 1 or left + columns > width or top + rows > height:
        raise OptionError(
            f"the region x={left}, y={top}, width={columns}, height={rows} is not in a picture of {width}x{height}"
        )
    if columns * rows > limits.max_pixels or max(columns, rows) > limits.max_side:
        raise LimitError(
            f"{columns}x{rows} pixels are more than the limit, {limits.max_pixels:,} and {limits.max_side:,} a side."
        )
    samples = tuple(min(MAX_SAMPLES, -(-own // side)) for own, side in zip(image_size, (height, width), strict=True))
    return Viewport((height, width), (left, top, columns, rows), (samples[0], samples[1]))


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
