"""PyTorch's tensors as arguments of Taichi's kernels."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from taichi_gs.kernels.dispatch import DTYPES


def taichi_dtype(tensor: Tensor) -> Any:
    """Taichi's name for the dtype of a tensor, float32 or float64."""
    return DTYPES[str(tensor.dtype).removeprefix("torch.")]


def raw(tensor: Tensor) -> Any:
    """What Taichi takes out of autograd's sight: where it can be a NumPy view, cheaper to pass.

    There is no copy on the CPU and on CUDA. Other devices get copies for each launch, and give back what it wrote.

    A launch with CUDA tensors does not wait for the device, and is in line with PyTorch's operations before and after
    it: Taichi launches on the null stream of device 0's primary context, which is PyTorch's default stream
    (taichi/runtime/cuda/kernel_launcher.cpp), so `ti.sync` is never needed.
    """
    tensor = tensor.detach()
    return tensor.numpy() if tensor.device.type == "cpu" else tensor
