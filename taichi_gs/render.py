"""Differentiable rendering: the bridge between PyTorch's autograd and the Taichi kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from taichi_gs.gaussians import Blending
from taichi_gs.kernels import device_tiles, runtime, tiles
from taichi_gs.kernels.blend import PLANES, TILE, make_sum_pairs
from taichi_gs.kernels.device_tiles import TileTensors
from taichi_gs.kernels.forms import DTYPES, blend_kernels
from taichi_gs.kernels.project import make_project
from taichi_gs.kernels.removal import make_removal

Order = np.ndarray | Tensor | None


def render(
    means: Tensor,
    log_covariances: Tensor,
    colors: Tensor,
    amplitudes: Tensor,
    background: Tensor,
    order: Order,
    image_size: tuple[int, int],
    blending: Blending,
    arch: str | None = None,
) -> Tensor:
    """Blend N Gaussians into a planar image [3, height, width], differentiably; see `gaussians.py` for the conventions.

    Args:
        means: [N, 2], in pixels of `image_size`.
        log_covariances: [N, 3].
        colors: [N, 3].
        amplitudes: [N]; in (0, 0.99] if the blending is "alpha", in (0, 65536] if it is "normalized".
        background: [3].
        order: [N] integers, the permutation that puts the Gaussians front to back, for "alpha" blending, best on their
            device; None, if they are in that order, or for "normalized" blending, which knows no front.
        image_size: (height, width).
        blending: "alpha" or "normalized".
        arch: "cpu" or "cuda", the form of the blending kernels; by default the one that suits the running device.

    All tensors share one dtype, float32 or float64, and the device that Taichi runs on: the CPU or "cuda:0", there on
    PyTorch's default stream. On CUDA the forward pass waits for the device once, to read the number of (tile, Gaussian)
    pairs, and nothing else makes either pass wait.
    """
    inputs = (means, log_covariances, colors, amplitudes, background)
    image: Tensor = _Render.apply(  # type: ignore[no-untyped-call]
        *(t.contiguous() for t in inputs), order, image_size, blending, arch or runtime.start()
    )
    return image


def removal_errors(
    means: Tensor,
    log_covariances: Tensor,
    colors: Tensor,
    amplitudes: Tensor,
    background: Tensor,
    order: Order,
    target: Tensor,
    blending: Blending,
    arch: str | None = None,
) -> Tensor:
    """By how much the sum of squared errors |C - target|^2 of the picture changes when one Gaussian is removed, [N].

    Args: those of `render`, and target: [3, height, width]. Nothing is differentiated, and the result has the dtype and
    the device of the inputs. It is the same in every run; rounding the picture, as a file's decoder does, is left out.
    """
    means, log_covariances, colors, amplitudes, background, target = (
        t.detach().contiguous() for t in (means, log_covariances, colors, amplitudes, background, target)
    )
    splats, image_size = (means, log_covariances, colors, amplitudes), (target.shape[1], target.shape[2])
    arch = arch or runtime.start()
    drawn = _draw(*splats, background, order, image_size, blending, arch)
    lists = drawn.lists
    rows = means.new_zeros(len(lists.tile_indices), TILE)
    if len(rows):
        inputs = (means, drawn.conics, drawn.extents, colors, *lists[:2], drawn.image, target, rows)
        make_removal(_taichi_dtype(means), blending, arch)(*(_raw(t) for t in inputs))
    if arch != "cuda":  # a few array operations on one thread, which PyTorch would share out at a greater cost
        pair_errors = rows.numpy().sum(axis=1, dtype=np.float64)
        return torch.from_numpy(np.bincount(lists.tile_indices.numpy(), pair_errors, len(means))).to(means.dtype)
    by_rank = rows.sum(dim=1, dtype=torch.float64).index_select(0, lists.rank_pairs)
    errors = torch.segment_reduce(by_rank, "sum", offsets=lists.rank_offsets, unsafe=True)
    return torch.empty_like(errors).scatter_(0, lists.order.long(), errors).to(means.dtype)


def _taichi_dtype(tensor: Tensor) -> Any:
    return DTYPES[str(tensor.dtype).removeprefix("torch.")]


def _raw(tensor: Tensor) -> Any:
    """What Taichi takes without a copy and out of autograd's sight: where it can be a NumPy view, cheaper to pass.

    A launch with CUDA tensors does not wait for the device, and is in line with PyTorch's operations before and after
    it: Taichi launches on the null stream of device 0's primary context, which is PyTorch's default stream
    (taichi/runtime/cuda/kernel_launcher.cpp), so `ti.sync` is never needed.
    """
    tensor = tensor.detach()
    return tensor.numpy() if tensor.device.type == "cpu" else tensor


class _Drawn(NamedTuple):
    """A picture as the kernels leave it, and what its gradient needs."""

    conics: Tensor  # [N, 4]
    extents: Tensor  # [N, 2]
    image: Tensor  # [PLANES[blending], H', W'], both sides padded to whole tiles
    lists: TileTensors


def _draw(
    means: Tensor,
    log_covariances: Tensor,
    colors: Tensor,
    amplitudes: Tensor,
    background: Tensor,
    order: Order,
    image_size: tuple[int, int],
    blending: Blending,
    arch: str,
) -> _Drawn:
    """Project and blend contiguous tensors; see `render` for the arguments."""
    dtype = _taichi_dtype(means)
    conics, extents = means.new_empty(len(means), 4), means.new_empty(len(means), 2)
    make_project(dtype, blending)(_raw(log_covariances), _raw(amplitudes), _raw(conics), _raw(extents))
    lists = _list_tiles(means.detach(), extents, order, image_size, arch)
    rows, columns = tiles.num_tiles(image_size)
    image = means.new_empty(PLANES[blending], rows * TILE, columns * TILE)
    inputs = (means, conics, extents, colors, background, *lists[:2], image)
    blend_kernels(dtype, arch, blending).forward(*(_raw(t) for t in inputs))
    return _Drawn(conics, extents, image, lists)


def _list_tiles(means: Tensor, extents: Tensor, order: Order, image_size: tuple[int, int], arch: str) -> TileTensors:
    """The lists by PyTorch for CUDA, and by NumPy, which is faster there, for the CPU."""
    if arch == "cuda":
        if isinstance(order, np.ndarray):
            order = torch.from_numpy(order.astype(np.int32)).to(means.device)
        return device_tiles.list_tiles(means, extents, order, image_size)
    ranked = None if order is None else np.asarray(order)
    arrays = tiles.list_tiles(means.numpy(), extents.numpy(), ranked, image_size)
    return TileTensors(*(torch.from_numpy(array) for array in arrays))


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        log_covariances: Tensor,
        colors: Tensor,
        amplitudes: Tensor,
        background: Tensor,
        order: Order,
        image_size: tuple[int, int],
        blending: Blending,
        arch: str,
    ) -> Tensor:
        splats = (means, log_covariances, colors, amplitudes)
        drawn = _draw(*splats, background, order, image_size, blending, arch)
        ctx.save_for_backward(*splats)
        ctx.drawn, ctx.blending, ctx.arch = drawn, blending, arch
        return drawn.image[:3, : image_size[0], : image_size[1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        means, log_covariances, colors, amplitudes = (t.detach() for t in ctx.saved_tensors)
        conics, extents, image, lists = ctx.drawn
        dtype = _taichi_dtype(means)
        padding = (0, image.shape[2] - grad_output.shape[2], 0, image.shape[1] - grad_output.shape[1])
        grad_image = (functional.pad(grad_output, padding) if any(padding) else grad_output).contiguous()

        grad_pairs, grad_background = blend_kernels(dtype, ctx.arch, ctx.blending).backward(
            means, conics, extents, colors, lists.tile_offsets, lists.tile_indices, image, grad_image
        )
        grad_means, grad_conics, grad_colors = (torch.empty_like(t) for t in (means, conics, colors))
        make_sum_pairs(dtype)(*(_raw(t) for t in (grad_pairs, *lists[2:], grad_means, grad_conics, grad_colors)))

        # Taichi's autodiff reads and writes `.grad` of its arguments, and zeroes the output's: fresh leaves keep it
        # away from the tensors that PyTorch's autograd owns.
        leaves = [t.detach().requires_grad_() for t in (log_covariances, amplitudes, conics)]
        grads = (torch.zeros_like(log_covariances), torch.zeros_like(amplitudes), grad_conics)
        for leaf, grad in zip(leaves, grads, strict=True):
            leaf.grad = grad
        make_project(dtype, ctx.blending).grad(*leaves, extents)
        return grad_means, leaves[0].grad, grad_colors, leaves[1].grad, grad_background, None, None, None, None
