"""The two ways in which Gaussians make a picture; `gaussians.py` has their formulas. Importing this costs nothing."""

from __future__ import annotations

from typing import Literal

Blending = Literal["alpha", "normalized"]
"""How the Gaussians make a picture."""

CUTOFFS: dict[Blending, float] = {"alpha": 1.0 / 255.0, "normalized": 1.0 / 64.0}
"""Where a Gaussian ends: where its value, before anything is subtracted from it, falls below this one."""

MAX_OPACITY = 0.99
BACKGROUND_WEIGHT = 1.0 / 16.0
