"""Decoding, encoding and the command line on Vulkan, each in a process of its own; and what is said without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from taichi_gs.encoder.choices import Preset
from taichi_gs.pictures.metrics import psnr

Python = Callable[..., Any]

VALID = sorted((ROOT / "tests" / "conformance" / "valid").glob("*.tgs"))

DECODE_ALL = """
import sys
import numpy as np, taichi_gs
from taichi_gs.kernels import runtime
np.savez("pixels.npz", *(taichi_gs.decode(path, device="vulkan") for path in sys.argv[1:]))
assert runtime.start() == "vulkan"
"""

GO_ON = """
import multiprocessing, sys
import taichi_gs
from taichi_gs.kernels import runtime
picture = taichi_gs.decode(sys.argv[1], device="vulkan")
data = taichi_gs.encode(picture, preset="fast", steps=10, num_gaussians=12)
print(runtime.start())
try:
    taichi_gs.encode(taichi_gs.decode(data), device="cpu")
except taichi_gs.DeviceError as error:
    print(error)
def work(data):
    try:
        taichi_gs.decode(data, device="vulkan")
    except taichi_gs.DeviceError as error:
        return str(error)
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply(work, [data]))
"""


@pytest.mark.usefixtures("vulkan")
def test_decoders_agree(python: Python, tmp_path: Path) -> None:
    """As far as docs/format.md asks it of all decoders: each is within 1 of what is exact."""
    result = python("-c", DECODE_ALL, *map(str, VALID))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for path, found in zip(VALID, np.load(tmp_path / "pixels.npz").values(), strict=True):
        expected = taichi_gs.decode(path)
        assert found.shape == expected.shape, path.name
        assert np.abs(found.astype(int) - expected).max() <= 1, path.name


@pytest.mark.usefixtures("vulkan")
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_encoders_are_as_good(python: Python, tmp_path: Path, picture: NDArray[np.uint8], preset: Preset) -> None:
    Image.fromarray(picture).save(tmp_path / "photo.png")
    options = ["--preset", preset, "--num-gaussians", "40", "--k", "8", "--steps", "60"]
    result = python("-m", "cli", "compress", "photo.png", *options, "--device", "vulkan", "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    others = taichi_gs.encode(picture, preset=preset, num_gaussians=40, k=8, steps=60)
    found, expected = (psnr(picture, taichi_gs.decode(file)) for file in (tmp_path / "photo.tgs", others))
    # Sums are taken in another order, and so few steps make of that what another seed would.
    assert found == pytest.approx(expected, abs=2.5)


@pytest.mark.usefixtures("vulkan")
def test_folders_come_back(python: Python, tmp_path: Path, encoded: bytes) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.tgs").write_bytes(encoded)
    result = python("-m", "cli", "decompress", "in", "-r", "--output-dir", "out", "--device", "vulkan", "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    expected = taichi_gs.decode(encoded).astype(int)
    for name in ("a", "b"):
        assert np.abs(np.asarray(Image.open(tmp_path / "out" / f"{name}.png")) - expected).max() <= 1


@pytest.mark.usefixtures("vulkan")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
def test_a_process_and_those_that_it_forks(python: Python, encoded: bytes, tmp_path: Path) -> None:
    """It goes on by Vulkan where the device is free. Those that it forks would wait for threads of the driver."""
    (tmp_path / "a.tgs").write_bytes(encoded)
    result = python("-c", GO_ON, "a.tgs")
    assert (result.returncode, result.stdout.splitlines(), result.stderr) == (
        0,
        [
            "vulkan",
            "this process already runs on vulkan: use another process for cpu",
            "this process was forked from one on vulkan: start processes with the method spawn",
        ],
        "",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a loader of drivers that listens to the environment")
@pytest.mark.parametrize(("device", "name"), [("vulkan", "Vulkan"), ("metal", "Metal")])
def test_a_device_that_is_missing(
    python: Python, encoded: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, name: str
) -> None:
    for variable in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(variable, os.devnull)
    (tmp_path / "a.tgs").write_bytes(encoded)
    result = python("-m", "cli", "decompress", "a.tgs", "--device", device)
    assert (result.returncode, result.stdout) == (1, "")
    # Taichi says more, on the standard error, where there is a loader without a driver.
    assert result.stderr.splitlines()[-1] == f"tgs: error: no {name} device was found"
    assert not (tmp_path / "a.png").exists()
