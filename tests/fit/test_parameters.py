"""What a fit trains, against the renderer's twin, matrix logarithms, and values by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import twins
from small_fits import doubles_of, in_order, random_parameters, renderer, twin_of
from torch import Tensor

from taichi_gs.fit.parameters import (
    CODED,
    ROWS,
    Bounds,
    CodebookParameters,
    Parameters,
    background_levels,
    principal_axes,
)
from taichi_gs.model.blending import Blending

# Gaussians with values of their own


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("image_size", [(40, 48), (20, 24), (20, 48), (13, 60)])
def test_rendering_at_another_size_is_rendering_scaled_gaussians(
    image_size: tuple[int, int], blending: Blending
) -> None:
    full_size, order = (40, 48), np.random.default_rng(2).permutation(25)
    parameters = in_order(random_parameters(25, full_size, blending), order).leaves()
    leaves = doubles_of(parameters)
    twin = twin_of(leaves, blending)
    generator = torch.Generator().manual_seed(4)

    factor_y, factor_x = image_size[0] / full_size[0], image_size[1] / full_size[1]
    scaled = twin._replace(
        means=twin.means * torch.tensor([factor_x, factor_y]),
        log_covariances=scaled_shapes(twin.log_covariances, factor_x * factor_y),
    )
    expected = twins.render_densely(scaled, order, image_size, blending)
    image = renderer().render(parameters.splats(full_size, image_size), image_size)
    near = twins.near_threshold(scaled, image_size, 1e-5, blending)
    assert near.float().mean() < 0.1
    error = (image.detach().cpu() - expected.detach()).abs().amax(dim=0)
    assert float(error[~near].max()) < 3e-5

    # Straight down to the parameters in pixels of the full size.
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64) * ~near
    (image * weights.to(image)).sum().backward()
    (expected * weights).sum().backward()
    for tensor, leaf in zip(parameters.tensors.values(), leaves, strict=True):
        assert tensor.grad is not None
        assert leaf.grad is not None
        scale = max(1.0, float(leaf.grad.abs().max()))
        torch.testing.assert_close(tensor.grad.cpu().double(), leaf.grad, rtol=0, atol=1e-3 * scale)


def covariances_of(log_covariances: Tensor) -> Tensor:
    """[N, 2, 2] from (m, u, v)."""
    m, u, v = log_covariances.unbind(dim=1)
    return torch.linalg.matrix_exp(torch.stack([torch.stack([m + u, v], 1), torch.stack([v, m - u], 1)], dim=1))


def scaled_shapes(log_covariances: Tensor, factor: float) -> Tensor:
    """The (m, u, v) of covariances times `factor`, through the eigenvalues."""
    values, vectors = torch.linalg.eigh(factor * covariances_of(log_covariances))
    logarithm = vectors @ torch.diag_embed(values.log()) @ vectors.mT
    xx, xy, yy = logarithm[:, 0, 0], logarithm[:, 0, 1], logarithm[:, 1, 1]
    return torch.stack([(xx + yy) / 2, (xx - yy) / 2, xy], dim=1)


def test_principal_axes_are_the_eigenvectors() -> None:
    shapes = twins.random_splats(50, (40, 40), anisotropy=20).log_covariances
    shapes = torch.cat([shapes, torch.tensor([[1.0, 0, 0], [1, 0.5, 0], [1, -0.5, 0], [1, 0, -0.5]]).double()])
    deviations, axes = principal_axes(shapes)
    covariances = covariances_of(shapes)
    values = torch.linalg.eigvalsh(covariances)
    torch.testing.assert_close(deviations.square(), values.flip(1), rtol=1e-8, atol=0)
    torch.testing.assert_close(axes @ axes.mT, torch.eye(2).double().expand(len(shapes), 2, 2), rtol=0, atol=1e-12)
    # Each axis is a row: cov @ axis = deviation^2 axis.
    torch.testing.assert_close(axes @ covariances, deviations.square()[:, :, None] * axes, rtol=1e-8, atol=1e-8)


def test_amplitudes_by_hand() -> None:
    """Opacities stay below their maximum; weights are exponentials, in units of e^4."""

    def amplitudes(codes: list[float], blending: Blending) -> Tensor:
        rows = torch.cat([torch.rand(3, 3), torch.tensor(codes)[:, None]], dim=1)
        return Parameters(torch.zeros(3, 2), torch.zeros(3, 3), rows, torch.zeros(3), blending).amplitudes

    torch.testing.assert_close(amplitudes([-100.0, 0, 100], "alpha"), torch.tensor([0.0, 0.495, 0.99]))
    expected = torch.tensor([0.01831564, 1.0, 7.3890561])  # exp(-4), 1 and exp(2)
    torch.testing.assert_close(amplitudes([-1.0, 0, 0.5], "normalized"), expected)


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_a_part_of_them_keeps_its_order(blending: Blending) -> None:
    size, n = (20, 24), 12
    order = np.random.default_rng(2).permutation(n)
    parameters = in_order(random_parameters(n, size, blending), order)
    kept = torch.arange(n) % 3 > 0
    part = parameters.masked(kept.to(parameters.means.device))
    assert len(part) == 8
    drawn = renderer().render(part.splats(size, size), size).detach().cpu().double()
    rows = np.array([i for i in order.tolist() if kept[i]])
    twin = twin_of([t.detach() for t in doubles_of(parameters)], blending)
    assert float((drawn - twins.render_densely(twin, rows, size, blending)).abs().max()) < 1 / 255

    unordered = replace(parameters, order=None).masked(kept.to(parameters.means.device))
    assert unordered.order is None
    assert torch.equal(unordered.means, part.means)


def test_areas_order_alpha_blending_alone() -> None:
    shapes = torch.tensor([[2.0, 0, 0], [1, 1, 1], [3, 0, 0], [1, 0, 0]])
    parameters = Parameters(torch.zeros(4, 2), shapes, torch.zeros(4, 4), torch.zeros(3), "alpha")
    assert parameters.order is None
    ordered = parameters.ordered()
    assert ordered.order is not None
    assert ordered.order.tolist() == [1, 3, 0, 2]
    assert replace(parameters, blending="normalized").ordered().order is None


def test_leaves_collect_gradients_of_their_own() -> None:
    start = random_parameters(5, (20, 24))
    leaves = start.leaves()
    torch.autograd.backward([t.square().sum() for t in leaves.tensors.values()])
    for name, leaf in leaves.tensors.items():
        assert leaf.is_leaf
        assert torch.equal(leaf, start.tensors[name])
        assert leaf.grad is not None
        torch.testing.assert_close(leaf.grad, 2 * leaf.detach())
        assert start.tensors[name].grad is None
    leaves.means.detach().zero_()
    assert start.means.all(), "what they are copied from stays as it is"


def test_rows_are_kept_and_added() -> None:
    start = random_parameters(5, (20, 24))
    kept = torch.tensor([3, 0], device=start.means.device)
    added = {name: torch.full_like(t[:1], 7.0) for name, t in start.rows.items()}
    for rows in (start.with_rows(kept), start.with_rows(kept, added)):
        assert len(rows) == len(kept) + (rows.means[-1, 0] == 7.0)
        for name in ROWS:
            assert torch.equal(rows.rows[name][:2], start.rows[name][kept])
            assert bool((rows.rows[name][2:] == 7.0).all())
        assert rows.background is start.background


# Gaussians with codewords


def coded_parameters(n: int = 7, background: float = 0.301) -> CodebookParameters:
    own = random_parameters(9, (20, 24), "normalized")
    generator = torch.Generator().manual_seed(5)
    indices = {name: torch.randint(0, k, (n,), generator=generator) for name, k in zip(CODED, (3, 4), strict=True)}
    return CodebookParameters(
        own.means[:n].cpu(),
        {"log_covariances": own.log_covariances[:3].cpu(), "color_codes": own.color_codes[:4].cpu()},
        indices,
        torch.full((3,), background),
        "normalized",
    )


def test_each_gaussian_has_its_codeword_and_the_codeword_its_gradients() -> None:
    coded = coded_parameters()
    drawn = coded.expanded()
    assert len(coded) == len(drawn) == 7
    assert drawn.order is None
    for name in CODED:
        for i, k in enumerate(coded.indices[name].tolist()):
            assert torch.equal(drawn.rows[name][i], coded.codewords[name][k])
    by_drawn = {name: torch.randn_like(tensor) for name, tensor in drawn.tensors.items()}
    gradients = coded.gradients(by_drawn)
    assert set(gradients) == set(coded.tensors)
    for name in CODED:
        for k, found in enumerate(gradients[name]):
            torch.testing.assert_close(found, by_drawn[name][coded.indices[name] == k].sum(dim=0))
    # Straight through all rounding, that of the background among it.
    for name in ("means", "background"):
        assert torch.equal(gradients[name], by_drawn[name])


def test_codewords_and_means_can_be_stood_in_for() -> None:
    coded = coded_parameters()
    codewords = {name: words + 1 for name, words in coded.codewords.items()}
    moved = coded.expanded(coded.means + 2, codewords)
    assert torch.equal(moved.means, coded.means + 2)
    for name in CODED:
        assert torch.equal(moved.rows[name], coded.expanded().rows[name] + 1)


@pytest.mark.parametrize(("value", "level"), [(0.301, 85), (-0.2, 0), (1.7, 255), (0.5 / 15 + 1e-4, 17)])
def test_a_background_is_drawn_as_a_file_rounds_it(value: float, level: int) -> None:
    coded = coded_parameters(background=value)
    assert background_levels(coded.background).tolist() == [level] * 3
    drawn = coded.expanded().background
    torch.testing.assert_close(drawn, torch.full((3,), level / 255))


def test_coded_rows_are_kept_with_their_indices() -> None:
    coded = coded_parameters()
    kept = torch.tensor([5, 2, 6])
    part = coded.with_rows(kept)
    assert len(part) == 3
    for name, values in part.expanded().rows.items():
        assert torch.equal(values, coded.expanded().rows[name][kept])
    assert part.codewords is coded.codewords


# Bounds


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_what_a_file_cannot_hold_is_clamped(blending: Blending) -> None:
    shapes = torch.tensor([[-9.0, 7, -7], [99, 0, 0], [1, 2, -3]])
    codes = torch.tensor([[-99.0, 99, -9, 99], [9, 9, 99, -99], [1, 1, 1, 1]])
    means = torch.tensor([[1e5, -3], [-1e5, 1e5], [23.5, 19.5]])
    parameters = Parameters(means, shapes, codes, torch.full((3,), 9.0), blending)
    Bounds().clamp(parameters.tensors, blending, (20, 24))
    assert torch.equal(parameters.means, torch.tensor([[24.0, 0], [0, 20], [23.5, 19.5]]))
    assert torch.equal(parameters.background, torch.full((3,), 9.0))
    # Within the ranges of the channels.
    amplitudes = [8.0, -8, 1] if blending == "alpha" else [2.0, -1, 1]
    expected = torch.tensor([[-1.0, 1, -1], [2, 1, 1], [1, 1, 1]])
    torch.testing.assert_close(
        parameters.color_codes.detach(), torch.cat([expected, torch.tensor(amplitudes)[:, None]], dim=1)
    )
    expected = torch.tensor([[-2.5, 6, -6], [24, 0, 0], [1, 2, -3]])
    assert torch.equal(parameters.log_covariances.detach(), expected)
    # The narrowest: a standard deviation of about 0.3 pixels.
    assert math.exp(0.5 * -2.5) == pytest.approx(0.29, abs=0.01)


def test_bounds_can_be_chosen() -> None:
    bounds = Bounds(min_log_area=0.0, max_log_area=1.0, max_anisotropy=0.5)
    parameters = random_parameters(40, (20, 24), "normalized")
    parameters.color_codes.detach().mul_(40.0)
    bounds.clamp(parameters.tensors, "normalized", (10, 12))
    values = {name: t.detach().cpu() for name, t in parameters.rows.items()}
    assert (values["means"].amax(dim=0) <= torch.tensor([12.0, 10.0])).all()
    assert (values["log_covariances"].amin(dim=0) >= torch.tensor([0.0, -0.5, -0.5])).all()
    assert (values["log_covariances"].amax(dim=0) <= torch.tensor([1.0, 0.5, 0.5])).all()
    assert values["color_codes"].amin(dim=0).tolist() == [-1.0, -1.0, -1.0, -1.0]
    assert values["color_codes"].amax(dim=0).tolist() == [2.0, 1.0, 1.0, 2.0]
