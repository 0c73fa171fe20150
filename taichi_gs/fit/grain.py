"""How strong the texture is that Gaussians leave out, by the codewords of their colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from taichi_gs.fit.luma import luma_of
from taichi_gs.fit.window_means import window_means
from taichi_gs.model.grain import LEVELS

_ROOT_OF_NORMAL = 0.822
"""The mean of sqrt(|x|) of normally distributed x with the deviation 1."""


@dataclass(frozen=True)
class Grain:
    """How the strength of texture is measured.

    Attributes:
        window: in pixels, odd; what errors are on average in it is not texture.
        gain: the part of the texture's deviation that grain has: noise that is as strong as a texture is more visible.
    """

    window: int = 5
    gain: float = 0.5

    def roughness(self, error: Tensor) -> Tensor:
        """The square root of the texture's magnitude at each pixel [H, W]; `error` [3, H, W] is what is left out.

        Of roots, the few large errors that lost lines and edges leave behind count little.
        """
        luma = luma_of(error).mul_(255.0)
        return luma.sub_(window_means(luma, self.window)).abs_().sqrt_()

    def codes(self, roughness: Tensor, shares: Tensor) -> Tensor:
        """The strength codes [K] int64 of colour codewords; see `model/grain.py`.

        Args:
            roughness: [K], the sum over pixels of their roughness, each times the part that the codeword has in it.
            shares: [K], the sum of these parts.
        """
        root = roughness / (_ROOT_OF_NORMAL * shares.clamp_min(1e-6))
        deviations = self.gain * root.square()
        levels = torch.tensor(LEVELS).to(deviations)
        # The nearest by ratio; what is weaker than the lowest level by as much again is none.
        borders = (levels[1:] * levels[1:] / 2**0.5).sqrt()
        return torch.bucketize(deviations, borders)
