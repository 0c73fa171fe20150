"""The first Gaussians, sampled from the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.parameters import Parameters
from taichi_gs.model.blending import Blending


@dataclass(frozen=True)
class Initialization:
    """How the first Gaussians are sampled.

    Attributes:
        size: standard deviation of a Gaussian, in distances between the samples around it.
        amplitude_code: of all; 0.25 is a weight of e with normalised blending, an opacity of a half with alpha
            blending.
        detail: the part of the density that follows the picture's gradient; the rest is uniform.
        smoothing: side of the square, in pixels, over which the density is averaged to find how far samples are apart.
    """

    size: float = 0.5
    amplitude_code: float = 0.25
    detail: float = 0.5
    smoothing: int = 9

    def density(self, picture: Tensor) -> Tensor:
        """A probability density over pixels [H, W]: part uniform, part the magnitude of the luminance's gradient."""
        luminance = picture.mean(dim=0)
        dy = functional.pad(luminance[1:] - luminance[:-1], (0, 0, 0, 1))
        dx = functional.pad(luminance[:, 1:] - luminance[:, :-1], (0, 1))
        magnitude = torch.sqrt(dx.square() + dy.square())
        magnitude = magnitude / magnitude.mean().clamp_min(1e-12)
        density = (1.0 - self.detail) + self.detail * magnitude
        return density / density.sum()

    def sample(
        self,
        picture: Tensor,
        count: int,
        full_size: tuple[int, int],
        blending: Blending,
        generator: torch.Generator,
    ) -> Parameters:
        """Sample `count` isotropic Gaussians from `density`, in the colours of `picture` [3, H, W].

        A Gaussian is as wide as the samples around it are apart, times `size`, so that details get small ones. Means
        and covariances are in pixels of `full_size`, which may be larger than the picture.
        """
        density = self.density(picture)
        height, width = density.shape
        # torch.multinomial takes at most 2**24 categories: a cumulative sum and a binary search take any number.
        cumulative = density.double().flatten().cumsum(0)
        draws = torch.rand(count, generator=generator, dtype=torch.float64).to(cumulative.device) * cumulative[-1]
        pixels = torch.searchsorted(cumulative, draws).clamp_max(height * width - 1)
        rows, columns = pixels // width, pixels % width
        jitter = torch.rand(count, 2, generator=generator).to(picture.device)
        scale_x, scale_y = full_size[1] / width, full_size[0] / height
        means = (torch.stack([columns, rows], dim=1) + jitter) * picture.new_tensor([scale_x, scale_y])
        smooth = functional.avg_pool2d(
            density[None, None], self.smoothing, stride=1, padding=self.smoothing // 2, count_include_pad=False
        )[0, 0]
        per_pixel = (smooth[rows, columns] * count / (scale_x * scale_y)).clamp_min(1e-9)
        deviations = (self.size / per_pixel.sqrt()).clamp(0.5, math.hypot(*full_size))
        zeros = torch.zeros_like(deviations)
        red, green, blue = picture[:, rows, columns]
        y, co, cg = (red + 2.0 * green + blue) / 4.0, (red - blue) / 2.0, (2.0 * green - red - blue) / 4.0
        codes = torch.stack([y, co, cg, torch.full_like(y, self.amplitude_code)], dim=1)
        return Parameters(
            means=means,
            log_covariances=torch.stack([2.0 * deviations.log(), zeros, zeros], dim=1),
            color_codes=codes,
            background=picture.mean(dim=(1, 2)),
            blending=blending,
        )
