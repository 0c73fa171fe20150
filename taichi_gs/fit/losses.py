"""The loss of the paper. The other one, the squared error, is the renderer's own: see `render.squared_error`."""

from __future__ import annotations

import functools

import pytorch_msssim
import torch
from torch import Tensor

SSIM_WEIGHT = 0.1
"""The weight of 1 - SSIM beside l1; the paper does not state its own, and 3D Gaussian splatting has 0.2."""

SSIM_WINDOW = 11

SSIM_BAND = 128
"""Rows of the picture that one step's SSIM looks at: it takes longer than rendering, and bands take turns."""

GOLDEN_RATIO = 0.6180339887498949


def l1_ssim(image: Tensor, target: Tensor, step: int) -> Tensor:
    """(1 - w) |image - target| + w (1 - SSIM) of images [3, H, W], w = SSIM_WEIGHT (the paper's loss).

    The SSIM is that of a band of SSIM_BAND rows, a different one at every `step`, evenly spread over the picture in
    the long run.
    """
    absolute = (image - target).abs().mean()
    height, width = image.shape[1:]
    if min(height, width) < SSIM_WINDOW:
        return absolute
    first = int((step * GOLDEN_RATIO) % 1.0 * (max(height - SSIM_BAND, 0) + 1))
    # On CPUs, PyTorch's depthwise convolutions are four times as fast with the channels last.
    bands = (
        picture[None, :, first : first + SSIM_BAND].contiguous(memory_format=torch.channels_last)
        for picture in (image, target)
    )
    similarity: Tensor = pytorch_msssim.ssim(*bands, data_range=1.0, win=_ssim_window(image.device))
    return (1.0 - SSIM_WEIGHT) * absolute + SSIM_WEIGHT * (1.0 - similarity)


@functools.cache
def _ssim_window(device: torch.device) -> Tensor:
    """The weights of one axis, on the device once and for all: else each call would copy them there."""
    window: Tensor = pytorch_msssim.SSIM(win_size=SSIM_WINDOW).win.to(device)
    return window
