"""What "error" means in a fit, against direct computation by a twin of the renderer and an exact Jacobian."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import twins
from numpy.typing import NDArray
from render_scenes import pixel_weights
from small_fits import doubles_of, in_order, noise, random_parameters, renderer, twin_of, weighted_by
from torch import Tensor

from taichi_gs.fit.objective import GaussianCounts, Objective, ObjectiveSettings
from taichi_gs.fit.parameters import ROWS, Parameters
from taichi_gs.fit.tuning import Tuning
from taichi_gs.model.blending import Blending


def objective_of(picture: Tensor, weights: Tensor | None = None, loss: str = "l2", num_gaussians: int = 1) -> Objective:
    return Objective(picture, loss, GaussianCounts(num_gaussians), renderer(), weighted_by(weights))


# The reduced copy


@pytest.mark.parametrize(
    ("size", "num_gaussians", "coarse"),
    [
        ((64, 96), 1, (32, 48)),  # a quarter would have fewer than 32 rows
        ((65, 97), 1, (33, 49)),
        ((63, 96), 1, (63, 96)),
        ((64, 96), 170, (32, 48)),  # Gaussians 6.01 apart
        ((64, 96), 171, (64, 96)),  # 5.99
        ((256, 300), 1, (32, 38)),
        ((256, 300), 800, (128, 150)),
        ((1, 1), 1, (1, 1)),
        ((200, 40), 0, (200, 40)),
    ],
)
def test_size_of_the_coarse_picture(size: tuple[int, int], num_gaussians: int, coarse: tuple[int, int]) -> None:
    objective = objective_of(noise(*size), num_gaussians=num_gaussians)
    assert objective.size == objective.full.size == objective.full.full_size == size
    assert objective.coarse.size == objective.coarse.picture.shape[1:] == objective.coarse.weights.shape == coarse
    assert objective.coarse.full_size == size
    assert (objective.coarse is objective.full) == (coarse == size)


def test_what_a_coarse_picture_may_be_can_be_chosen() -> None:
    for settings, coarse in (
        (ObjectiveSettings(min_coarse_side=8), (8, 12)),
        (ObjectiveSettings(min_coarse_side=8, min_coarse_spacing=15.0), (16, 24)),  # one Gaussian in 64 pixels
    ):
        objective = Objective(noise(64, 96), "l2", GaussianCounts(1), renderer(), settings=settings)
        assert objective.coarse.size == coarse


def test_coarse_pixels_and_weights_are_means_of_blocks() -> None:
    picture, weights = noise(64, 96), pixel_weights((64, 96)).float()
    coarse = objective_of(picture, weights).coarse
    torch.testing.assert_close(coarse.picture, picture.reshape(3, 32, 2, 48, 2).mean(dim=(2, 4)))
    torch.testing.assert_close(coarse.weights.cpu(), weights.reshape(32, 2, 48, 2).mean(dim=(1, 3)))


def test_spacing_is_the_mean_distance() -> None:
    assert objective_of(noise(30, 40)).spacing(48) == pytest.approx(5.0)


# Errors


def test_psnr() -> None:
    """Of a background alone that is wrong by 0.1, or by 0.01, everywhere; and of one without errors."""
    objective = objective_of(torch.full_like(noise(64, 64), 0.5), pixel_weights((64, 64)).float())
    for resolution, color, expected in (
        (objective.full, 0.6, 20.0),
        (objective.coarse, 0.49, 40.0),
        (objective.full, 0.5, 100.0),
    ):
        drawn = random_parameters(0, (64, 64))
        drawn.background.data.fill_(color)
        assert objective.psnr(drawn, resolution) == pytest.approx(expected, abs=1e-3)


def test_full_and_half_pictures_take_turns() -> None:
    picture, weights = noise(64, 96), pixel_weights((64, 96)).float()
    objective = Objective(
        picture, "l2", GaussianCounts(10), renderer(), replace(weighted_by(weights), importance_of_half=3.0)
    )
    full, half = objective.resolution_of(8), objective.resolution_of(9)
    assert full is objective.full
    assert half.size == (32, 48)
    torch.testing.assert_close(half.picture, picture.reshape(3, 32, 2, 48, 2).mean(dim=(2, 4)))
    torch.testing.assert_close(half.weights.cpu(), weights.reshape(32, 2, 48, 2).mean(dim=(1, 3)))
    parameters = random_parameters(6, (64, 96)).leaves()
    _, gradients = objective.differentiate(parameters, half)
    squared_error = (half.weights * (half.render(parameters) - half.picture).square()).sum()
    (expected,) = torch.autograd.grad(squared_error, parameters.color_codes)
    torch.testing.assert_close(gradients["color_codes"], 3.0 * expected / half.picture.numel())


def test_blocks_count_at_the_full_picture_and_at_half_of_it() -> None:
    importances = (3.0, 0.5)
    tuning = Tuning(importance_of_half=1.0, importances_of_blocks=importances)
    objective = Objective(noise(128, 192), "l2", GaussianCounts(1), renderer(), tuning)
    assert objective.coarse.size == (32, 48)
    resolutions = (*objective.choosing, objective.coarse)
    parameters = random_parameters(20, (128, 192), "normalized")
    for resolution, counted in zip(resolutions, (importances, importances, (0.0, 0.0)), strict=True):
        errors = resolution.render(parameters).detach().double() - resolution.picture
        expected = float(errors.square().sum())
        for side, importance in zip((4, 8), counted, strict=True):
            blocks = errors.reshape(3, resolution.size[0] // side, side, resolution.size[1] // side, side)
            expected += importance * side**2 * float(blocks.mean(dim=(2, 4)).square().sum())
        assert float(resolution.cost(parameters).cost) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("size", "importance"), [((63, 96), 1.0), ((96, 40), 1.0), ((64, 96), 0.0)])
def test_small_pictures_and_most_tunings_have_one_resolution(size: tuple[int, int], importance: float) -> None:
    objective = Objective(noise(*size), "l2", GaussianCounts(10), renderer(), Tuning(importance_of_half=importance))
    assert objective.resolution_of(1) is objective.resolution_of(2) is objective.full


def test_a_decoded_picture_is_never_better_than_8_bits() -> None:
    levels = torch.arange(0.0, 1.0, 1 / (255 * 16))[:4080].reshape(3, 40, 34)
    rounded = torch.floor(255 * levels + 0.5) / 255
    expected = float((rounded - levels).double().square().sum())
    objective = objective_of(levels)
    assert objective.decoded_error(torch.tensor(0.0), objective.full) == pytest.approx(expected, rel=0.02)
    assert objective.decoded_error(torch.tensor(7.25), objective.full) == 7.25


@pytest.mark.parametrize("num_gaussians", [3, 12, 13, 31, 48, 49, 193, 194])
def test_few_gaussians_are_compared_with_a_smaller_picture(num_gaussians: int) -> None:
    """As small as leaves 26 pixels between them, and 13 while they are chosen; but none is less than 32 high."""
    tuning, size = Tuning(importance_of_half=1.0), (256, 512)
    objective = Objective(noise(*size), "l2", GaussianCounts(num_gaussians, num_gaussians), renderer(), tuning)
    spacing = math.sqrt(256 * 512 / num_gaussians)
    factor = max(f for f in (1, 2, 4, 8) if f == 1 or spacing / f >= 26)
    choosing = 2 * factor if spacing / (2 * factor) >= 13 else factor
    expected = [factor, *([f for f in (choosing, 2 * choosing) if f <= 8] or [factor])]
    sizes = [resolution.size for resolution in (objective.full, *objective.choosing)]
    assert sizes == [(256 // f, 512 // f) for f in expected]


def test_the_error_of_a_smaller_picture_tells_that_of_the_larger() -> None:
    """Of flat Gaussians: all that the blocks differ from their means is added."""
    size, picture = (64, 96), noise(64, 96)
    objective = Objective(picture, "l2", GaussianCounts(6, 6), renderer())
    assert (objective.full.size, objective.choosing[0].size) == (size, (32, 48))
    parameters = random_parameters(3, size, "normalized")
    parameters = replace(parameters, log_covariances=parameters.log_covariances.detach() * 0.0 + 16.0)
    error = objective.choosing[0].cost(parameters).squared_error
    expected = float(objective.squared_error(parameters).detach())
    assert objective.decoded_error(error, objective.choosing[0]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_weighted_and_those_of_the_full_picture(weighted: bool) -> None:
    """The squared error, what each Gaussian spares of it, and whatever the loss, at full resolution."""
    size = (64, 96)
    parameters = random_parameters(3, size, "normalized")
    weights = pixel_weights(size) if weighted else torch.ones(size, dtype=torch.float64)
    objective = objective_of(noise(*size), weights if weighted else None, "l1-ssim")
    assert objective.coarse is not objective.full
    picture, twin = noise(*size).cpu().double(), twin_of([t.detach() for t in doubles_of(parameters)], "normalized")

    def squared_error(rows: list[int]) -> float:
        drawn = twins.render_densely(twin, np.array(rows), size, "normalized")
        return float((weights * (drawn - picture).square()).sum())

    whole = squared_error([0, 1, 2])
    assert float(objective.squared_error(parameters).detach()) == pytest.approx(whole, rel=1e-5)
    expected = [squared_error([i for i in range(3) if i != removed]) - whole for removed in range(3)]
    np.testing.assert_allclose(objective.removal_errors(parameters).cpu().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_coarse_error_is_that_of_the_small_picture() -> None:
    size = (64, 96)
    parameters = random_parameters(20, size, "normalized")
    coarse = objective_of(noise(*size), pixel_weights(size)).coarse
    image = coarse.render(parameters).detach()
    assert image.shape == (3, 32, 48)
    expected = (coarse.weights * (image - coarse.picture).square()).sum()
    for found in coarse.cost(parameters)[:2]:
        torch.testing.assert_close(found, expected)


def test_the_quality_of_decoded_pixels_counts_weights_and_8_bits() -> None:
    size, generator = (6, 9), np.random.default_rng(3)
    picture = noise(*size)
    levels = np.floor(255 * picture.cpu().numpy().transpose(1, 2, 0).astype(np.float64) + 0.5)
    pixels = generator.integers(0, 256, (*size, 3)).astype(np.uint8)
    weights = pixel_weights(size)
    for given, own in ((None, np.ones(size)), (weights, weights.numpy())):
        expected = 10 * math.log10(255**2 / np.mean(own[:, :, None] * (pixels - levels) ** 2))
        assert objective_of(picture, given).weighted_psnr(pixels) == pytest.approx(expected, abs=1e-4)
        assert objective_of(picture, given).weighted_psnr(levels.astype(np.uint8)) == math.inf


def test_a_psnr_that_is_reached_is_that_of_8_bits_and_without_weights() -> None:
    size = (20, 24)
    parameters = random_parameters(12, size, "normalized")
    image = renderer().render(parameters.splats(size, size), size).detach().cpu().double().numpy()
    picture = noise(*size)
    levels = [np.floor(255 * x.clip(0, 1) + 0.5) for x in (image, picture.cpu().double().numpy())]
    reached = 10 * math.log10(255**2 / np.mean((levels[0] - levels[1]) ** 2))
    objective = objective_of(picture, pixel_weights(size))
    assert objective.has_psnr(parameters, reached - 0.01)
    assert not objective.has_psnr(parameters, reached + 0.01)


# Curvatures


def jacobians_of(parameters: Parameters, order: NDArray[np.integer], size: tuple[int, int]) -> list[Tensor]:
    """The exact derivatives [3, H, W, N, D] of the picture by means, log_covariances and color_codes."""

    def picture(*leaves: Tensor) -> Tensor:
        return twins.render_densely(twin_of(leaves, parameters.blending), order, size, parameters.blending)

    return list(torch.autograd.functional.jacobian(picture, tuple(doubles_of(parameters))))[:3]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("along_steps", [False, True])
def test_curvatures_estimate_the_diagonal_of_the_gauss_newton_matrix(
    blending: Blending, along_steps: bool, weighted: bool
) -> None:
    """That of the weighted error, with means moved along the axes or along vectors of their own."""
    size, num_probes, order = (12, 10), 800, np.array([2, 0, 3, 1])
    parameters = in_order(random_parameters(4, size, blending), order)
    weights = pixel_weights(size) if weighted else torch.ones(size, dtype=torch.float64)
    means, *others = jacobians_of(parameters, order, size)
    steps = None
    if along_steps:
        steps = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        # Gaussian by Gaussian, the derivative by x and y times either vector.
        means = torch.stack([torch.stack([means[:, :, :, n] @ steps[n, k] for k in (0, 1)], -1) for n in range(4)], -2)
        steps = steps.to(parameters.means)

    settings, picture = ObjectiveSettings(num_probes=num_probes, curvature_floor=0.1), noise(*size)
    objective = Objective(
        picture, "l2", GaussianCounts(4), renderer(), weighted_by(weights if weighted else None), settings
    )
    found = objective.curvatures(parameters, torch.Generator().manual_seed(0), steps)
    assert list(found) == list(ROWS)
    for name, jacobian in zip(ROWS, (means, *others), strict=True):
        diagonal = (weights[:, :, None, None] * jacobian.square()).sum(dim=(0, 1, 2))
        ratios = found[name].cpu().double() / (diagonal + 0.1 * diagonal.mean(dim=0))
        # The relative deviation of an entry is at most sqrt(2 / num_probes); pixels at the cut of 1/255 add a little.
        assert float((ratios - 1).abs().max()) < 5 * math.sqrt(2 / num_probes)
        assert float(ratios.mean()) == pytest.approx(1.0, abs=0.05)


def test_curvatures_are_positive_where_nothing_is_drawn() -> None:
    """Weights of k-means, which far outside the picture have nothing to go by."""
    parameters = random_parameters(3, (12, 10), "normalized")
    parameters = replace(parameters, means=parameters.means.detach() + 1e4)
    found = objective_of(noise(12, 10)).curvatures(parameters, torch.Generator().manual_seed(0))
    assert all(bool(((values > 0) & values.isfinite()).all()) for values in found.values())
