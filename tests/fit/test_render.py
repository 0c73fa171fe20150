"""Pictures of the renderer, in both forms of its kernels, against the reference decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from render_scenes import (
    ALPHA_SCENES,
    BLENDINGS,
    CASES,
    SCENES,
    UNSEEN,
    drawable,
    gradients,
    jumps,
    order_of,
    reference,
    rendered,
    splats_of,
)
from twins import CUTOFFS, Splats, random_splats, render_densely

from taichi_gs.decoder.draw import Layer, draw_layers
from taichi_gs.decoder.viewport import choose_viewport
from taichi_gs.fit.render import Renderer
from taichi_gs.format.limits import FORMAT_LIMITS
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form
from taichi_gs.model.blending import Blending
from taichi_gs.model.gaussians import Gaussians


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-7)])
def test_picture_is_the_reference_decoders(
    blending: Blending, scene: str, form: Form, dtype: torch.dtype, tolerance: float
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
        assert is_background(scene).all() == (scene in UNSEEN)
    assert 0 < is_background("smaller than a pixel").mean() < 1


def test_a_pixel_by_hand(form: Form) -> None:
    splats = splats_of([[0.5, 0.5, 1, 1, 0, 0, 0.5], [0.5, 0.5, 2, 0, 1, 0, 0.25]], [0, 0, 1])
    for order, expected in (([0, 1], [0.5, 0.125, 0.375]), ([1, 0], [0.375, 0.25, 0.375])):
        picture = rendered(splats, np.array(order), (1, 3), "alpha", form)
        np.testing.assert_allclose(picture[0, 0], expected, atol=1e-7)
    alphas = 0.5 * np.exp(-2.0), 0.25 * np.exp(-0.5)
    expected = [(1 - alphas[1]) * alphas[0], alphas[1], (1 - alphas[0]) * (1 - alphas[1])]
    np.testing.assert_allclose(picture[0, 2], expected, atol=1e-7)


def test_a_normalized_pixel_by_hand(form: Form) -> None:
    # Weights of 31/64 and 15/64 at the first pixel, and 4/64 of a blue background.
    splats = splats_of([[0.5, 0.5, 1, 1, 0, 0, 0.5], [0.5, 0.5, 2, 0, 1, 0, 0.25]], [0, 0, 1])
    picture = rendered(splats, np.array([0, 1]), (1, 30), "normalized", form)
    np.testing.assert_allclose(picture[0, 0], [0.62, 0.3, 0.08], atol=1e-7)
    weights = np.array([0.5 * np.exp(-2.0) - 1 / 64, 0.25 * np.exp(-0.5) - 1 / 64, 1 / 16])
    np.testing.assert_allclose(picture[0, 2], weights / weights.sum(), atol=1e-7)
    np.testing.assert_array_equal(picture[0, 29], [0, 0, 1])


@pytest.mark.parametrize("blending", BLENDINGS)
def test_a_weight_below_the_cutoff_counts_as_zero(form: Form, blending: Blending) -> None:
    cutoff = CUTOFFS[blending]
    for amplitude, visible in ((0.999 * cutoff, False), (1.001 * cutoff, True)):
        splats = splats_of([[8.5, 8.5, 3, 1, 1, 1, amplitude]], [0, 0, 0])
        picture = rendered(splats, np.array([0]), (17, 17), blending, form, torch.float32)
        assert (np.argwhere(picture[..., 0]).tolist() == [[8, 8]]) == visible
        weight = amplitude - cutoff
        share = amplitude if blending == "alpha" else weight / (weight + 1 / 16)
        assert picture.max() == (pytest.approx(share, rel=1e-5, abs=1e-7) if visible else 0)


def test_a_normalized_picture_is_continuous(form: Form) -> None:
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
def test_any_order_is_honoured(order: NDArray[Any], form: Form) -> None:
    size, splats = ALPHA_SCENES["whole tiles"]
    picture = rendered(splats, order, size, "alpha", form)
    np.testing.assert_allclose(picture, reference(splats, order, size), atol=1e-7)
    assert np.abs(picture - reference(splats, np.roll(order, 1), size)).max() > 0.002


def test_normalized_blending_needs_no_order(form: Form) -> None:
    size, splats = SCENES["normalized"]["whole tiles"]
    forwards, backwards = (rendered(splats, np.arange(60)[::k], size, "normalized", form) for k in (1, -1))
    np.testing.assert_allclose(forwards, backwards, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(rendered(splats, None, size, "normalized", form), forwards)


def test_an_order_is_an_array_a_tensor_or_left_out(form: Form) -> None:
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
def test_gaussians_as_thin_as_a_file_can_hold(form: Form, blending: Blending) -> None:
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
        picture = Renderer(form).render(drawable(ours, np.arange(num_gaussians), blending), size)
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


def test_an_integer_or_half_tensor_is_refused(form: Form) -> None:
    size, splats = ALPHA_SCENES["a narrow picture"]
    for dtype in (torch.float16, torch.int32):
        with pytest.raises(KeyError):
            rendered(splats, order_of(splats), size, "alpha", form, dtype)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_decoders_pixels(blending: Blending) -> None:
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    arrays = (t.numpy().astype(np.float32) for t in splats)
    gaussians = Gaussians(*arrays, image_size=size, blending=blending)
    pixels = draw_layers([Layer(gaussians)], [3], choose_viewport(size, limits=FORMAT_LIMITS), "auto")
    assert (pixels.shape, pixels.dtype) == ((*size, 3), np.uint8)
    exact = 255 * reference(splats, np.arange(60), size, blending).clip(0, 1)
    assert np.abs(pixels - exact)[~jumps(splats, size, blending)].max() < 0.51
