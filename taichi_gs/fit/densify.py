"""Adaptive density control: where Gaussians are cloned, split and removed while fitting."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.parameters import ROWS, RowAdam, amplitudes, principal_axes
from taichi_gs.model.gaussians import CUTOFFS, Blending

MIN_AMPLITUDES: dict[Blending, float] = {"alpha": 0.001, "normalized": CUTOFFS["normalized"]}
"""A Gaussian less opaque than this is removed (paper section 3.4), and one that has no weight anywhere."""

SPLIT_SHRINK = 1.6
"""The factor by which the halves of a split Gaussian are smaller, as in 3D Gaussian splatting."""


def visible_rows(adam: RowAdam, blending: Blending) -> Tensor:
    """The rows of Gaussians whose amplitude is at least the one in MIN_AMPLITUDES."""
    visible = amplitudes(adam["color_codes"].detach()[:, 3], blending) >= MIN_AMPLITUDES[blending]
    return visible.nonzero().squeeze(1)


def clone_and_split(
    adam: RowAdam, activity: Tensor, count: int, spacing: float, blending: Blending, generator: torch.Generator
) -> None:
    """Add up to `count` Gaussians where the positional gradient is high, and drop transparent ones (paper section 3.4).

    Of the visible Gaussians whose `activity` [N], the mean norm of the positional gradient, is above average, the
    `count` highest are chosen. Small ones, narrower than half of `spacing` pixels, are cloned: the copy keeps the
    scale and is moved by half a standard deviation down the gradient. Large ones are replaced by two that are drawn
    from the Gaussian itself and scaled down by SPLIT_SHRINK.
    """
    visible = visible_rows(adam, blending)
    ranked = visible[activity[visible].argsort(descending=True, stable=True)]
    chosen = ranked[activity[ranked] > activity.mean()][:count]
    rows = {name: adam[name].detach()[chosen] for name in ROWS}
    deviations, axes = principal_axes(rows["log_covariances"])
    small = torch.exp(0.5 * rows["log_covariances"][:, 0]) < 0.5 * spacing

    downhill = -functional.normalize(adam.momentum("means")[chosen])
    clones = dict(rows, means=rows["means"] + 0.5 * deviations[:, 1:] * downhill)
    shrink = rows["log_covariances"].new_tensor([2.0 * math.log(SPLIT_SHRINK), 0.0, 0.0])
    halves = []
    for _ in range(2):
        offsets = torch.randn(len(chosen), 2, generator=generator).to(deviations) * deviations
        means = rows["means"] + (offsets[:, :, None] * axes).sum(dim=1)
        halves.append(dict(rows, means=means, log_covariances=rows["log_covariances"] - shrink))

    added = {name: torch.cat([clones[name][small], *(half[name][~small] for half in halves)]) for name in ROWS}
    keep = torch.zeros(len(activity), dtype=torch.bool, device=activity.device)
    keep[visible] = True
    keep[chosen[~small]] = False
    adam.replace_rows(keep.nonzero().squeeze(1), added)
