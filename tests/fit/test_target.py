"""The picture that is fitted, its losses and curvatures, against direct computation and an exact Jacobian."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import twins
from numpy.typing import NDArray
from torch import Tensor

from taichi_gs.fit.clustering import row_curvatures
from taichi_gs.fit.losses import l1_ssim
from taichi_gs.fit.objective import Target
from taichi_gs.fit.parameters import ROWS, RowAdam, Splats
from taichi_gs.fit.unconstrained import clamp_rows, decay
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending


def random_picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


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
    target = Target(random_picture(*size), "l2", num_gaussians)
    assert target.size == size
    assert tuple(target.full.shape[1:]) == size
    assert tuple(target.coarse.shape[1:]) == coarse
    assert target.picture(coarse=False) is target.full
    assert target.picture(coarse=True) is target.coarse


def test_coarse_pixels_are_means_of_blocks() -> None:
    picture = random_picture(64, 96)
    blocks = picture.reshape(3, 32, 2, 48, 2).mean(dim=(2, 4))
    torch.testing.assert_close(Target(picture, "l2", 1).coarse, blocks)


def test_psnr() -> None:
    """Of a picture that is wrong by 0.1, or by 0.01, everywhere; and of one without errors."""
    target = Target(torch.full((3, 64, 64), 0.5), "l2", 1)
    assert target.psnr(torch.tensor(3 * 64 * 64 * 0.01), coarse=False) == pytest.approx(20.0, abs=1e-4)
    assert target.psnr(torch.tensor(3 * 32 * 32 * 0.0001), coarse=True) == pytest.approx(40.0, abs=1e-4)
    assert target.psnr(torch.tensor(0.0), coarse=False) == pytest.approx(100.0)


def test_a_decoded_picture_is_never_better_than_8_bits() -> None:
    levels = torch.arange(0.0, 1.0, 1 / (255 * 16))[:4080].reshape(3, 40, 34)
    rounded = torch.floor(255 * levels + 0.5) / 255
    expected = float((rounded - levels).double().square().sum())
    target = Target(levels, "l2", 1)
    assert target.decoded_error(torch.tensor(0.0)) == pytest.approx(expected, rel=0.02)
    assert target.decoded_error(torch.tensor(7.25)) == 7.25


# Gradients and curvatures


def small_splats(n: int, size: tuple[int, int], blending: Blending = "alpha") -> Splats:
    """Leaves for the package."""
    twin = twins.random_splats(n, size, scales=(1.5, 4.0), margin=0.0, seed=2)
    generator = torch.Generator().manual_seed(3)
    spread = torch.tensor([0.5, 0.3, 0.3, 1.0 if blending == "alpha" else 0.3])
    codes = torch.randn(n, 4, generator=generator, dtype=torch.float64) * spread
    device = runtime.start()
    tensors = (twin.means, twin.log_covariances, codes, twin.background)
    return Splats(*(t.float().to(device).requires_grad_() for t in tensors), blending)


def twin_picture(leaves: list[Tensor], order: NDArray[np.integer], size: tuple[int, int], blending: Blending) -> Tensor:
    means, shapes, codes, background = leaves
    y, co, cg, z = codes.unbind(dim=1)
    colors = torch.stack([y + co - cg, y + cg, y - co - cg], dim=1)
    amplitudes = 0.99 * torch.sigmoid(z) if blending == "alpha" else torch.exp(4 * z)
    return twins.render_densely(twins.Splats(means, shapes, colors, amplitudes, background), order, size, blending)


def in_order(splats: Splats, order: NDArray[np.integer]) -> Splats:
    return replace(splats, order=torch.from_numpy(order).to(splats.means.device))


def doubles_of(splats: Splats) -> list[Tensor]:
    tensors = (splats.means, splats.log_covariances, splats.color_codes, splats.background)
    return [t.detach().cpu().double().requires_grad_() for t in tensors]


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("loss", ["l2", "l1-ssim"])
def test_backward_adds_the_gradients_of_the_loss(loss: str, blending: Blending) -> None:
    size = (14, 18)
    splats = small_splats(6, size, blending)
    order = np.array([3, 1, 0, 5, 2, 4])
    target = Target(random_picture(*size).to(runtime.start()), loss, 6)
    squared_error = target.backward(in_order(splats, order), coarse=False)
    assert not squared_error.requires_grad

    leaves = doubles_of(splats)
    expected = twin_picture(leaves, order, size, blending)
    picture = target.full.cpu().double()
    difference = expected - picture
    (difference.square().mean() if loss == "l2" else l1_ssim(expected, picture, 0)).backward()
    assert float(squared_error) == pytest.approx(float(difference.detach().square().sum()), rel=1e-3)
    for tensor, leaf in zip(
        (splats.means, splats.log_covariances, splats.color_codes, splats.background), leaves, strict=True
    ):
        assert tensor.grad is not None
        assert leaf.grad is not None
        torch.testing.assert_close(tensor.grad.cpu().double(), leaf.grad, rtol=2e-2, atol=2e-5)


def test_backward_counts_the_steps_for_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def recorder(image: Tensor, target: Tensor, step: int) -> Tensor:
        steps.append((step, tuple(target.shape[1:])))
        return l1_ssim(image, target, step)

    monkeypatch.setattr("taichi_gs.fit.target.l1_ssim", recorder)
    splats = small_splats(3, (64, 64))
    target = Target(random_picture(64, 64).to(runtime.start()), "l1-ssim", 3)
    for coarse in (True, True, False):
        target.backward(splats, coarse=coarse)
    assert steps == [(0, (32, 32)), (1, (32, 32)), (2, (64, 64))]


def jacobians_of(splats: Splats, order: NDArray[np.integer], size: tuple[int, int]) -> list[Tensor]:
    """The exact derivatives [3, H, W, ...] of the picture by means, log_covariances, color_codes and background."""

    def picture(*leaves: Tensor) -> Tensor:
        return twin_picture(list(leaves), order, size, splats.blending)

    return list(torch.autograd.functional.jacobian(picture, tuple(doubles_of(splats))))


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_curvatures_estimate_the_diagonal_of_the_gauss_newton_matrix(blending: Blending) -> None:
    size, num_probes = (12, 10), 1500
    splats = small_splats(4, size, blending)
    order = np.array([2, 0, 3, 1])
    exact = [j.square().sum(dim=(0, 1, 2)) for j in jacobians_of(splats, order, size)]

    target = Target(random_picture(*size).to(runtime.start()), "l2", 4)
    parameters = [splats.means, splats.log_covariances, splats.color_codes, splats.background]
    generator = torch.Generator().manual_seed(0)
    estimated = target.curvatures(in_order(splats, order), parameters, generator, num_probes)
    ratios = torch.cat([(e.cpu().double() / x).flatten() for e, x in zip(estimated, exact, strict=True)])
    # An entry's relative deviation is at most sqrt(2 / num_probes) = 0.037; pixels at the cut of 1/255 add a little.
    assert len(ratios) == 4 * 9 + 3
    assert float((ratios - 1).abs().max()) < 5 * math.sqrt(2 / num_probes)
    assert float(ratios.mean()) == pytest.approx(1.0, abs=0.03)
    assert splats.means.grad is None


@pytest.mark.parametrize(("blending", "along_steps"), [("normalized", False), ("normalized", True), ("alpha", True)])
def test_row_curvatures_are_by_what_a_mean_is_moved_along(
    blending: Blending, along_steps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, num_probes = (12, 10), 500
    monkeypatch.setattr("taichi_gs.fit.clustering.NUM_PROBES", num_probes)
    splats = small_splats(4, size, blending)
    order = np.array([2, 0, 3, 1])
    means, shapes, codes, _ = jacobians_of(splats, order, size)
    steps = None
    if along_steps:
        steps = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        # Gaussian by Gaussian, the derivative by x and y times either vector.
        means = torch.stack([torch.stack([means[:, :, :, n] @ steps[n, k] for k in (0, 1)], -1) for n in range(4)], -2)
        steps = steps.to(splats.means)
    target = Target(random_picture(*size).to(runtime.start()), "l2", 4)
    found = row_curvatures(target, in_order(splats, order), torch.Generator().manual_seed(0), steps)
    assert list(found) == list(ROWS)
    for name, jacobian in zip(ROWS, (means, shapes, codes), strict=True):
        diagonal = jacobian.square().sum(dim=(0, 1, 2))
        expected = diagonal + 0.1 * diagonal.mean(dim=0)
        ratios = found[name].cpu().double() / expected
        assert float((ratios - 1).abs().max()) < 5 * math.sqrt(2 / num_probes)
        assert float(ratios.mean()) == pytest.approx(1.0, abs=0.05)
    assert splats.means.grad is None


def test_row_curvatures_are_positive_where_nothing_is_drawn() -> None:
    """Weights of k-means, which far outside the picture have nothing to go by."""
    splats = small_splats(3, (12, 10), "normalized")
    splats = replace(splats, means=splats.means.detach() + 1e4)
    target = Target(random_picture(12, 10).to(runtime.start()), "l2", 3)
    found = row_curvatures(target, splats, torch.Generator().manual_seed(0))
    assert all(bool(((values > 0) & values.isfinite()).all()) for values in found.values())


def test_removal_errors_are_those_of_the_full_picture() -> None:
    """The squared error, whatever the loss, at full resolution."""
    size = (64, 96)
    splats = small_splats(3, size, "normalized")
    target = Target(random_picture(*size).to(runtime.start()), "l1-ssim", 1)
    assert target.coarse.shape != target.full.shape
    leaves = [t.detach() for t in doubles_of(splats)]

    def squared_error(rows: list[int]) -> float:
        picture = twin_picture([*(t[rows] for t in leaves[:3]), leaves[3]], np.arange(len(rows)), size, "normalized")
        return float((picture - target.full.cpu()).square().sum())

    expected = [squared_error([i for i in range(3) if i != removed]) - squared_error([0, 1, 2]) for removed in range(3)]
    np.testing.assert_allclose(target.removal_errors(splats).cpu().numpy(), expected, rtol=1e-4, atol=1e-4)


# Losses


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


def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    target = random_picture(height, width)
    noise = random_picture(height, width, seed=1) * torch.linspace(0.1, 0.9, height)[None, :, None]
    return 0.5 * target + 0.5 * noise, target


@pytest.mark.parametrize("size", [(24, 20), (11, 11), (128, 13)])
@pytest.mark.parametrize("step", [0, 7])
def test_l1_ssim_of_a_picture_no_higher_than_the_band(size: tuple[int, int], step: int) -> None:
    image, target = pair(*size)
    absolute = float((image - target).double().abs().mean())
    expected = 0.9 * absolute + 0.1 * (1 - ssim_rows(image, target).mean())
    assert float(l1_ssim(image, target, step)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [(10, 40), (40, 10), (1, 1)])
def test_l1_ssim_of_a_tiny_picture_is_l1(size: tuple[int, int]) -> None:
    image, target = pair(*size)
    assert float(l1_ssim(image, target, 0)) == pytest.approx(float((image - target).abs().mean()), rel=1e-6)


def test_the_band_of_l1_ssim_moves_over_the_whole_picture() -> None:
    height = 300
    image, target = pair(height, 12)
    absolute = float((image - target).double().abs().mean())
    rows = ssim_rows(image, target)
    bands = np.array([rows[first : first + 118].mean() for first in range(height - 128 + 1)])
    firsts = []
    for step in range(40):
        similarity = 1 - (float(l1_ssim(image, target, step)) - 0.9 * absolute) / 0.1
        distance = np.abs(bands - similarity)
        firsts.append(int(distance.argmin()))
        assert distance.min() < 2e-5
    assert min(firsts) <= 8
    assert max(firsts) >= height - 128 - 8
    # Evenly: each third of the places gets about a third of the steps.
    thirds = np.histogram(firsts, bins=3, range=(0, height - 127))[0]
    assert thirds.min() >= 11


# Learning rates and bounds


@pytest.mark.parametrize(("start", "final"), [(0.0, 0.1), (0.5, 0.1), (0.0, 0.05), (0.3, 0.0)])
def test_decay_goes_from_one_to_its_final_value(start: float, final: float) -> None:
    assert decay(0.0, start, final) == 1.0
    assert decay(start, start, final) == 1.0
    assert decay((1 + start) / 2, start, final) == pytest.approx((1 + final) / 2)
    assert decay(1.0, start, final) == pytest.approx(final)
    factors = [decay(i / 100, start, final) for i in range(101)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_what_a_file_cannot_hold_is_clamped(blending: Blending) -> None:
    shapes = torch.tensor([[-9.0, 7, -7], [99, 0, 0], [1, 2, -3]])
    codes = torch.tensor([[-9.0, 9, -9, 9], [-9, 9, 9, -9], [1, 1, 1, 1]])
    means = torch.tensor([[1e5, -3], [-1e5, 1e5], [23.5, 19.5]])
    rows = {"means": means, "log_covariances": shapes, "color_codes": codes}
    adam = RowAdam({**rows, "background": torch.full((3,), 9.0)}, dict.fromkeys([*rows, "background"], 0.1))
    clamp_rows(adam, blending, (20, 24))
    assert torch.equal(adam["means"].detach(), torch.tensor([[24.0, 0], [0, 20], [23.5, 19.5]]))
    assert torch.equal(adam["background"].detach(), torch.full((3,), 9.0))
    # Opacities need no bounds; weights stay within what a file's codes, at most 2, reach with any rounding.
    expected = torch.tensor([9.0, -9, 1] if blending == "alpha" else [1.9, -1.9, 1])
    assert torch.equal(adam["color_codes"].detach(), torch.cat([codes[:, :3], expected[:, None]], dim=1))
    expected = torch.tensor([[-2.5, 6, -6], [24, 0, 0], [1, 2, -3]])
    assert torch.equal(adam["log_covariances"].detach(), expected)
    # The narrowest: a standard deviation of about 0.3 pixels.
    assert math.exp(0.5 * -2.5) == pytest.approx(0.29, abs=0.01)
