"""Differentiable rendering: the bridge between PyTorch's autograd and the Taichi kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from taichi_gs.kernels import runtime, tiles
from taichi_gs.kernels.blend import TILE, make_sum_pairs
from taichi_gs.kernels.forms import DTYPES, blend_kernels
from taichi_gs.kernels.project import make_project


def render(
    means: Tensor,
    log_covariances: Tensor,
    colors: Tensor,
    opacities: Tensor,
    background: Tensor,
    order: np.ndarray,
    image_size: tuple[int, int],
    arch: str | None = None,
) -> Tensor:
    """Blend N Gaussians into a planar image [3, height, width], differentiably; see `gaussians.py` for the conventions.

    Args:
        means: [N, 2], in pixels of `image_size`.
        log_covariances: [N, 3].
        colors: [N, 3].
        opacities: [N], in (0, 0.99].
        background: [3].
        order: [N] integers, the permutation that puts the Gaussians front to back.
        image_size: (height, width).
        arch: "cpu" or "cuda", the form of the blending kernels; by default the one that suits the running device.

    All tensors share one dtype, float32 or float64, and the device that Taichi runs on.
    """
    inputs = (means, log_covariances, colors, opacities, background)
    image: Tensor = _Render.apply(  # type: ignore[no-untyped-call]
        *(t.contiguous() for t in inputs), order, image_size, arch or runtime.start()
    )
    return image


def _taichi_dtype(tensor: Tensor) -> Any:
    return DTYPES[str(tensor.dtype).removeprefix("torch.")]


def _raw(tensor: Tensor) -> Any:
    """What Taichi takes without a copy and out of autograd's sight: where it can be a NumPy view, cheaper to pass."""
    tensor = tensor.detach()
    return tensor.numpy() if tensor.device.type == "cpu" else tensor


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        log_covariances: Tensor,
        colors: Tensor,
        opacities: Tensor,
        background: Tensor,
        order: np.ndarray,
        image_size: tuple[int, int],
        arch: str,
    ) -> Tensor:
        dtype = _taichi_dtype(means)
        conics, extents = means.new_empty(len(means), 4), means.new_empty(len(means), 2)
        make_project(dtype)(_raw(log_covariances), _raw(opacities), _raw(conics), _raw(extents))
        lists = tiles.list_tiles(means.detach().cpu().numpy(), extents.cpu().numpy(), order, image_size)
        tensors = [torch.from_numpy(array).to(means.device) for array in lists]
        tile_offsets, tile_indices, *_ = tensors
        rows, columns = tiles.num_tiles(image_size)
        image = means.new_empty(3, rows * TILE, columns * TILE)
        splats = (_raw(means), _raw(conics), _raw(extents), _raw(colors))
        pairs = (_raw(tile_offsets), _raw(tile_indices))
        blend_kernels(dtype, arch).forward(*splats, _raw(background), *pairs, _raw(image))
        ctx.save_for_backward(means, log_covariances, colors, opacities, conics, extents, image, *tensors)
        ctx.arch = arch
        return image[:, : image_size[0], : image_size[1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        means, log_covariances, colors, opacities, conics, extents, image, tile_offsets, tile_indices, *by_gaussian = (
            t.detach() for t in ctx.saved_tensors
        )
        dtype = _taichi_dtype(means)
        padding = (0, image.shape[2] - grad_output.shape[2], 0, image.shape[1] - grad_output.shape[1])
        grad_image = (functional.pad(grad_output, padding) if any(padding) else grad_output).contiguous()

        grad_pairs, grad_background = blend_kernels(dtype, ctx.arch).backward(
            means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image
        )
        grad_means, grad_conics, grad_colors = (torch.empty_like(t) for t in (means, conics, colors))
        make_sum_pairs(dtype)(*(_raw(t) for t in (grad_pairs, *by_gaussian, grad_means, grad_conics, grad_colors)))

        # Taichi's autodiff reads and writes `.grad` of its arguments, and zeroes the output's: fresh leaves keep it
        # away from the tensors that PyTorch's autograd owns.
        leaves = [t.detach().requires_grad_() for t in (log_covariances, opacities, conics)]
        grads = (torch.zeros_like(log_covariances), torch.zeros_like(opacities), grad_conics)
        for leaf, grad in zip(leaves, grads, strict=True):
            leaf.grad = grad
        make_project(dtype).grad(*leaves, extents)
        return grad_means, leaves[0].grad, grad_colors, leaves[1].grad, grad_background, None, None, None
