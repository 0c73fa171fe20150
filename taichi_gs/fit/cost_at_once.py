"""`Renderer.cost` on the CPU: one launch of one kernel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from taichi_gs.fit.splats import Cost, SplatGradients, Splats
from taichi_gs.fit.tensors import raw, taichi_dtype
from taichi_gs.fit.workspace import Workspace
from taichi_gs.kernels.blend import NUM_GRADS
from taichi_gs.kernels.cost_cpu import NUM_PROJECTED, NUM_SUMS, make_cost
from taichi_gs.kernels.tiles import num_tiles

SPARE_PAIRS = 1.25
"""Room for pairs of tiles and Gaussians, in multiples of those that there are: Gaussians move."""


def cost_at_once(
    splats: Splats, picture: Tensor, weights: Tensor, importances: tuple[float, float], workspace: Workspace
) -> Cost:
    """Return what `Renderer.cost` does; all tensors are contiguous, on the CPU, and followed by no gradient."""
    *rows, background = splats.tensors
    order = None if splats.order is None else torch.as_tensor(splats.order, dtype=torch.int64)
    if order is not None:
        rows = [tensor[order] for tensor in rows]
    count, (tiles_y, tiles_x) = len(rows[0]), num_tiles((picture.shape[1], picture.shape[2]))
    num_offsets = tiles_y * tiles_x + count + 3
    inputs = [raw(tensor) for tensor in (*rows, background, picture, weights)]
    dtype = inputs[0].dtype
    projected = workspace.array("projected", (count, NUM_PROJECTED), dtype)
    offsets = workspace.array("offsets", (num_offsets,), np.int32)
    sums = np.empty((NUM_SUMS, tiles_y * tiles_x), dtype)
    grads = np.empty((count, NUM_GRADS), dtype)
    has_blocks = any(importances)
    kernel = make_cost(taichi_dtype(picture), splats.blending, has_blocks=has_blocks)
    while True:
        room = workspace.room("tile_indices")
        pairs = [workspace.array(name, (room,), np.int32) for name in ("tile_indices", "rank_pairs")]
        grad_pairs = workspace.array("grad_pairs", (room, NUM_GRADS), dtype)
        kernel(*inputs, projected, offsets, *pairs, grad_pairs, sums, grads, *importances)
        if offsets[-1] <= room:
            break
        for name in ("tile_indices", "rank_pairs"):
            workspace.array(name, (int(SPARE_PAIRS * offsets[-1]),), np.int32)
    found = torch.from_numpy(grads)
    if order is not None:
        found = torch.empty_like(found).index_copy_(0, order, found)
    total = torch.from_numpy(sums[: NUM_SUMS if has_blocks else NUM_SUMS - 1].sum(axis=1))
    return Cost(total[-1], total[3], SplatGradients(found, total[:3]))
