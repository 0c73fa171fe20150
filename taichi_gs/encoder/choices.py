"""The names that an encoder's options can have. Importing this costs nothing, so that help texts can show them."""

from __future__ import annotations

from typing import Literal

from taichi_gs.kernels import Device as Device

Preset = Literal["fast", "default", "best", "paper"]
"""How hard the encoder tries; see `presets.PRESETS`."""

LossName = Literal["l2", "l1-ssim"]
"""What a fit minimises; see `fit/losses.py`."""

Density = Literal["prune", "gradient"]
"""How the Gaussians come to be as many as they should; see `fit/unconstrained.py`."""
