"""The decoder's projection, against eigenvectors and against the kernel that the fit differentiates."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from twins import CUTOFFS

from taichi_gs.decoder.projection import project
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

BLENDINGS: list[Blending] = ["alpha", "normalized"]

# m, u, v: round, nearly round, along x, y and the diagonals, and any.
SHAPES = np.array(
    [
        *([m, 0, 0] for m in (-4, 0, 2, 10)),
        *([1, u, v] for u, v in np.random.default_rng(0).normal(0, 1e-4, (10, 2))),
        *([2, r * np.cos(t), r * np.sin(t)] for r in (0.3, 2, 4.6) for t in np.arange(-4, 4) * np.pi / 4),
        *np.random.default_rng(1).normal(0, 2, (30, 3)),
    ],
    dtype=np.float32,
)
AMPLITUDES = {
    "alpha": np.random.default_rng(2).uniform(0.01, 0.99, len(SHAPES)).astype(np.float32),
    "normalized": np.exp(np.random.default_rng(3).uniform(-4, 8, len(SHAPES))).astype(np.float32),
}


def eigen(log_covariances: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of the eigenvalues [N, 2] of covariances, and eigenvectors [N, 2, 2]."""
    m, u, v = log_covariances.astype(np.float64).T
    values, vectors = np.linalg.eigh(np.stack([np.stack([m + u, v], -1), np.stack([v, m - u], -1)], -2))
    return values, vectors


@pytest.mark.parametrize("blending", BLENDINGS)
def test_conics_are_cholesky_factors_of_the_inverse(blending: Blending) -> None:
    conics, _ = project(SHAPES, AMPLITUDES[blending], blending)
    assert conics.dtype == np.float32
    values, vectors = eigen(SHAPES)
    inverses = np.einsum("nij,nj,nkj->nik", vectors, np.exp(-values), vectors) * (np.log2(np.e) / 2)
    lower = np.linalg.cholesky(inverses)
    expected = np.stack([lower[:, 0, 0], lower[:, 1, 0], lower[:, 1, 1], np.log2(AMPLITUDES[blending])], axis=1)
    sizes = np.hypot(expected[:, 0], expected[:, 1])
    np.testing.assert_allclose(conics[:, :2] / sizes[:, None], expected[:, :2] / sizes[:, None], atol=2e-7)
    np.testing.assert_allclose(conics[:, 2:], expected[:, 2:], rtol=2e-7)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_extents_are_where_weights_fall_to_the_cutoff(blending: Blending) -> None:
    _, extents = project(SHAPES, AMPLITUDES[blending], blending)
    values, vectors = eigen(SHAPES)
    variances = np.einsum("nij,nj,nij->ni", vectors, np.exp(values), vectors)
    reaches = 2 * np.log(AMPLITUDES[blending].astype(np.float64) / CUTOFFS[blending])
    np.testing.assert_allclose(extents, np.sqrt(reaches[:, None] * variances), rtol=2e-7)
    assert extents.dtype == np.float32


@pytest.mark.parametrize("blending", BLENDINGS)
def test_gaussians_that_nobody_sees_have_negative_extents(blending: Blending) -> None:
    amplitudes = np.array([0.999 * CUTOFFS[blending], 1.001 * CUTOFFS[blending], 0], np.float32)
    _, extents = project(np.zeros((3, 3), np.float32), amplitudes, blending)
    assert np.sign(extents).tolist() == [[-1, -1], [1, 1], [-1, -1]]


def test_the_thinnest_and_largest_that_a_file_can_hold() -> None:
    shapes = np.array(list(product((-32, 32), (-32, 0, 32), (-32, 0, 32))), np.float32)
    conics, extents = project(shapes, np.full(len(shapes), 0.5, np.float32), "alpha")
    assert np.isfinite(conics).all()
    assert np.isfinite(extents).all()
    # The determinant of the inverse covariance is exp(-2 m), however thin.
    determinants = (conics[:, 0].astype(np.float64) * conics[:, 2]) ** 2 / (np.log2(np.e) / 2) ** 2
    np.testing.assert_allclose(np.log(determinants), -2 * shapes[:, 0], rtol=1e-6)


def test_no_gaussians() -> None:
    conics, extents = project(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), "alpha")
    assert (conics.shape, extents.shape) == ((0, 4), (0, 2))


@pytest.mark.parametrize("blending", BLENDINGS)
def test_the_kernel_of_the_fit_computes_the_same(blending: Blending) -> None:
    runtime.start()
    from taichi_gs.kernels.dispatch import DTYPES
    from taichi_gs.kernels.projection import make_project

    amplitudes = AMPLITUDES[blending].copy()
    amplitudes[::7] = 0.9 * CUTOFFS[blending]
    expected = np.empty((len(SHAPES), 4), np.float32), np.empty((len(SHAPES), 2), np.float32)
    make_project(DTYPES["float32"], blending)(SHAPES, amplitudes, *expected)
    conics, extents = project(SHAPES, amplitudes, blending)
    visible = (extents > 0).all(axis=1)
    np.testing.assert_array_equal(visible, (expected[1] > 0).all(axis=1))
    np.testing.assert_allclose(conics, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(extents[visible], expected[1][visible], rtol=1e-5)
