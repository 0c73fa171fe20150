"""How often a fit on CUDA would make the host wait for the device, seen on a CPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from operations import Operations
from torch import Tensor

from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.fit import fit
from taichi_gs.fit.precision import Precision
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

STEPS = 200
"""Enough for stages that are longer than what happens in them now and then."""


FACTORIES = ("arange", "empty", "full", "linspace", "ones", "rand", "randint", "randn", "randperm", "tensor", "zeros")


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Operations:
    """What PyTorch is asked to do, with the CUDA form of the kernels, which the CPU runs as well.

    Where the device is the CPU, copies to it and from it are nothing to be seen. So what begins or ends on the host is
    recorded here: tensors that are made without a device, and those that become something else.
    """
    operations = Operations()
    if runtime.start() == "cpu":
        monkeypatch.setattr(runtime, "start", lambda device="auto": "cuda")

    def watch(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            # A kernel's argument is a view: on a GPU it would be the tensor itself.
            if kwargs.get("device") is None and not sys._getframe(1).f_code.co_filename.endswith("tensors.py"):
                operations.names.append((name, "host"))
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for name in ("cpu", "numpy", "tolist"):
        watch(Tensor, name)
    for name in (*FACTORIES, "from_numpy"):
        watch(torch, name)
    return operations


@pytest.mark.parametrize(("blending", "loss"), [("normalized", "l2"), ("alpha", "l2"), ("alpha", "l1-ssim")])
def test_most_steps_wait_for_nothing(operations: Operations, blending: Blending, loss: str) -> None:
    image = torch.from_numpy(np.random.default_rng(0).random((3, 40, 56), dtype=np.float32)).to(
        "cuda" if torch.cuda.is_available() else "cpu"
    )
    precision = Precision({"log_covariances": 8, "color_codes": 8})
    config = FitConfig(30, precision, blending, loss, STEPS, "prune", seed=0)
    waited: list[list[str]] = []

    def report(step: int, psnr: float) -> None:
        waited.append(operations.waiting())
        operations.names.clear()

    operations.names.clear()
    with operations:
        fit(image, config, report)
    assert len(waited) == STEPS
    # In the first step the host counts pairs and measures the PSNR, in the last one it measures again.
    assert waited[0]
    assert waited[-1]
    for first in range(STEPS - 9):
        assert sum(not waits for waits in waited[first : first + 10]) >= 6, f"steps {first} to {first + 9}"
