"""The kernel that projects Gaussians: inverse covariances and extents."""

from typing import Any

import numpy as np
import pytest
from kernel_inputs import AMPLITUDES, BLENDINGS, SHAPES, projected
from numpy.typing import NDArray
from twins import CUTOFFS

from taichi_gs.model.blending import Blending

pytestmark = pytest.mark.usefixtures("device")


def covariances_of(log_covariances: NDArray[Any]) -> NDArray[np.float64]:
    """The matrix exponential [N, 2, 2], by eigenvectors."""
    m, u, v = log_covariances.astype(np.float64).T
    values, vectors = np.linalg.eigh(np.stack([np.stack([m + u, v], -1), np.stack([v, m - u], -1)], -2))
    return np.einsum("nij,nj,nkj->nik", vectors, np.exp(values), vectors)


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
