"""From the splats that are drawn back to the parameters of a fit."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from taichi_gs.fit.splats import SplatGradients
from taichi_gs.model.blending import Blending
from taichi_gs.model.dequantize import amplitude_slopes, rgb_from_ycocg
from taichi_gs.model.quantized import AMPLITUDE_CHANNEL, COLOR_CHANNELS


@dataclass(frozen=True)
class ChainRule:
    """What makes gradients by parameters of gradients by their splats, times a factor.

    Splats are linear in all parameters but the codes of amplitudes. Autograd would do the same in several times the
    time, which is most of a step with few Gaussians. On the CPU the kernel that finds the gradients goes on to these.

    Attributes:
        full_size: (H, W), in whose pixels the parameters are.
        image_size: (h, w), in whose pixels the splats are.
        factor: on all gradients.
    """

    full_size: tuple[int, int]
    image_size: tuple[int, int]
    factor: float = 1.0

    def apply(self, by_splats: SplatGradients, amplitudes: Tensor, blending: Blending) -> SplatGradients:
        """Return gradients by parameters of those by splats, which have `amplitudes` [N]."""
        device, dtype = amplitudes.device, amplitudes.dtype
        scales, _ = change_of_size(self.full_size, self.image_size, device, dtype)
        appearance = self.factor * by_splats.appearance
        appearance[:, -1] *= amplitude_slopes(amplitudes, blending)
        return SplatGradients(
            by_splats.means * (self.factor * scales),
            self.factor * by_splats.log_covariances,
            appearance @ _appearance_matrix(device, dtype),
            self.factor * by_splats.background,
        )


@functools.lru_cache
@torch.inference_mode(mode=False)  # kept for fits that autograd follows, too
def change_of_size(
    full_size: tuple[int, int], image_size: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """What means [N, 2] are multiplied by, and what is added to log_covariances [N, 3], for another size.

    Kept, because small tensors take time to make, and would have to be copied to a GPU at each step.
    """
    scales = [image_size[1] / full_size[1], image_size[0] / full_size[0]]
    shift = [math.log(math.prod(scales)), 0.0, 0.0]
    return torch.tensor(scales, dtype=dtype, device=device), torch.tensor(shift, dtype=dtype, device=device)


@functools.lru_cache
@torch.inference_mode(mode=False)
def rgb_matrix(device: torch.device, dtype: torch.dtype) -> Tensor:
    """[4, 3], which color codes [N, 4] are multiplied by to be RGB."""
    matrix: Tensor = rgb_from_ycocg(torch.eye(COLOR_CHANNELS, AMPLITUDE_CHANNEL, dtype=dtype, device=device))
    return matrix


@functools.lru_cache
def _appearance_matrix(device: torch.device, dtype: torch.dtype) -> Tensor:
    """[4, 4], which turns gradients by RGB and the amplitude code [N, 4] into those by color codes."""
    matrix = torch.eye(COLOR_CHANNELS, dtype=dtype, device=device)
    matrix[:, :AMPLITUDE_CHANNEL] = rgb_matrix(device, dtype)
    return matrix.mT.contiguous()
