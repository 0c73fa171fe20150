"""Where Gaussians are sampled, cloned, split and removed, against what the density and the gradient ask for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.densify import clone_and_split, visible_rows
from taichi_gs.fit.initialize import detail_density, sample_rows
from taichi_gs.fit.parameters import ROWS, RowAdam
from taichi_gs.model.blending import Blending

RATES = {"means": 1e-3, "log_covariances": 0.0, "color_codes": 0.0, "background": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rgb_of(codes: Tensor) -> Tensor:
    """Undo YCoCg by solving for it: Y = (R + 2G + B) / 4, Co = (R - B) / 2, Cg = (2G - R - B) / 4."""
    forward = torch.tensor([[0.25, 0.5, 0.25], [0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]])
    return torch.linalg.solve(forward, codes[:, :3].T).T


def edge_picture(size: tuple[int, int] = (24, 32)) -> Tensor:
    """Dark on the left, bright on the right [3, H, W]."""
    picture = torch.full((3, *size), 0.2)
    picture[:, :, size[1] // 2 :] = 0.9
    return picture


def test_detail_density_is_a_density_and_highest_at_an_edge() -> None:
    density = detail_density(edge_picture())
    assert density.shape == (24, 32)
    assert float(density.sum()) == pytest.approx(1.0, abs=1e-5)
    assert bool((density > 0).all())
    assert set(density.argmax(dim=1).tolist()) == {15}
    # Half of it is uniform, half of it is on the edge.
    assert float(density[:, 15].sum()) == pytest.approx(0.5 + 0.5 / 32, abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 6)])
def test_detail_density_of_a_flat_picture_is_uniform(size: tuple[int, int]) -> None:
    density = detail_density(torch.full((3, *size), 0.4))
    torch.testing.assert_close(density, torch.full(size, 1.0 / (size[0] * size[1])))


def test_samples_lie_where_the_density_is() -> None:
    density = torch.zeros(12, 16)
    density[6:, 8:] = 1 / 48
    means = sample_rows(torch.zeros(3, 12, 16), density, 4000, 0.5, (24, 48), generator())["means"]
    # In pixels of the full size: a row of the density is two of them, a column three.
    assert bool((means >= torch.tensor([24.0, 12.0])).all())
    assert bool((means <= torch.tensor([48.0, 24.0])).all())
    # Uniform inside: the moments, to five standard deviations.
    torch.testing.assert_close(means.mean(dim=0), torch.tensor([36.0, 18.0]), atol=0.6, rtol=0)
    torch.testing.assert_close(means.std(dim=0), torch.tensor([24.0, 12.0]) / 12**0.5, atol=0.3, rtol=0)


def test_samples_follow_a_density_of_two_levels() -> None:
    density = torch.ones(10, 20)
    density[:, 10:] = 3.0
    means = sample_rows(torch.zeros(3, 10, 20), density / density.sum(), 4000, 0.5, (10, 20), generator())["means"]
    assert float((means[:, 0] > 10).float().mean()) == pytest.approx(0.75, abs=0.035)


def test_samples_have_the_colour_of_their_place() -> None:
    image = torch.rand(3, 9, 14, generator=generator(1))
    rows = sample_rows(image, torch.full((9, 14), 1 / 126), 300, 0.5, (18, 14), generator())
    columns, lines = rows["means"][:, 0].floor().long(), (rows["means"][:, 1] / 2).floor().long()
    torch.testing.assert_close(rgb_of(rows["color_codes"]), image[:, lines, columns].T, atol=1e-5, rtol=0)
    # A weight of exp(4 / 4) at the mean, or an opacity of about a half.
    assert bool((rows["color_codes"][:, 3] == 0.25).all())


@pytest.mark.parametrize(("count", "deviation"), [(48, 0.5 * 4), (12, 0.5 * 8), (100_000, 0.5)])
def test_samples_are_as_wide_as_they_are_apart(count: int, deviation: float) -> None:
    """768 pixels, uniformly; 48 samples are 4 apart. None is narrower than half a pixel."""
    uniform = torch.full((12, 16), 1 / 192)
    shapes = sample_rows(torch.zeros(3, 12, 16), uniform, count, 0.5, (24, 32), generator())["log_covariances"]
    torch.testing.assert_close(torch.exp(0.5 * shapes[:, 0]), torch.full((count,), deviation), rtol=1e-4, atol=0)
    assert not shapes[:, 1:].any()


def test_samples_are_smaller_where_they_are_dense() -> None:
    density = torch.ones(20, 60)
    density[:, 30:] = 4.0
    rows = sample_rows(torch.zeros(3, 20, 60), density / density.sum(), 60, 0.5, (20, 60), generator())
    deviations, x = torch.exp(0.5 * rows["log_covariances"][:, 0]), rows["means"][:, 0]
    sparse, dense = deviations[x < 25], deviations[x > 35]
    torch.testing.assert_close(sparse.max() / dense.max(), torch.tensor(2.0), rtol=1e-3, atol=0)


def adam_with(codes: list[float], size: float = 4.0) -> RowAdam:
    """Gaussians with these amplitude codes."""
    n = len(codes)
    rows = {
        "means": torch.rand(n, 2, generator=generator(3)) * 20,
        "log_covariances": torch.tensor([[2 * math.log(size), 0.0, 0.0]]).repeat(n, 1),
        "color_codes": torch.cat([torch.rand(n, 3, generator=generator(4)), torch.tensor(codes)[:, None]], dim=1),
        "background": torch.zeros(3),
    }
    return RowAdam(rows, RATES)


@pytest.mark.parametrize(
    ("blending", "threshold"),
    [("alpha", math.log(0.001 / (0.99 - 0.001))), ("normalized", math.log(1 / 64) / 4)],
)
def test_visible_rows_have_a_thousandth_or_what_gives_a_weight(blending: Blending, threshold: float) -> None:
    adam = adam_with([0.0, threshold - 0.01, threshold + 0.01, -20.0, 20.0])
    assert visible_rows(adam, blending).tolist() == [0, 2, 4]


def stepped(adam: RowAdam) -> Tensor:
    """Step once with random gradients of the positions and return them."""
    gradients = torch.randn(len(adam["means"]), 2, generator=generator(5))
    for name in ROWS:
        adam[name].grad = gradients.clone() if name == "means" else torch.zeros_like(adam[name])
    adam.step(1.0)
    return gradients


def test_small_ones_are_cloned_downhill() -> None:
    adam = adam_with([0.0] * 6)
    adam.assign("log_covariances", torch.tensor([[2 * math.log(3.9), 0.4, 0.3]]).repeat(6, 1))
    gradients = stepped(adam)
    old = {name: adam[name].detach().clone() for name in ROWS}
    clone_and_split(adam, torch.tensor([0.0, 5, 1, 9, 8, 0]), 2, 8.0, "alpha", generator())
    for name in ROWS:
        assert torch.equal(adam[name].detach()[:6], old[name])
    for name in ("log_covariances", "color_codes"):
        assert torch.equal(adam[name].detach()[6:], old[name][[3, 4]])
    # Half of the shorter standard deviation: sqrt(exp(m - |(u, v)|)).
    distance = 0.5 * 3.9 * torch.exp(torch.tensor(-0.25))
    moved = -distance * functional.normalize(gradients[[3, 4]])
    torch.testing.assert_close(adam["means"].detach()[6:] - old["means"][[3, 4]], moved, rtol=1e-3, atol=1e-4)
    assert not adam.momentum("means")[6:].any()
    assert bool(adam.momentum("means")[:6].all())


def test_large_ones_are_split() -> None:
    adam = adam_with([0.0] * 6, size=4.1)
    stepped(adam)
    old = {name: adam[name].detach().clone() for name in ROWS}
    clone_and_split(adam, torch.tensor([0.0, 5, 1, 9, 8, 0]), 2, 8.0, "alpha", generator())
    for name in ROWS:
        assert len(adam[name]) == 8
        assert torch.equal(adam[name].detach()[:4], old[name][[0, 1, 2, 5]])
    assert torch.equal(adam["color_codes"].detach()[4:], old["color_codes"][[3, 4, 3, 4]])
    deviations = torch.exp(0.5 * adam["log_covariances"].detach()[4:, 0])
    torch.testing.assert_close(deviations, torch.full((4,), 4.1 / 1.6))


def test_halves_are_drawn_from_the_gaussian_they_replace() -> None:
    n, shape = 3000, torch.tensor([[3.0, 0.9, -0.7]])
    adam = adam_with([0.0] * (2 * n))
    adam.assign("log_covariances", shape.repeat(2 * n, 1))
    stepped(adam)
    old = adam["means"].detach()[:n].clone()
    clone_and_split(adam, torch.tensor([1.0, 0.0]).repeat_interleave(n), n, 1.0, "alpha", generator())
    assert len(adam["means"]) == 3 * n
    first, second = adam["means"].detach()[n:].split(n)
    covariance = torch.linalg.matrix_exp(torch.tensor([[3.0 + 0.9, -0.7], [-0.7, 3.0 - 0.9]]))
    scale = float(covariance.diagonal().max())
    for half in (first, second):
        torch.testing.assert_close(torch.cov((half - old).T), covariance, rtol=0, atol=0.13 * scale)
    cross = ((first - old).T @ (second - old)) / n
    assert float(cross.abs().max()) < 0.1 * scale


@pytest.mark.parametrize(("blending", "invisible"), [("alpha", -7.0), ("normalized", -1.75)])
def test_only_visible_ones_above_average_are_chosen(blending: Blending, invisible: float) -> None:
    adam = adam_with([0.0, 0.0, invisible, 0.0, 0.0], size=1.0)
    stepped(adam)
    old = adam["color_codes"].detach().clone()
    # The transparent one is the most active; of the others, only the second is above the mean of 4.2.
    clone_and_split(adam, torch.tensor([1.0, 6, 10, 4, 0]), 5, 8.0, blending, generator())
    assert torch.equal(adam["color_codes"].detach(), old[[0, 1, 3, 4, 1]])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_more_are_added_than_asked_for(count: int) -> None:
    adam = adam_with([0.0] * 20)
    adam.assign("log_covariances", torch.linspace(0, 5, 20)[:, None] * torch.tensor([1.0, 0, 0]))
    stepped(adam)
    clone_and_split(adam, torch.arange(20.0), count, 8.0, "alpha", generator())
    assert {len(adam[name]) for name in ROWS} == {20 + count}
