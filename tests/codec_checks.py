"""How tests encode in few steps, and compare pixels with others and with the reference decoder's."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference_decoder
from numpy.typing import NDArray

import taichi_gs

Bytes = NDArray[np.uint8]

QUICK: dict[str, Any] = {"preset": "fast", "steps": 10, "num_gaussians": 12, "k": 5}


def largest_difference(data: bytes) -> int:
    """Between the decoder's pixels and the reference decoder's; they must not be those of different files."""
    pixels = taichi_gs.decode(data)
    expected = reference_decoder.decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    return int(np.abs(pixels.astype(int) - expected).max())


def squared_error(a: Bytes, b: Bytes) -> float:
    return float(np.square(a.astype(float) - b).mean())
