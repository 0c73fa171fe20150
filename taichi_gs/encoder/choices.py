"""What the options of an encoder can be. Importing this costs nothing, so that help texts can show it."""

from __future__ import annotations

from typing import Literal

from taichi_gs.kernels import Device as Device

Preset = Literal["fast", "default", "best", "paper"]
"""How hard the encoder tries; see `presets.PRESETS`."""

LossName = Literal["l2", "l1", "l1-ssim"]
"""What a fit minimises; see `fit/losses.py`."""

Tune = Literal["visual", "psnr"]
"""What a fit is tuned for; see `fit/tuning.py`."""

Density = Literal["prune", "gradient"]
"""How the Gaussians come to be as many as they should; see `fit/unconstrained.py`."""

MAX_BUDGET = 400_000
"""The most Gaussians that the encoder is asked for: decoders accept as many by default."""

MIN_BYTES = 64
"""No limit below this can be met: it is the size of a file with a handful of Gaussians."""

PREVIEW_BYTES = 300
"""The most of a preview for which no other size is asked: what fits into a page beside its text."""

MAX_QUALITY = 100
"""An MS-SSIM of 0.99."""

MAX_K = 4096
"""The most codewords of a codebook."""

MIN_STEPS, MAX_STEPS = 10, 10_000_000

MAX_RESTARTS = 1000
