"""Adaptive density control: where Gaussians are added, split and removed while fitting."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.initialize import sample_rows
from taichi_gs.fit.splats import RowAdam, Splats
from taichi_gs.fit.target import Target
from taichi_gs.gaussians import MAX_OPACITY

MIN_OPACITY = 0.001
"""A Gaussian less opaque than this is removed (paper section 3.4)."""

SPLIT_SHRINK = 1.6
"""The factor by which the halves of a split Gaussian are smaller, as in 3D Gaussian splatting."""

NEW_SIZE = 0.4

ROWS = ("means", "log_covariances", "color_codes")
"""The tensors of `Splats` that have one row a Gaussian."""


def grow_from_error(adam: RowAdam, target: Target, image: Tensor, count: int, generator: torch.Generator) -> None:
    """Add `count` Gaussians at pixels drawn by the squared error of `image`, a rendered copy of the coarse picture."""
    error = (image - target.coarse).square().sum(dim=0)
    density = functional.avg_pool2d(error[None, None], 5, stride=1, padding=2, count_include_pad=False)[0, 0]
    added = sample_rows(target.coarse, density / density.sum(), count, NEW_SIZE, target.size, generator)
    adam.replace_rows(torch.arange(len(adam["means"]), device=image.device), added)


def prune_transparent(adam: RowAdam) -> Tensor:
    """Remove Gaussians whose opacity is below MIN_OPACITY; return the rows kept."""
    opacities = MAX_OPACITY * torch.sigmoid(adam["color_codes"].detach()[:, 3])
    kept = (opacities >= MIN_OPACITY).nonzero().squeeze(1)
    if len(kept) < len(opacities):
        adam.replace_rows(kept, {name: adam[name].detach()[:0] for name in ROWS})
    return kept


def clone_and_split(
    adam: RowAdam, gradients: Tensor, count: int, spacing: float, generator: torch.Generator
) -> None:
    """Add up to `count` Gaussians where the positional gradient is high (paper section 3.4).

    Of the Gaussians whose mean gradient norm `gradients` [N] is above average, the `count` highest are chosen. Small ones,
    narrower than half the mean `spacing` in pixels, are cloned: the copy keeps the scale and moves along the gradient. Large
    ones are replaced by two, drawn from the Gaussian itself and scaled down by SPLIT_SHRINK.
    """
    chosen = gradients.argsort(descending=True, stable=True)[:count]
    chosen = chosen[gradients[chosen] > gradients.mean()]
    rows = {name: adam[name].detach()[chosen] for name in ROWS}
    deviations = Splats(**rows, background=adam["background"]).deviations()
    small = torch.exp(0.5 * rows["log_covariances"][:, 0]) < 0.5 * spacing

    direction = adam["means"].grad
    steps = torch.zeros_like(rows["means"]) if direction is None else -functional.normalize(direction[chosen])
    clones = dict(rows, means=rows["means"] + 0.5 * deviations[:, 1:] * steps)

    halves = []
    for _ in range(2):
        noise = torch.randn(len(chosen), 2, generator=generator).to(deviations)
        means = rows["means"] + Splats(**rows, background=adam["background"]).to_axes(deviations * noise)
        shrunk = rows["log_covariances"] - rows["log_covariances"].new_tensor([2.0 * math.log(SPLIT_SHRINK), 0.0, 0.0])
        halves.append(dict(rows, means=means, log_covariances=shrunk))

    added = {name: torch.cat([clones[name][small], *(half[name][~small] for half in halves)]) for name in ROWS}
    kept = torch.ones(len(gradients), dtype=torch.bool, device=gradients.device)
    kept[chosen[~small]] = False
    adam.replace_rows(kept.nonzero().squeeze(1), added)
