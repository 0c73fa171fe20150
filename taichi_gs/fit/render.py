"""Differentiable rendering: the bridge between PyTorch's autograd and the Taichi kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from taichi_gs.fit import tile_tensors as device_tiles
from taichi_gs.fit.tensors import raw, taichi_dtype
from taichi_gs.fit.tile_tensors import PairCapacity, TileTensors
from taichi_gs.kernels import runtime, tiles
from taichi_gs.kernels.blend import PLANES, TILE, make_sum_pairs
from taichi_gs.kernels.dispatch import blend_kernels
from taichi_gs.kernels.projection import make_project
from taichi_gs.kernels.removal import make_removal
from taichi_gs.model.gaussians import Blending

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
    capacity: PairCapacity | None = None,
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
        capacity: of the lists on CUDA, for Gaussians that are drawn again and again while they move; see there.

    All tensors share one dtype, float32 or float64, and the device that Taichi runs on: the CPU or "cuda:0", there on
    PyTorch's default stream. On CUDA the forward pass waits for the device once, to read the number of (tile, Gaussian)
    pairs, where `capacity` does not spare it that, and nothing else makes either pass wait.
    """
    scene = _Scene(order, image_size, blending, arch or runtime.start(), capacity)
    inputs = (means, log_covariances, colors, amplitudes, background)
    image: Tensor = _Render.apply(*(t.contiguous() for t in inputs), scene)  # type: ignore[no-untyped-call]
    return image


def squared_error(
    means: Tensor,
    log_covariances: Tensor,
    colors: Tensor,
    amplitudes: Tensor,
    background: Tensor,
    order: Order,
    target: Tensor,
    blending: Blending,
    arch: str | None = None,
    capacity: PairCapacity | None = None,
) -> Tensor:
    """The sum of squared errors |C - target|^2 of the picture, a tensor of no dimensions, differentiably.

    Args: those of `render`, and target: [3, height, width], which gets no gradient. The gradients are computed together
    with the value, whether they are asked for or not; on the CPU no picture is ever in memory.
    """
    target = target.detach().contiguous()
    scene = _Scene(order, (target.shape[1], target.shape[2]), blending, arch or runtime.start(), capacity)
    inputs = (means, log_covariances, colors, amplitudes, background)
    error: Tensor = _SquaredError.apply(  # type: ignore[no-untyped-call]
        *(t.contiguous() for t in inputs), target, scene
    )
    return error


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
    splats = _Splats(means, log_covariances, colors, amplitudes)
    scene = _Scene(order, (target.shape[1], target.shape[2]), blending, arch or runtime.start())
    projected = _project(splats, scene)
    conics, extents, lists = projected
    image = _draw(splats, projected, background, scene)
    rows = means.new_zeros(len(lists.tile_indices), TILE)
    if len(rows):
        inputs = (means, conics, extents, colors, *lists[:2], image, target, rows)
        make_removal(taichi_dtype(means), blending, scene.arch)(*(raw(t) for t in inputs))
    if scene.arch != "cuda":  # a few array operations on one thread, which PyTorch would share out at a greater cost
        pair_errors = rows.numpy().sum(axis=1, dtype=np.float64)
        return torch.from_numpy(np.bincount(lists.tile_indices.numpy(), pair_errors, len(means))).to(means.dtype)
    by_rank = rows.sum(dim=1, dtype=torch.float64).index_select(0, lists.rank_pairs)
    errors = torch.segment_reduce(by_rank, "sum", offsets=lists.rank_offsets, unsafe=True)
    return torch.empty_like(errors).scatter_(0, lists.order.long(), errors).to(means.dtype)


class _Scene(NamedTuple):
    """What is not a differentiable tensor; see `render`."""

    order: Order
    image_size: tuple[int, int]
    blending: Blending
    arch: str
    capacity: PairCapacity | None = None


class _Splats(NamedTuple):
    """Detached and contiguous tensors; see `render` for their shapes."""

    means: Tensor
    log_covariances: Tensor
    colors: Tensor
    amplitudes: Tensor


class _Projected(NamedTuple):
    """What the blending kernels need of N Gaussians, and in which tiles they are."""

    conics: Tensor  # [N, 4]
    extents: Tensor  # [N, 2]
    lists: TileTensors


def _project(splats: _Splats, scene: _Scene) -> _Projected:
    means, log_covariances, _, amplitudes = splats
    conics, extents = means.new_empty(len(means), 4), means.new_empty(len(means), 2)
    inputs = (log_covariances, amplitudes, conics, extents)
    make_project(taichi_dtype(means), scene.blending)(*(raw(t) for t in inputs))
    return _Projected(conics, extents, _list_tiles(means, extents, scene))


def _draw(splats: _Splats, projected: _Projected, background: Tensor, scene: _Scene) -> Tensor:
    """The image [PLANES[blending], H', W'], both sides padded to whole tiles."""
    conics, extents, lists = projected
    rows, columns = tiles.num_tiles(scene.image_size)
    image = conics.new_empty(PLANES[scene.blending], rows * TILE, columns * TILE)
    inputs = (splats.means, conics, extents, splats.colors, background, *lists[:2], image)
    blend_kernels(taichi_dtype(conics), scene.arch, scene.blending).forward(*(raw(t) for t in inputs))
    return image


def _list_tiles(means: Tensor, extents: Tensor, scene: _Scene) -> TileTensors:
    """The lists by PyTorch for CUDA, and by NumPy, which is faster there, for the CPU."""
    order = scene.order
    if scene.arch == "cuda":
        if isinstance(order, np.ndarray):
            order = torch.from_numpy(order.astype(np.int32)).to(means.device)
        return device_tiles.list_tiles(means, extents, order, scene.image_size, scene.capacity)
    ranked = None if order is None else np.asarray(order)
    arrays = tiles.list_tiles(means.numpy(), extents.numpy(), ranked, scene.image_size)
    return TileTensors(*(torch.from_numpy(array) for array in arrays))


def _sum_gradients(
    splats: _Splats, projected: _Projected, grad_pairs: Tensor, blending: Blending
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients by the four tensors of `splats` from those of all pairs [P, 9]."""
    means, log_covariances, colors, amplitudes = splats
    conics, extents, lists = projected
    dtype = taichi_dtype(means)
    grad_means, grad_conics, grad_colors = (torch.empty_like(t) for t in (means, conics, colors))
    make_sum_pairs(dtype)(*(raw(t) for t in (grad_pairs, *lists[2:], grad_means, grad_conics, grad_colors)))

    # Taichi's autodiff reads and writes `.grad` of its arguments, and zeroes the output's: fresh leaves keep it away
    # from the tensors that PyTorch's autograd owns.
    leaves = [t.detach().requires_grad_() for t in (log_covariances, amplitudes, conics)]
    grads = (torch.zeros_like(log_covariances), torch.zeros_like(amplitudes), grad_conics)
    for leaf, grad in zip(leaves, grads, strict=True):
        leaf.grad = grad
    make_project(dtype, blending).grad(*leaves, extents)
    return grad_means, grads[0], grad_colors, grads[1]


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        log_covariances: Tensor,
        colors: Tensor,
        amplitudes: Tensor,
        background: Tensor,
        scene: _Scene,
    ) -> Tensor:
        splats = _Splats(*(t.detach() for t in (means, log_covariances, colors, amplitudes)))
        projected = _project(splats, scene)
        image = _draw(splats, projected, background, scene)
        ctx.save_for_backward(*splats)
        ctx.projected, ctx.image, ctx.scene = projected, image, scene
        return image[:3, : scene.image_size[0], : scene.image_size[1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        splats = _Splats(*ctx.saved_tensors)
        image, (conics, extents, lists), scene = ctx.image, ctx.projected, ctx.scene
        padding = (0, image.shape[2] - grad_output.shape[2], 0, image.shape[1] - grad_output.shape[1])
        grad_image = (functional.pad(grad_output, padding) if any(padding) else grad_output).contiguous()
        grad_pairs, grad_background = blend_kernels(taichi_dtype(conics), scene.arch, scene.blending).backward(
            splats.means, conics, extents, splats.colors, *lists[:2], image, grad_image
        )
        return *_sum_gradients(splats, ctx.projected, grad_pairs, scene.blending), grad_background, None


class _SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        log_covariances: Tensor,
        colors: Tensor,
        amplitudes: Tensor,
        background: Tensor,
        target: Tensor,
        scene: _Scene,
    ) -> Tensor:
        splats = _Splats(*(t.detach() for t in (means, log_covariances, colors, amplitudes)))
        projected = _project(splats, scene)
        conics, extents, lists = projected
        kernels = blend_kernels(taichi_dtype(means), scene.arch, scene.blending)
        error, grad_pairs, grad_background = kernels.squared_error(
            splats.means, conics, extents, splats.colors, background.detach(), *lists[:2], target
        )
        gradients = _sum_gradients(splats, projected, grad_pairs, scene.blending)
        ctx.save_for_backward(*gradients, grad_background)
        return error  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return *(grad_output * gradient for gradient in ctx.saved_tensors), None, None
