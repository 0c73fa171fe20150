"""Taichi kernels: projection, tiles and blending. All modules take Taichi itself from `kernels/taichi.py`.

No `from __future__ import annotations` in modules with kernels: Taichi reads the annotations themselves.
"""

from typing import Literal

Device = Literal["auto", "cpu", "cuda", "vulkan", "metal"]
"""Where kernels are asked to run."""
