"""On Vulkan all kernels find what they find on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from kernel_results import kernel_results

from taichi_gs.kernels import runtime

TOLERANCE = 1e-4
"""Of the largest number in an array: in single precision, and devices may round functions such as exp differently."""

pytestmark = pytest.mark.usefixtures("vulkan")


def test_they_find_the_same(python: Callable[..., Any], tmp_path: Path) -> None:
    if runtime.start() != "cpu":
        pytest.skip("Taichi does not run on the CPU in this process")
    result = python(str(ROOT / "tests" / "kernel_results.py"), "vulkan", "gpu", "found.npz")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    found, expected = np.load(tmp_path / "found.npz"), kernel_results("gpu")
    assert found.files == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape, name
        largest = np.abs(array).max(initial=0.0)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=TOLERANCE * largest, err_msg=name)
