"""Means over windows, in a time that hardly depends on how large they are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def window_means(plane: Tensor, window: int) -> Tensor:
    """The means [H, W] of a plane over what is in it of squares around each of its pixels.

    Args:
        plane: [H, W].
        window: the sides of the squares, in pixels; odd.
    """
    return _means_along(_means_along(plane, 0, window), 1, window)


def _means_along(plane: Tensor, dim: int, window: int) -> Tensor:
    """The same along one axis of a plane [H, W] alone."""
    length, half = plane.shape[dim], window // 2
    sums = functional.pad(plane, (0, 0, half, half) if dim == 0 else (half, half))
    totals, offset = torch.zeros_like(plane), 0
    for bit in range(window.bit_length()):  # of windows of a power of two, each made of two that are half as wide
        width = 1 << bit
        if window & width:
            totals += sums.narrow(dim, offset, length)
            offset += width
        if 2 * width <= window:
            rest = sums.shape[dim] - width
            sums = sums.narrow(dim, 0, rest) + sums.narrow(dim, width, rest)
    places = torch.arange(length, device=plane.device)
    counts = (places + half).clamp_max(length - 1) - (places - half).clamp_min(0) + 1
    return totals.div_(counts[:, None] if dim == 0 else counts)
