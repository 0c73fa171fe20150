"""The kernel that gathers gradients: sums over pairs, and the chain rule of the projection."""

import numpy as np
import pytest
import torch
from kernel_inputs import AMPLITUDES, BLENDINGS, SHAPES, projected

from taichi_gs.kernels.dispatch import DTYPES
from taichi_gs.kernels.gradients import make_gather
from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import Blending

pytestmark = pytest.mark.usefixtures("device")


def exact_projection(log_covariances: torch.Tensor, amplitudes: torch.Tensor) -> torch.Tensor:
    """The conics [N, 4] by PyTorch in float64, differentiable also where the Gaussian is round."""
    m, u, v = log_covariances.unbind(dim=1)
    logarithms = torch.stack([torch.stack([m + u, v], 1), torch.stack([v, m - u], 1)], dim=1)
    factors = torch.linalg.cholesky(torch.linalg.matrix_exp(-logarithms) * (np.log2(np.e) / 2)).mT
    return torch.stack([factors[:, 0, 0], factors[:, 0, 1], factors[:, 1, 1], amplitudes.log2()], dim=1)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-5)])
def test_gradients_of_the_projection(dtype: torch.dtype, tolerance: float, blending: Blending, device: str) -> None:
    inputs = (SHAPES, AMPLITUDES[blending])
    grad = torch.randn(len(SHAPES), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = [torch.from_numpy(a).requires_grad_() for a in inputs]
    exact_projection(*exact).backward(grad)

    # One pair for each Gaussian, whose gradient is `grad` by its conic.
    log_covariances, amplitudes = (torch.from_numpy(a).to(device, dtype) for a in inputs)
    count = len(SHAPES)
    pairs, grads = torch.zeros(count, 9, device=device, dtype=dtype), torch.empty(count, 9, device=device, dtype=dtype)
    pairs[:, 2:6] = grad.to(pairs)
    conics = torch.from_numpy(projected(*(a.astype(str(dtype).removeprefix("torch.")) for a in inputs), blending)[0])
    ranks = torch.arange(count + 1, dtype=torch.int32, device=device)
    lists = (ranks[:-1], ranks, ranks[:-1])
    gather = make_gather(DTYPES[str(dtype).removeprefix("torch.")])
    gather(pairs, *lists, log_covariances, amplitudes, conics.to(device), grads)
    for found, other in zip((grads[:, 2:5], grads[:, 8]), exact, strict=True):
        assert other.grad is not None
        scale = other.grad.reshape(count, -1).abs().amax(dim=1).clamp_min(1e-3)
        error = (found.cpu() - other.grad).reshape(count, -1).abs().amax(dim=1)
        assert float((error / scale).max()) < tolerance


def test_sums_of_pairs(device: str) -> None:
    """Gaussian 2 is first and has two pairs, 0 has none, 1 has one. Conics show by their products with gradients."""
    pairs = torch.arange(27.0, device=device).reshape(3, 9)
    lists = ([2, 0, 1], [0, 2, 2, 3], [2, 0, 1])
    order, rank_offsets, rank_pairs = (torch.tensor(a, dtype=torch.int32, device=device) for a in lists)
    log_covariances, amplitudes = torch.zeros(3, 3, device=device), torch.ones(3, device=device)
    conics, grads = torch.ones(3, 4, device=device), torch.full((3, 9), np.nan, device=device)
    gather = make_gather(ti.f32)
    gather(pairs, order, rank_offsets, rank_pairs, log_covariances, amplitudes, conics, grads)
    sums = torch.stack([torch.zeros(9), torch.arange(9.0, 18), 2 * torch.arange(9.0) + 18])
    torch.testing.assert_close(grads[:, :2].cpu(), sums[:, :2])
    torch.testing.assert_close(grads[:, 2].cpu(), -0.5 * sums[:, 2:5].sum(dim=1))
    torch.testing.assert_close(grads[:, 5:8].cpu(), sums[:, 6:])
    torch.testing.assert_close(grads[:, 8].cpu(), sums[:, 5] / np.log(2))
