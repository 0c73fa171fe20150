"""Losses, against the structural similarity in NumPy, and what a step of a fit makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import twins
from numpy.typing import NDArray
from render_scenes import pixel_weights
from small_fits import doubles_of, in_order, noise, random_parameters, renderer, twin_of, weighted_by
from torch import Tensor

from taichi_gs.fit.losses import l1_ssim_of
from taichi_gs.fit.objective import GaussianCounts, Objective
from taichi_gs.model.blending import Blending


def ssim_rows(a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """The SSIM, averaged over channels and columns, of every row of 11 x 11 windows, in NumPy and float64."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def blurred(image: NDArray[np.float64]) -> NDArray[np.float64]:
        patches = np.lib.stride_tricks.sliding_window_view(image, (11, 11), axis=(1, 2))
        result: NDArray[np.float64] = np.einsum("cijyx,yx->cij", patches, window)
        return result

    x, y = a.double().numpy(), b.double().numpy()
    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    rows: NDArray[np.float64] = (luminance * structure).mean(axis=(0, 2))
    return rows


def two_pictures(height: int, width: int) -> tuple[Tensor, Tensor]:
    target = noise(height, width).cpu()
    other = noise(height, width, seed=1).cpu() * torch.linspace(0.1, 0.9, height)[None, :, None]
    return 0.5 * target + 0.5 * other, target


@pytest.mark.parametrize("size", [(24, 20), (11, 11), (128, 13)])
@pytest.mark.parametrize("step", [0, 7])
def test_l1_ssim_of_a_picture_no_higher_than_the_band(size: tuple[int, int], step: int) -> None:
    image, target = two_pictures(*size)
    absolute = float((image - target).double().abs().mean())
    expected = 0.9 * absolute + 0.1 * (1 - ssim_rows(image, target).mean())
    assert float(l1_ssim_of(image, target, step)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [(10, 40), (40, 10), (1, 1)])
def test_l1_ssim_of_a_tiny_picture_is_l1(size: tuple[int, int]) -> None:
    image, target = two_pictures(*size)
    assert float(l1_ssim_of(image, target, 0)) == pytest.approx(float((image - target).abs().mean()), rel=1e-6)


def test_the_band_of_l1_ssim_moves_over_the_whole_picture() -> None:
    height = 300
    image, target = two_pictures(height, 12)
    absolute = float((image - target).double().abs().mean())
    rows = ssim_rows(image, target)
    bands = np.array([rows[first : first + 118].mean() for first in range(height - 128 + 1)])
    firsts = []
    for step in range(40):
        similarity = 1 - (float(l1_ssim_of(image, target, step)) - 0.9 * absolute) / 0.1
        distance = np.abs(bands - similarity)
        firsts.append(int(distance.argmin()))
        assert distance.min() < 2e-5
    assert min(firsts) <= 8
    assert max(firsts) >= height - 128 - 8
    # Evenly: each third of the places gets about a third of the steps.
    thirds = np.histogram(firsts, bins=3, range=(0, height - 127))[0]
    assert thirds.min() >= 11


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("loss", ["l2", "l1", "l1-ssim"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_the_loss(loss: str, blending: Blending, weighted: bool) -> None:
    """Weights are those of squared errors: other losses do not know them, but tell the weighted squared error."""
    size, order = (14, 18), np.array([3, 1, 0, 5, 2, 4])
    parameters = in_order(random_parameters(6, size, blending), order)
    picture = noise(*size)
    weights = pixel_weights(size) if weighted else torch.ones(size, dtype=torch.float64)
    objective = Objective(picture, loss, GaussianCounts(6), renderer(), weighted_by(weights if weighted else None))
    squared_error, gradients = objective.differentiate(parameters, objective.full)
    assert not squared_error.requires_grad

    leaves = doubles_of(parameters)
    drawn = twins.render_densely(twin_of(leaves, blending), order, size, blending)
    picture = picture.cpu().double()
    squares = weights * (drawn - picture).square()
    losses = {
        "l2": squares.mean(),
        "l1": (drawn - picture).abs().sum() / picture.numel(),
        "l1-ssim": l1_ssim_of(drawn, picture, 0),
    }
    losses[loss].backward()
    assert float(squared_error) == pytest.approx(float(squares.detach().sum()), rel=1e-3)
    assert list(gradients) == list(parameters.tensors)
    for gradient, leaf in zip(gradients.values(), leaves, strict=True):
        assert leaf.grad is not None
        torch.testing.assert_close(gradient.cpu().double(), leaf.grad, rtol=2e-2, atol=2e-5)


def test_each_step_looks_at_another_band_at_its_own_resolution() -> None:
    """The gradients of several steps, at either resolution, against those of the bands that are next."""
    size = (400, 64)
    parameters = random_parameters(3, size, "normalized")
    objective = Objective(noise(*size), "l1-ssim", GaussianCounts(3), renderer())
    assert objective.coarse.size == (200, 32)
    seen = []
    for step, resolution in enumerate((objective.coarse, objective.coarse, objective.full, objective.coarse)):
        leaves = parameters.leaves()
        _, gradients = objective.differentiate(parameters, resolution)
        (expected,) = torch.autograd.grad(
            l1_ssim_of(resolution.render(leaves), resolution.picture, step), leaves.background
        )
        torch.testing.assert_close(gradients["background"], expected)
        seen.append(expected)
    assert not torch.allclose(seen[0], seen[1]), "the first two bands differ"
