"""`Target`: the picture that is fitted, at full and at reduced resolution, and what is measured against it."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.losses import l1_ssim
from taichi_gs.fit.parameters import Splats
from taichi_gs.fit.tile_tensors import PairCapacity

MIN_COARSE_SPACING = 3.0
"""Pixels between neighbouring Gaussians, on average, that the reduced resolution leaves: it shows all they can."""

MIN_COARSE_SIDE = 32


class Report(Protocol):
    """Is told after every step the sum of squared errors in it, a tensor, against the coarse or the full picture."""

    def __call__(self, squared_error: Tensor, *, coarse: bool) -> None: ...  # noqa: D102


class Target:
    """A picture [3, H, W] to fit, with a copy at reduced resolution for the first steps.

    Attributes:
        full: [3, H, W].
        coarse: [3, h, w], `full` averaged over blocks of a power of two chosen from the number of Gaussians; may be
        `full`.
        size: (H, W).
    """

    def __init__(self, image: Tensor, loss: str, num_gaussians: int) -> None:
        self.full = image
        self.size: tuple[int, int] = (image.shape[1], image.shape[2])
        self._loss = loss
        self._steps = 0
        self._capacities = {True: PairCapacity(), False: PairCapacity()}
        factor = 1
        spacing = math.sqrt(image[0].numel() / max(num_gaussians, 1))
        while spacing / (2 * factor) >= MIN_COARSE_SPACING and min(self.size) // (2 * factor) >= MIN_COARSE_SIDE:
            factor *= 2
        coarse_size = (-(-self.size[0] // factor), -(-self.size[1] // factor))
        self.coarse = functional.interpolate(image[None], size=coarse_size, mode="area")[0] if factor > 1 else image

    def picture(self, coarse: bool) -> Tensor:
        """The coarse or the full picture."""
        return self.coarse if coarse else self.full

    def render(self, splats: Splats, coarse: bool) -> Tensor:
        """Render `splats` at one of the two resolutions, differentiably."""
        height, width = self.picture(coarse).shape[1:]
        return splats.render(self.size, (height, width))

    def backward(self, splats: Splats, coarse: bool) -> Tensor:
        """Add the loss's gradients to the leaves behind `splats`: once in every step of a fit.

        Returns the sum of squared errors over pixels and channels, detached, whatever the loss.
        """
        picture, capacity = self.picture(coarse), self._capacities[coarse]
        if self._loss == "l2":
            squared_error = splats.squared_error(self.size, picture, capacity)
            loss = squared_error / picture.numel()
        else:
            image = splats.render(self.size, (picture.shape[1], picture.shape[2]), capacity)
            loss = l1_ssim(image, picture, self._steps)
            squared_error = (image.detach() - picture).square().sum()
        torch.autograd.backward(loss)
        self._steps += 1
        return squared_error.detach()

    def decoded_error(self, squared_error: Tensor) -> float:
        """The full picture's sum of squared errors when it is decoded, about, from that before rounding.

        At least what rounding to 8 bits makes of a perfect picture: below that, nothing is worth a bit.
        """
        return max(float(squared_error), self.full.numel() / (12.0 * 255.0**2))

    def removal_errors(self, splats: Splats) -> Tensor:
        """How much removing each Gaussian alone would add [N] to the squared error of the full picture."""
        return splats.removal_errors(self.full)

    def psnr(self, squared_error: Tensor, coarse: bool) -> float:
        """The peak signal-to-noise ratio in dB that a sum of squared errors makes."""
        return -10.0 * math.log10(max(float(squared_error) / self.picture(coarse).numel(), 1e-10))

    def curvatures(
        self,
        splats: Splats,
        parameters: list[Tensor],
        generator: torch.Generator,
        num_probes: int,
    ) -> list[Tensor]:
        """How much the squared error feels each parameter: the diagonal of the Gauss-Newton matrix J^T J, estimated.

        With J the derivative of all pixels by the parameters and z a random picture of +1 and -1, the expectation of
        (J^T z)^2 is that diagonal (Bekas, Kokiopoulou and Saad 2007), and J^T z is one backward pass. A change d of one
        parameter adds about curvature * d^2 to the sum of squared errors over pixels and channels.

        Args:
            splats: what to render.
            parameters: the tensors behind `splats` that curvatures are wanted of.
            generator: source of the signs.
            num_probes: backward passes to average; an entry's relative deviation is about sqrt(2 / num_probes).
        """
        with torch.no_grad():
            image = self.render(splats, coarse=False)
        totals = [torch.zeros_like(p) for p in parameters]
        for _ in range(num_probes):
            ones = torch.randint(0, 2, image.shape, generator=generator, dtype=torch.int8).to(image)
            # Against C - z / 2 the squared error has the gradient J^T z, and its kernel is the one that fits anyway.
            error = splats.squared_error(self.size, image + 0.5 - ones)
            gradients = torch.autograd.grad(error, parameters, retain_graph=True)
            for total, gradient in zip(totals, gradients, strict=True):
                total += gradient.square() / num_probes
        return totals
