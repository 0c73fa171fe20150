"""What the blending kernels are given: Gaussians as the projection kernel projects them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taichi_gs.kernels.dispatch import DTYPES
from taichi_gs.kernels.projection import make_project
from taichi_gs.model.blending import Blending

BLENDINGS: list[Blending] = ["alpha", "normalized"]

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


def projected(
    log_covariances: NDArray[Any], amplitudes: NDArray[Any], blending: Blending
) -> tuple[NDArray[Any], NDArray[Any]]:
    conics = np.full((len(amplitudes), 4), np.nan, amplitudes.dtype)
    extents = np.full((len(amplitudes), 2), np.nan, amplitudes.dtype)
    make_project(DTYPES[amplitudes.dtype.name], blending)(log_covariances, amplitudes, conics, extents)
    return conics, extents
