"""The float picture: its shapes, and its covariances against the paper's factors."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from taichi_gs.model.blending import BACKGROUND_WEIGHT, CUTOFFS, MAX_OPACITY
from taichi_gs.model.gaussians import Gaussians


def from_factors(scales: NDArray[np.float32], rotations: NDArray[np.float32]) -> Gaussians:
    """Gaussians whose covariances are R S S^T R^T (paper eq. 2, 3), by the formulas of the package's conventions."""
    generator = np.random.default_rng(0)
    n = len(scales)
    logarithms = np.log(scales.astype(np.float64))
    m, difference = logarithms.sum(axis=1), logarithms[:, 0] - logarithms[:, 1]
    log_covariances = np.stack([m, difference * np.cos(2 * rotations), difference * np.sin(2 * rotations)], axis=1)
    return Gaussians(
        means=generator.uniform(0, 30, (n, 2)).astype(np.float32),
        log_covariances=log_covariances.astype(np.float32),
        colors=generator.uniform(0, 1, (n, 3)).astype(np.float32),
        amplitudes=generator.uniform(0.1, 0.9, n).astype(np.float32),
        background=np.array([0.1, 0.2, 0.3], np.float32),
        image_size=(20, 30),
        blending="normalized",
    )


def random_factors(num_gaussians: int = 200) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(1)
    scales = np.exp(generator.uniform(-1, 4, (num_gaussians, 2))).astype(np.float32)
    return scales, generator.uniform(-7, 7, num_gaussians).astype(np.float32)


def covariances_of(log_covariances: NDArray[np.float32]) -> NDArray[np.float64]:
    """The matrix exponential [N, 2, 2] of the documented matrix, by its eigenvectors."""
    m, u, v = log_covariances.astype(np.float64).T
    values, vectors = np.linalg.eigh(np.stack([np.stack([m + u, v], -1), np.stack([v, m - u], -1)], -2))
    return np.einsum("nij,nj,nkj->nik", vectors, np.exp(values), vectors)


def test_covariance_is_rotation_scale_scale_rotation() -> None:
    scales, rotations = random_factors()
    covariances = covariances_of(from_factors(scales, rotations).log_covariances)
    for covariance, scale, t in zip(covariances, scales.astype(np.float64), rotations.astype(np.float64), strict=True):
        r = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        s = np.diag(scale)
        np.testing.assert_allclose(covariance, r @ s @ s.T @ r.T, rtol=0, atol=1e-5 * scale.max() ** 2)


def test_axes_by_hand() -> None:
    gaussians = from_factors(np.array([[3, 1], [1, 3], [2, 2]], np.float32), np.zeros(3, np.float32))
    covariances = covariances_of(gaussians.log_covariances)
    np.testing.assert_allclose(covariances, [[[9, 0], [0, 1]], [[1, 0], [0, 9]], [[4, 0], [0, 4]]], atol=1e-5)
    # y points down: a quarter turn of the x axis towards y is positive.
    turned = from_factors(np.array([[3, 1]], np.float32), np.array([np.pi / 4], np.float32))
    assert covariances_of(turned.log_covariances)[0, 0, 1] == pytest.approx(4, rel=1e-5)


def test_resized() -> None:
    gaussians = from_factors(*random_factors())
    larger = gaussians.resized((60, 60))
    assert larger.image_size == (60, 60)
    np.testing.assert_allclose(larger.means, gaussians.means * [2, 3], rtol=1e-6)
    factors = np.diag([2.0, 3.0])
    expected = factors @ covariances_of(gaussians.log_covariances) @ factors
    sizes = np.abs(expected).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(covariances_of(larger.log_covariances) / sizes, expected / sizes, atol=2e-6)
    for name in ("colors", "amplitudes", "background", "blending"):
        assert getattr(larger, name) is getattr(gaussians, name)
    np.testing.assert_allclose(larger.resized((20, 30)).log_covariances, gaussians.log_covariances, atol=1e-5)
    assert {larger.means.dtype, larger.log_covariances.dtype} == {np.dtype(np.float32)}


def test_resized_alike_in_both_directions_keeps_shapes() -> None:
    gaussians = from_factors(*random_factors())
    larger = gaussians.resized((50, 75))
    np.testing.assert_array_equal(larger.log_covariances[:, 1:], gaussians.log_covariances[:, 1:])
    np.testing.assert_allclose(
        larger.log_covariances[:, 0], gaussians.log_covariances[:, 0] + 2 * np.log(2.5), rtol=0, atol=1e-5
    )


def test_resized_by_hand() -> None:
    """Round Gaussians, and those along an axis, where a factor can make an ellipse round."""
    gaussians = from_factors(np.array([[2, 2], [4, 2], [2, 6]], np.float32), np.zeros(3, np.float32))
    shapes = gaussians.resized((20, 15)).log_covariances
    # Standard deviations (1, 2), (2, 2), (1, 6) along x and y.
    np.testing.assert_allclose(
        shapes, [[np.log(2), -np.log(2), 0], [np.log(4), 0, 0], [np.log(6), -np.log(6), 0]], atol=1e-6
    )


def test_resized_keeps_the_thinnest_thin() -> None:
    """Where the matrix itself has lost its small eigenvalue to rounding."""
    angles = np.linspace(0, np.pi, 17)
    shapes = np.stack([np.zeros(17), 25 * np.cos(angles), 25 * np.sin(angles)], axis=1).astype(np.float32)
    gaussians = replace(from_factors(*random_factors(17)), log_covariances=shapes)
    back = gaussians.resized((200, 30)).resized((20, 30))
    np.testing.assert_allclose(back.log_covariances, shapes, atol=1e-4)


def test_fields_are_checked() -> None:
    gaussians = from_factors(*random_factors(4))
    assert len(gaussians) == 4
    for name in ("means", "log_covariances", "colors", "amplitudes", "background"):
        array = getattr(gaussians, name)
        for wrong in (array[:-1], array[..., None]):
            with pytest.raises(ValueError, match=r"has shape .*, expected"):
                replace(gaussians, **{name: wrong})
    with pytest.raises(ValueError, match="unknown blending 'normal'"):
        replace(gaussians, blending="normal")  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        gaussians.image_size = (1, 1)  # type: ignore[misc]


def test_no_gaussians() -> None:
    gaussians = from_factors(np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
    assert len(gaussians) == len(gaussians.resized((1, 1))) == 0


def test_constants() -> None:
    assert {"alpha": pytest.approx(1 / 255), "normalized": 1 / 64} == CUTOFFS
    assert (MAX_OPACITY, BACKGROUND_WEIGHT) == (0.99, 1 / 16)
