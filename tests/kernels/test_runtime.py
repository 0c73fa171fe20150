"""How Taichi is started: on which device, in silence, and with one sentence if it cannot be."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taichi_gs.errors import DeviceError, OptionError, TgsError
from taichi_gs.kernels import runtime
from taichi_gs.kernels.taichi import ti

pytestmark = pytest.mark.usefixtures("device")

PACKAGE = Path(runtime.__file__).parents[1]


def test_starting_again_returns_the_same(device: str) -> None:
    assert device in ("cpu", "cuda")
    assert runtime.start() == runtime.start("auto") == runtime.start(device) == device
    for other in {"cpu", "cuda", "vulkan", "metal"} - {device}:
        with pytest.raises(DeviceError, match=f"already runs on {device}: use another process for {other}"):
            runtime.start(other)


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cuda:1", "opengl"])
def test_unknown_devices(name: str) -> None:
    with pytest.raises(OptionError, match=r"unknown device .*: choose auto, cpu, cuda, vulkan or metal"):
        runtime.start(name)
    assert issubclass(OptionError, TgsError)


@pytest.mark.parametrize(("other", "name"), [("cuda", "CUDA"), ("vulkan", "Vulkan"), ("metal", "Metal")])
def test_devices_that_are_missing(monkeypatch: pytest.MonkeyPatch, device: str, other: str, name: str) -> None:
    monkeypatch.setattr(runtime, "_arch", None)
    monkeypatch.setattr(runtime, "finds", lambda arch: False)
    with pytest.raises(DeviceError, match=f"^no {name} device was found$"):
        runtime.start(other)
    # The failure left nothing behind.
    assert runtime._arch is None
    monkeypatch.undo()
    assert runtime.start() == device


@pytest.mark.parametrize(
    "statement",
    [
        "from taichi_gs.kernels import dispatch, tiles; from taichi_gs.kernels.runtime import start; start()",
        "from taichi_gs.fit import device; device.start('auto')",
    ],
)
def test_starting_is_silent(python: Callable[..., Any], statement: str) -> None:
    result = python("-c", statement)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_version_check_is_off_and_the_cache_is_where_it_belongs(
    python: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TI_SKIP_VERSION_CHECK", raising=False)
    result = python(
        "-c",
        "import os; from taichi_gs.kernels.runtime import start; start('cpu'); import taichi; "
        "print(os.environ['TI_SKIP_VERSION_CHECK'], taichi.cfg.offline_cache_file_path)",
    )
    assert result.stdout.split() == ["ON", str(tmp_path / "cache" / "taichi_gs" / "kernels")]


def test_taichi_that_cannot_start_is_a_device_error(python: Callable[..., Any]) -> None:
    program = """
from taichi_gs import DeviceError
from taichi_gs.kernels import runtime
import taichi
def fail(**options):
    raise RuntimeError("no address\\n space")
taichi.init = fail
try:
    runtime.start("cpu")
except DeviceError as error:
    print(error)
"""
    assert python("-c", program).stdout == "Taichi cannot start: no address space\n"


def test_errors_in_other_kernels_keep_their_excerpts(device: str) -> None:
    """Only for its own kernels does the package spare Taichi the excerpts of their source."""
    assert device

    @ti.kernel
    def broken() -> ti.i32:
        return nothing_of_that_name  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        ti.TaichiNameError, match=r"test_runtime\.py.*in broken:\n +return nothing_of_that_name.*\n +\^"
    ):
        broken()


def test_taichi_is_imported_in_one_place() -> None:
    """Its banner, its wrapper of stdout and its warnings are silenced there."""
    importers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import) and "taichi" in [alias.name.partition(".")[0] for alias in node.names]:
                importers.add(path.name)
    assert importers == {"taichi.py"}
