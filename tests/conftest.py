"""What several test files share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from codec_checks import QUICK
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from taichi_gs.kernels import runtime

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return synthetic_picture()


@pytest.fixture(scope="session")
def encoded() -> bytes:
    """The .tgs file of `picture`, made in few steps."""
    return taichi_gs.encode(synthetic_picture(), **QUICK)


@pytest.fixture
def photo_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8]) -> Path:
    """The current folder, with photo.png in it."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture).save("photo.png")
    return tmp_path


@pytest.fixture
def device() -> str:
    """The device on which Taichi runs, from now on."""
    return runtime.start()


@pytest.fixture(scope="session")
def vulkan() -> None:
    """Skip the tests that need a Vulkan device. Another process looks for it, because drivers start threads."""
    program = "from taichi_gs.kernels import runtime; print(runtime.call(runtime.finds, 'vulkan'))"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=checkout_environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    if result.stdout != "True\n":
        pytest.skip("there is no Vulkan device")


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in a fresh process, in an empty folder, on the package of this checkout."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=checkout_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def synthetic_picture() -> NDArray[np.uint8]:
    """A picture [24, 32, 3] with a gradient and two edges."""
    y, x = np.mgrid[0:24, 0:32]
    picture = np.stack([8 * x, 10 * y, 4 * (x + y)], axis=2).clip(0, 255)
    picture[6:14, 8:20] = (250, 240, 10)
    return picture.astype(np.uint8)


WITH_TAICHI = "import taichi_gs.decoder.draw; taichi_gs.decoder.draw.MAX_WORK_OF_NUMPY = 0\n"
"""The beginning of a program that starts Taichi also for what NumPy would draw."""


def checkout_environment() -> dict[str, str]:
    """The environment of a process that imports the checkout and not an installed copy."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def read_all(descriptor: int) -> bytes:
    """Read a terminal to its end, which Linux reports as an error."""
    content = b""
    try:
        while piece := os.read(descriptor, 4096):
            content += piece
    except OSError:
        pass
    return content


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that launch kernels themselves where all kernels run: Taichi compiles in one thread only."""
    folder, name = pyfuncitem.path.parent.name, pyfuncitem.path.name
    if folder not in ("kernels", "fit") and name not in ("test_projection.py", "test_benchmark_speed.py"):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    runtime.call(pyfuncitem.obj, **arguments)
    return True
