"""The second stage of a fit: codebooks grow into the parameters.

The parameters stay free, while k-means codebooks follow them and pull each Gaussian's vectors towards its codeword,
ever more strongly, until vector and codeword are nearly one: the picture has time to make good for what the codebooks
cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from taichi_gs.codebook import centroids, lloyd, seed_codewords
from taichi_gs.fit.grow import area_order, clamp_shapes
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.splats import ROWS, RowAdam, Splats
from taichi_gs.fit.target import Target

VECTORS = ("log_covariances", "color_codes")
"""The tensors of `Splats` that have codebooks."""

PULL_FIRST, PULL_LAST = 0.003, 0.5
"""The part of the way to its codeword that a vector is pulled after each step, at the beginning and at the end."""

LLOYD_EVERY = 10
CURVATURES_EVERY = 100
NUM_PROBES = 4

CURVATURE_FLOOR = 0.1
"""Added to each curvature, in units of the channel's mean, so that vectors that hardly matter do not run away."""


@dataclass
class Clusters:
    """The codebooks [K, D] and each Gaussian's index [N], by name in VECTORS."""

    codewords: dict[str, Tensor]
    indices: dict[str, Tensor]


def pull(
    adam: RowAdam,
    target: Target,
    precision: Precision,
    steps: int,
    generator: torch.Generator,
    report: Callable[[float], None],
) -> Clusters:
    """Draw the vectors of the Gaussians in `adam` towards codebooks while fitting them; return the codebooks."""
    clusters = Clusters({}, {})
    weights_of: dict[str, Tensor] = {}
    for step in range(steps):
        splats = adam.splats()
        order = area_order(splats.log_covariances)
        image = target.backward(splats, order, coarse=False)
        adam.step(1.0)
        clamp_shapes(adam)
        if step % CURVATURES_EVERY == 0:
            weights_of = row_curvatures(target, splats, order, generator)
        clustering = step % LLOYD_EVERY == 0 or step == steps - 1
        price = precision.bit_price(float(target.squared_error(image)), len(splats)) if clustering else 0.0
        strength = PULL_FIRST * (PULL_LAST / PULL_FIRST) ** (step / steps)
        for name in VECTORS:
            vectors, weights = adam[name].detach(), weights_of[name]
            if name not in clusters.codewords:
                clusters.codewords[name] = seed_codewords(vectors, weights, precision.num_codewords[name], generator)
            codewords = clusters.codewords[name]
            if clustering:
                codewords, clusters.indices[name] = lloyd(vectors, weights, codewords, price)
            else:
                codewords = centroids(vectors, weights, clusters.indices[name], codewords)
            clusters.codewords[name] = codewords
            adam.assign(name, torch.lerp(vectors, codewords[clusters.indices[name]], strength))
        report(target.psnr(image, coarse=False))
    return clusters


def row_curvatures(target: Target, splats: Splats, order: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
    """The curvature of the squared error in each Gaussian's parameters, by name in ROWS, kept away from zero."""
    parameters = [getattr(splats, name) for name in ROWS]
    values = target.curvatures(splats, order, parameters, generator, NUM_PROBES)
    tiny = torch.finfo(torch.float32).tiny
    return {name: value + CURVATURE_FLOOR * value.mean(dim=0) + tiny for name, value in zip(ROWS, values, strict=True)}
