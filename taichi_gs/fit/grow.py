"""The first stage of a fit: free parameters, and from few Gaussians to the budget."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from taichi_gs.fit.densify import clone_and_split, grow_from_error
from taichi_gs.fit.initialize import detail_density, sample_rows
from taichi_gs.fit.splats import RowAdam
from taichi_gs.fit.target import Target

INITIAL_FRACTION = 0.5
INITIAL_SIZE = 0.5
GROWTH_EVENTS = 5
GROWTH_END = 0.5
"""The fraction of this stage after which no Gaussians are added."""

MEANS_RATE = 0.02
"""Adam's step for positions, in mean distances between Gaussians."""

MIN_LOG_AREA, MAX_LOG_AREA = -2.5, 24.0

RATES = {"log_covariances": 0.03, "color_codes": 0.01, "background": 0.003}
"""Adam's steps for the other parameters, in their own units."""


def grow(
    target: Target,
    num_gaussians: int,
    steps: int,
    density: str,
    generator: torch.Generator,
    report: Callable[[float], None],
) -> RowAdam:
    """Fit free Gaussians and return them in their optimiser, under the names of `Splats`' fields.

    Half of them are sampled from the picture, the rest are added in GROWTH_EVENTS portions, by `density`: "error"
    puts new ones where the squared error is, "gradient" clones and splits where the positional gradient is high
    (paper section 3.4). The blending order is that of the areas, small ones in front, which is how the decoder will
    order them.
    """
    spacing = math.sqrt(target.full[0].numel() / num_gaussians)
    first = max(1, round(INITIAL_FRACTION * num_gaussians))
    rows = sample_rows(target.coarse, detail_density(target.coarse), first, INITIAL_SIZE, target.size, generator)
    adam = RowAdam({**rows, "background": target.coarse.mean(dim=(1, 2))}, learning_rates(spacing))
    # Fewer events than GROWTH_EVENTS where there are too few steps for them.
    events = sorted({max(1, round(steps * GROWTH_END * (i + 1) / GROWTH_EVENTS)) for i in range(GROWTH_EVENTS)})
    activity, since = torch.zeros(first, device=target.full.device), 0
    for step in range(steps):
        splats = adam.splats()
        image = target.backward(splats, area_order(splats.log_covariances), coarse=True)
        activity += _gradient_norms(adam["means"])
        since += 1
        adam.step(decay(step / steps, start=GROWTH_END))
        clamp_shapes(adam)
        report(target.psnr(image, coarse=True))
        if step + 1 in events:
            left = len(events) - events.index(step + 1)
            count = -(-(num_gaussians - len(splats)) // left)
            if density == "gradient":
                clone_and_split(adam, activity / since, count, spacing, generator)
            else:
                grow_from_error(adam, target, image, count, generator)
            activity, since = torch.zeros(len(adam["means"]), device=target.full.device), 0
    return adam


def learning_rates(spacing: float) -> dict[str, float]:
    """Adam's learning rates by field of `Splats`, for Gaussians that are `spacing` pixels apart."""
    return {**RATES, "means": MEANS_RATE * spacing}


def decay(progress: float, start: float = 0.0, final: float = 0.1) -> float:
    """A factor on learning rates: 1 up to `start`, then a half cosine down to `final`; `progress` runs from 0 to 1."""
    phase = max(0.0, (progress - start) / (1.0 - start))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * phase))


def clamp_shapes(adam: RowAdam) -> None:
    """Keep covariances within what is worth drawing: no thinner than about a third of a pixel, axes at most e^6 : 1."""
    shapes = adam["log_covariances"].detach()
    low, high = shapes.new_tensor([MIN_LOG_AREA, -6.0, -6.0]), shapes.new_tensor([MAX_LOG_AREA, 6.0, 6.0])
    adam.assign("log_covariances", torch.minimum(torch.maximum(shapes, low), high))


def area_order(log_covariances: Tensor) -> np.ndarray:
    """The permutation [N] that puts the Gaussians with the smallest area in front."""
    order: np.ndarray = torch.argsort(log_covariances.detach()[:, 0], stable=True).cpu().numpy()
    return order


def _gradient_norms(means: Tensor) -> Tensor:
    return means.grad.norm(dim=1) if means.grad is not None else torch.zeros(len(means), device=means.device)
