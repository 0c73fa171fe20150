"""Differentiable rendering: the bridge between PyTorch's autograd and the Taichi kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from taichi_gs.fit import tile_tensors
from taichi_gs.fit.at_once import cost_at_once, draw_at_once, removal_errors_at_once
from taichi_gs.fit.chain_rule import ChainRule
from taichi_gs.fit.splats import NO_BLOCKS, Candidates, Cost, Screening, SplatGradients, Splats
from taichi_gs.fit.tensors import raw, taichi_dtype
from taichi_gs.fit.tile_tensors import PairCapacity, TileTensors
from taichi_gs.fit.workspace import Workspace
from taichi_gs.kernels import tiles
from taichi_gs.kernels.blend import NUM_GRADS, PLANES
from taichi_gs.kernels.blend_gpu import make_cost
from taichi_gs.kernels.dispatch import blend_kernels
from taichi_gs.kernels.gradients import make_gather
from taichi_gs.kernels.projection import make_project
from taichi_gs.kernels.removal import make_removal
from taichi_gs.kernels.replacement import LANES, MAX_CANDIDATES, make_replacement
from taichi_gs.kernels.runtime import Form
from taichi_gs.kernels.tiles import TILE
from taichi_gs.model.blending import Blending

CANDIDATE_NANOSECONDS = 3000
"""What it takes to try a candidate, at least."""


@dataclass(frozen=True)
class Renderer:
    """Draws Gaussians and compares them with a picture, by one form of the kernels.

    The tensors lie where that form finds them: on the CPU, or for the GPU form by CUDA on "cuda:0" and PyTorch's
    default stream. On a GPU each method waits for the device once, to read the number of (tile, Gaussian) pairs. A
    `workspace` spares drawing and the cost that. Nothing else makes it wait.

    Attributes:
        form: of the kernels, "cpu" or "gpu". The GPU form runs on the CPU too, slowly.
        always_waits: whether each launch waits for the device anyway, so that room in lists would spare nothing.
    """

    form: Form
    always_waits: bool = False

    def render(self, splats: Splats, image_size: tuple[int, int], workspace: Workspace | None = None) -> Tensor:
        """Blend Gaussians into a planar image [3, height, width], differentiably.

        Args:
            splats: the Gaussians.
            image_size: (height, width).
            workspace: for Gaussians that are drawn again and again while they move. On the CPU, where nobody follows
                gradients, the image is in its memory until `render`, `removal_errors` or `replacement_errors` is called
                with it again, or with one that shares its arrays. `cost` leaves the image alone.
        """
        if self.form == "cpu" and not any(tensor.requires_grad for tensor in splats.tensors):
            planes = torch.from_numpy(draw_at_once(splats, image_size, workspace or Workspace()).image)
            return planes[:3, : image_size[0], : image_size[1]]
        scene = _Scene(splats.order, image_size, splats.blending, self.form, self._capacity_of(workspace))
        image: Tensor = _Render.apply(*splats.tensors, scene)  # type: ignore[no-untyped-call]
        return image

    def cost(
        self,
        splats: Splats,
        picture: Tensor,
        weights: Tensor | None = None,
        importances: tuple[float, float] = NO_BLOCKS,
        workspace: Workspace | None = None,
        rule: ChainRule | None = None,
    ) -> Cost:
        """Compare Gaussians with a picture.

        The squared error is the sum over pixels of weight |C - picture|^2. The cost is that with what blocks of pixels
        add to it. Each block of 4 x 4 pixels adds the sum of its weights times its squared mean error, which is
        weighted as well, times the first of `importances`. Each block of 8 x 8 pixels adds the same times the second.
        Blocks are counted from the picture's left upper corner, and those at its borders may be smaller. On the CPU no
        image is ever in memory.

        Args:
            splats: the Gaussians.
            picture: [3, height, width].
            weights: [height, width], of the pixels; 1 everywhere if None.
            importances: of the two kinds of blocks.
            workspace: as for `render`.
            rule: if given, gradients are by the parameters that the Gaussians follow from by this rule.
        """
        picture = picture.detach().contiguous()
        compared = (picture, _weights_of(picture, weights))
        if self.form == "cpu":
            return cost_at_once(splats, *compared, importances, workspace or Workspace(), rule)
        size = (picture.shape[1], picture.shape[2])
        scene = _Scene(splats.order, size, splats.blending, self.form, self._capacity_of(workspace))
        *rows, background = (t.detach() for t in splats.tensors)
        gaussians = _Rows(*rows)
        projected = _project(gaussians, scene)
        conics, extents, lists = projected
        cost, squared_error, grad_pairs, grad_background = make_cost(taichi_dtype(conics), splats.blending)(
            gaussians.means, conics, extents, gaussians.colors, background, *lists[:2], *compared, importances
        )
        gradients = SplatGradients.of_rows(_gather_gradients(gaussians, projected, grad_pairs, scene), grad_background)
        if rule is not None:
            gradients = rule.apply(gradients, gaussians.amplitudes, splats.blending)
        return Cost(cost, squared_error, gradients)

    def removal_errors(
        self, splats: Splats, picture: Tensor, weights: Tensor | None = None, workspace: Workspace | None = None
    ) -> Tensor:
        """Return by how much the squared error of `cost` changes when one Gaussian is removed, [N].

        The arguments are those of `cost`. Nothing is differentiated. The result has the dtype and the device
        of the inputs, and is the same in every run. The rounding of a decoder to 8 bits is left out.
        """
        picture = picture.detach().contiguous()
        size, compared = (picture.shape[1], picture.shape[2]), (picture, _weights_of(picture, weights))
        if self.form == "cpu":
            return removal_errors_at_once(splats, *compared, workspace or Workspace())
        *rows, background = (t.detach() for t in splats.tensors)
        gaussians, scene = _Rows(*rows), _Scene(splats.order, size, splats.blending, self.form)
        projected = _project(gaussians, scene)
        conics, extents, lists = projected
        image, means = _draw(gaussians, projected, background, scene), gaussians.means
        parts = means.new_empty(len(lists.tile_indices), TILE)
        if len(parts):
            inputs = (means, conics, extents, gaussians.colors, *lists[:2], image, *compared, parts)
            make_removal(taichi_dtype(means), splats.blending, "gpu")(*(raw(t) for t in inputs))
        by_rank = parts.sum(dim=1, dtype=torch.float64).index_select(0, lists.rank_pairs)
        errors = torch.segment_reduce(by_rank, "sum", offsets=lists.rank_offsets, unsafe=True)
        return torch.empty_like(errors).scatter_(0, lists.order.long(), errors).to(means.dtype)

    def replacement_errors(
        self,
        splats: Splats,
        candidates: Candidates,
        picture: Tensor,
        weights: Tensor | None = None,
        workspace: Workspace | None = None,
    ) -> Tensor:
        """Return by how much the squared error of `cost` changes when one Gaussian is replaced by a candidate.

        Only for normalised blending. Otherwise as `removal_errors`.

        Args:
            splats: the Gaussians.
            candidates: K for each of M Gaussians, and K at most MAX_CANDIDATES. Each one alone is drawn with all of
                `splats` but the one in whose place it is.
            picture: as for `cost`.
            weights: likewise.
            workspace: likewise.

        Returns:
            The changes [M, K]; infinite where a screening left a candidate out.

        Raises:
            ValueError: if K is more than MAX_CANDIDATES.
        """
        rows, others = candidates.rows, candidates.splats.tensors[:4]
        num_candidates = len(others[0]) // max(len(rows), 1)
        if num_candidates > MAX_CANDIDATES:  # the kernel has no room for more
            raise ValueError(f"{num_candidates} candidates for a Gaussian are more than {MAX_CANDIDATES}")
        picture = picture.detach().contiguous()
        size, compared = (picture.shape[1], picture.shape[2]), [picture, _weights_of(picture, weights)]
        errors = picture.new_empty(len(rows), num_candidates)
        if not len(rows):
            return errors
        splats = replace(splats, order=None)
        means, _, colors = splats.tensors[:3]
        workspace = workspace or Workspace()
        if self.form == "cpu":
            drawn = draw_at_once(splats, size, workspace)
            projected, image = torch.from_numpy(drawn.projected), torch.from_numpy(drawn.image)
        else:
            *tensors, background = (t.detach() for t in splats.tensors)
            gaussians, scene = _Rows(*tensors), _Scene(None, size, splats.blending, self.form)
            conics, extents, lists = _project(gaussians, scene)
            projected = torch.cat([conics, extents], dim=1)
            image = _draw(gaussians, _Projected(conics, extents, lists), background, scene)
        if picture.shape[2] < LANES:
            compared = [functional.pad(planes, (0, LANES - planes.shape[-1])) for planes in compared]
        screening = candidates.screening or Screening(torch.zeros_like(errors), num_candidates, 1)
        inputs = (means, projected, colors, rows.to(torch.int32), *others, image, *compared, screening.penalties)
        shared = self.form == "gpu" or workspace.shares("candidates", CANDIDATE_NANOSECONDS * errors.numel())
        kernel = make_replacement(taichi_dtype(errors), shared=shared)
        kernel(*(raw(t) for t in inputs), screening.min_rows, screening.num_kept, raw(errors))
        return errors

    def _capacity_of(self, workspace: Workspace | None) -> PairCapacity | None:
        return None if workspace is None or self.always_waits else workspace.capacity


def _weights_of(picture: Tensor, weights: Tensor | None) -> Tensor:
    return torch.ones_like(picture[0]) if weights is None else weights.detach().contiguous()


class _Scene(NamedTuple):
    """What is not a differentiable tensor; see `Splats` and `Renderer`."""

    order: np.ndarray | Tensor | None
    image_size: tuple[int, int]
    blending: Blending
    form: Form
    capacity: PairCapacity | None = None


class _Rows(NamedTuple):
    """Detached and contiguous tensors with a row a Gaussian; see `Splats` for their shapes."""

    means: Tensor
    log_covariances: Tensor
    colors: Tensor
    amplitudes: Tensor


class _Projected(NamedTuple):
    """What the blending kernels need of N Gaussians, and in which tiles they are."""

    conics: Tensor  # [N, 4]
    extents: Tensor  # [N, 2]
    lists: TileTensors


def _project(gaussians: _Rows, scene: _Scene) -> _Projected:
    conics, extents = _conics_of(gaussians, scene)
    return _Projected(conics, extents, _list_tiles(gaussians.means, extents, scene))


def _conics_of(gaussians: _Rows, scene: _Scene) -> tuple[Tensor, Tensor]:
    """The conics [N, 4] and the extents [N, 2]."""
    means, log_covariances, _, amplitudes = gaussians
    conics, extents = means.new_empty(len(means), 4), means.new_empty(len(means), 2)
    inputs = (log_covariances, amplitudes, conics, extents)
    make_project(taichi_dtype(means), scene.blending)(*(raw(t) for t in inputs))
    return conics, extents


def _draw(gaussians: _Rows, projected: _Projected, background: Tensor, scene: _Scene) -> Tensor:
    """The image [PLANES[blending], H', W'], both sides padded to whole tiles."""
    conics, extents, lists = projected
    rows, columns = tiles.num_tiles(scene.image_size)
    image = conics.new_empty(PLANES[scene.blending], rows * TILE, columns * TILE)
    inputs = (gaussians.means, conics, extents, gaussians.colors, background, *lists[:2], image)
    blend_kernels(taichi_dtype(conics), scene.form, scene.blending).forward(*(raw(t) for t in inputs))
    return image


def _list_tiles(means: Tensor, extents: Tensor, scene: _Scene) -> TileTensors:
    """The lists by PyTorch for the GPU form, and by NumPy, which is faster there, for the CPU form."""
    order = scene.order
    if scene.form == "gpu":
        if isinstance(order, np.ndarray):
            order = torch.from_numpy(order.astype(np.int32)).to(means.device)
        return tile_tensors.list_tiles(means, extents, order, scene.image_size, scene.capacity)
    ranked = None if order is None else np.asarray(order)
    arrays = tiles.list_tiles(means.numpy(), extents.numpy(), ranked, scene.image_size)
    return TileTensors(*(torch.from_numpy(array) for array in arrays))


def _gather_gradients(gaussians: _Rows, projected: _Projected, grad_pairs: Tensor, scene: _Scene) -> Tensor:
    """The gradients [N, 9] by the four tensors of `gaussians` from those of all pairs [P, 9]."""
    means, log_covariances, _, amplitudes = gaussians
    conics, _, lists = projected
    grads = means.new_empty(len(means), NUM_GRADS)
    inputs = (grad_pairs, *lists[2:], log_covariances, amplitudes, conics, grads)
    make_gather(taichi_dtype(means))(*(raw(t) for t in inputs))
    return grads


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *tensors, scene = inputs
        *rows, background = (t.detach() for t in tensors)
        gaussians = _Rows(*rows)
        projected = _project(gaussians, scene)
        image = _draw(gaussians, projected, background, scene)
        ctx.save_for_backward(*gaussians)
        ctx.projected, ctx.image, ctx.scene = projected, image, scene
        return image[:3, : scene.image_size[0], : scene.image_size[1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        gaussians = _Rows(*ctx.saved_tensors)
        image, (conics, extents, lists), scene = ctx.image, ctx.projected, ctx.scene
        padding = (0, image.shape[2] - grad_output.shape[2], 0, image.shape[1] - grad_output.shape[1])
        grad_image = (functional.pad(grad_output, padding) if any(padding) else grad_output).contiguous()
        grad_pairs, grad_background = blend_kernels(taichi_dtype(conics), scene.form, scene.blending).backward(
            gaussians.means, conics, extents, gaussians.colors, *lists[:2], image, grad_image
        )
        rows = _gather_gradients(gaussians, ctx.projected, grad_pairs, scene)
        return *SplatGradients.of_rows(rows, grad_background).tensors, None
