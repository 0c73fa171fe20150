"""Pruning and the pull towards codebooks: who goes, when, and that what is known of a Gaussian stays with it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import twins
from torch import Tensor

from taichi_gs.fit.clustering import VECTORS, Clusters, most_useful, pull
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.objective import Target
from taichi_gs.fit.parameters import ROWS, RowAdam
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.unconstrained import fit_free, num_free
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

SIZE = (24, 32)
RATES = {"means": 1e-4, "log_covariances": 1e-4, "color_codes": 1e-4, "background": 1e-4}


def config_of(num_gaussians: int, k: int = 4, **options: Any) -> FitConfig:
    defaults: dict[str, Any] = {"blending": "normalized", "loss": "l2", "steps": 20, "density": "prune", "seed": 0}
    return FitConfig(num_gaussians, Precision(dict.fromkeys(VECTORS, k)), **(defaults | options))


def random_rows(n: int, num_groups: int = 1, seed: int = 0) -> dict[str, Tensor]:
    """Random Gaussians; their shapes and colours are in `num_groups` groups far from each other, in random order."""
    twin = twins.random_splats(n, SIZE, scales=(1.5, 3.0), margin=0.0, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(0, num_groups, (2, n, 1), generator=generator)
    shapes = 0.05 * torch.randn(n, 3, generator=generator) + groups[0] * torch.tensor([1.5, 0.0, 0.0])
    codes = torch.cat([torch.rand(n, 3, generator=generator), torch.rand(n, 1, generator=generator)], dim=1)
    codes = 0.2 * codes + groups[1] * torch.tensor([1.0, 0.0, 0.0, 0.0])
    rows = {"means": twin.means, "log_covariances": 1.0 + shapes, "color_codes": codes, "background": torch.zeros(3)}
    return {name: tensor.float().to(runtime.start()) for name, tensor in rows.items()}


def target_of(seed: int = 0, num_gaussians: int = 100) -> Target:
    picture = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(seed))
    return Target(picture.to(runtime.start()), "l2", num_gaussians)


def nothing(image: Tensor, *, coarse: bool) -> None:
    pass


def pulled(rows: dict[str, Tensor], config: FitConfig, steps: int, report: Any = nothing) -> tuple[RowAdam, Clusters]:
    adam = RowAdam(rows, RATES)
    clusters = pull(adam, target_of(), config, steps, torch.Generator().manual_seed(1), report)
    return adam, clusters


def test_the_most_useful_by_hand() -> None:
    errors = torch.tensor([3.0, -1.0, 0.0, 9.0, 3.0, 0.5])
    for count, rows in ((6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5]), (5, [0, 2, 3, 4, 5]), (3, [0, 3, 4])):
        assert most_useful(errors, count).tolist() == rows
    assert most_useful(errors, 2).tolist() == [0, 3], "of equals the first stays"
    assert most_useful(errors, 1).tolist() == [3]


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("budget", [1, 7, 25])
def test_those_go_that_the_picture_misses_least(blending: Blending, budget: int) -> None:
    """All at once where there is one step, against rendering without each of them."""
    rows, n = random_rows(26), 26
    cpu = {name: tensor.cpu().double() for name, tensor in rows.items()}
    y, co, cg, z = cpu["color_codes"].unbind(dim=1)
    colors = torch.stack([y + co - cg, y + cg, y - co - cg], dim=1)
    amplitudes = 0.99 * torch.sigmoid(z) if blending == "alpha" else torch.exp(4 * z)
    twin = twins.Splats(cpu["means"], cpu["log_covariances"], colors, amplitudes, cpu["background"])
    front_to_back = cpu["log_covariances"][:, 0].argsort(stable=True).tolist()
    picture = target_of().full.cpu().double()

    def squared_error(removed: int | None) -> float:
        order = np.array([i for i in front_to_back if i != removed])
        return float((twins.render_densely(twin, order, SIZE, blending) - picture).square().sum())

    errors = np.array([squared_error(i) for i in range(n)])
    expected = np.sort(np.argsort(-errors)[:budget])
    adam, clusters = pulled(rows, config_of(budget, blending=blending), 1)
    # A step moves them by no more than its rates.
    torch.testing.assert_close(adam["means"].detach(), rows["means"][expected], rtol=0, atol=2e-4)
    assert [len(adam[name]) for name in ROWS] == [budget] * 3
    assert [len(clusters.indices[name]) for name in VECTORS] == [budget] * 2


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 29, 30, 61])
@pytest.mark.parametrize(("n", "budget"), [(60, 10), (7, 1), (12, 12), (9, 20)])
def test_the_budget_is_reached_exactly_and_in_time(steps: int, n: int, budget: int) -> None:
    rows = random_rows(n)
    adam = RowAdam(rows, RATES)
    counts: list[int] = []
    clusters = pull(
        adam,
        target_of(),
        config_of(budget),
        steps,
        torch.Generator().manual_seed(1),
        lambda error, *, coarse: counts.append(len(adam["means"])),
    )
    left = min(n, budget)
    assert len(counts) == steps
    assert counts[-1] == left
    assert all(one >= other for one, other in pairwise(counts))
    # The last third of the stage, in which the pull is strong, has only those that stay.
    assert set(counts[math.ceil(0.7 * steps) :]) <= {left}
    assert {len(adam[name]) for name in ROWS} == {left}
    for name in VECTORS:
        indices = clusters.indices[name]
        assert len(indices) == left
        assert 0 <= int(indices.min()) <= int(indices.max()) < len(clusters.codewords[name]) <= 4


def test_the_number_falls_by_equal_factors() -> None:
    adam, counts = RowAdam(random_rows(640), RATES), []
    generator = torch.Generator().manual_seed(1)
    pull(adam, target_of(), config_of(10), 144, generator, lambda error, *, coarse: counts.append(len(adam["means"])))
    # 100 of 144 steps are pruned in, one in 10 of them: a factor of 64 in ten portions after the first look.
    changes = [step for step in range(1, 144) if counts[step] != counts[step - 1]]
    assert changes == [*range(10, 101, 10)]
    numbers = [640, *(counts[step] for step in changes)]
    np.testing.assert_allclose(numbers, [640 / 64 ** (i / 10) for i in range(11)], atol=0.51)


def test_indices_and_weights_stay_with_their_gaussians(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Gaussians go between two Lloyd iterations, what is left of the others is as it was."""
    monkeypatch.setattr("taichi_gs.fit.clustering.PRUNE_EVERY", 7)
    monkeypatch.setattr("taichi_gs.fit.precision.RATE_SLOPE", 0.0)  # the nearest codeword, whatever its index costs
    from taichi_gs.fit.kmeans import centroids

    seen: list[tuple[Tensor, Tensor]] = []
    left = torch.arange(120)  # which of the first ones are left

    def choose(removal_errors: Tensor, count: int) -> Tensor:
        nonlocal left
        kept = most_useful(removal_errors, count)
        left = left[kept]
        return kept

    def spy(vectors: Tensor, weights: Tensor, indices: Tensor, codewords: Tensor) -> Tensor:
        # The groups are far apart: everybody's codeword is the nearest one.
        distances = (vectors[:, None] - codewords).square().sum(dim=2)
        assert torch.equal(distances.argmin(dim=1), indices)
        if vectors.shape[1] == 3:
            seen.append((left, weights.clone()))
        return centroids(vectors, weights, indices, codewords)

    monkeypatch.setattr("taichi_gs.fit.clustering.most_useful", choose)
    monkeypatch.setattr("taichi_gs.fit.clustering.centroids", spy)
    adam, clusters = pulled(random_rows(120, num_groups=2), config_of(12, k=2), 60)
    numbers = [len(rows) for rows, _ in seen]
    assert (numbers[0], numbers[-1]) == (120, 12)
    assert len(set(numbers)) > 5
    # Curvatures are measured once in so many steps.
    first = seen[0][1]
    assert len(first.unique(dim=0)) > 100
    for rows, weights in seen:
        assert torch.equal(weights, first[rows])
    for name in VECTORS:
        vectors, codewords = adam[name].detach(), clusters.codewords[name]
        distances = (vectors[:, None] - codewords).square().sum(dim=2)
        assert torch.equal(distances.argmin(dim=1), clusters.indices[name])
        assert sorted(set(clusters.indices[name].tolist())) == [0, 1]


@pytest.mark.parametrize(
    ("density", "budget", "num_pixels", "expected"),
    [
        ("prune", 10, 5000, 60),
        ("prune", 10, 900, 30),  # room for no more
        ("prune", 10, 299, 10),  # nor for the budget, which is obeyed
        ("gradient", 10, 5000, 10),
    ],
)
def test_how_many_are_fitted_at_first(
    density: str, budget: int, num_pixels: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taichi_gs.fit.unconstrained.OVERGROWTH", 6.0)
    monkeypatch.setattr("taichi_gs.fit.unconstrained.MIN_PIXELS_PER_FREE", 30)
    assert num_free(config_of(budget, density=density), num_pixels) == expected


@pytest.mark.parametrize(("density", "most"), [("prune", 40), ("gradient", 20)])
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_free_ones_are_as_many_as_they_should_be(
    density: str, most: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With density "prune" from the start; the others are cloned and split off where there are reasons to."""
    monkeypatch.setattr("taichi_gs.fit.unconstrained.OVERGROWTH", 2.0)
    monkeypatch.setattr("taichi_gs.fit.unconstrained.MIN_PIXELS_PER_FREE", 10)
    counts: list[int] = []
    config = config_of(20, density=density)
    adam = fit_free(
        target_of(num_gaussians=most),
        config,
        steps,
        torch.Generator().manual_seed(0),
        lambda error, *, coarse: counts.append(1),
    )
    assert len(counts) == steps
    assert {len(adam[name]) for name in ROWS} == {len(adam["means"])}
    if density == "prune":
        assert len(adam["means"]) == most
    else:
        assert 10 < len(adam["means"]) <= most
