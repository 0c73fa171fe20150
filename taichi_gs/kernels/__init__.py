"""Taichi kernels: projection, tiles and blending. No module outside imports taichi at its top.

No `from __future__ import annotations` in modules with kernels: Taichi reads the annotations themselves.
"""

import os
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
"""Where kernels are asked to run."""

# Before any module in here imports taichi, and whatever they were: its banner would land on stdout, where only results
# belong, its version check would contact a server, and its wrapper of stdout would print a line on terminals.
QUIET = {"ENABLE_TAICHI_HEADER_PRINT": "0", "TI_SKIP_VERSION_CHECK": "ON", "TI_ENABLE_PYBUF": "0"}
os.environ.update(QUIET)
