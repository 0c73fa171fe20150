"""Quality and rate, measured on 8-bit pictures and real file sizes."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taichi_gs.errors import ImageError

if TYPE_CHECKING:
    from taichi_gs.pictures.picture import Picture

MS_SSIM_MIN_SIDE = 161
"""Five scales, each half of the one before, with an 11-pixel window: no shorter side can be measured as it is."""


SSIMULACRA2_MIN_SIDE = 8
"""The package measures nothing of smaller pictures."""


def comparable_pixels(first: Picture, second: Picture) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two pictures of any modes as 8-bit RGB, to measure their difference; see `picture.comparable_rgb`.

    Alpha counts if it is not opaque everywhere in one of them.

    Raises:
        ImageError: if they are of different sizes.
    """
    # Only here, so that `tgs info` starts without Pillow.
    from taichi_gs.pictures.convert import as_byte_image, as_planes
    from taichi_gs.pictures.picture import comparable_rgb

    pair = [as_byte_image(as_planes(picture.pixels, max_pixels=None)) for picture in (first, second)]
    _check_sizes(*pair)
    has_alpha = any(planes.shape[2] in (2, 4) and planes[:, :, -1].min() < 255 for planes in pair)
    for index, planes in enumerate(pair):
        if planes.shape[2] in (2, 4) and not has_alpha:
            pair[index] = planes[:, :, :-1]
        elif planes.shape[2] in (1, 3) and has_alpha:
            pair[index] = np.dstack([planes, np.full_like(planes[:, :, :1], 255)])
    return comparable_rgb(pair[0]), comparable_rgb(pair[1])


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Measure the peak signal-to-noise ratio of two pictures [H, W, 3] uint8, in dB; infinite when they are equal.

    Raises:
        ImageError: if they are not two 8-bit pictures of one size.
    """
    _check_pair(a, b)
    difference = a.astype(np.int32) - b
    mean_square = float(np.mean(difference * difference, dtype=np.float64))
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Measure the multi-scale structural similarity of two pictures [H, W, 3] uint8; 1 when they are equal.

    The mean over the three channels, five scales with the usual weights. A side shorter than 161 pixels is first
    continued to that length by mirroring, so that pictures of any size can be compared.

    Raises:
        ImageError: if they are not two 8-bit pictures of one size.
    """
    _check_pair(a, b)
    # A second of start-up, and nothing else here needs it.
    import torch
    from pytorch_msssim import ms_ssim as measure

    height, width = a.shape[:2]
    padding = ((0, max(0, MS_SSIM_MIN_SIDE - height)), (0, max(0, MS_SSIM_MIN_SIDE - width)), (0, 0))
    tensors = [
        torch.from_numpy(np.pad(picture, padding, mode="symmetric")).permute(2, 0, 1)[None].float()
        for picture in (a, b)
    ]
    return float(measure(*tensors, data_range=255))


def decibels_of_ms_ssim(similarity: float) -> float:
    """An MS-SSIM in dB, -10 log10(1 - MS-SSIM): the usual scale for differences and means."""
    return -10.0 * math.log10(max(1.0 - similarity, 1e-10))


def ssimulacra2(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """Measure what people see of the difference between two pictures [H, W, 3] uint8, by SSIMULACRA 2.

    100 is no difference, 90 hardly a visible one, 70 high quality, 50 medium, 30 low; it goes below 0. A side shorter
    than 8 pixels is first continued to that length by mirroring. None if the package ssimulacra2 is not installed.

    Raises:
        ImageError: if they are not two 8-bit pictures of one size.
    """
    _check_pair(a, b)
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError:
        return None
    from PIL import Image  # `tgs info` starts without it

    files = []
    for picture in (a, b):
        padding = [(0, max(0, SSIMULACRA2_MIN_SIDE - side)) for side in picture.shape[:2]]
        file = io.BytesIO()
        Image.fromarray(np.pad(picture, [*padding, (0, 0)], mode="symmetric")).save(file, "BMP")
        files.append(file)
    return float(compute_ssimulacra2(*files))


def bits_per_pixel(num_bytes: int, image_size: tuple[int, int]) -> float:
    """Compute the rate of a file of `num_bytes` that holds a picture of `image_size` (height, width)."""
    height, width = image_size
    return 8 * num_bytes / (height * width)


def _check_pair(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
            raise ImageError(f"an 8-bit RGB picture was expected, not {picture.dtype} of shape {picture.shape}")
    _check_sizes(a, b)


def _check_sizes(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> None:
    if a.shape[:2] != b.shape[:2]:
        sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in (a, b)]
        raise ImageError(f"pictures of different sizes cannot be compared: {sizes[0]} and {sizes[1]}")
