"""`tgs doctor` says what a bug report needs, and notices what does not work."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

import taichi_gs
from cli import tgs
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.errors import DeviceError
from taichi_gs.kernels import runtime


def test_what_it_says() -> None:
    result = CliRunner().invoke(tgs, ["doctor", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    facts = json.loads(result.stdout)
    assert facts["taichi_gs"] == taichi_gs.__version__
    assert facts["numpy"] == np.__version__
    assert facts["device"] in ("cpu", "cuda")
    for name in ("Vulkan", "Metal"):
        assert facts[name] in ("Taichi finds it", "Taichi does not find it")
    assert facts["self-test"].startswith("passed")
    assert ".png" in facts["reads"].split()
    lines = CliRunner().invoke(tgs, ["doctor"]).stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(facts)


def test_wrong_pixels_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(file: TgsFile) -> NDArray[np.uint8]:
        return np.zeros((33, 33), np.uint8)

    monkeypatch.setattr(TgsFile, "draw", spoilt)
    result = CliRunner().invoke(tgs, ["doctor"])
    assert (result.exit_code, result.stderr) == (1, "tgs: error: the self-test failed\n")
    assert "FAILED" in result.stdout


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernels can be kept, no device works, PyTorch is broken: each is a fact, and the rest is there."""

    def fail() -> str:
        raise DeviceError("Taichi cannot start")

    monkeypatch.setattr(runtime, "start", fail)
    monkeypatch.setitem(sys.modules, "taichi_gs.fit.device", None)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/dev/null")
    result = CliRunner().invoke(tgs, ["doctor", "--json"])
    facts = json.loads(result.stdout)
    assert facts["device"] == "none: Taichi cannot start"
    assert facts["CUDA"] == "PyTorch cannot be imported"
    assert facts["cache of kernels"] == "none: its folder cannot be written, and each process compiles its kernels"
    assert "self-test" not in facts
    assert facts["numpy"] == np.__version__
    assert (result.exit_code, result.stderr) == (1, "tgs: error: the self-test failed\n")
