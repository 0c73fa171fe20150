"""Rounding to the 256 levels of 8-bit pixels: the one rule for pictures that are read, fitted and decoded."""

from __future__ import annotations

from taichi_gs.model.arrays import Array, namespace


def to_levels(values: Array) -> Array:
    """Return floor(255 clip(values, 0, 1) + 1/2), of the same shape, dtype and kind of array."""
    xp = namespace(values)
    levels = xp.clip(values, 0.0, 1.0)
    # In place, because new memory takes longer than a sum.
    levels *= 255.0
    levels += 0.5
    return xp.floor(levels)
