"""The first Gaussians, sampled from the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

INITIAL_CODE = 0.25
"""The first amplitude code: a weight of e with normalised blending, an opacity of a half with alpha blending."""


def detail_density(image: Tensor) -> Tensor:
    """A probability density over pixels [H, W]: half uniform, half the magnitude of the luminance's gradient."""
    luminance = image.mean(dim=0)
    dy = functional.pad(luminance[1:] - luminance[:-1], (0, 0, 0, 1))
    dx = functional.pad(luminance[:, 1:] - luminance[:, :-1], (0, 1))
    magnitude = torch.sqrt(dx.square() + dy.square())
    magnitude = magnitude / magnitude.mean().clamp_min(1e-12)
    return (0.5 + 0.5 * magnitude) / (0.5 + 0.5 * magnitude).sum()


def sample_rows(
    image: Tensor, density: Tensor, count: int, size: float, full_size: tuple[int, int], generator: torch.Generator
) -> dict[str, Tensor]:
    """Sample `count` isotropic Gaussians at pixels drawn from `density` [H, W], in the colour of `image` [3, H, W].

    A Gaussian is as wide as the samples around it are apart: its standard deviation is `size` over the square root of
    the expected number of samples a pixel, so that details get small ones. Returns rows for `Splats`, in pixels of
    `full_size`.
    """
    height, width = density.shape
    # torch.multinomial takes at most 2**24 categories: a cumulative sum and a binary search take any number.
    cumulative = density.double().flatten().cumsum(0)
    draws = torch.rand(count, generator=generator, dtype=torch.float64).to(cumulative.device) * cumulative[-1]
    pixels = torch.searchsorted(cumulative, draws).clamp_max(height * width - 1)
    rows, columns = pixels // width, pixels % width
    jitter = torch.rand(count, 2, generator=generator).to(image.device)
    scale_x, scale_y = full_size[1] / width, full_size[0] / height
    means = (torch.stack([columns, rows], dim=1) + jitter) * image.new_tensor([scale_x, scale_y])
    smooth = functional.avg_pool2d(density[None, None], 9, stride=1, padding=4, count_include_pad=False)[0, 0]
    per_pixel = (smooth[rows, columns] * count / (scale_x * scale_y)).clamp_min(1e-9)
    deviations = (size / per_pixel.sqrt()).clamp(0.5, math.hypot(*full_size))
    zeros = torch.zeros_like(deviations)
    red, green, blue = image[:, rows, columns]
    y, co, cg = (red + 2.0 * green + blue) / 4.0, (red - blue) / 2.0, (2.0 * green - red - blue) / 4.0
    return {
        "means": means,
        "log_covariances": torch.stack([2.0 * deviations.log(), zeros, zeros], dim=1),
        "color_codes": torch.stack([y, co, cg, torch.full_like(y, INITIAL_CODE)], dim=1),
    }
