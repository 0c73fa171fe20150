"""Choose the form of the blending kernels that suits the device."""

from types import SimpleNamespace
from typing import Any

import taichi as ti

from taichi_gs.kernels import blend_cpu
from taichi_gs.kernels import blend_gpu as blend_cuda
from taichi_gs.model.gaussians import Blending

DTYPES = {"float32": ti.f32, "float64": ti.f64}
"""Taichi's types by the names that NumPy and PyTorch give them."""


def blend_kernels(dtype: Any, arch: str, blending: Blending) -> SimpleNamespace:
    """The functions `forward` and `backward` for a Taichi dtype on `arch`, "cpu" or "cuda"; see `blend.py`."""
    kernels: SimpleNamespace = (blend_cuda if arch == "cuda" else blend_cpu).make_kernels(dtype, blending)
    return kernels
