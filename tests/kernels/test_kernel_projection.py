"""The kernel that projects Gaussians: inverse covariances, extents and gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from kernel_inputs import BLENDINGS, projected
from numpy.typing import NDArray
from twins import CUTOFFS

from taichi_gs.kernels.dispatch import DTYPES
from taichi_gs.kernels.projection import make_project
from taichi_gs.model.blending import Blending

pytestmark = pytest.mark.usefixtures("device")


def covariances_of(log_covariances: NDArray[Any]) -> NDArray[np.float64]:
    """The matrix exponential [N, 2, 2], by eigenvectors."""
    m, u, v = log_covariances.astype(np.float64).T
    values, vectors = np.linalg.eigh(np.stack([np.stack([m + u, v], -1), np.stack([v, m - u], -1)], -2))
    return np.einsum("nij,nj,nkj->nik", vectors, np.exp(values), vectors)


# m, u, v: round, nearly round, along x, y, the diagonals, thin ones, very small and very large ones.
SHAPES = np.array(
    [
        *([m, 0, 0] for m in (-4, 0, 2, 10)),
        *([1, u, v] for u, v in np.random.default_rng(0).normal(0, 1e-4, (10, 2))),
        *([2, r * np.cos(t), r * np.sin(t)] for r in (0.3, 0.49, 0.51, 2, 4.6) for t in np.arange(-4, 4) * np.pi / 4),
        *np.random.default_rng(1).normal(0, 2, (30, 3)),
    ]
)
AMPLITUDES = {
    "alpha": np.random.default_rng(2).uniform(0.01, 0.99, len(SHAPES)),
    "normalized": np.exp(np.random.default_rng(3).uniform(-4, 8, len(SHAPES))),
}


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-7)])
def test_conics_are_the_inverse_covariance(dtype: type, tolerance: float, blending: Blending) -> None:
    amplitudes = AMPLITUDES[blending]
    conics, _ = projected(SHAPES.astype(dtype), amplitudes.astype(dtype), blending)
    factors = np.zeros((len(SHAPES), 2, 2))
    factors[:, 0, 0], factors[:, 0, 1], factors[:, 1, 1] = conics[:, :3].T.astype(np.float64)
    inverses = np.einsum("nki,nkj->nij", factors, factors) / (np.log2(np.e) / 2)
    # Inverse times covariance is the identity, up to the condition number.
    axes = np.exp(np.hypot(SHAPES[:, 1], SHAPES[:, 2]))
    error = np.abs(inverses @ covariances_of(SHAPES) - np.eye(2)).max(axis=(1, 2))
    assert (error / axes).max() < tolerance
    np.testing.assert_allclose(conics[:, 3], np.log2(amplitudes), rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-6), (np.float64, 1e-7)])
def test_extents_are_where_weights_fall_to_the_cutoff(dtype: type, tolerance: float, blending: Blending) -> None:
    amplitudes = AMPLITUDES[blending]
    _, extents = projected(SHAPES.astype(dtype), amplitudes.astype(dtype), blending)
    covariances = covariances_of(SHAPES)
    deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    reaches = np.sqrt(2 * np.log(amplitudes / CUTOFFS[blending]))
    expected = reaches[:, None] * deviations
    np.testing.assert_allclose(extents, expected, rtol=tolerance)
    # By brute force: of the points on the contour of that weight, the one farthest along either axis.
    turn = np.linspace(0, 2 * np.pi, 20001)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    for covariance, reach, extent in zip(covariances, reaches, extents, strict=True):
        contour = reach * np.linalg.cholesky(covariance) @ circle
        np.testing.assert_allclose(contour.max(axis=1), extent, rtol=1e-5)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_extents_of_invisible_gaussians_are_negative(blending: Blending) -> None:
    amplitudes = np.array([0.999 * CUTOFFS[blending], 1.001 * CUTOFFS[blending], 1e-9], np.float32)
    _, extents = projected(np.zeros((3, 3), np.float32), amplitudes, blending)
    assert np.sign(extents).tolist() == [[-1, -1], [1, 1], [-1, -1]]


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

    leaves = [torch.from_numpy(a).to(device, dtype).requires_grad_() for a in inputs]
    conics = torch.zeros(len(SHAPES), 4, dtype=dtype, device=device, requires_grad=True)
    extents = torch.zeros(len(SHAPES), 2, dtype=dtype, device=device)
    for leaf in leaves:
        leaf.grad = torch.zeros_like(leaf)
    conics.grad = grad.to(conics)
    make_project(DTYPES[str(dtype).removeprefix("torch.")], blending).grad(*leaves, conics, extents)
    for leaf, other in zip(leaves, exact, strict=True):
        assert leaf.grad is not None
        assert other.grad is not None
        scale = other.grad.reshape(len(SHAPES), -1).abs().amax(dim=1).clamp_min(1e-3)
        error = (leaf.grad.cpu() - other.grad).reshape(len(SHAPES), -1).abs().amax(dim=1)
        assert float((error / scale).max()) < tolerance
