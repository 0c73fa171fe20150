"""Pictures and gradients of the renderer, in both forms of its kernels, against the reference decoder and PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_decoder
import torch
from numpy.typing import NDArray
from operations import Operations
from twins import CUTOFFS, Splats, near_threshold, random_splats, render_densely

from taichi_gs.decoder.decode import rasterize
from taichi_gs.fit.render import removal_errors, render, squared_error
from taichi_gs.fit.tile_tensors import COUNT_EVERY, PairCapacity
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending
from taichi_gs.model.gaussians import Gaussians

Picture = NDArray[np.float64]

FORMS = ["cpu", "cuda"]
BLENDINGS: list[Blending] = ["alpha", "normalized"]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """The form of the blending kernels: the CUDA one runs on the CPU as well."""
    form: str = request.param
    if runtime.start() == "cuda" and form == "cpu":
        pytest.skip("Taichi runs on CUDA in this process")
    return form


def splats_of(rows: list[list[float]], background: list[float]) -> Splats:
    """Isotropic Gaussians from rows of x, y, scale, red, green, blue, amplitude."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 7)
    shapes = torch.stack([2 * table[:, 2].log(), 0 * table[:, 0], 0 * table[:, 0]], dim=1)
    return Splats(table[:, :2], shapes, table[:, 3:6], table[:, 6], torch.tensor(background, dtype=torch.float64))


Scene = tuple[tuple[int, int], Splats]
"""The size of a picture and its Gaussians."""

ALPHA_SCENES: dict[str, Scene] = {
    "sizes that tiles do not divide": ((37, 50), random_splats(60, (37, 50))),
    "whole tiles": ((32, 48), random_splats(60, (32, 48), seed=1)),
    "one pixel": ((1, 1), random_splats(5, (1, 1), seed=2)),
    "a narrow picture": ((17, 3), random_splats(12, (17, 3), seed=3)),
    "600 in one tile": ((16, 16), random_splats(600, (16, 16), (0.5, 3), 3, (0.005, 0.3), 2, seed=4)),
    "no Gaussians": ((20, 33), random_splats(0, (20, 33), seed=5)),
    "all off the picture": ((20, 33), random_splats(9, (20, 33), (0.5, 2), seed=6)),
    "smaller than a pixel": ((37, 50), random_splats(300, (37, 50), (0.2, 0.2), 1.2, seed=7)),
    "much larger than the picture": ((37, 50), random_splats(30, (37, 50), (200, 2000), 3, margin=500, seed=8)),
    "100 times longer than wide": ((37, 50), random_splats(40, (37, 50), (3, 10), 100, seed=9)),
    "300 times longer than wide": ((37, 50), random_splats(40, (37, 50), (3, 10), 300, seed=13)),
    "nearly opaque": ((37, 50), random_splats(60, (37, 50), (3, 8), amplitudes=(0.98, 0.99), seed=10)),
    "all invisible": ((20, 33), random_splats(30, (20, 33), (3, 8), amplitudes=(1e-6, 0.99 / 255), seed=11)),
    "barely visible": ((20, 33), random_splats(30, (20, 33), (3, 8), amplitudes=(1.2 / 255, 3 / 255), seed=12)),
}
ALPHA_SCENES["all off the picture"][1].means[:, 0] += 100
LIGHT = random_splats(80, (37, 50), seed=14)
SCENES: dict[Blending, dict[str, Scene]] = {
    "alpha": ALPHA_SCENES,
    # The same with amplitudes that are larger by as much as the cut-off is: they reach as far. And very uneven ones.
    "normalized": {
        **{
            name: (size, splats._replace(amplitudes=splats.amplitudes * 255 / 64))
            for name, (size, splats) in ALPHA_SCENES.items()
        },
        "amplitudes up to e**8": (
            (37, 50),
            LIGHT._replace(amplitudes=torch.linspace(-5, 8, 80, dtype=torch.float64).exp()),
        ),
    },
}
CASES = [(blending, scene) for blending in BLENDINGS for scene in SCENES[blending]]


def order_of(splats: Splats) -> NDArray[np.int64]:
    return np.random.default_rng(1).permutation(len(splats.means))


def rendered(
    splats: Splats,
    order: NDArray[Any] | torch.Tensor | None,
    size: tuple[int, int],
    blending: Blending,
    form: str,
    dtype: torch.dtype = torch.float64,
) -> Picture:
    inputs = (t.to(runtime.start(), dtype) for t in splats)
    picture: Picture = render(*inputs, order, size, blending, arch=form).permute(1, 2, 0).cpu().double().numpy()
    return picture


def reference(splats: Splats, order: NDArray[Any], size: tuple[int, int], blending: Blending = "alpha") -> Picture:
    rows = (t.numpy()[order] for t in splats[:4])
    return reference_decoder.render(*rows, background=splats.background.numpy(), image_size=size, blending=blending)


def jumps(splats: Splats, size: tuple[int, int], blending: Blending) -> NDArray[np.bool_]:
    """The pixels [H, W] that rounding may change visibly: only an alpha jumps at the cut-off."""
    return near_threshold(splats, size, 1e-6).numpy() if blending == "alpha" else np.zeros(size, np.bool_)


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-7)])
def test_picture_is_the_reference_decoders(
    blending: Blending, scene: str, form: str, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES[blending][scene]
    order = order_of(splats)
    found = rendered(splats, order, size, blending, form, dtype)
    error = np.abs(found - reference(splats, order, size, blending)).max(axis=2)
    assert error.shape == size
    near = jumps(splats, size, blending)
    assert near.mean() < 0.05
    assert error[~near].max() < tolerance
    assert error.max() < 1 / 255


@pytest.mark.parametrize("blending", BLENDINGS)
def test_scenes_show_what_they_say(blending: Blending) -> None:
    def is_background(scene: str) -> NDArray[np.bool_]:
        size, splats = SCENES[blending][scene]
        picture = reference(splats, order_of(splats), size, blending)
        return np.isclose(picture, splats.background.numpy(), rtol=0, atol=1e-15).all(axis=2)

    for scene in SCENES[blending]:
        hidden = scene in ("no Gaussians", "all off the picture", "all invisible")
        assert is_background(scene).all() == hidden
    assert 0 < is_background("smaller than a pixel").mean() < 1


def test_a_pixel_by_hand(form: str) -> None:
    splats = splats_of([[0.5, 0.5, 1, 1, 0, 0, 0.5], [0.5, 0.5, 2, 0, 1, 0, 0.25]], [0, 0, 1])
    for order, expected in (([0, 1], [0.5, 0.125, 0.375]), ([1, 0], [0.375, 0.25, 0.375])):
        picture = rendered(splats, np.array(order), (1, 3), "alpha", form)
        np.testing.assert_allclose(picture[0, 0], expected, atol=1e-7)
    alphas = 0.5 * np.exp(-2.0), 0.25 * np.exp(-0.5)
    expected = [(1 - alphas[1]) * alphas[0], alphas[1], (1 - alphas[0]) * (1 - alphas[1])]
    np.testing.assert_allclose(picture[0, 2], expected, atol=1e-7)


def test_a_normalized_pixel_by_hand(form: str) -> None:
    # Weights of 31/64 and 15/64 at the first pixel, and 4/64 of a blue background.
    splats = splats_of([[0.5, 0.5, 1, 1, 0, 0, 0.5], [0.5, 0.5, 2, 0, 1, 0, 0.25]], [0, 0, 1])
    picture = rendered(splats, np.array([0, 1]), (1, 30), "normalized", form)
    np.testing.assert_allclose(picture[0, 0], [0.62, 0.3, 0.08], atol=1e-7)
    weights = np.array([0.5 * np.exp(-2.0) - 1 / 64, 0.25 * np.exp(-0.5) - 1 / 64, 1 / 16])
    np.testing.assert_allclose(picture[0, 2], weights / weights.sum(), atol=1e-7)
    np.testing.assert_array_equal(picture[0, 29], [0, 0, 1])


@pytest.mark.parametrize("blending", BLENDINGS)
def test_a_weight_below_the_cutoff_counts_as_zero(form: str, blending: Blending) -> None:
    cutoff = CUTOFFS[blending]
    for amplitude, visible in ((0.999 * cutoff, False), (1.001 * cutoff, True)):
        splats = splats_of([[8.5, 8.5, 3, 1, 1, 1, amplitude]], [0, 0, 0])
        picture = rendered(splats, np.array([0]), (17, 17), blending, form, torch.float32)
        assert (np.argwhere(picture[..., 0]).tolist() == [[8, 8]]) == visible
        weight = amplitude - cutoff
        share = amplitude if blending == "alpha" else weight / (weight + 1 / 16)
        assert picture.max() == (pytest.approx(share, rel=1e-5, abs=1e-7) if visible else 0)


def test_a_normalized_picture_is_continuous(form: str) -> None:
    """Amplitudes from just below the cut-off to just above it, in steps of 1 part in 10,000."""
    pictures = [
        rendered(
            splats_of([[8.5, 8.5, 3, 1, 1, 1, (1 + 1e-4 * k) / 64]], [0, 0, 0]),
            np.array([0]),
            (17, 17),
            "normalized",
            form,
            torch.float32,
        )
        for k in range(-10, 11)
    ]
    steps = np.diff(pictures, axis=0)
    assert steps.min() >= 0
    # Weights grow by 1e-4 / 64, of 1/16.
    assert steps.max() == pytest.approx(1e-4 / 4, rel=0.01)


@pytest.mark.parametrize("order", [np.arange(60), np.arange(60)[::-1], order_of(ALPHA_SCENES["whole tiles"][1])])
def test_any_order_is_honoured(order: NDArray[Any], form: str) -> None:
    size, splats = ALPHA_SCENES["whole tiles"]
    picture = rendered(splats, order, size, "alpha", form)
    np.testing.assert_allclose(picture, reference(splats, order, size), atol=1e-7)
    assert np.abs(picture - reference(splats, np.roll(order, 1), size)).max() > 0.002


def test_normalized_blending_needs_no_order(form: str) -> None:
    size, splats = SCENES["normalized"]["whole tiles"]
    forwards, backwards = (rendered(splats, np.arange(60)[::k], size, "normalized", form) for k in (1, -1))
    np.testing.assert_allclose(forwards, backwards, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(rendered(splats, None, size, "normalized", form), forwards)


def test_an_order_is_an_array_a_tensor_or_left_out(form: str) -> None:
    size, splats = ALPHA_SCENES["whole tiles"]
    order = order_of(splats)
    tensor = torch.from_numpy(order).to(runtime.start())
    by_array, by_tensor = (rendered(splats, one, size, "alpha", form) for one in (order, tensor))
    np.testing.assert_array_equal(by_array, by_tensor)
    sorted_splats = Splats(*(t[order] for t in splats[:4]), splats.background)
    np.testing.assert_array_equal(by_array, rendered(sorted_splats, None, size, "alpha", form))


@pytest.mark.parametrize(("blending", "scene"), CASES)
def test_twin_is_the_reference_decoder(blending: Blending, scene: str) -> None:
    size, splats = SCENES[blending][scene]
    order = order_of(splats)
    twin = render_densely(splats, order, size, blending).permute(1, 2, 0)
    # The matrix exponential of a thin Gaussian loses some digits.
    np.testing.assert_allclose(twin, reference(splats, order, size, blending), atol=1e-9)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_gaussians_as_thin_as_a_file_can_hold(form: str, blending: Blending) -> None:
    """No rounding error makes a weight larger than its amplitude, and nothing overflows."""
    generator = np.random.default_rng(0)
    size, num_gaussians = (24, 24), 300
    for reach in (6, 16, 32):
        shapes = torch.from_numpy(generator.uniform(-reach, reach, (num_gaussians, 3)))
        splats = random_splats(num_gaussians, size)._replace(log_covariances=shapes)
        if blending == "normalized":
            amplitudes = torch.from_numpy(np.exp(generator.uniform(-8, 8, num_gaussians)))
            splats = splats._replace(amplitudes=amplitudes)
        ours = splats.leaves(torch.float32, runtime.start())
        picture = render(*ours, np.arange(num_gaussians), size, blending, arch=form)
        assert float(picture.detach().min()) >= 0
        assert float(picture.detach().max()) <= 1
        if reach == 6:  # up to 5000 times longer than wide
            found = picture.detach().permute(1, 2, 0).cpu().numpy()
            error = np.abs(found - reference(splats, np.arange(num_gaussians), size, blending)).max(axis=2)
            near = jumps(splats, size, blending)
            assert near.mean() < 0.2
            assert float(error[~near].max()) < 1e-4
        for gradient in gradients(ours, picture, torch.ones(3, *size)):
            assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("blending", BLENDINGS)
def test_decoders_pixels(blending: Blending) -> None:
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    arrays = (t.numpy().astype(np.float32) for t in splats)
    pixels = rasterize(Gaussians(*arrays, image_size=size, blending=blending))
    assert (pixels.shape, pixels.dtype) == ((*size, 3), np.uint8)
    exact = 255 * reference(splats, np.arange(60), size, blending).clip(0, 1)
    assert np.abs(pixels - exact)[~jumps(splats, size, blending)].max() < 0.51


# Gradients.


def gradients(splats: Splats, picture: torch.Tensor, grad: torch.Tensor) -> list[torch.Tensor]:
    picture.backward(grad.to(picture))
    return splats.gradients()


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_gradients_are_those_of_pytorch(
    blending: Blending, scene: str, form: str, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES[blending][scene]
    order = order_of(splats)
    grad = torch.randn(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grad *= ~near_threshold(splats, size, 1e-6, blending)
    ours, exact = splats.leaves(dtype, runtime.start()), splats.leaves(torch.float64)
    found = gradients(ours, render(*ours, order, size, blending, arch=form), grad)
    expected = gradients(exact, render_densely(exact, order, size, blending), grad)
    if len(splats.means) == 0:
        found, expected = found[-1:], expected[-1:]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_squared_error_and_its_gradients_are_those_of_pytorch(
    blending: Blending, scene: str, form: str, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES[blending][scene]
    order = order_of(splats)
    ours, exact = splats.leaves(dtype, runtime.start()), splats.leaves(torch.float64)
    picture = render_densely(exact, order, size, blending)
    target = torch.rand(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # Where rounding may change a pixel there is no error, and so no gradient.
    target = torch.where(near_threshold(splats, size, 1e-6, blending), picture.detach(), target)
    expected_error = (picture - target).square().sum()
    (3.0 * expected_error).backward()
    error = squared_error(*ours, order, target.to(ours[0]), blending, arch=form)
    (3.0 * error).backward()
    assert (error.shape, error.dtype) == ((), dtype)
    assert float(error.detach()) == pytest.approx(float(expected_error.detach()), rel=tolerance)
    found, expected = ours.gradients(), exact.gradients()
    if len(splats.means) == 0:
        found, expected = found[-1:], expected[-1:]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


def test_squared_error_takes_any_view_of_the_target_and_gives_it_no_gradient(form: str) -> None:
    size, splats = SCENES["normalized"]["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    target = torch.rand(3, *size, generator=torch.Generator().manual_seed(0)).to(runtime.start())
    view = target.permute(2, 1, 0).contiguous().permute(2, 1, 0).requires_grad_()
    assert not view.is_contiguous()
    errors = [squared_error(*ours, None, one, "normalized", arch=form) for one in (target, view)]
    assert torch.equal(*errors)
    errors[1].backward()
    assert view.grad is None


@pytest.mark.parametrize("blending", BLENDINGS)
def test_gradcheck(form: str, blending: Blending) -> None:
    # Everywhere visible and by far: no step of finite differences takes a Gaussian across the cut-off.
    size = (5, 18)
    splats = random_splats(4, size, scales=(10, 15), anisotropy=1.5, amplitudes=(0.3, 0.9), margin=2)
    assert not near_threshold(splats, size, 0.1, blending).any()
    leaves = splats.leaves(torch.float64, runtime.start())
    order = np.array([2, 0, 3, 1])
    assert torch.autograd.gradcheck(
        lambda *inputs: render(*inputs, order, size, blending, arch=form),
        tuple(leaves),
        eps=1e-5,
        atol=1e-6,
        rtol=1e-5,
    )


@pytest.mark.parametrize("blending", BLENDINGS)
def test_gradcheck_with_gaussians_that_end_in_the_picture(form: str, blending: Blending) -> None:
    size = (17, 18)
    splats = random_splats(3, size, scales=(1.5, 3), margin=0, seed=12)
    assert not near_threshold(splats, size, 1e-3, blending).any()
    leaves = splats.leaves(torch.float64, runtime.start())
    order = np.array([2, 0, 1])
    # Summed with random weights: one output instead of 918.
    weights = torch.randn(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = weights.to(runtime.start())
    assert torch.autograd.gradcheck(
        lambda *inputs: (render(*inputs, order, size, blending, arch=form) * weights).sum(),
        tuple(leaves),
        eps=1e-5,
        atol=1e-6,
        rtol=1e-5,
    )


def test_only_what_asks_gets_gradients(form: str) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    whole = gradients(ours, render(*ours, order_of(splats), size, "alpha", arch=form), torch.ones(3, *size))
    ours = splats.leaves(torch.float32, runtime.start())
    for tensor in (ours.means, ours.amplitudes, ours.background):
        tensor.requires_grad_(False)
    some = gradients(ours, render(*ours, order_of(splats), size, "alpha", arch=form), torch.ones(3, *size))
    assert [t.grad is not None for t in ours] == [False, True, True, False, False]
    for one, other in zip(some, whole[1:3], strict=True):
        assert torch.equal(one, other)


def test_inputs_that_are_not_contiguous(form: str) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    views = splats.leaves(torch.float32, runtime.start())
    order, ones = order_of(splats), torch.ones(3, *size)
    transposed = [t.T.contiguous().T if t.ndim == 2 else t for t in views]
    assert not transposed[0].is_contiguous()
    # The picture's gradient is not contiguous either.
    expected = gradients(ours, render(*ours, order, size, "alpha", arch=form), ones)
    found = gradients(
        views, render(*transposed, order, size, "alpha", arch=form), ones.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_gradients_add_up_and_can_be_taken_once(form: str) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    ours = splats.leaves(torch.float32, runtime.start())
    order, ones = order_of(splats), torch.ones(3, *size, device=runtime.start())
    once = gradients(ours, render(*ours, order, size, "alpha", arch=form), ones)
    once = [t.clone() for t in once]
    twice = gradients(ours, render(*ours, order, size, "alpha", arch=form), ones)
    for one, other in zip(once, twice, strict=True):
        assert torch.equal(2 * one, other)
    (first,) = torch.autograd.grad(render(*ours, order, size, "alpha", arch=form).sum(), ours.means, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        first.sum().backward()


def test_an_integer_or_half_tensor_is_refused(form: str) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    for dtype in (torch.float16, torch.int32):
        with pytest.raises(KeyError):
            rendered(splats, order_of(splats), size, "alpha", form, dtype)


# What a Gaussian is worth.


def errors_by_removing(splats: Splats, order: NDArray[Any], target: Picture, blending: Blending) -> NDArray[np.float64]:
    """The changes [N] of the squared error to a target [H, W, 3], by drawing the picture without each Gaussian."""
    size, n = target.shape[:2], len(order)

    def squared_error(rows: NDArray[Any]) -> float:
        rest = Splats(*(t[rows] for t in splats[:4]), splats.background)
        return float(((reference(rest, np.arange(len(rows)), size, blending) - target) ** 2).sum())

    whole = squared_error(order)
    return np.array([squared_error(order[order != i]) - whole for i in range(n)])


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_removal_errors_are_those_of_removing(
    blending: Blending, scene: str, form: str, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES[blending][scene]
    splats = Splats(*(t[:40] for t in splats))
    order = order_of(splats)
    target = np.random.default_rng(5).uniform(0, 1, (*size, 3))
    inputs = splats.leaves(dtype, runtime.start())
    planes = torch.from_numpy(target).permute(2, 0, 1).to(inputs[0])
    found = removal_errors(*inputs, order, planes, blending, arch=form)
    assert (found.shape, found.dtype, found.device) == ((len(order),), dtype, inputs[0].device)
    assert not found.requires_grad
    expected = errors_by_removing(splats, order, target, blending)
    visible = "no Gaussians", "all off the picture", "all invisible"
    assert (np.abs(expected).max(initial=0) > 1e-3) == (scene not in visible)
    scale = np.abs(expected).max(initial=1e-3)
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_removal_errors_by_hand(blending: Blending) -> None:
    """One pixel, two Gaussians: white in front of black, over grey, where the picture should be white."""
    splats = splats_of([[0.5, 0.5, 3, 1, 1, 1, 0.5], [0.5, 0.5, 3, 0, 0, 0, 0.25]], [0.5, 0.5, 0.5])
    inputs = (t.to(runtime.start()) for t in splats)
    target = torch.ones(3, 1, 1, dtype=torch.float64, device=runtime.start())
    found = removal_errors(*inputs, np.array([0, 1]), target, blending).cpu().numpy()
    if blending == "alpha":
        both, black, white = 0.5 + 0.5 * 0.75 * 0.5, 0.75 * 0.5, 0.5 + 0.5 * 0.5
    else:
        # In 64ths: 31 of the white Gaussian, 15 of the black one, 4 of the background.
        both, black, white = (31 + 2) / 50, 2 / 19, (31 + 2) / 35
    expected = [3 * (black - 1) ** 2 - 3 * (both - 1) ** 2, 3 * (white - 1) ** 2 - 3 * (both - 1) ** 2]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# What CUDA waits for.


@pytest.mark.parametrize("blending", BLENDINGS)
def test_the_cuda_form_reads_one_number_back(blending: Blending) -> None:
    """And no operation copies to another device, or has a result whose size depends on the values in a tensor."""
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    leaves = splats.leaves(torch.float32, runtime.start())
    order = torch.from_numpy(order_of(splats)).to(leaves.means.device)
    target = torch.zeros(3, *size, device=leaves.means.device)
    for order_given in (order, None):
        with Operations() as whole:
            picture = render(*leaves, order_given, size, blending, arch="cuda")
        with Operations() as backward:
            picture.backward(torch.ones_like(picture))
        with Operations() as removal:
            removal_errors(*leaves, order_given, target, blending, arch="cuda")
        assert whole.waiting() == ["_local_scalar_dense"]
        assert removal.waiting() == ["_local_scalar_dense"]
        assert len(backward.names) > 10
        assert backward.waiting() == []


@pytest.mark.parametrize("blending", BLENDINGS)
def test_with_a_capacity_the_cuda_form_reads_it_once_in_a_while(blending: Blending) -> None:
    """And has the same picture, error and gradients, bit by bit."""
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    device = runtime.start()
    order, target = torch.from_numpy(order_of(splats)).to(device), torch.full((3, *size), 0.3, device=device)

    def results(leaves: Splats, capacity: PairCapacity | None, *, drawing: bool) -> list[torch.Tensor]:
        if drawing:
            image = render(*leaves, order, size, blending, "cuda", capacity)
            image.backward(image.detach() - target)
        else:
            image = squared_error(*leaves, order, target, blending, "cuda", capacity)
            image.backward()
        return [image.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    for drawing in (False, True):
        capacity, counted = PairCapacity(), []
        expected = results(splats.leaves(torch.float32, device), None, drawing=drawing)
        assert len(expected) == 6
        for _ in range(2 * COUNT_EVERY):
            leaves = splats.leaves(torch.float32, device)
            with Operations() as operations:
                found = results(leaves, capacity, drawing=drawing)
            counted.append(operations.waiting())
            for one, other in zip(found, expected, strict=True):
                assert one.isfinite().all()
                assert torch.equal(one, other)
        assert counted == 2 * [["_local_scalar_dense"], *([[]] * (COUNT_EVERY - 1))]


# The same bits every time.


@pytest.mark.parametrize("blending", BLENDINGS)
def test_pixels_and_gradients_are_the_same_in_every_run(form: str, blending: Blending) -> None:
    size, splats = SCENES[blending]["600 in one tile"]
    order = order_of(splats)
    grad = torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    runs = []
    for _ in range(4):
        ours = splats.leaves(torch.float32, runtime.start())
        picture = render(*ours, order, size, blending, arch=form)
        runs.append([picture.detach(), *gradients(ours, picture, grad)])
    for run in runs[1:]:
        for one, other in zip(run, runs[0], strict=True):
            assert torch.equal(one, other)


SCRIPT = """
import hashlib, itertools, json, sys
sys.path.insert(0, sys.argv[2])
from taichi_gs.kernels import runtime
runtime.start("cpu")
import taichi, torch
from twins import random_splats
from taichi_gs.render import removal_errors, render
size = (83, 121)
splats = random_splats(300, size)
order = torch.arange(300).numpy()
hashes = {}
for blending, form in itertools.product(("alpha", "normalized"), ("cpu", "cuda")):
    leaves = splats.leaves(torch.float32)
    picture = render(*leaves, order, size, blending, arch=form)
    picture.square().sum().backward()
    errors = removal_errors(*leaves, order, torch.zeros(3, *size), blending)
    arrays = [picture.detach(), *(t.grad for t in leaves), errors]
    hashes[f"{blending} {form}"] = [hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest() for t in arrays]
print(json.dumps({"threads": taichi.cfg.cpu_max_num_threads, "hashes": hashes}))
"""


def test_any_number_of_threads_computes_the_same_bits(
    python: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    results = []
    for num_threads in (1, 2):
        monkeypatch.setenv("TI_CPU_MAX_NUM_THREADS", str(num_threads))
        result = python("-c", SCRIPT, str(num_threads), str(request.path.parent))
        assert result.stderr == ""
        results.append(json.loads(result.stdout))
    assert [result["threads"] for result in results] == [1, 2]
    assert results[0]["hashes"] == results[1]["hashes"]
    assert {len(set(hashes)) for hashes in results[0]["hashes"].values()} == {7}
