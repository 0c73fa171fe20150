"""Gradients by a fit's parameters, from those by splats, against what autograd makes of them."""

from __future__ import annotations

import pytest
import torch
from small_fits import in_order, noise, random_parameters
from torch import Tensor

from taichi_gs.fit.chain_rule import ChainRule
from taichi_gs.fit.parameters import Parameters
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.splats import SplatGradients
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form
from taichi_gs.model.blending import Blending

FULL_SIZE = (40, 48)

pytestmark = pytest.mark.parametrize("blending", ["alpha", "normalized"])


def by_autograd(parameters: Parameters, by_splats: SplatGradients, image_size: tuple[int, int]) -> tuple[Tensor, ...]:
    leaves = parameters.leaves()
    drawn = leaves.splats(FULL_SIZE, image_size).tensors
    return torch.autograd.grad(drawn, list(leaves.tensors.values()), by_splats.tensors)


def check(found: SplatGradients, expected: tuple[Tensor, ...], factor: float) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, factor * other, rtol=1e-4, atol=1e-6 * factor * float(other.abs().max()))


@pytest.mark.parametrize("image_size", [FULL_SIZE, (13, 60)])
def test_it_is_what_autograd_does(image_size: tuple[int, int], blending: Blending) -> None:
    parameters = random_parameters(25, FULL_SIZE, blending)
    generator = torch.Generator().manual_seed(1)
    rows, background = torch.randn(25, 9, generator=generator), torch.randn(3, generator=generator)
    by_splats = SplatGradients.of_rows(rows.to(parameters.means), background.to(parameters.means))
    found = ChainRule(FULL_SIZE, image_size, 0.3).apply(by_splats, parameters.amplitudes, blending)
    check(found, by_autograd(parameters, by_splats, image_size), 0.3)


@pytest.mark.parametrize("form", ["cpu", "gpu"])
@pytest.mark.parametrize("image_size", [FULL_SIZE, (20, 24), (13, 60)])
def test_the_cost_goes_on_to_parameters(form: Form, image_size: tuple[int, int], blending: Blending) -> None:
    if form == "cpu" and runtime.start() != "cpu":
        pytest.skip("Taichi runs on a GPU in this process")
    parameters = in_order(random_parameters(25, FULL_SIZE, blending), torch.randperm(25).tolist())
    splats, picture = parameters.splats(FULL_SIZE, image_size), noise(*image_size)
    by_splats = Renderer(form).cost(splats, picture, importances=(1.0, 0.5))
    found = Renderer(form).cost(splats, picture, importances=(1.0, 0.5), rule=ChainRule(FULL_SIZE, image_size, 0.3))
    assert torch.equal(found.cost, by_splats.cost)
    check(found.gradients, by_autograd(parameters, by_splats.gradients, image_size), 0.3)
    assert [len(t) for t in found.gradients] == [25, 25, 25, 3]
    assert parameters.named(found.gradients).keys() == parameters.tensors.keys()
