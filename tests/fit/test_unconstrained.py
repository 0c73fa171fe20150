"""The first stage of a fit: how many Gaussians there are, and that they are fitted at the reduced resolution."""

from __future__ import annotations

import numpy as np
import pytest
from small_fits import config_of, noise, photograph, stage_of, tensor_of
from torch import Tensor

from taichi_gs.fit.clone_and_split import CloneAndSplit
from taichi_gs.fit.fit import Hyperparameters
from taichi_gs.fit.parameters import ROWS, Parameters
from taichi_gs.fit.resolution import Resolution
from taichi_gs.fit.unconstrained import Unconstrained


@pytest.mark.parametrize(
    ("density", "budget", "num_pixels", "expected"),
    [
        ("prune", 10, 6000, 100),
        ("prune", 10, 4200, 70),  # room for no more that are sparse
        ("prune", 10, 2500, 60),
        ("prune", 10, 900, 30),  # room for no more
        ("prune", 10, 299, 10),  # nor for the budget, which is obeyed
        ("gradient", 10, 5000, 10),
    ],
)
def test_how_many_are_fitted_at_first(density: str, budget: int, num_pixels: int, expected: int) -> None:
    settings = Unconstrained(overgrowth=6.0, min_pixels_per_gaussian=30)
    assert settings.num_gaussians(config_of(budget, density=density), num_pixels) == expected


@pytest.mark.parametrize(("density", "most"), [("prune", 40), ("gradient", 20)])
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_they_are_as_many_as_they_should_be(density: str, most: int, steps: int) -> None:
    """With density "prune" from the start; the others are cloned and split off where there are reasons to."""
    settings = Unconstrained(overgrowth=2.0, min_pixels_per_gaussian=10)
    sizes: list[tuple[int, int]] = []

    def listen(drawn: Parameters, squared_error: Tensor, resolution: Resolution) -> None:
        sizes.append(resolution.size)

    stage = stage_of(noise(24, 32), config_of(20, density=density), listen, Hyperparameters(unconstrained=settings))
    parameters, adam = settings.run(stage, steps)
    assert sizes == [(24, 32)] * steps
    assert {len(tensor) for tensor in parameters.rows.values()} == {len(parameters)}
    assert {len(adam.momentum(name)) for name in ROWS} == {len(parameters)}
    if density == "prune":
        assert len(parameters) == most
    else:
        assert 10 < len(parameters) <= most


@pytest.mark.parametrize(("initial_fraction", "fewest", "most"), [(0.2, 11, 20), (1.0, 50, 50)])
def test_growth_begins_with_a_part(initial_fraction: float, fewest: int, most: int) -> None:
    """And each Gaussian becomes two at most, in one step."""
    settings = Unconstrained(clone_and_split=CloneAndSplit(initial_fraction=initial_fraction))
    parameters, _ = settings.run(stage_of(noise(24, 32), config_of(50, density="gradient")), 1)
    assert fewest <= len(parameters) <= most


@pytest.mark.parametrize("density", ["prune", "gradient"])
def test_the_picture_gets_better_at_the_reduced_resolution(density: str) -> None:
    history: list[float] = []

    def listen(drawn: Parameters, squared_error: Tensor, resolution: Resolution) -> None:
        assert resolution is stage.objective.coarse
        history.append(float(squared_error))

    # So few Gaussians that half of the resolution shows all they can.
    stage = stage_of(tensor_of(photograph((96, 128))), config_of(20, density=density), listen)
    assert stage.objective.coarse.size == (48, 64)
    Unconstrained().run(stage, 40)
    assert np.mean(history[-5:]) < 0.4 * history[0]
