"""What the blending kernels are given: Gaussians as the projection kernel projects them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taichi_gs.kernels.dispatch import DTYPES
from taichi_gs.kernels.projection import make_project
from taichi_gs.model.blending import Blending

BLENDINGS: list[Blending] = ["alpha", "normalized"]


def projected(
    log_covariances: NDArray[Any], amplitudes: NDArray[Any], blending: Blending
) -> tuple[NDArray[Any], NDArray[Any]]:
    conics = np.full((len(amplitudes), 4), np.nan, amplitudes.dtype)
    extents = np.full((len(amplitudes), 2), np.nan, amplitudes.dtype)
    make_project(DTYPES[amplitudes.dtype.name], blending)(log_covariances, amplitudes, conics, extents)
    return conics, extents
