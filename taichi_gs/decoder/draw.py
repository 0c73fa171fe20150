"""From Gaussians to 8-bit pixels.

Blending is the only kernel. To start Taichi takes most of the time of a process that decodes one file. So NumPy blends
what takes less, and the pixels are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.blend import blend, work_of
from taichi_gs.decoder.parts import Reach, divide
from taichi_gs.decoder.projection import Projected
from taichi_gs.decoder.viewport import Viewport, choose_viewport
from taichi_gs.errors import LimitError
from taichi_gs.format.limits import FORMAT_LIMITS, MAX_PAIRS
from taichi_gs.kernels import runtime
from taichi_gs.kernels.tiles import TILE, list_tiles, num_tiles
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.gaussians import FloatArray, Gaussians
from taichi_gs.model.grain import noise_at
from taichi_gs.model.levels import to_levels
from taichi_gs.model.quantized import QuantizedGaussians

SAMPLES_AT_A_TIME = 1 << 17
"""They are rounded while they lie in the processor's cache."""

MAX_WORK_OF_NUMPY = 24_000_000
"""That a process leaves to NumPy, see `blend.work_of`. Starting Taichi and loading the kernel takes as long."""


@dataclass(frozen=True)
class Layer:
    """What is drawn: a picture, or its alpha plane.

    Attributes:
        gaussians: of it.
        grain: the deviations [N] of grain to draw with it, if any.
    """

    gaussians: Gaussians
    grain: FloatArray | None = None


def draw_integers(
    colors: QuantizedGaussians, alpha: QuantizedGaussians | None = None, *, device: str = "auto"
) -> NDArray[np.uint8]:
    """Draw a picture's integers, and those of its alpha plane, at their own size, as a decoder draws them.

    The pixels are [H, W, 3] or, if it is gray, [H, W]; with alpha, which comes last, [H, W, 4] or [H, W, 2].
    """
    pictures = [colors] if alpha is None else [colors, alpha]
    num_channels = [1 if picture.is_gray else 3 for picture in pictures]
    layers = (Layer(dequantize_gaussians(picture)) for picture in pictures)
    viewport = choose_viewport(colors.image_size, limits=FORMAT_LIMITS)
    return draw_layers(layers, num_channels, viewport, device)


def draw_layers(
    layers: Iterable[Layer],
    num_channels: Sequence[int],
    viewport: Viewport,
    device: str,
    max_pairs: int = MAX_PAIRS,
) -> NDArray[np.uint8]:
    """Draw the layers of a picture, one at a time, side by side into the channels of its pixels.

    Args:
        layers: the picture, and its alpha plane if it has one.
        num_channels: of each layer's red, green and blue, the first so many are drawn.
        viewport: what to draw of it.
        device: "auto", "cpu", "cuda", "vulkan" or "metal".
        max_pairs: that all layers together may have.

    Returns:
        [height, width, C], or [height, width] if C is 1: floor(255 clip(value, 0, 1) + 1/2).

    Raises:
        LimitError: if there are more pairs of a Gaussian and a tile than `max_pairs`.
        DeviceError, OptionError: see `kernels.runtime.start`.
    """
    width, height = viewport.region[2:]
    pixels = np.empty((height, width, sum(num_channels)), np.uint8)
    first = 0
    for layer, count in zip(layers, num_channels, strict=True):
        max_pairs -= _draw_layer(pixels[:, :, first : first + count], layer, viewport, device, max_pairs)
        first += count
    return pixels if first > 1 else pixels[:, :, 0]


def _draw_layer(pixels: NDArray[np.uint8], layer: Layer, viewport: Viewport, device: str, max_pairs: int) -> int:
    """Draw into `pixels` [height, width, C] and return the number of pairs of a Gaussian and a tile.

    Pairs count twice if they are drawn for grain too.
    """
    projected = viewport.project(layer.gaussians)
    reach = Reach.of(projected)
    num_pairs = reach.num_pairs * (1 if layer.grain is None else 2)
    if num_pairs > max_pairs:
        raise LimitError(f"The file has {num_pairs} pairs of a Gaussian and a tile, more than the {max_pairs} allowed.")
    down, across = viewport.samples
    strengths = _strengths(layer, viewport)
    blenders = _blenders(device, [projected] if strengths is None else [projected, strengths])
    blender = blenders[0]
    if strengths is None and viewport.samples == (1, 1) and isinstance(blender, _KernelBlender) and blender.can_round:
        # A pixel is one sample, and nothing is added to it.
        for left, top, part in divide(projected, reach, viewport.samples):
            _store_levels(pixels[top:, left:], blender.levels(part))
        return num_pairs
    parts_of_grain = divide(strengths, reach, viewport.samples) if strengths is not None else None
    for left, top, part in divide(projected, reach, viewport.samples):
        planes = blender(part)
        if parts_of_grain is not None:
            strength = blenders[1](next(parts_of_grain)[2])[0]
            places = viewport.places((left, top), strength.shape, layer.gaussians.image_size)
            _add_grain(planes, strength, *places)
        _store(pixels[top // down :, left // across :], planes, viewport)
    return num_pairs


def _add_grain(
    planes: FloatArray, strength: FloatArray, rows: NDArray[np.floating], columns: NDArray[np.floating]
) -> None:
    """Add noise of a strength [H, W] to planes [3, H, W], whose samples are at these places in the picture itself."""
    num_rows = max(1, SAMPLES_AT_A_TIME // len(columns))
    for first in range(0, len(rows), num_rows):
        own = slice(first, first + num_rows)
        planes[:, own] += strength[own] * noise_at(rows[own], columns)


def _strengths(layer: Layer, viewport: Viewport) -> Projected | None:
    """What is drawn for the strength of grain at each sample: the same Gaussians in place of whose colours it is."""
    if layer.grain is None:
        return None
    colors = np.repeat(layer.grain[:, None], 3, axis=1)
    return viewport.project(replace(layer.gaussians, colors=colors, background=np.zeros(3, np.float32)))


class _NumpysWork:
    """How much work this process has left to NumPy."""

    def __init__(self) -> None:
        self._done = 0

    def may_have(self, work: int) -> bool:
        """Tell whether some more would still be less than starting Taichi takes, and count it then."""
        is_little = self._done + work <= MAX_WORK_OF_NUMPY
        self._done += work if is_little else 0
        return is_little


_numpys_work = _NumpysWork()


def _blenders(device: str, pictures: Sequence[Projected]) -> list[Callable[[Projected], FloatArray]]:
    """What draws the parts of each picture as planes [3, H, W]; the planes last until the next part's.

    Raises:
        DeviceError, OptionError: see `kernels.runtime.start`.
    """
    if device in ("auto", "cpu") and not runtime.is_running() and _numpys_work.may_have(sum(map(work_of, pictures))):
        return [blend] * len(pictures)
    form = runtime.kernel_form(runtime.start(device))
    return [_KernelBlender(form) for _ in pictures]


class _KernelBlender:
    """Draws one part after another by a kernel.

    Attributes:
        can_round: whether there is a kernel for `levels`.
    """

    def __init__(self, form: runtime.Form) -> None:
        self.can_round = form == "cpu"
        self._form, self._room = form, np.empty(0, np.float32)

    def __call__(self, part: Projected) -> FloatArray:
        """Draw a part."""
        planes: FloatArray = runtime.call(self._draw, part)
        return planes

    def levels(self, part: Projected) -> NDArray[np.uint8]:
        """Draw a part as levels [H, W, 3], which are those of its planes; they last until the next part's."""
        levels: NDArray[np.uint8] = runtime.call(self._draw_levels, part)
        return levels

    def _draw(self, part: Projected) -> FloatArray:
        from taichi_gs.kernels.blend import PLANES
        from taichi_gs.kernels.dispatch import blend_kernels
        from taichi_gs.kernels.taichi import ti

        (height, width), blending = part.image_size, part.blending
        rows, columns = num_tiles(part.image_size)
        shape = PLANES[blending], rows * TILE, columns * TILE
        image = self._space(math.prod(shape)).reshape(shape)
        lists = list_tiles(part.means, part.extents, None, part.image_size)
        splats = (part.means, part.conics, part.extents, part.colors, part.background)
        forward = blend_kernels(ti.f32, self._form, blending).forward
        forward(*splats, lists.tile_offsets, lists.tile_indices, image)
        return image[:3, :height, :width]

    def _draw_levels(self, part: Projected) -> NDArray[np.uint8]:
        from taichi_gs.kernels.levels_cpu import make_draw_levels

        height, width = part.image_size
        rows, columns = num_tiles(part.image_size)
        shape = rows * TILE, columns * TILE, 3
        words = self._space(math.prod(shape) // 4).view(np.int32)
        lists = list_tiles(part.means, part.extents, None, part.image_size)
        splats = (part.means, part.conics, part.colors, part.background)
        make_draw_levels(part.blending)(*splats, lists.tile_offsets, lists.tile_indices, words, shape[1])
        return words.view(np.uint8).reshape(shape)[:height, :width]

    def _space(self, count: int) -> FloatArray:
        """An array of so many numbers; new memory takes time."""
        if len(self._room) < count:
            self._room = np.empty(count, np.float32)
        return self._room[:count]


def _store_levels(pixels: NDArray[np.uint8], levels: NDArray[np.uint8]) -> None:
    """Write the levels [H, W, 3] of a part where `pixels` [height, width, C] begins, as many channels as there are."""
    height, width, _ = levels.shape
    pixels = pixels[:height, :width]
    if pixels.strides[1:] == levels.strides[1:]:
        pixels[:] = levels
        return
    for channel in range(pixels.shape[2]):  # NumPy would go through few channels many times
        pixels[:, :, channel] = levels[:, :, channel]


def _store(pixels: NDArray[np.uint8], planes: FloatArray, viewport: Viewport) -> None:
    """Write the samples [3, H, W] of a part where `pixels` [height, width, C] begins."""
    (down, across), (_, height, width) = viewport.samples, planes.shape
    rows = max(1, SAMPLES_AT_A_TIME // (width * down))
    for top in range(0, height // down, rows):
        bottom = min(top + rows, height // down)
        for channel in range(pixels.shape[2]):
            levels = to_levels(viewport.average(planes[channel, top * down : bottom * down]))
            # As bytes first: they are converted fast to where they lie one after another.
            pixels[top:bottom, : width // across, channel] = levels.astype(np.uint8)
