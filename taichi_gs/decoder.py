"""From the bytes of a .tgs file to pixels, on NumPy and Taichi alone: PyTorch takes a second to import.

A process that decodes one file spends most of its time before the first pixel, so that blending is the only kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taichi_gs.bitstream import parse, parse_header
from taichi_gs.gaussians import FloatArray, Gaussians
from taichi_gs.header import Limits
from taichi_gs.kernels import runtime
from taichi_gs.projection import project
from taichi_gs.quantize import dequantize_gaussians
from taichi_gs.quantized import QuantizedGaussians
from taichi_gs.tail import ALPHA_TAG
from taichi_gs.view import View, choose_view


def decode_bytes(
    data: bytes,
    *,
    device: str = "auto",
    limits: Limits | None = None,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> NDArray[np.uint8]:
    """Return the picture, uint8, that the bytes of a .tgs file hold: [H, W, 3], or [H, W] if it is gray.

    With alpha, which comes last, it is [H, W, 4] or [H, W, 2].

    Args:
        data: the file.
        device: "auto", "cpu" or "cuda".
        limits: of the file, and of what is drawn.
        scale, size, region: see `view.choose_view`.

    Raises:
        BitstreamError, LimitError: see `bitstream.parse`.
        OptionError, LimitError: see `view.choose_view`.
        DeviceError, OptionError: see `kernels.runtime.start`.
    """
    quantized = parse(data, limits)
    view = choose_view(quantized.image_size, scale=scale, size=size, region=region, limits=limits)
    pixels = _decode_planes(quantized, view, device)
    alpha = parse_header(data, limits).tail.get(ALPHA_TAG)
    return pixels if alpha is None else np.dstack([pixels, _decode_planes(parse(alpha, limits), view, device)])


def _decode_planes(quantized: QuantizedGaussians, view: View, device: str) -> NDArray[np.uint8]:
    """Render a view of a picture without its alpha: [height, width, 3], or [height, width] if it is gray."""
    pixels = rasterize_view(dequantize_gaussians(quantized), view, device=device)
    return np.ascontiguousarray(pixels[:, :, 0]) if quantized.is_gray else pixels


def rasterize_view(gaussians: Gaussians, view: View, *, device: str = "auto") -> NDArray[np.uint8]:
    """Render a view of Gaussians to 8-bit pixels [height, width, 3] of its region, as `rasterize` does."""
    if view.shows(gaussians.image_size):
        return rasterize(gaussians, device=device)
    return np.concatenate([_to_bytes(view.average(_draw(band, device))) for band in view.bands(gaussians)])


def rasterize(gaussians: Gaussians, *, device: str = "auto") -> NDArray[np.uint8]:
    """Render Gaussians at their image size to 8-bit pixels [H, W, 3]: floor(255 clip(C, 0, 1) + 1/2)."""
    return _to_bytes(_draw(gaussians, device))


def _draw(gaussians: Gaussians, device: str) -> FloatArray:
    """The picture as planes [3, H, W], which may leave 0 to 1."""
    arch = runtime.start(device)
    import taichi as ti

    from taichi_gs.kernels.blend import PLANES, TILE
    from taichi_gs.kernels.forms import blend_kernels
    from taichi_gs.kernels.tiles import list_tiles, num_tiles

    conics, extents = project(gaussians.log_covariances, gaussians.amplitudes, gaussians.blending)
    lists = list_tiles(gaussians.means, extents, np.arange(len(gaussians)), gaussians.image_size)
    rows, columns = num_tiles(gaussians.image_size)
    image = np.empty((PLANES[gaussians.blending], rows * TILE, columns * TILE), np.float32)
    splats = (gaussians.means, conics, extents, gaussians.colors)
    forward = blend_kernels(ti.f32, arch, gaussians.blending).forward
    forward(*splats, gaussians.background, lists.tile_offsets, lists.tile_indices, image)
    height, width = gaussians.image_size
    return image[:3, :height, :width]


def _to_bytes(planes: FloatArray) -> NDArray[np.uint8]:
    """Round planes [3, H, W], 0 to 1, to pixels [H, W, 3], a plane at a time and in place: `planes` is used up."""
    pixels = np.empty((*planes.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(planes):
        plane.clip(0.0, 1.0, out=plane)
        plane *= np.float32(255)
        plane += np.float32(0.5)
        # Assignment rounds positive numbers down.
        pixels[:, :, channel] = plane
    return pixels
