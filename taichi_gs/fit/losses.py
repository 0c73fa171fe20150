"""What a fit minimises, by name. A loss compares Gaussians with the picture at one resolution.

To add one, write a function here, name it in `LOSSES`, and add the name to `encoder/choices.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Protocol

import pytorch_msssim
import torch
from torch import Tensor

from taichi_gs.fit.parameters import Parameters
from taichi_gs.fit.resolution import Resolution

SSIM_WEIGHT = 0.1
"""The weight of 1 - SSIM beside l1; the paper does not state its own, and 3D Gaussian splatting has 0.2."""

SSIM_WINDOW = 11

SSIM_ROWS = 128
"""Rows of the picture that one step's SSIM looks at: it takes longer than rendering, and parts take turns."""

GOLDEN_RATIO = 0.6180339887498949


class Loss(Protocol):
    """Compares Gaussians with a picture."""

    def __call__(self, parameters: Parameters, resolution: Resolution, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of weighted squared errors, a scalar, and the loss's gradients.

        They are times the resolution's importance, by name in `Parameters.tensors`.
        """


def l2(parameters: Parameters, resolution: Resolution, step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean of the weighted squared errors over pixels and channels, with what blocks of pixels add to it."""
    found = resolution.cost(parameters, resolution.importance / resolution.picture.numel())
    return found.squared_error, parameters.named(found.gradients)


def l1(parameters: Parameters, resolution: Resolution, step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean of the absolute errors over pixels and channels: what the paper's Table 3 compares its loss with."""
    return _by_autograd(parameters, resolution, lambda image: (image - resolution.picture).abs().mean())


def l1_ssim(parameters: Parameters, resolution: Resolution, step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The paper's loss; see `l1_ssim_of`."""
    return _by_autograd(parameters, resolution, lambda image: l1_ssim_of(image, resolution.picture, step))


LOSSES: Mapping[str, Loss] = {"l2": l2, "l1": l1, "l1-ssim": l1_ssim}


def _by_autograd(
    parameters: Parameters, resolution: Resolution, loss_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a `Loss` returns, for a function of the drawn image [3, H, W] that PyTorch can differentiate."""
    with torch.inference_mode(mode=False):
        leaves = parameters.leaves()
        image = resolution.render(leaves)
        loss = resolution.importance * loss_of(image)
        gradients = torch.autograd.grad(loss, list(leaves.tensors.values()))
    squared_error = (resolution.weights * (image.detach() - resolution.picture).square()).sum()
    return squared_error, dict(zip(leaves.tensors, gradients, strict=True))


def l1_ssim_of(image: Tensor, picture: Tensor, step: int) -> Tensor:
    """(1 - w) |image - picture| + w (1 - SSIM) of images [3, H, W], w = SSIM_WEIGHT (the paper's loss).

    The SSIM is that of SSIM_ROWS rows, others at every `step`, evenly spread over the picture in the long run.
    """
    absolute = (image - picture).abs().mean()
    height, width = image.shape[1:]
    if min(height, width) < SSIM_WINDOW:
        return absolute
    first = int((step * GOLDEN_RATIO) % 1.0 * (max(height - SSIM_ROWS, 0) + 1))
    # On CPUs, PyTorch's depthwise convolutions are four times as fast with the channels last.
    parts = (
        whole[None, :, first : first + SSIM_ROWS].contiguous(memory_format=torch.channels_last)
        for whole in (image, picture)
    )
    similarity: Tensor = pytorch_msssim.ssim(*parts, data_range=1.0, win=_ssim_window(image.device))
    return (1.0 - SSIM_WEIGHT) * absolute + SSIM_WEIGHT * (1.0 - similarity)


@functools.cache
@torch.inference_mode(mode=False)
def _ssim_window(device: torch.device) -> Tensor:
    """The weights of one axis, on the device once and for all: else each call would copy them there."""
    window: Tensor = pytorch_msssim.SSIM(win_size=SSIM_WINDOW).win.to(device)
    return window
