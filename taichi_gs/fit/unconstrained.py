"""The first stage of a fit: free parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.densify import clone_and_split
from taichi_gs.fit.initialize import detail_density, sample_rows
from taichi_gs.fit.objective import Report, Target
from taichi_gs.fit.parameters import RowAdam
from taichi_gs.model.gaussians import Blending
from taichi_gs.model.quantized import AMPLITUDE_CHANNEL, MAX_AMPLITUDE_CODE, MAX_COLOR_CODE

OVERGROWTH = 6.0
MIN_PIXELS_PER_FREE = 15
"""With density "prune", how many times the budget's Gaussians are fitted at first, unless they would crowd."""

INITIAL_FRACTION = 0.5
GROWTH_EVENTS = 5
GROWTH_END = 0.5
"""With density "gradient": the part of the budget at the start, and the fraction of this stage that adds the rest."""

INITIAL_SIZE = 0.5

MEANS_RATE = 0.06
"""Adam's step for positions, in mean distances between Gaussians."""

MIN_LOG_AREA, MAX_LOG_AREA = -2.5, 24.0

CODE_MARGIN = 0.1
"""Kept from the bounds of a file's codes, because a quantiser's range ends a little above the largest one."""

RATES = {"log_covariances": 0.14, "color_codes": 0.015, "background": 0.003}
"""Adam's steps for the other parameters, in their own units."""


def num_free(config: FitConfig, num_pixels: int) -> int:
    """How many Gaussians are fitted freely: with density "prune" more than the budget, where there is room for them."""
    if config.density != "prune":
        return config.num_gaussians
    return max(config.num_gaussians, min(round(OVERGROWTH * config.num_gaussians), num_pixels // MIN_PIXELS_PER_FREE))


def fit_free(target: Target, config: FitConfig, steps: int, generator: torch.Generator, report: Report) -> RowAdam:
    """Fit free Gaussians and return them in their optimiser, under the names of `Splats`' fields.

    With density "prune" they are `num_free` from the start, from which the next stage keeps the best. With "gradient"
    half of the budget is sampled from the picture, and the rest is cloned and split off in GROWTH_EVENTS portions where
    the positional gradient is high (paper section 3.4). The blending order is that of the areas, small ones in front,
    which is how the decoder will order them.
    """
    count = num_free(config, target.full[0].numel())
    growing = config.density == "gradient"
    spacing = math.sqrt(target.full[0].numel() / count)
    first = max(1, round(INITIAL_FRACTION * count)) if growing else count
    density = detail_density(target.coarse)
    rows = sample_rows(target.coarse, density, first, INITIAL_SIZE, target.size, generator)
    adam = RowAdam({**rows, "background": target.coarse.mean(dim=(1, 2))}, learning_rates(spacing))
    # Fewer events than GROWTH_EVENTS where there are too few steps for them.
    events = sorted({max(1, round(steps * GROWTH_END * (i + 1) / GROWTH_EVENTS)) for i in range(GROWTH_EVENTS)})
    activity, since = torch.zeros(first, device=target.full.device), 0
    for step in range(steps):
        splats = adam.splats(config.blending)
        squared_error = target.backward(splats, coarse=True)
        activity += _gradient_norms(adam["means"])
        since += 1
        adam.step(decay(step / steps, start=GROWTH_END))
        clamp_rows(adam, config.blending, target.size)
        report(squared_error, coarse=True)
        if growing and step + 1 in events:
            left = len(events) - events.index(step + 1)
            portion = -(-(count - len(splats)) // left)
            clone_and_split(adam, activity / since, portion, spacing, config.blending, generator)
            activity, since = torch.zeros(len(adam["means"]), device=target.full.device), 0
    return adam


def learning_rates(spacing: float) -> dict[str, float]:
    """Adam's learning rates by field of `Splats`, for Gaussians that are `spacing` pixels apart."""
    return {**RATES, "means": MEANS_RATE * spacing}


def decay(progress: float, start: float = 0.0, final: float = 0.1) -> float:
    """A factor on learning rates: 1 up to `start`, then a half cosine down to `final`; `progress` runs from 0 to 1."""
    phase = max(0.0, (progress - start) / (1.0 - start))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * phase))


def clamp_rows(adam: RowAdam, blending: Blending, image_size: tuple[int, int]) -> None:
    """Keep Gaussians within what is worth drawing, and positions, colours and amplitudes within what a file can hold.

    No thinner than about a third of a pixel, axes at most e^6 : 1. A mean that left the picture would be rounded to its
    edge in the end, and all at once show a colour that nothing had fitted.
    """
    means, (height, width) = adam["means"].detach(), image_size
    means[:, 0].clamp_(0.0, width)
    means[:, 1].clamp_(0.0, height)
    shapes = adam["log_covariances"].detach()
    shapes[:, 0].clamp_(MIN_LOG_AREA, MAX_LOG_AREA)
    shapes[:, 1:].clamp_(-6.0, 6.0)
    codes, bound = adam["color_codes"].detach(), MAX_COLOR_CODE - CODE_MARGIN
    codes.clamp_(-bound, bound)
    if blending == "normalized":
        bound = MAX_AMPLITUDE_CODE - CODE_MARGIN
        codes[:, AMPLITUDE_CHANNEL].clamp_(-bound, bound)


def _gradient_norms(means: Tensor) -> Tensor:
    return means.grad.norm(dim=1) if means.grad is not None else torch.zeros(len(means), device=means.device)
