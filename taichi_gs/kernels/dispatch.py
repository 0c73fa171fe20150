"""Choose the form of the blending kernels, that for a CPU or that for a GPU, and where those around them run."""

from collections.abc import Callable
from typing import Any, NamedTuple

from taichi_gs.kernels import blend_cpu, blend_gpu
from taichi_gs.kernels.runtime import Form
from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import Blending

DTYPES = {"float32": ti.f32, "float64": ti.f64}
"""Taichi's types by the names that NumPy and PyTorch give them."""


MAX_SERIAL_GAUSSIANS = 4096
"""As many take less time in one thread than waking another one does."""


class BlendKernels(NamedTuple):
    """The functions that draw Gaussians and differentiate the drawing; `blend_cpu.py` says what each one takes.

    Attributes:
        forward: draws an image.
        backward: turns an image's gradient into those of its Gaussians.
        cost: draws, compares and differentiates at once.
    """

    forward: Callable[..., None]
    backward: Callable[..., tuple[Any, Any]]
    cost: Callable[..., tuple[Any, Any, Any, Any]]


def blend_kernels(dtype: Any, form: Form, blending: Blending) -> BlendKernels:
    """Return the functions for a Taichi dtype; Taichi compiles them when they are first called."""
    return BlendKernels(*(blend_gpu if form == "gpu" else blend_cpu).make_kernels(dtype, blending))


def is_serial(num_gaussians: int, form: Form) -> bool:
    """Tell whether kernels whose loops are over the Gaussians should keep to one thread."""
    return form == "cpu" and num_gaussians <= MAX_SERIAL_GAUSSIANS
