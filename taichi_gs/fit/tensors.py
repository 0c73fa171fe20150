"""PyTorch's tensors as arguments of Taichi's kernels, and gradients that kernels have found as PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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


def with_gradients(value: Tensor, tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """Return a tensor of no dimensions with a value whose gradients by some tensors are known."""
    known: Tensor = _KnownGradients.apply(value, gradients, *tensors)  # type: ignore[no-untyped-call]
    return known


class _KnownGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Sequence[Tensor], *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(grad_output * gradient for gradient in ctx.saved_tensors)
