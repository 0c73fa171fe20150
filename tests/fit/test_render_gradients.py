"""Gradients of the renderer, and squared errors with theirs, in both forms of its kernels, against PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from render_scenes import ALPHA_SCENES, BLENDINGS, CASES, SCENES, drawable, gradients, order_of, pixel_weights
from twins import Splats, near_threshold, random_splats, render_densely

from taichi_gs.fit.render import Renderer
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form
from taichi_gs.model.blending import Blending


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_gradients_are_those_of_pytorch(
    blending: Blending, scene: str, form: Form, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES[blending][scene]
    order = order_of(splats)
    grad = torch.randn(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grad *= ~near_threshold(splats, size, 1e-6, blending)
    ours, exact = splats.leaves(dtype, runtime.start()), splats.leaves(torch.float64)
    found = gradients(ours, Renderer(form).render(drawable(ours, order, blending), size), grad)
    expected = gradients(exact, render_densely(exact, order, size, blending), grad)
    if len(splats.means) == 0:
        found, expected = found[-1:], expected[-1:]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize("importances", [(0.0, 0.0), (2.5, 0.7)])
@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_cost_and_its_gradients_are_those_of_pytorch(
    blending: Blending,
    scene: str,
    form: Form,
    dtype: torch.dtype,
    tolerance: float,
    importances: tuple[float, float],
) -> None:
    size, splats = SCENES[blending][scene]
    order = order_of(splats)
    ours, exact = splats.leaves(dtype, runtime.start()), splats.leaves(torch.float64)
    picture = render_densely(exact, order, size, blending)
    target = torch.rand(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # Where rounding may change a pixel there is no error, and so no gradient.
    target = torch.where(near_threshold(splats, size, 1e-6, blending), picture.detach(), target)
    weights, errors = pixel_weights(size), picture - target
    squared_error = expected_cost = (weights * errors.square()).sum()
    for side, importance in zip((4, 8), importances, strict=True):
        for y, x in itertools.product(range(0, size[0], side), range(0, size[1], side)):
            own, block = weights[y : y + side, x : x + side], errors[:, y : y + side, x : x + side]
            mean = (own * block).sum(dim=(1, 2)) / own.sum()
            expected_cost = expected_cost + importance * own.sum() * mean.square().sum()
    expected_cost.backward()
    compared = (target.to(ours.means), weights.to(ours.means))
    cost, plain, gradients = Renderer(form).cost(drawable(ours, order, blending), *compared, importances)
    assert not cost.requires_grad
    assert not plain.requires_grad
    assert (cost.shape, cost.dtype) == ((), dtype)
    assert float(plain) == pytest.approx(float(squared_error.detach()), rel=tolerance)
    assert float(cost) == pytest.approx(float(expected_cost.detach()), rel=tolerance)
    found, expected = [gradient.cpu().double() for gradient in gradients.tensors], exact.gradients()
    if len(splats.means) == 0:
        found, expected = found[-1:], expected[-1:]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


def test_cost_takes_any_view_of_the_target_and_gives_nothing_gradients(form: Form) -> None:
    size, splats = SCENES["normalized"]["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    target = torch.rand(3, *size, generator=torch.Generator().manual_seed(0)).to(runtime.start())
    view = target.permute(2, 1, 0).contiguous().permute(2, 1, 0).requires_grad_()
    assert not view.is_contiguous()
    found = [Renderer(form).cost(drawable(ours, None, "normalized"), one) for one in (target, view)]
    for tensors in zip(*((cost.cost, *cost.gradients) for cost in found), strict=True):
        assert torch.equal(*tensors)
        assert not any(tensor.requires_grad for tensor in tensors)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_without_weights_all_pixels_count_alike(form: Form, blending: Blending) -> None:
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    target = torch.rand(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = target.to(runtime.start())
    results = []
    for weights in (None, torch.ones_like(target[0])):
        ours = splats.leaves(torch.float64, runtime.start())
        found = Renderer(form).cost(drawable(ours, order_of(splats), blending), target, weights)
        results.append([found.squared_error, *found.gradients])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
    picture = render_densely(splats, order_of(splats), size, blending)
    assert float(results[0][0]) == pytest.approx(float((picture - target.cpu()).square().sum()), rel=1e-6)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_gradcheck(form: Form, blending: Blending) -> None:
    # Everywhere visible and by far: no step of finite differences takes a Gaussian across the cut-off.
    size = (5, 18)
    splats = random_splats(4, size, scales=(10, 15), anisotropy=1.5, amplitudes=(0.3, 0.9), margin=2)
    assert not near_threshold(splats, size, 0.1, blending).any()
    leaves = splats.leaves(torch.float64, runtime.start())
    order = np.array([2, 0, 3, 1])
    assert torch.autograd.gradcheck(
        lambda *inputs: Renderer(form).render(drawable(Splats(*inputs), order, blending), size),
        tuple(leaves),
        eps=1e-5,
        atol=1e-6,
        rtol=1e-5,
    )


@pytest.mark.parametrize("blending", BLENDINGS)
def test_gradcheck_with_gaussians_that_end_in_the_picture(form: Form, blending: Blending) -> None:
    size = (17, 18)
    splats = random_splats(3, size, scales=(1.5, 3), margin=0, seed=12)
    assert not near_threshold(splats, size, 1e-3, blending).any()
    leaves = splats.leaves(torch.float64, runtime.start())
    order = np.array([2, 0, 1])
    # Summed with random weights: one output instead of 918.
    weights = torch.randn(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = weights.to(runtime.start())
    assert torch.autograd.gradcheck(
        lambda *inputs: (Renderer(form).render(drawable(Splats(*inputs), order, blending), size) * weights).sum(),
        tuple(leaves),
        eps=1e-5,
        atol=1e-6,
        rtol=1e-5,
    )


def test_only_what_asks_gets_gradients(form: Form) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    whole = gradients(
        ours, Renderer(form).render(drawable(ours, order_of(splats), "alpha"), size), torch.ones(3, *size)
    )
    ours = splats.leaves(torch.float32, runtime.start())
    for tensor in (ours.means, ours.amplitudes, ours.background):
        tensor.requires_grad_(False)
    some = gradients(ours, Renderer(form).render(drawable(ours, order_of(splats), "alpha"), size), torch.ones(3, *size))
    assert [t.grad is not None for t in ours] == [False, True, True, False, False]
    for one, other in zip(some, whole[1:3], strict=True):
        assert torch.equal(one, other)


def test_inputs_that_are_not_contiguous(form: Form) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    views = splats.leaves(torch.float32, runtime.start())
    order, ones = order_of(splats), torch.ones(3, *size)
    transposed = [t.T.contiguous().T if t.ndim == 2 else t for t in views]
    assert not transposed[0].is_contiguous()
    # The picture's gradient is not contiguous either.
    expected = gradients(ours, Renderer(form).render(drawable(ours, order, "alpha"), size), ones)
    found = gradients(
        views,
        Renderer(form).render(drawable(transposed, order, "alpha"), size),
        ones.permute(2, 1, 0).contiguous().permute(2, 1, 0),
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_gradients_add_up_and_can_be_taken_once(form: Form) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    order, ones = order_of(splats), torch.ones(3, *size, device=runtime.start())
    once = gradients(ours, Renderer(form).render(drawable(ours, order, "alpha"), size), ones)
    once = [t.clone() for t in once]
    twice = gradients(ours, Renderer(form).render(drawable(ours, order, "alpha"), size), ones)
    for one, other in zip(once, twice, strict=True):
        assert torch.equal(2 * one, other)
    (first,) = torch.autograd.grad(
        Renderer(form).render(drawable(ours, order, "alpha"), size).sum(), ours.means, create_graph=True
    )
    with pytest.raises(RuntimeError, match="does not require grad"):
        first.sum().backward()
