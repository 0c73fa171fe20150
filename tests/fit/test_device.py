"""Where the tensors of a fit live."""

from __future__ import annotations

import pytest

from taichi_gs.errors import DeviceError
from taichi_gs.fit import device


def test_kernels_on_cuda_without_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a decoding, which needs no PyTorch: `auto` has found CUDA then, and a process keeps its device."""
    monkeypatch.setattr(device, "finds_cuda", lambda: False)
    monkeypatch.setattr(device.runtime, "is_running", lambda: True)
    monkeypatch.setattr(device.runtime, "start", lambda name: "cuda")
    for name in ("auto", "cuda"):
        with pytest.raises(DeviceError, match=r"choose the device cpu for all that a process does, decoding too$"):
            device.start(name)


def test_auto_is_the_processor_where_pytorch_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def start(name: str) -> str:
        asked.append(name)
        return "cpu"

    monkeypatch.setattr(device, "finds_cuda", lambda: False)
    monkeypatch.setattr(device.runtime, "is_running", lambda: False)
    monkeypatch.setattr(device.runtime, "start", start)
    assert device.start("auto") == "cpu"
    assert asked == ["cpu"]
