"""What `Renderer` does on the CPU, each by one launch of one kernel that projects, lists tiles and draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taichi_gs.fit.chain_rule import ChainRule
from taichi_gs.fit.splats import Cost, SplatGradients, Splats
from taichi_gs.fit.tensors import raw, taichi_dtype
from taichi_gs.fit.workspace import Workspace
from taichi_gs.kernels.blend import NUM_GRADS, PLANES
from taichi_gs.kernels.cost_cpu import NUM_SUMS, make_cost
from taichi_gs.kernels.draw_cpu import make_draw
from taichi_gs.kernels.projection import NUM_PROJECTED
from taichi_gs.kernels.removal import make_removal
from taichi_gs.kernels.sharing import has_threads
from taichi_gs.kernels.tiles import TILE, num_tiles

SPARE_PAIRS = 1.25
"""Room for pairs of tiles and Gaussians, in multiples of those that there are: Gaussians move."""

PAIRS_PER_GAUSSIAN = 8
"""Room for pairs where nothing is known of them."""

ROW_NANOSECONDS = 150
"""What it takes to project a Gaussian, or to sum its gradients."""

Launch = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], None]
"""Calls a kernel with what it overwrites: `projected`, `boxes`, `offsets`, `tile_indices` and `rank_pairs`.

See `make_cost`.
"""


class Drawn(NamedTuple):
    """N Gaussians that were drawn, front to back.

    Attributes:
        rows: means [N, 2], log_covariances [N, 3], colors [N, 3] and amplitudes [N].
        projected: [N, NUM_PROJECTED].
        tile_offsets, tile_indices: see `tiles.TileLists`.
        image: [PLANES[blending], H', W'], both sides padded to whole tiles.
    """

    rows: tuple[NDArray[Any], ...]
    projected: NDArray[Any]
    tile_offsets: NDArray[np.int32]
    tile_indices: NDArray[np.int32]
    image: NDArray[Any]


def draw_at_once(splats: Splats, image_size: tuple[int, int], workspace: Workspace) -> Drawn:
    """Draw Gaussians into memory of the workspace; all tensors are on the CPU, and nobody follows gradients."""
    rows, background = _front_to_back(splats)
    tiles_y, tiles_x = num_tiles(image_size)
    image = workspace.array("image", (PLANES[splats.blending], tiles_y * TILE, tiles_x * TILE), rows[0].dtype)
    kernel = make_draw(taichi_dtype(splats.means), splats.blending, **_shared(len(rows[0]), workspace))

    def launch(*overwritten: NDArray[Any]) -> None:
        kernel(*rows, background, *overwritten, image.reshape(-1), image.shape[2])

    projected, offsets, tile_indices = _with_room(launch, len(rows[0]), tiles_y * tiles_x, workspace, rows)
    return Drawn(rows, projected, offsets[: tiles_y * tiles_x + 1], tile_indices[: offsets[-1]], image)


def cost_at_once(
    splats: Splats,
    picture: Tensor,
    weights: Tensor,
    importances: tuple[float, float],
    workspace: Workspace,
    rule: ChainRule | None = None,
) -> Cost:
    """Return what `Renderer.cost` does; all tensors are contiguous, on the CPU, and followed by no gradient."""
    rows, background = _front_to_back(splats)
    compared, order = (raw(picture), raw(weights)), _order_of(splats)
    count, (tiles_y, tiles_x) = len(rows[0]), num_tiles((picture.shape[1], picture.shape[2]))
    sums = np.empty((NUM_SUMS, tiles_y * tiles_x), rows[0].dtype)
    grads, (goes_on, *factors) = np.empty(NUM_GRADS * count, rows[0].dtype), _chain(rule, rows[0].dtype.type)
    kernel = make_cost(taichi_dtype(picture), splats.blending, **_shared(count, workspace))

    def launch(*overwritten: NDArray[Any]) -> None:
        grad_pairs = workspace.array("grad_pairs", (len(overwritten[-1]), NUM_GRADS), grads.dtype)
        results = grad_pairs, sums, grads
        kernel(*rows, background, *compared, *overwritten, *results, *importances, goes_on, *factors)

    _with_room(launch, count, tiles_y * tiles_x, workspace, rows)
    totals = sums.sum(axis=1)
    totals[:3] *= factors[-1]
    # NumPy takes views in a tenth of the time that PyTorch takes, right after a kernel.
    by_means, by_shapes, by_appearance = grads[: 2 * count], grads[2 * count : 5 * count], grads[5 * count :]
    parts = by_means.reshape(count, 2), by_shapes.reshape(count, 3), by_appearance.reshape(count, 4)
    means, log_covariances, appearance = map(torch.from_numpy, parts)
    if order is not None:
        means, log_covariances, appearance = (
            torch.empty_like(t).index_copy_(0, order, t) for t in (means, log_covariances, appearance)
        )
    scalars = totals[3:4].reshape(()), totals[4:].reshape(())
    by_background, squared_error, cost = map(torch.from_numpy, (totals[:3], *scalars))
    return Cost(cost, squared_error, SplatGradients(means, log_covariances, appearance, by_background))


def _chain(rule: ChainRule | None, number: Callable[[float], Any]) -> tuple[int, float, float, float]:
    """Whether gradients are by parameters, and what those by means, x and y, and all others are multiplied by."""
    if rule is None:
        return 0, 1.0, 1.0, 1.0
    (height, width), (full_height, full_width), factor = rule.image_size, rule.full_size, number(rule.factor)
    return 1, factor * number(width / full_width), factor * number(height / full_height), rule.factor


def removal_errors_at_once(splats: Splats, picture: Tensor, weights: Tensor, workspace: Workspace) -> Tensor:
    """Return what `Renderer.removal_errors` does, of tensors as for `cost_at_once`; that takes another launch."""
    drawn, order = draw_at_once(splats, (picture.shape[1], picture.shape[2]), workspace), _order_of(splats)
    means, _, colors, _ = drawn.rows
    errors = np.empty((len(drawn.tile_indices), 1), means.dtype)
    if len(errors):
        kernel = make_removal(taichi_dtype(picture), splats.blending, "cpu", shared=has_threads())
        lists = drawn.tile_offsets, drawn.tile_indices
        kernel(means, drawn.projected, drawn.projected, colors, *lists, drawn.image, raw(picture), raw(weights), errors)
    found = torch.from_numpy(np.bincount(drawn.tile_indices, errors[:, 0], len(means)).astype(means.dtype))
    return found if order is None else torch.empty_like(found).index_copy_(0, order, found)


def _front_to_back(splats: Splats) -> tuple[tuple[NDArray[Any], ...], NDArray[Any]]:
    """The tensors with a row a Gaussian, in their order, and the background."""
    *rows, background = splats.tensors
    order = _order_of(splats)
    return tuple(raw(tensor if order is None else tensor[order]) for tensor in rows), raw(background)


def _order_of(splats: Splats) -> Tensor | None:
    """The permutation [N] int64 that puts Gaussians front to back; None if they are in that order."""
    order = splats.order
    if isinstance(order, np.ndarray):
        order = torch.from_numpy(order.astype(np.int64))
    return None if order is None else order.to(torch.int64)


def _shared(num_gaussians: int, workspace: Workspace) -> dict[str, bool]:
    """Which loops all threads take part in: that over tiles always, because most pictures have many of them."""
    # Judged by half of them: most steps have fewer than half of the first Gaussians, and the choice holds for all.
    shares_rows = workspace.shares("rows", ROW_NANOSECONDS * num_gaussians / 2)
    return {"shares_rows": shares_rows, "shares_tiles": workspace.shares("tiles", math.inf)}


def _with_room(
    launch: Launch, count: int, num_tiles: int, workspace: Workspace, rows: tuple[NDArray[Any], ...]
) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int32]]:
    """Launch a kernel, once more if there are more pairs than there was room for.

    Return the `projected`, the `offsets` and the `tile_indices` that it wrote.
    """
    projected = workspace.array("projected", (count, NUM_PROJECTED), rows[0].dtype)
    boxes = workspace.array("boxes", (count, 4), np.int32)
    offsets = workspace.array("offsets", (num_tiles + count + 3,), np.int32)
    room = workspace.room("tile_indices") or PAIRS_PER_GAUSSIAN * count
    while True:
        tile_indices, rank_pairs = (workspace.array(name, (room,), np.int32) for name in ("tile_indices", "rank_pairs"))
        launch(projected, boxes, offsets, tile_indices, rank_pairs)
        if offsets[-1] <= room:
            return projected, offsets, tile_indices
        room = int(SPARE_PAIRS * offsets[-1])
