"""Pruning and the attraction to codebooks: who goes, when, and that what is known of a Gaussian stays with it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import twins
from render_scenes import pixel_weights
from small_fits import config_of, doubles_of, noise, nothing, renderer, stage_of, twin_of, weighted_by
from torch import Tensor

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.clustering import Clustering
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.fit import Hyperparameters
from taichi_gs.fit.lagrangian import Lagrangian
from taichi_gs.fit.objective import GaussianCounts, Objective, ObjectiveSettings
from taichi_gs.fit.parameters import CODED, ROWS, CodebookParameters, Parameters
from taichi_gs.fit.resolution import Resolution
from taichi_gs.fit.stage import Stage
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

SIZE = (24, 32)

SLOWLY = dict.fromkeys((*ROWS, "background"), 1e-4)

NEVER = 10_000
"""Steps from one time to the next: it happens in the first step, and what has to happen in the last one."""


def gaussians(n: int, num_groups: int = 1, blending: Blending = "normalized", seed: int = 0) -> Parameters:
    """Random Gaussians; their shapes and colours are in `num_groups` groups far from each other, in random order."""
    twin = twins.random_splats(n, SIZE, scales=(1.5, 3.0), margin=0.0, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(0, num_groups, (2, n, 1), generator=generator)
    shapes = 0.05 * torch.randn(n, 3, generator=generator) + groups[0] * torch.tensor([1.5, 0.0, 0.0])
    codes = 0.2 * torch.rand(n, 4, generator=generator) + groups[1] * torch.tensor([1.0, 0.0, 0.0, 0.0])
    tensors = (twin.means, 1.0 + shapes, codes, torch.zeros(3))
    return Parameters(*(t.float().to(runtime.start()) for t in tensors), blending)


def run(
    parameters: Parameters,
    config: FitConfig,
    steps: int,
    clustering: Clustering | None = None,
    rates: dict[str, float] | None = None,
    hyperparameters: Hyperparameters | None = None,
) -> tuple[CodebookParameters, list[int]]:
    """The result, and how many Gaussians there were in each step."""
    adam, counts = Adam(parameters.tensors, rates or SLOWLY), []

    def count(drawn: Parameters, squared_error: Tensor, resolution: Resolution) -> None:
        assert resolution.size == SIZE
        counts.append(len(adam.momentum("means")))

    stage = stage_of(noise(*SIZE), config, count, hyperparameters, seed=1)
    return (clustering or Clustering()).run(stage, parameters, adam, steps), counts


def rows_of(coded: CodebookParameters, start: Parameters) -> list[int]:
    """Which ones of `start` are left, if they have hardly moved."""
    distances = (coded.means.detach()[:, None] - start.means.detach()).norm(dim=2)
    assert float(distances.min(dim=1).values.max()) < 1e-2
    return distances.argmin(dim=1).tolist()


# Who goes, and when


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("budget", [1, 7, 25])
def test_those_go_that_the_picture_misses_least(blending: Blending, budget: int, weighted: bool) -> None:
    """All at once where there is one step, against rendering without each of them."""
    n, config, picture = 26, config_of(budget, 4, blending=blending), noise(*SIZE)
    start = gaussians(n, blending=blending)
    twin = twin_of([t.detach() for t in doubles_of(start)], blending)
    front_to_back = twin.log_covariances[:, 0].argsort(stable=True).tolist()
    weights = pixel_weights(SIZE) if weighted else torch.ones(SIZE, dtype=torch.float64)

    def squared_error(removed: int | None) -> float:
        order = np.array([i for i in front_to_back if i != removed])
        drawn = twins.render_densely(twin, order, SIZE, blending)
        return float((weights * (drawn - picture.cpu()).square()).sum())

    errors = np.array([squared_error(i) for i in range(n)])
    chosen, generator = Hyperparameters(), torch.Generator().manual_seed(1)
    objective = Objective(picture, "l2", GaussianCounts(n), renderer(), weighted_by(weights if weighted else None))
    stage = Stage(objective, config, chosen.rates, chosen.bounds, chosen.lagrangian, generator, nothing)
    coded = Clustering().run(stage, start, Adam(start.tensors, SLOWLY), 1)
    assert rows_of(coded, start) == sorted(np.argsort(-errors)[:budget].tolist())
    assert [len(coded.indices[name]) for name in CODED] == [budget] * 2


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 29, 30, 61])
@pytest.mark.parametrize(("n", "budget"), [(60, 10), (7, 1), (12, 12), (9, 20)])
def test_the_budget_is_reached_exactly_and_in_time(steps: int, n: int, budget: int) -> None:
    coded, counts = run(gaussians(n), config_of(budget, 4), steps)
    left = min(n, budget)
    assert len(counts) == steps
    assert counts[-1] == len(coded) == left
    assert all(one >= other for one, other in pairwise(counts))
    # The last third of the stage, in which the attraction is strong, has only those that stay.
    assert set(counts[math.ceil(0.7 * steps) :]) <= {left}
    for name in CODED:
        indices = coded.indices[name]
        assert len(indices) == left
        assert 0 <= int(indices.min()) <= int(indices.max()) < len(coded.codewords[name]) <= 4


def test_the_number_falls_by_equal_factors() -> None:
    _, counts = run(gaussians(640), config_of(10, 4), 144)
    # 100 of 144 steps are pruned in, one in 10 of them: a factor of 64 in ten portions after the first look.
    changes = [step for step in range(1, 144) if counts[step] != counts[step - 1]]
    assert changes == [*range(10, 101, 10)]
    numbers = [640, *(counts[step] for step in changes)]
    np.testing.assert_allclose(numbers, [640 / 64 ** (i / 10) for i in range(11)], atol=0.51)


def test_when_they_go_can_be_chosen() -> None:
    _, counts = run(gaussians(60), config_of(10, 4), 50, Clustering(prune_every=20, prune_pace=1.0, prune_end=0.9))
    assert [step for step in range(1, 50) if counts[step] != counts[step - 1]] == [20, 40, 45]


def test_more_of_them_take_longer_to_go() -> None:
    """By a factor of e in each tenth of the stage, here."""
    for surplus in (2, 6):
        _, counts = run(gaussians(10 * surplus), config_of(10, 4), 100, Clustering(prune_every=1, prune_pace=0.1))
        assert counts.index(10) == int(10 * math.log(surplus))


# What stays with those that are left


def test_the_others_keep_their_codewords() -> None:
    """While Gaussians go between two runs of k-means, each of the others is attracted to the codeword that it had.

    There are two groups far apart. If one of the first group were taken for one of the second, it would end up there.
    """
    start = gaussians(120, num_groups=2)
    before = {name: values.detach().clone() for name, values in start.rows.items()}
    clustering = Clustering(prune_every=7, lloyd_every=NEVER, first_attraction=0.3, last_attraction=0.3)
    # The nearest codeword, whatever its index costs.
    chosen = Hyperparameters(lagrangian=Lagrangian(rate_slope=0.0))
    still = dict.fromkeys(SLOWLY, 0.0)
    coded, counts = run(start, config_of(12, 2), 60, clustering, still, chosen)
    assert (counts[0], counts[-1]) == (120, 12)
    assert len(set(counts)) > 5
    kept = rows_of(coded, start)
    assert kept == sorted(set(kept))
    for name, values in coded.expanded().rows.items():
        if name in CODED:
            assert float((values.detach() - before[name][kept]).abs().max()) < 0.5
            assert len(coded.indices[name].unique()) == 2


def test_the_others_keep_their_curvatures() -> None:
    """Measured once, before Gaussians go: a codeword in the end is the mean of theirs by what they had then."""
    n, budget = 40, 12
    start = gaussians(n)
    start.color_codes.detach()[:, 3] = torch.linspace(-0.4, 0.4, n)  # shares in the picture that differ much
    start.color_codes.detach()[:, :3] = torch.rand(n, 3, generator=torch.Generator().manual_seed(8))
    clustering = Clustering(
        prune_pace=1.0,
        prune_every=7,
        lloyd_every=NEVER,
        curvatures_every=NEVER,
        first_attraction=1e-12,
        last_attraction=1e-12,
    )
    chosen = Hyperparameters(objective=ObjectiveSettings(num_probes=600, curvature_floor=0.1))
    coded, counts = run(start, config_of(budget, 1), 20, clustering, dict.fromkeys(SLOWLY, 0.0), chosen)
    assert sorted(set(counts)) == sorted({n, round(math.sqrt(n * budget)), budget})

    # Y adds to all of red, green and blue; Co to red, and it takes as much from blue; Cg changes all three.
    splats = twin_of([t.detach() for t in doubles_of(start)], "normalized")
    weights = (twins.log_weights(splats, SIZE).exp() - 1 / 64).clamp(min=0.0)
    shares = weights / (weights.sum(dim=0) + 1 / 16)
    curvatures = shares.square().sum(dim=(1, 2))[:, None] * torch.tensor([3.0, 2.0, 3.0])
    curvatures += 0.1 * curvatures.mean(dim=0)
    colors, kept = start.color_codes.detach().cpu().double()[:, :3], rows_of(coded, start)

    def mean(rows: list[int]) -> Tensor:
        return (curvatures[rows] * colors[kept]).sum(dim=0) / curvatures[rows].sum(dim=0)

    found = coded.codewords["color_codes"][0, :3].detach().cpu().double()
    assert float((found - mean(kept)).abs().max()) < 0.02
    assert float((found - mean(list(range(budget)))).abs().max()) > 0.04, "others would have told another mean"


# Codebooks


def test_attraction_grows_by_equal_factors() -> None:
    clustering = Clustering(first_attraction=0.01, last_attraction=0.64)
    assert [clustering.attraction(i / 3) for i in range(4)] == pytest.approx([0.01, 0.04, 0.16, 0.64])


@pytest.mark.parametrize("lloyd_every", [10, NEVER])
def test_vectors_and_codewords_become_one(lloyd_every: int) -> None:
    start = gaussians(30, num_groups=2)
    coded, _ = run(start, config_of(30, 6), 60, Clustering(lloyd_every=lloyd_every, lloyd_iterations=3))
    for name, values in coded.expanded().rows.items():
        if name in CODED:
            assert len(coded.codewords[name]) <= 6
            # Nobody went: what was passed in is what has been trained.
            assert float((values - start.rows[name]).detach().abs().max()) < 1e-3
