"""From the bytes of a .tgs file to pixels, on NumPy and Taichi alone: PyTorch takes a second to import.

A process that decodes one file spends most of its time before the first pixel, so that blending is the only kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taichi_gs.bitstream import Limits, parse
from taichi_gs.gaussians import FloatArray, Gaussians
from taichi_gs.kernels import runtime
from taichi_gs.projection import project
from taichi_gs.quantize import dequantize_gaussians


def decode_bytes(data: bytes, *, device: str = "auto", limits: Limits | None = None) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3], sRGB uint8, that the bytes of a .tgs file hold.

    Raises:
        BitstreamError, LimitError: see `bitstream.parse`.
        DeviceError, OptionError: see `kernels.runtime.start`.
    """
    return rasterize(dequantize_gaussians(parse(data, limits)), device=device)


def rasterize(gaussians: Gaussians, *, device: str = "auto") -> NDArray[np.uint8]:
    """Render Gaussians at their image size to 8-bit pixels [H, W, 3]: floor(255 clip(C, 0, 1) + 1/2)."""
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
    return _to_bytes(image[:3, :height, :width])


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
