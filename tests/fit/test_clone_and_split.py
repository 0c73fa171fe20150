"""Where Gaussians are cloned, split and removed, against what the positional gradient asks for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.clone_and_split import CloneAndSplit
from taichi_gs.fit.parameters import ROWS, Parameters
from taichi_gs.model.blending import Blending

RATES = {"means": 1e-3, "log_covariances": 0.0, "color_codes": 0.0, "background": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussians(codes: list[float], shapes: list[float] | Tensor, blending: Blending = "alpha") -> Parameters:
    """Gaussians with these amplitude codes, all of one shape (m, u, v), or [N, 3]."""
    n = len(codes)
    colors = torch.cat([torch.rand(n, 3, generator=generator(4)), torch.tensor(codes)[:, None]], dim=1)
    means = torch.rand(n, 2, generator=generator(3)) * 20
    return Parameters(means, torch.as_tensor(shapes).expand(n, 3), colors, torch.zeros(3), blending)


def of_size(size: float) -> list[float]:
    return [2 * math.log(size), 0.0, 0.0]


def stepped(parameters: Parameters) -> tuple[Adam, Tensor]:
    """Step once with random gradients of the positions, and return them."""
    adam = Adam(parameters.tensors, RATES)
    gradients = torch.randn(len(parameters), 2, generator=generator(5))
    adam.step(parameters.tensors, {"means": gradients}, 1.0)
    return adam, gradients


def grown(
    parameters: Parameters, adam: Adam, activity: list[float] | Tensor, count: int, spacing: float = 8.0
) -> dict[str, Tensor]:
    """The rows after growing, for which Adam must have as many moments."""
    found = CloneAndSplit().grow(parameters, adam, torch.as_tensor(activity), count, spacing, generator())
    assert found.background is parameters.background
    for name, tensor in found.rows.items():
        assert adam.momentum(name).shape == tensor.shape
    return found.rows


@pytest.mark.parametrize(
    ("blending", "threshold"),
    [("alpha", math.log(0.001 / (0.99 - 0.001))), ("normalized", math.log(1 / 64) / 4)],
)
def test_visible_rows_have_a_thousandth_or_what_gives_a_weight(blending: Blending, threshold: float) -> None:
    parameters = gaussians([0.0, threshold - 0.01, threshold + 0.01, -20.0, 20.0], of_size(4.0), blending)
    assert CloneAndSplit().visible_rows(parameters).tolist() == [0, 2, 4]


def test_small_ones_are_cloned_downhill() -> None:
    parameters = gaussians([0.0] * 6, [2 * math.log(3.9), 0.4, 0.3])
    adam, gradients = stepped(parameters)
    old = {name: t.detach().clone() for name, t in parameters.rows.items()}
    new = grown(parameters, adam, [0.0, 5, 1, 9, 8, 0], 2)
    for name in ROWS:
        assert torch.equal(new[name][:6], old[name])
    for name in ("log_covariances", "color_codes"):
        assert torch.equal(new[name][6:], old[name][[3, 4]])
    # Half of the shorter standard deviation: sqrt(exp(m - |(u, v)|)).
    distance = 0.5 * 3.9 * torch.exp(torch.tensor(-0.25))
    moved = -distance * functional.normalize(gradients[[3, 4]])
    torch.testing.assert_close(new["means"][6:] - old["means"][[3, 4]], moved, rtol=1e-3, atol=1e-4)
    assert not adam.momentum("means")[6:].any()
    assert bool(adam.momentum("means")[:6].all())


def test_large_ones_are_split() -> None:
    parameters = gaussians([0.0] * 6, of_size(4.1))
    adam, _ = stepped(parameters)
    momentum = adam.momentum("means").clone()
    old = {name: t.detach().clone() for name, t in parameters.rows.items()}
    new = grown(parameters, adam, [0.0, 5, 1, 9, 8, 0], 2)
    for name in ROWS:
        assert len(new[name]) == 8
        assert torch.equal(new[name][:4], old[name][[0, 1, 2, 5]])
    assert torch.equal(adam.momentum("means")[:4], momentum[[0, 1, 2, 5]])
    assert torch.equal(new["color_codes"][4:], old["color_codes"][[3, 4, 3, 4]])
    deviations = torch.exp(0.5 * new["log_covariances"][4:, 0])
    torch.testing.assert_close(deviations, torch.full((4,), 4.1 / 1.6))


def test_halves_are_drawn_from_the_gaussian_they_replace() -> None:
    n = 3000
    parameters = gaussians([0.0] * (2 * n), [3.0, 0.9, -0.7])
    adam, _ = stepped(parameters)
    old = parameters.means.detach()[:n].clone()
    new = grown(parameters, adam, torch.tensor([1.0, 0.0]).repeat_interleave(n), n, 1.0)
    assert len(new["means"]) == 3 * n
    first, second = new["means"][n:].split(n)
    covariance = torch.linalg.matrix_exp(torch.tensor([[3.0 + 0.9, -0.7], [-0.7, 3.0 - 0.9]]))
    scale = float(covariance.diagonal().max())
    for half in (first, second):
        torch.testing.assert_close(torch.cov((half - old).T), covariance, rtol=0, atol=0.13 * scale)
    cross = ((first - old).T @ (second - old)) / n
    assert float(cross.abs().max()) < 0.1 * scale


@pytest.mark.parametrize(("blending", "invisible"), [("alpha", -7.0), ("normalized", -1.75)])
def test_only_visible_ones_above_average_are_chosen(blending: Blending, invisible: float) -> None:
    parameters = gaussians([0.0, 0.0, invisible, 0.0, 0.0], of_size(1.0), blending)
    adam, _ = stepped(parameters)
    old = parameters.color_codes.detach().clone()
    # The transparent one is the most active; of the others, only the second is above the mean of 4.2.
    assert torch.equal(grown(parameters, adam, [1.0, 6, 10, 4, 0], 5)["color_codes"], old[[0, 1, 3, 4, 1]])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_more_are_added_than_asked_for(count: int) -> None:
    parameters = gaussians([0.0] * 20, torch.linspace(0, 5, 20)[:, None] * torch.tensor([1.0, 0, 0]))
    adam, _ = stepped(parameters)
    new = grown(parameters, adam, torch.arange(20.0), count)
    assert {len(new[name]) for name in ROWS} == {20 + count}


def test_events_are_spread_over_the_first_part_of_the_stage() -> None:
    assert CloneAndSplit(num_events=5, end=0.5).events(100) == [10, 20, 30, 40, 50]
    assert CloneAndSplit(num_events=2, end=0.8).events(100) == [40, 80]
    # Fewer where there are too few steps, but always one, after a step.
    assert CloneAndSplit(num_events=5, end=0.5).events(4) == [1, 2]
    assert CloneAndSplit(num_events=5, end=0.5).events(1) == [1]
