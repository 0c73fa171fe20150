"""What the renderer says that a Gaussian is worth, against drawing the picture without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from render_scenes import BLENDINGS, CASES, SCENES, UNSEEN, drawable, order_of, pixel_weights, splats_of
from torch import Tensor
from twins import Splats, render_densely

from taichi_gs.fit.render import Renderer
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form
from taichi_gs.model.blending import Blending


def errors_by_removing(
    splats: Splats, order: NDArray[Any], target: Tensor, weights: Tensor, blending: Blending
) -> NDArray[np.float64]:
    """The changes [N] of the weighted squared error to [3, H, W], by drawing the picture without each Gaussian."""
    size = (target.shape[1], target.shape[2])

    def squared_error(rows: NDArray[Any]) -> float:
        return float((weights * (render_densely(splats, rows, size, blending) - target).square()).sum())

    whole = squared_error(order)
    return np.array([squared_error(order[order != i]) - whole for i in range(len(order))])


@pytest.mark.parametrize(("blending", "scene"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_removal_errors_are_those_of_removing(
    blending: Blending, scene: str, form: Form, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES[blending][scene]
    splats = Splats(*(t[:40] for t in splats))
    order = order_of(splats)
    target = torch.rand(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    weights = pixel_weights(size)
    inputs = splats.leaves(dtype, runtime.start())
    compared = (target.to(inputs.means), weights.to(inputs.means))
    found = Renderer(form).removal_errors(drawable(inputs, order, blending), *compared)
    assert (found.shape, found.dtype, found.device) == ((len(order),), dtype, inputs.means.device)
    assert not found.requires_grad
    expected = errors_by_removing(splats, order, target, weights, blending)
    assert (np.abs(expected).max(initial=0) > 1e-3) == (scene not in UNSEEN)
    scale = np.abs(expected).max(initial=1e-3)
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_without_weights_all_pixels_count_alike(blending: Blending, form: Form) -> None:
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    inputs = drawable(splats.leaves(torch.float32, runtime.start()), order_of(splats), blending)
    target = torch.rand(3, *size, generator=torch.Generator().manual_seed(5)).to(runtime.start())
    errors = [
        Renderer(form).removal_errors(inputs, target, *weights) for weights in ((), (torch.ones_like(target[0]),))
    ]
    assert torch.equal(*errors)
    assert errors[0].any()


@pytest.mark.parametrize("weight", [1.0, 0.25])
@pytest.mark.parametrize("blending", BLENDINGS)
def test_removal_errors_by_hand(blending: Blending, form: Form, weight: float) -> None:
    """One pixel, two Gaussians: white in front of black, over grey, where the picture should be white."""
    splats = splats_of([[0.5, 0.5, 3, 1, 1, 1, 0.5], [0.5, 0.5, 3, 0, 0, 0, 0.25]], [0.5, 0.5, 0.5])
    inputs = Splats(*(t.to(runtime.start()) for t in splats))
    target = torch.ones(3, 1, 1, dtype=torch.float64, device=runtime.start())
    found = Renderer(form).removal_errors(drawable(inputs, np.array([0, 1]), blending), target, weight * target[0])
    if blending == "alpha":
        both, black, white = 0.5 + 0.5 * 0.75 * 0.5, 0.75 * 0.5, 0.5 + 0.5 * 0.5
    else:
        # In 64ths: 31 of the white Gaussian, 15 of the black one, 4 of the background.
        both, black, white = (31 + 2) / 50, 2 / 19, (31 + 2) / 35
    changes = [3 * (black - 1) ** 2 - 3 * (both - 1) ** 2, 3 * (white - 1) ** 2 - 3 * (both - 1) ** 2]
    np.testing.assert_allclose(found.cpu().numpy(), weight * np.array(changes), rtol=1e-6)
