"""From the bytes of a .tgs file to pixels, on NumPy and Taichi alone: PyTorch takes a second to import.

A process that decodes one file spends most of its time before the first pixel, so that blending is the only kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.projection import Projected
from taichi_gs.decoder.viewport import View, choose_view
from taichi_gs.errors import LimitError
from taichi_gs.format.bitstream import parse_body, parse_header
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.limits import FORMAT_LIMITS, MAX_PAIRS, Limits
from taichi_gs.kernels import runtime
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.gaussians import FloatArray, Gaussians


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
        LimitError: if there are more pairs of a Gaussian and a tile than `limits` allow.
        DeviceError, OptionError: see `kernels.runtime.start`.
    """
    limits = limits or Limits()
    header = parse_header(data, limits)
    view = choose_view(header.image_size, scale=scale, size=size, region=region, limits=limits)
    width, height = view.region[2:]
    num_colors = 1 if header.is_gray else 3
    alpha = header.tail.get(ALPHA_TAG)
    pixels = np.empty((height, width, num_colors + (alpha is not None)), np.uint8)
    layers = [(data, header, pixels[:, :, :num_colors])]
    if alpha is not None:
        layers.append((alpha, parse_header(alpha, limits), pixels[:, :, num_colors:]))
    # Metadata must not pay for drawing: anything can be in there.
    num_bytes = sum(own.header_bytes + own.payload_bytes for _, own, _ in layers)
    pairs_left = limits.pairs_allowed(num_bytes, max(view.num_samples, header.image_size[0] * header.image_size[1]))
    for file, own, planes in layers:
        pairs_left -= _render(planes, dequantize_gaussians(*parse_body(file, own)), view, device, pairs_left)
    return pixels if pixels.shape[2] > 1 else pixels[:, :, 0]


def rasterize(gaussians: Gaussians, *, view: View | None = None, device: str = "auto") -> NDArray[np.uint8]:
    """Render Gaussians to 8-bit pixels [height, width, 3]: floor(255 clip(C, 0, 1) + 1/2).

    Args:
        gaussians: the picture.
        view: what to draw of it; all of it at its image size if None.
        device: "auto", "cpu" or "cuda".
    """
    view = view or choose_view(gaussians.image_size, limits=FORMAT_LIMITS)
    pixels = np.empty((*view.region[:1:-1], 3), np.uint8)
    _render(pixels, gaussians, view, device)
    return pixels


def _render(
    pixels: NDArray[np.uint8], gaussians: Gaussians, view: View, device: str, max_pairs: int = MAX_PAIRS
) -> int:
    """Render a view into `pixels` [height, width, 1 or 3], of which there are the first channels.

    Returns the number of pairs of a Gaussian and a tile.

    Raises:
        LimitError: if these are more than `max_pairs`.
    """
    arch = runtime.start(device)
    from taichi_gs.kernels.tiles import count_pairs

    projected = view.project(gaussians)
    num_pairs = count_pairs(projected.means, projected.extents, projected.image_size)
    if num_pairs > max_pairs:
        raise LimitError(f"The file has {num_pairs} pairs of a Gaussian and a tile, more than the {max_pairs} allowed.")
    for left, top, part in view.parts(projected):
        planes = view.average(_draw(part, arch))
        height, width = planes.shape[1:]
        _to_bytes(planes, pixels[top : top + height, left : left + width])
    return num_pairs


def _draw(projected: Projected, arch: str) -> FloatArray:
    """The picture as planes [3, H, W], which may leave 0 to 1."""
    import taichi as ti

    from taichi_gs.kernels.blend import PLANES, TILE
    from taichi_gs.kernels.dispatch import blend_kernels
    from taichi_gs.kernels.tiles import list_tiles, num_tiles

    means, extents, image_size = projected.means, projected.extents, projected.image_size
    lists = list_tiles(means, extents, None, image_size)
    rows, columns = num_tiles(image_size)
    image = np.empty((PLANES[projected.blending], rows * TILE, columns * TILE), np.float32)
    splats = (means, projected.conics, extents, projected.colors)
    forward = blend_kernels(ti.f32, arch, projected.blending).forward
    forward(*splats, projected.background, lists.tile_offsets, lists.tile_indices, image)
    height, width = image_size
    return image[:3, :height, :width]


def _to_bytes(planes: FloatArray, pixels: NDArray[np.uint8]) -> None:
    """Round planes [3, H, W], 0 to 1, to pixels [H, W, 1 or 3], a plane at a time and in place: planes are used up."""
    for channel in range(pixels.shape[2]):
        plane = planes[channel]
        plane.clip(0.0, 1.0, out=plane)
        plane *= np.float32(255)
        plane += np.float32(0.5)
        # Assignment rounds positive numbers down.
        pixels[:, :, channel] = plane
