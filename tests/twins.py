"""Other ways to compute what the kernels compute, for tests: PyTorch and NumPy in any precision, and Taichi's autodiff.

None of this shares code with the package. No `from __future__ import annotations`: Taichi reads annotations.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taichi_gs.kernels.taichi import ti

CUTOFFS = {"alpha": 1 / 255, "normalized": 1 / 64}
SUBTRACTED = {"alpha": 0.0, "normalized": 1 / 64}
LN2 = float(np.log(2))


class Splats(NamedTuple):
    """The five differentiable inputs of `render`.

    Shapes: means [N, 2], log_covariances [N, 3], colors [N, 3], amplitudes [N], background [3].
    """

    means: Tensor
    log_covariances: Tensor
    colors: Tensor
    amplitudes: Tensor
    background: Tensor

    def leaves(self, dtype: torch.dtype, device: str = "cpu") -> "Splats":
        """Copies that collect gradients."""
        return Splats(*(t.detach().to(device, dtype, copy=True).requires_grad_() for t in self))

    def gradients(self) -> list[Tensor]:
        """What the leaves have collected, in float64 on the CPU."""
        return [t.grad.to("cpu", torch.float64) for t in self if t.grad is not None]


def random_splats(
    num_gaussians: int,
    image_size: tuple[int, int],
    scales: tuple[float, float] = (1.0, 6.0),
    anisotropy: float = 3.0,
    amplitudes: tuple[float, float] = (0.05, 0.99),
    margin: float = 8.0,
    seed: int = 0,
) -> Splats:
    """Random Gaussians in float64 with means up to `margin` pixels off the image.

    `scales` bounds the geometric mean of the standard deviations, in pixels, and `anisotropy` the ratio of the two.
    """
    generator = np.random.default_rng(seed)
    height, width = image_size
    means = generator.uniform(-margin, [width + margin, height + margin], (num_gaussians, 2))
    size = 2 * np.log(generator.uniform(*scales, num_gaussians))
    ratio = generator.uniform(0, np.log(anisotropy), num_gaussians)
    angle = generator.uniform(0, 2 * np.pi, num_gaussians)
    log_covariances = np.stack([size, ratio * np.cos(angle), ratio * np.sin(angle)], axis=1)
    colors = generator.uniform(0, 1, (num_gaussians, 3))
    background = generator.uniform(0, 1, 3)
    arrays = (means, log_covariances, colors, generator.uniform(*amplitudes, num_gaussians), background)
    return Splats(*(torch.from_numpy(array) for array in arrays))


def log_weights(splats: Splats, image_size: tuple[int, int]) -> Tensor:
    """ln(weight) [N, H, W] of every Gaussian at every pixel, before anything is cut off or subtracted."""
    m, u, v = splats.log_covariances.unbind(dim=1)
    logarithms = torch.stack([torch.stack([m + u, v], 1), torch.stack([v, m - u], 1)], dim=1)
    inverses = torch.linalg.matrix_exp(-logarithms)
    height, width = image_size
    y = torch.arange(height, dtype=m.dtype) + 0.5
    x = torch.arange(width, dtype=m.dtype) + 0.5
    pixels = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=2)
    d = pixels - splats.means[:, None, None]
    return splats.amplitudes.log()[:, None, None] - 0.5 * torch.einsum("nhwi,nij,nhwj->nhw", d, inverses, d)


def render_densely(
    splats: Splats, order: NDArray[np.integer], image_size: tuple[int, int], blending: str = "alpha"
) -> Tensor:
    """The picture [3, H, W], every Gaussian over every pixel; differentiable by PyTorch, in the dtype of the inputs."""
    rows = torch.from_numpy(np.asarray(order, dtype=np.int64))
    log_weight, colors = log_weights(splats, image_size)[rows], splats.colors[rows]
    weight = torch.where(log_weight >= np.log(CUTOFFS[blending]), log_weight.exp() - SUBTRACTED[blending], 0.0)
    background = splats.background[:, None, None]
    if blending == "normalized":
        return (torch.einsum("nhw,nc->chw", weight, colors) + background / 16) / (weight.sum(dim=0) + 1 / 16)
    if len(weight) == 0:
        return background.expand(3, *image_size)
    passed = torch.cumprod(torch.cat([torch.ones_like(weight[:1]), 1 - weight]), dim=0)
    return torch.einsum("nhw,nc->chw", weight * passed[:-1], colors) + background * passed[-1]


def near_threshold(splats: Splats, image_size: tuple[int, int], margin: float, blending: str = "alpha") -> Tensor:
    """The pixels [H, W] where some Gaussian is so close to its end that rounding decides whether it counts.

    The logarithm of the weight is within `margin` times the ratio of the Gaussian's axes of that of the cut-off. There
    the gradient jumps and, in alpha blending, the colour too.
    """
    doubles = Splats(*(t.detach().double() for t in splats))
    if len(doubles.means) == 0:
        return torch.zeros(image_size, dtype=torch.bool)
    distance = (log_weights(doubles, image_size) - np.log(CUTOFFS[blending])).abs()
    axes = torch.hypot(doubles.log_covariances[:, 1], doubles.log_covariances[:, 2]).exp()
    return (distance < margin * axes[:, None, None]).any(dim=0)


# The blending as kernels that Taichi can differentiate: no mutable state, every prefix and sum in global memory.

_array1 = ti.types.ndarray(dtype=ti.f64, ndim=1)
_array2 = ti.types.ndarray(dtype=ti.f64, ndim=2)
_array3 = ti.types.ndarray(dtype=ti.f64, ndim=3)


@ti.kernel
def _weights(
    means: _array2,  # type: ignore[valid-type]
    conics: _array2,  # type: ignore[valid-type]
    weights: _array3,  # type: ignore[valid-type]
    ln2: ti.f64,
    cutoff: ti.f64,
    subtracted: ti.f64,
):
    for i, y, x in weights:
        dx, dy = x + 0.5 - means[i, 0], y + 0.5 - means[i, 1]
        power = conics[i, 3] - (conics[i, 0] * dx + conics[i, 1] * dy) ** 2 - (conics[i, 2] * dy) ** 2
        weight = ti.exp(ln2 * power)
        weights[i, y, x] = ti.select(weight >= cutoff, weight - subtracted, 0.0)


@ti.kernel
def _blend(alphas: _array3, colors: _array2, background: _array1, prefix: _array3, image: _array3):  # type: ignore[valid-type]
    for y, x in ti.ndrange(image.shape[1], image.shape[2]):
        for i in range(alphas.shape[0]):
            prefix[i + 1, y, x] = prefix[i, y, x] * (1.0 - alphas[i, y, x])
            for channel in ti.static(range(3)):
                image[channel, y, x] += prefix[i, y, x] * alphas[i, y, x] * colors[i, channel]


@ti.kernel
def _blend_background(background: _array1, prefix: _array3, image: _array3):  # type: ignore[valid-type]
    for y, x in ti.ndrange(image.shape[1], image.shape[2]):
        for channel in ti.static(range(3)):
            image[channel, y, x] += prefix[prefix.shape[0] - 1, y, x] * background[channel]


@ti.kernel
def _sum(weights: _array3, colors: _array2, sums: _array3):  # type: ignore[valid-type]
    for i, y, x in weights:
        for channel in ti.static(range(3)):
            sums[channel, y, x] += weights[i, y, x] * colors[i, channel]
        sums[3, y, x] += weights[i, y, x]


@ti.kernel
def _divide(sums: _array3, background: _array1, image: _array3):  # type: ignore[valid-type]
    for channel, y, x in image:
        image[channel, y, x] = (16.0 * sums[channel, y, x] + background[channel]) / (16.0 * sums[3, y, x] + 1.0)


def taichi_gradients(
    means: Tensor, conics: Tensor, colors: Tensor, background: Tensor, grad_image: Tensor, blending: str
) -> tuple[Tensor, list[Tensor]]:
    """The picture [3, H, W] and the gradients of means, conics, colors and background, by Taichi's own autodiff.

    All float64; the Gaussians are blended in the order of their rows, all over all pixels; `conics [N, 4]` are the
    coefficients (a, b, c, l) of 2**(l - (a dx + b dy)**2 - (c dy)**2), the weight before anything is subtracted.
    """
    _, height, width = grad_image.shape
    num_gaussians = len(means)
    inputs = [t.detach().cpu().requires_grad_() for t in (means, conics, colors, background)]
    weights = torch.zeros(num_gaussians, height, width, dtype=torch.float64, requires_grad=True)
    prefix = torch.ones(num_gaussians + 1, height, width, dtype=torch.float64, requires_grad=True)
    sums = torch.zeros(4, height, width, dtype=torch.float64, requires_grad=True)
    image = torch.zeros(3, height, width, dtype=torch.float64, requires_grad=True)
    for tensor in (*inputs, weights, prefix, sums, image):
        tensor.grad = torch.zeros_like(tensor)
    means, conics, colors, background = inputs
    limits = (LN2, CUTOFFS[blending], SUBTRACTED[blending])
    _weights(means, conics, weights, *limits)
    if blending == "normalized":
        _sum(weights, colors, sums)
        _divide(sums, background, image)
        image.grad = grad_image.detach().cpu().clone()
        _divide.grad(sums, background, image)
        _sum.grad(weights, colors, sums)
    else:
        _blend(weights, colors, background, prefix, image)
        _blend_background(background, prefix, image)
        # Each kernel's gradient zeroes that of its outputs, and two of them add to the image.
        image.grad = grad_image.detach().cpu().clone()
        _blend_background.grad(background, prefix, image)
        image.grad = grad_image.detach().cpu().clone()
        _blend.grad(weights, colors, background, prefix, image)
    _weights.grad(means, conics, weights, *limits)
    return image.detach(), [t.grad for t in inputs if t.grad is not None]
