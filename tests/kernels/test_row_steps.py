"""Weights that follow from those of the rows above, of Gaussians of all shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from render_scenes import drawable
from twins import Splats, render_densely

from taichi_gs.fit.render import Renderer
from taichi_gs.kernels import runtime

SIZE = (40, 56)


def shaped(seed: int) -> Splats:
    """One Gaussian: round or up to e^6 times as long as thick, less than a pixel or many tiles large."""
    rng = np.random.default_rng(seed)
    angle, anisotropy = rng.uniform(0, 2 * np.pi), rng.uniform(0, 6)
    shape = [rng.uniform(-2.5, 9), anisotropy * np.cos(angle), anisotropy * np.sin(angle)]
    tensors = ([rng.uniform(0, SIZE[::-1])], [shape], [rng.uniform(0.1, 1, 3)], [2.0 ** rng.uniform(-8, 16)])
    return Splats(*(torch.tensor(np.array(t), dtype=torch.float64) for t in (*tensors, [0.1, 0.9, 0.4])))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float64, 1e-4)])
def test_they_are_those_of_exponentials(dtype: torch.dtype, tolerance: float) -> None:
    """By the squared error and its gradients, which tell each pixel's error, against PyTorch."""
    picture = torch.rand(3, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    device, seen = runtime.start(), 0
    for seed in range(120):
        splats = shaped(seed)
        ours, exact = splats.leaves(dtype, device), splats.leaves(torch.float64)
        expected = (render_densely(exact, np.array([0]), SIZE, "normalized") - picture).square().sum()
        expected.backward()
        form = "cpu" if device == "cpu" else "gpu"
        found = Renderer(form).cost(drawable(ours, None, "normalized"), picture.to(ours.means))
        assert float(found.cost) == pytest.approx(float(expected.detach()), rel=1e-5)
        for one, other in zip(found.gradients.tensors, exact.gradients(), strict=True):
            # In single precision, gradients that are sums of much larger numbers are known to fewer digits.
            rounding = 2e-3 if dtype == torch.float32 else 0.0
            atol = tolerance * float(other.abs().max()) + rounding
            torch.testing.assert_close(one.cpu().double(), other, rtol=0, atol=atol)
        seen += float(exact.gradients()[2].abs().max()) > 1.0
    assert seen > 60
