"""Choose the form of the blending kernels, that for a CPU or that for a GPU."""

from collections.abc import Callable
from typing import Any, NamedTuple

from taichi_gs.kernels import blend_cpu, blend_gpu
from taichi_gs.kernels.runtime import Form
from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import Blending

DTYPES = {"float32": ti.f32, "float64": ti.f64}
"""Taichi's types by the names that NumPy and PyTorch give them."""


class BlendKernels(NamedTuple):
    """The functions that draw Gaussians and differentiate the drawing; `blend_cpu.py` says what each one takes.

    Attributes:
        forward: draws an image.
        backward: turns an image's gradient into those of its Gaussians.
    """

    forward: Callable[..., None]
    backward: Callable[..., tuple[Any, Any]]


def blend_kernels(dtype: Any, form: Form, blending: Blending) -> BlendKernels:
    """Return the functions for a Taichi dtype; Taichi compiles them when they are first called."""
    return BlendKernels(*(blend_gpu if form == "gpu" else blend_cpu).make_kernels(dtype, blending))
