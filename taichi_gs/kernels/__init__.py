"""Taichi kernels: projection, tiles and blending. No module outside imports taichi at its top.

No `from __future__ import annotations` in modules with kernels: Taichi reads the annotations themselves.
"""

import os
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
"""Where kernels are asked to run."""

# Before any module in here imports taichi: its banner would land on stdout, where only results belong, and its version
# check would contact a server.
os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")
os.environ.setdefault("TI_SKIP_VERSION_CHECK", "ON")
