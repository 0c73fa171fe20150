"""The fit's parameters and their optimiser, against PyTorch's Adam, eigenvectors and the renderer's twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import twins
from torch import Tensor

from taichi_gs.fit.parameters import ROWS, RowAdam, Splats, principal_axes
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

RATES = {"rows": 0.03, "background": 0.002}
FACTORS = [1.0, 1.0, 0.7, 0.2, 0.5, 1.0]


def random_tensors(seed: int, n: int = 6) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "rows": torch.randn(n, 2, generator=generator, dtype=torch.float64),
        "background": torch.randn(3, generator=generator, dtype=torch.float64),
    }


def plain_adam(tensors: dict[str, Tensor]) -> torch.optim.Adam:
    groups = [{"params": [t.requires_grad_()], "lr": RATES[name], "name": name} for name, t in tensors.items()]
    return torch.optim.Adam(groups, betas=(0.9, 0.999), eps=1e-15, foreach=False, fused=False)


def step_plainly(adam: torch.optim.Adam, gradients: dict[str, Tensor], factor: float) -> None:
    for group in adam.param_groups:
        group["lr"] = RATES[group["name"]] * factor
        group["params"][0].grad = gradients[group["name"]].clone()
    adam.step()


def step_rows(adam: RowAdam, gradients: dict[str, Tensor], factor: float) -> None:
    for name, gradient in gradients.items():
        adam[name].grad = gradient.clone()
    adam.step(factor)


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-10, atol=1e-12)


def test_row_adam_is_adam() -> None:
    start = random_tensors(0)
    adam = RowAdam(start, RATES)
    expected = {name: t.clone() for name, t in start.items()}
    reference = plain_adam(expected)
    for step, factor in enumerate(FACTORS):
        gradients = random_tensors(step + 1)
        step_rows(adam, gradients, factor)
        step_plainly(reference, gradients, factor)
        for name in expected:
            assert_equal(adam[name], expected[name])
            assert_equal(adam.momentum(name), reference.state[expected[name]]["exp_avg"])
            assert adam[name].grad is None
    assert not torch.equal(start["rows"], adam["rows"]), "what was passed in stays as it was"


def test_momentum_is_zero_before_the_first_step() -> None:
    assert torch.equal(RowAdam(random_tensors(0), RATES).momentum("rows"), torch.zeros(6, 2, dtype=torch.float64))


def test_assign_keeps_the_moments() -> None:
    adam = RowAdam(random_tensors(0), RATES)
    expected = random_tensors(0)
    reference = plain_adam(expected)
    for step, factor in enumerate(FACTORS):
        if step == 3:
            values = random_tensors(99)["rows"]
            adam.assign("rows", values)
            expected["rows"].data.copy_(values)
        gradients = random_tensors(step + 1)
        step_rows(adam, gradients, factor)
        step_plainly(reference, gradients, factor)
    for name in expected:
        assert_equal(adam[name], expected[name])


def test_kept_rows_continue_as_if_the_dropped_ones_had_never_been() -> None:
    """New rows begin with zero moments but share the step count: nothing corrects the bias of their moments.

    At the usual decay rates that makes their first steps up to sqrt(10) times as long as Adam's first steps are.
    """
    kept, before = torch.tensor([4, 1, 5]), 3
    adam = RowAdam(random_tensors(0), RATES)
    expected = random_tensors(0)
    expected["rows"] = expected["rows"][kept]
    reference = plain_adam(expected)
    for step in range(before):
        gradients = random_tensors(step + 1)
        step_rows(adam, gradients, 1.0)
        step_plainly(reference, {**gradients, "rows": gradients["rows"][kept]}, 1.0)

    added = random_tensors(50, n=2)["rows"]
    adam.replace_rows(kept, {"rows": added})
    assert_equal(adam["rows"], torch.cat([expected["rows"], added]))
    assert torch.equal(adam.momentum("rows")[3:], torch.zeros(2, 2, dtype=torch.float64))

    values, mean, square = added.clone(), torch.zeros_like(added), torch.zeros_like(added)
    for step in range(before, before + 4):
        gradients = random_tensors(step + 1, n=5)
        step_rows(adam, gradients, 0.5)
        step_plainly(reference, {**gradients, "rows": gradients["rows"][:3]}, 0.5)
        fresh = gradients["rows"][3:]
        mean, square = 0.9 * mean + 0.1 * fresh, 0.999 * square + 0.001 * fresh**2
        corrected = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
        values -= 0.5 * RATES["rows"] * corrected[0] / (corrected[1].sqrt() + 1e-15)
        assert_equal(adam["rows"][:3], expected["rows"])
        assert_equal(adam["rows"][3:], values)
        assert_equal(adam["background"], expected["background"])


def test_rows_can_be_replaced_before_the_first_step() -> None:
    start = random_tensors(0)
    adam = RowAdam(start, RATES)
    adam.replace_rows(torch.tensor([2]), {"rows": start["rows"][:0]})
    assert torch.equal(adam["rows"].detach(), start["rows"][2:3])
    assert torch.equal(adam["background"].detach(), start["background"])
    step_rows(adam, random_tensors(1, n=1), 1.0)
    # Adam's first step is the learning rate in every coordinate.
    assert_equal((adam["rows"] - start["rows"][2:3]).abs(), torch.full((1, 2), 0.03, dtype=torch.float64))


def test_keeping_rows_drops_the_others_with_their_moments() -> None:
    """Of all tensors that have a row a Gaussian, or of those that are named; they continue as if on their own."""
    start = {name: random_tensors(seed, n=5)["rows"] for seed, name in enumerate(ROWS)}
    start["background"] = random_tensors(9)["background"]
    kept = torch.tensor([3, 0, 4])
    for arguments in ((), (("means",),)):
        names = arguments[0] if arguments else ROWS
        adam = RowAdam(start, dict.fromkeys(start, 0.1))
        alone = RowAdam({**start, **{name: start[name][kept] for name in names}}, dict.fromkeys(start, 0.1))
        gradients = {name: random_tensors(seed, n=5)["rows"] for seed, name in enumerate(ROWS, start=20)}
        gradients["background"] = random_tensors(29)["background"]
        own = {**gradients, **{name: gradients[name][kept] for name in names}}
        step_rows(adam, gradients, 1.0)
        step_rows(alone, own, 1.0)
        adam.keep_rows(kept, *arguments)
        for _ in range(2):
            for name in start:
                assert_equal(adam[name], alone[name])
                assert_equal(adam.momentum(name), alone.momentum(name))
            step_rows(adam, own, 0.5)
            step_rows(alone, own, 0.5)


def random_picture_of(num_gaussians: int, size: tuple[int, int], blending: Blending) -> tuple[Splats, twins.Splats]:
    """Random Gaussians as leaves for the package, and the same for the twin in float64."""
    twin = twins.random_splats(num_gaussians, size, scales=(3.0, 8.0))
    generator = torch.Generator().manual_seed(1)
    spread = torch.tensor([0.4, 0.2, 0.2, 2.0 if blending == "alpha" else 0.5])
    codes = torch.randn(num_gaussians, 4, generator=generator, dtype=torch.float64) * spread
    leaves = [t.float().to(runtime.start()) for t in (twin.means, twin.log_covariances, codes, twin.background)]
    y, co, cg, z = codes.unbind(dim=1)
    colors = torch.stack([y + co - cg, y + cg, y - co - cg], dim=1)
    amplitudes = 0.99 / (1 + torch.exp(-z)) if blending == "alpha" else torch.exp(4 * z)
    twin = twin._replace(colors=colors, amplitudes=amplitudes)
    return Splats(*(t.requires_grad_() for t in leaves), blending), twin


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("image_size", [(40, 48), (20, 24), (20, 48), (13, 60)])
def test_rendering_at_another_size_is_rendering_scaled_gaussians(
    image_size: tuple[int, int], blending: Blending
) -> None:
    full_size = (40, 48)
    splats, twin = random_picture_of(25, full_size, blending)
    generator = torch.Generator().manual_seed(4)
    order = np.random.default_rng(2).permutation(25)

    factor_y, factor_x = image_size[0] / full_size[0], image_size[1] / full_size[1]
    scaled = twin._replace(
        means=twin.means * torch.tensor([factor_x, factor_y]),
        log_covariances=scaled_shapes(twin.log_covariances, factor_x * factor_y),
    )
    expected = twins.render_densely(scaled, order, image_size, blending)
    image = replace(splats, order=torch.from_numpy(order).to(splats.means.device)).render(full_size, image_size)
    near = twins.near_threshold(scaled, image_size, 1e-5, blending)
    assert near.float().mean() < 0.1
    error = (image.detach().cpu() - expected).abs().amax(dim=0)
    assert float(error[~near].max()) < 3e-5

    # Straight down to the parameters in pixels of the full size.
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64) * ~near
    (image * weights.to(image)).sum().backward()
    doubles = scaled.leaves(torch.float64)
    (twins.render_densely(doubles, order, image_size, blending) * weights).sum().backward()
    assert doubles.means.grad is not None
    assert splats.means.grad is not None
    expected_gradient = doubles.means.grad * torch.tensor([factor_x, factor_y])
    torch.testing.assert_close(splats.means.grad.cpu().double(), expected_gradient, rtol=1e-3, atol=1e-3)


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


def test_amplitudes() -> None:
    """Opacities stay below their maximum; weights are exponentials, in units of e^4."""

    def amplitudes(codes: list[float], blending: Blending) -> Tensor:
        rows = torch.cat([torch.rand(3, 3), torch.tensor(codes)[:, None]], dim=1)
        return Splats(torch.zeros(3, 2), torch.zeros(3, 3), rows, torch.zeros(3), blending).amplitudes

    torch.testing.assert_close(amplitudes([-100.0, 0, 100], "alpha"), torch.tensor([0.0, 0.495, 0.99]))
    expected = torch.tensor([0.01831564, 1.0, 7.3890561])  # exp(-4), 1 and exp(2)
    torch.testing.assert_close(amplitudes([-1.0, 0, 0.5], "normalized"), expected)


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_what_a_removal_costs_is_what_rendering_without_it_costs(blending: Blending) -> None:
    size, n = (20, 24), 12
    splats, twin = random_picture_of(n, size, blending)
    order = np.random.default_rng(2).permutation(n)
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(6), dtype=torch.float64)

    def squared_error(rows: list[int]) -> float:
        drawn = twins.render_densely(twin, np.array(rows), size, blending)
        return float((drawn - picture).square().sum())

    whole = squared_error(order.tolist())
    expected = torch.tensor([squared_error([i for i in order if i != removed]) - whole for removed in range(n)])
    splats = replace(splats, order=torch.from_numpy(order).to(splats.means.device))
    errors = splats.removal_errors(picture.to(splats.means))
    assert not errors.requires_grad
    torch.testing.assert_close(errors.cpu(), expected, rtol=1e-4, atol=1e-4)
    assert float(expected.abs().max()) > 1

    # A part of them keeps its order.
    kept = torch.arange(n) % 3 > 0
    part = splats.only(kept.to(splats.means.device))
    assert len(part) == 8
    drawn = part.render(size, size).detach().cpu().double()
    rows = [i for i in order.tolist() if kept[i]]
    assert float((drawn - twins.render_densely(twin, np.array(rows), size, blending)).abs().max()) < 1 / 255


def test_areas_order_alpha_blending_alone() -> None:
    rows = {"means": torch.zeros(4, 2), "log_covariances": torch.tensor([[2.0, 0, 0], [1, 1, 1], [3, 0, 0], [1, 0, 0]])}
    adam = RowAdam(
        {**rows, "color_codes": torch.zeros(4, 4), "background": torch.zeros(3)},
        dict.fromkeys((*ROWS, "background"), 0.1),
    )
    order = adam.splats("alpha").order
    assert order is not None
    assert order.tolist() == [1, 3, 0, 2]
    assert adam.splats("normalized").order is None
