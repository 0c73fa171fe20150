"""How weights are counted and computed, whoever computes them: numbers that need no Taichi."""

from __future__ import annotations

import math

from taichi_gs.model.blending import BACKGROUND_WEIGHT, CUTOFFS, Blending

LOG2_UNITS: dict[Blending, float] = {"alpha": 0.0, "normalized": 16.0}
"""Amplitudes of normalised blending may be as large as 2**16, and 2**x is computed for no positive x. So all weights
are counted in units of 2**16 there; only their ratios matter."""

FIRST_STATES: dict[Blending, float] = {
    "alpha": 1.0,
    "normalized": BACKGROUND_WEIGHT * 2.0 ** -LOG2_UNITS["normalized"],
}
"""What a pixel starts from: the transmittance in alpha blending, the background's weight in normalised blending."""

NORMALIZED_CUTOFF = CUTOFFS["normalized"] * 2.0 ** -LOG2_UNITS["normalized"]
"""The cut-off of normalised blending in the units of its weights."""

LOG2_CUTOFFS: dict[Blending, float] = {blending: math.log2(cutoff) for blending, cutoff in CUTOFFS.items()}

LOWEST_POWERS: dict[Blending, float] = {
    "alpha": -126.0,
    "normalized": LOG2_CUTOFFS["normalized"] - LOG2_UNITS["normalized"],
}
"""Powers of two below these are not told apart, in units of the blending."""

EXP2_COEFFICIENTS = (
    0.9999999438867431,
    0.693143134641113,
    0.24017895627762828,
    0.05529811967633446,
    0.009209180357198386,
    0.0009468770291101538,
)
"""Of 1, f, f^2, ... in a polynomial that is 2**f on (-1, 0] within 6e-8: the best one of its degree."""
