"""The second stage of a fit: Gaussians beyond the budget go, and codebooks grow into the parameters.

Each Gaussian keeps values of its own, while the least useful Gaussians are removed a few at a time, so that the others
can take their place. Meanwhile k-means codebooks follow the parameters and attract each Gaussian's vectors towards its
codeword, ever more strongly, until vector and codeword are nearly one: the picture has time to make good for what the
codebooks cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.kmeans import centroids, lloyd, seed_codewords, total_weights
from taichi_gs.fit.parameters import CODED, ROWS, CodebookParameters, Parameters
from taichi_gs.fit.prune import most_useful
from taichi_gs.fit.stage import Stage


@dataclass(frozen=True)
class Clustering:
    """How the second stage runs.

    Attributes:
        first_attraction, last_attraction: the part of the way to its codeword that a vector is moved after each step,
            at the beginning and at the end.
        prune_every: steps from one removal of Gaussians to the next.
        prune_pace: the fraction of the stage in which their number falls by a factor of e, until it is the budget.
        prune_end: the fraction of the stage after which it is, whatever that takes.
        lloyd_every: steps from one run of k-means to the next.
        lloyd_iterations: each time. They go on from the codewords of the last time, and with some hundreds of codewords
            more of them gain nothing.
        samples_per_seed: of the vectors that first codewords are chosen from; more make no better codebooks.
        curvatures_every: steps from one measurement of curvatures to the next.
    """

    first_attraction: float = 0.003
    last_attraction: float = 0.5
    prune_every: int = 10
    prune_pace: float = 0.22
    prune_end: float = 0.7
    lloyd_every: int = 10
    lloyd_iterations: int = 1
    samples_per_seed: int = 8
    curvatures_every: int = 100

    def attraction(self, progress: float) -> float:
        """The strength after a fraction of the stage."""
        strength: float = self.first_attraction * (self.last_attraction / self.first_attraction) ** progress
        return strength

    def run(self, stage: Stage, parameters: Parameters, adam: Adam, steps: int) -> CodebookParameters:
        """Prune the Gaussians to the budget and attract their vectors to codebooks, while fitting them."""
        objective, config = stage.objective, stage.config
        codebooks = _Codebooks(self, {"log_covariances": config.covariance_k, "color_codes": config.color_k})
        surplus = len(parameters) / config.num_gaussians
        last_pruning = int(min(self.prune_end, self.prune_pace * math.log(max(surplus, 1.0))) * steps)
        for step in range(steps):
            prunes = step <= last_pruning and (step % self.prune_every == 0 or step == last_pruning)
            if surplus > 1.0 and prunes:
                left = 1.0 - step / last_pruning if last_pruning else 0.0
                count = round(config.num_gaussians * surplus**left)
                kept = most_useful(objective.removal_errors(parameters.ordered()), count)
                adam.keep_rows(ROWS, kept)
                parameters = parameters.with_rows(kept)
                codebooks.keep_rows(kept)
            drawn = parameters.ordered()
            resolution = objective.resolution_of(step)
            squared_error, gradients = objective.differentiate(drawn, resolution)
            if resolution is objective.choosing[0]:  # as in the first step
                error = squared_error
            stage.listener(drawn, squared_error, resolution)
            adam.step(parameters.tensors, gradients, 1.0)
            stage.constrain(parameters.tensors)
            if step % self.curvatures_every == 0:
                codebooks.weigh(objective.curvatures(drawn, stage.generator))
            bit_weight = None
            if step % self.lloyd_every == 0 or step == steps - 1:
                bit_weight = stage.weight_of_a_bit(error, len(parameters), objective.choosing[0])
            codebooks.follow(parameters, bit_weight, stage.generator)
            codebooks.attract(parameters, self.attraction(step / steps))
        return CodebookParameters(
            parameters.means, codebooks.codewords, codebooks.indices, parameters.background, config.blending
        )


class _Codebooks:
    """The codebooks of parameters that are being fitted, by name in CODED.

    Attributes:
        codewords: [K, D].
        indices: [N], the codeword of each Gaussian.
    """

    def __init__(self, settings: Clustering, num_codewords: dict[str, int]) -> None:
        self._settings, self._num_codewords = settings, num_codewords
        self.codewords: dict[str, Tensor] = {}
        self.indices: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}
        self._totals: dict[str, Tensor] = {}  # of weights; they change only now and then

    def weigh(self, weights: dict[str, Tensor]) -> None:
        """Take the curvatures of the squared error in each number as weights, [N, D] by name."""
        self._weights = weights
        self._totals.clear()

    def keep_rows(self, kept: Tensor) -> None:
        """Forget all Gaussians but the rows `kept` [M]."""
        self.weigh({name: weights[kept] for name, weights in self._weights.items()})
        self.indices = {name: indices[kept] for name, indices in self.indices.items()}

    def follow(self, parameters: Parameters, bit_weight: float | None, generator: torch.Generator) -> None:
        """Move codewords to their samples; where λ is given, the squared error that a bit is worth, by k-means."""
        settings = self._settings
        for name in CODED:
            vectors, weights = parameters.rows[name], self._weights[name]
            if name not in self.codewords:
                samples = settings.samples_per_seed
                self.codewords[name] = seed_codewords(vectors, weights, self._num_codewords[name], generator, samples)
            codewords = self.codewords[name]
            if bit_weight is not None:
                codewords, self.indices[name] = lloyd(
                    vectors, weights, codewords, bit_weight, settings.lloyd_iterations
                )
                self._totals.pop(name, None)
            else:
                indices = self.indices[name]
                if name not in self._totals:
                    self._totals[name] = total_weights(weights, indices, len(codewords))
                codewords = centroids(vectors, weights, indices, codewords, self._totals[name])
            self.codewords[name] = codewords

    def attract(self, parameters: Parameters, strength: float) -> None:
        """Move the vectors of parameters, in place, a part of the way to their codewords."""
        for name in CODED:
            vectors = parameters.rows[name]
            vectors.lerp_(self.codewords[name][self.indices[name]], strength)
