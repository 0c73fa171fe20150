"""The second stage of a fit: Gaussians beyond the budget go, and codebooks grow into the parameters.

The parameters stay free, while the least useful Gaussians are removed a few at a time, so that the others can take
their place. Meanwhile k-means codebooks follow the parameters and pull each Gaussian's vectors towards its codeword,
ever more strongly, until vector and codeword are nearly one: the picture has time to make good for what the codebooks
cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.kmeans import centroids, lloyd, seed_codewords
from taichi_gs.fit.objective import Report, Target
from taichi_gs.fit.parameters import ROWS, RowAdam, Splats
from taichi_gs.fit.unconstrained import clamp_rows

VECTORS = ("log_covariances", "color_codes")
"""The tensors of `Splats` that have codebooks."""

PULL_FIRST, PULL_LAST = 0.003, 0.5
"""The part of the way to its codeword that a vector is pulled after each step, at the beginning and at the end."""

PRUNE_EVERY = 10
PRUNE_END = 0.7
"""The fraction of this stage in which the number of Gaussians falls, by equal factors, to the budget."""

LLOYD_EVERY = 10
LLOYD_ITERATIONS = 3
"""Each time: they go on from the codewords of the last time, and more of them gain nothing."""

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
    config: FitConfig,
    steps: int,
    generator: torch.Generator,
    report: Report,
) -> Clusters:
    """Thin out the Gaussians in `adam` and draw their vectors towards codebooks, while fitting them.

    At most the budget of `config` is left. Returns the codebooks.
    """
    precision = config.precision
    clusters = Clusters({}, {})
    weights_of: dict[str, Tensor] = {}
    surplus = len(adam["means"]) / config.num_gaussians
    last_pruning = int(PRUNE_END * steps)
    for step in range(steps):
        splats = adam.splats(config.blending)
        if surplus > 1.0 and step <= last_pruning and (step % PRUNE_EVERY == 0 or step == last_pruning):
            left = 1.0 - step / last_pruning if last_pruning else 0.0
            count = round(config.num_gaussians * surplus**left)
            kept = most_useful(target.removal_errors(splats), count)
            adam.keep_rows(kept)
            weights_of = {name: weights[kept] for name, weights in weights_of.items()}
            clusters.indices = {name: indices[kept] for name, indices in clusters.indices.items()}
            splats = adam.splats(config.blending)
        squared_error = target.backward(splats, coarse=False)
        adam.step(1.0)
        clamp_rows(adam, config.blending, target.size)
        if step % CURVATURES_EVERY == 0:
            weights_of = row_curvatures(target, splats, generator)
        clustering = step % LLOYD_EVERY == 0 or step == steps - 1
        price = precision.bit_price(target.decoded_error(squared_error), len(splats)) if clustering else 0.0
        strength = PULL_FIRST * (PULL_LAST / PULL_FIRST) ** (step / steps)
        for name in VECTORS:
            vectors, weights = adam[name].detach(), weights_of[name]
            if name not in clusters.codewords:
                clusters.codewords[name] = seed_codewords(vectors, weights, precision.num_codewords[name], generator)
            codewords = clusters.codewords[name]
            if clustering:
                codewords, clusters.indices[name] = lloyd(vectors, weights, codewords, price, LLOYD_ITERATIONS)
            else:
                codewords = centroids(vectors, weights, clusters.indices[name], codewords)
            clusters.codewords[name] = codewords
            adam.assign(name, torch.lerp(vectors, codewords[clusters.indices[name]], strength))
        report(squared_error, coarse=False)
    return clusters


def most_useful(removal_errors: Tensor, count: int) -> Tensor:
    """The rows of the `count` Gaussians whose removal would hurt most, ascending."""
    return removal_errors.argsort(descending=True, stable=True)[:count].sort().values


def row_curvatures(
    target: Target, splats: Splats, generator: torch.Generator, steps: Tensor | None = None
) -> dict[str, Tensor]:
    """The curvature of the squared error in each Gaussian's parameters, by name in ROWS, kept away from zero.

    `steps` [N, 2, 2] holds two vectors (x, y) in pixels for each Gaussian; curvatures of its mean are by multiples of
    them, or by x and y without them.
    """
    moves = torch.zeros_like(splats.means).requires_grad_()
    moved = splats.means.detach() + (moves if steps is None else (moves[:, :, None] * steps).sum(dim=1))
    parameters = [moves, splats.log_covariances, splats.color_codes]
    values = target.curvatures(replace(splats, means=moved), parameters, generator, NUM_PROBES)
    tiny = torch.finfo(torch.float32).tiny
    return {name: value + CURVATURE_FLOOR * value.mean(dim=0) + tiny for name, value in zip(ROWS, values, strict=True)}
