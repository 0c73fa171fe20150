"""The paper's density control: Gaussians are cloned and split where the positional gradient is high (section 3.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.parameters import ROWS, Parameters, principal_axes
from taichi_gs.model.blending import CUTOFFS


@dataclass(frozen=True)
class CloneAndSplit:
    """How density control "gradient" adds Gaussians.

    Attributes:
        initial_fraction: the part of the budget at the start.
        num_events: how often the others are added, in portions; fewer where there are too few steps.
        end: the fraction of the stage in which that happens.
        split_shrink: the factor by which the halves of a split Gaussian are smaller, as in 3D Gaussian splatting.
        min_opacity: with alpha blending, a Gaussian less opaque than this is removed (paper section 3.4).
        small: a Gaussian narrower than this many mean distances between Gaussians is cloned, others are split.
    """

    initial_fraction: float = 0.5
    num_events: int = 5
    end: float = 0.5
    split_shrink: float = 1.6
    min_opacity: float = 0.001
    small: float = 0.5

    def events(self, steps: int) -> list[int]:
        """The numbers of the steps after which Gaussians are added, in a stage of `steps`."""
        return sorted({max(1, round(steps * self.end * (i + 1) / self.num_events)) for i in range(self.num_events)})

    def visible_rows(self, parameters: Parameters) -> Tensor:
        """The rows of Gaussians that are opaque enough, or for normalised blending have some weight somewhere."""
        least = self.min_opacity if parameters.blending == "alpha" else CUTOFFS["normalized"]
        return (parameters.amplitudes >= least).nonzero().squeeze(1)

    def grow(
        self,
        parameters: Parameters,
        adam: Adam,
        activity: Tensor,
        count: int,
        spacing: float,
        generator: torch.Generator,
    ) -> Parameters:
        """Add up to `count` Gaussians where the positional gradient is high, and drop transparent ones.

        Of the visible Gaussians whose `activity` [N], the mean norm of the positional gradient, is above average, the
        `count` highest are chosen. Small ones are cloned: the copy keeps the scale and is moved by half a standard
        deviation down the gradient. Large ones are replaced by two that are drawn from the Gaussian itself and scaled
        down. `spacing` is the mean distance between Gaussians in pixels. `adam` follows.
        """
        visible = self.visible_rows(parameters)
        ranked = visible[activity[visible].argsort(descending=True, stable=True)]
        chosen = ranked[activity[ranked] > activity.mean()][:count]
        rows = {name: t[chosen] for name, t in parameters.rows.items()}
        deviations, axes = principal_axes(rows["log_covariances"])
        small = torch.exp(0.5 * rows["log_covariances"][:, 0]) < self.small * spacing

        downhill = -functional.normalize(adam.momentum("means")[chosen])
        clones = dict(rows, means=rows["means"] + 0.5 * deviations[:, 1:] * downhill)
        shrink = rows["log_covariances"].new_tensor([2.0 * math.log(self.split_shrink), 0.0, 0.0])
        halves = []
        for _ in range(2):
            offsets = torch.randn(len(chosen), 2, generator=generator).to(deviations) * deviations
            means = rows["means"] + (offsets[:, :, None] * axes).sum(dim=1)
            halves.append(dict(rows, means=means, log_covariances=rows["log_covariances"] - shrink))

        added = {name: torch.cat([clones[name][small], *(half[name][~small] for half in halves)]) for name in ROWS}
        keep = torch.zeros(len(activity), dtype=torch.bool, device=activity.device)
        keep[visible] = True
        keep[chosen[~small]] = False
        kept = keep.nonzero().squeeze(1)
        adam.keep_rows(ROWS, kept, len(added["means"]))
        return parameters.with_rows(kept, added)
