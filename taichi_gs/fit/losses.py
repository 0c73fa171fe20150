"""What the fit minimises."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_msssim
import torch
from torch import Tensor

SSIM_WEIGHT = 0.2
"""The weight of 1 - SSIM beside l1, as in 3D Gaussian splatting; the paper does not state its own."""

SSIM_WINDOW = 11


def l2(image: Tensor, target: Tensor) -> Tensor:
    """The mean squared error of images [3, H, W]."""
    return (image - target).square().mean()


def l1_ssim(image: Tensor, target: Tensor) -> Tensor:
    """(1 - w) |image - target| + w (1 - SSIM) of images [3, H, W], w = SSIM_WEIGHT (the paper's loss)."""
    absolute = (image - target).abs().mean()
    if min(image.shape[1:]) < SSIM_WINDOW:
        return absolute
    # On CPUs, PyTorch's depthwise convolutions are four times as fast with the channels last.
    batches = (picture[None].contiguous(memory_format=torch.channels_last) for picture in (image, target))
    similarity = pytorch_msssim.ssim(*batches, data_range=1.0, win_size=SSIM_WINDOW)
    return (1.0 - SSIM_WEIGHT) * absolute + SSIM_WEIGHT * (1.0 - similarity)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l2": l2, "l1-ssim": l1_ssim}
