"""Where the tensors of a fit live, for the architecture that the kernels run on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taichi_gs.errors import DeviceError
from taichi_gs.fit.render import Renderer
from taichi_gs.kernels import runtime


def finds_cuda() -> bool:
    """Tell whether PyTorch finds CUDA."""
    return torch.cuda.is_available()


def start(device: str) -> runtime.Arch:
    """Start Taichi where PyTorch can follow it, and return the architecture.

    Raises:
        DeviceError, OptionError: see `runtime.start`.
        DeviceError: if kernels would run on CUDA, and the installed PyTorch has none.
    """
    torch_has_cuda = finds_cuda()
    is_open = device == "auto" and not runtime.is_running()
    arch = runtime.start("cpu" if is_open and not torch_has_cuda else device)
    if arch == "cuda" and not torch_has_cuda:
        raise DeviceError(
            "kernels run on CUDA in this process, and the installed PyTorch has no CUDA: install one that has, or "
            "choose the device cpu for all that a process does, decoding too"
        )
    return arch


def picture_tensor(planes: NDArray[np.float32], arch: runtime.Arch) -> Tensor:
    """Return planes [H, W, C] as a tensor [C, H, W] where the tensors of a fit live; it may share their memory."""
    return torch.from_numpy(np.require(planes.transpose(2, 0, 1), requirements=["C", "W"])).to(tensor_device(arch))


def renderer_on(arch: runtime.Arch) -> Renderer:
    """Return what draws such tensors by the kernels of an architecture."""
    is_apart = arch != "cpu" and tensor_device(arch).type == "cpu"
    return Renderer(runtime.kernel_form(arch), always_waits=is_apart)


def tensor_device(arch: runtime.Arch) -> torch.device:
    """Return PyTorch's device for the kernels of an architecture: the CPU if PyTorch does not know it."""
    return torch.device("cuda:0" if arch == "cuda" else "cpu")
