"""Start Taichi once, silently, on the device that was asked for."""

import atexit
import contextlib
import ctypes
import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from taichi_gs.errors import DeviceError, OptionError
from taichi_gs.kernels import Device
from taichi_gs.kernels.cache import open_cache, seal_cache
from taichi_gs.kernels.thread import taichi_thread, was_forked_while_busy

Arch = Literal["cpu", "cuda", "vulkan", "metal"]
"""Where kernels run."""

Form = Literal["cpu", "gpu"]
"""How kernels are written: a task a tile with loops over vectors, or a thread a pixel."""

_Result = TypeVar("_Result")

_NAMES = {"cuda": "CUDA", "vulkan": "Vulkan", "metal": "Metal"}
"""Of the interfaces to GPUs, as people write them."""

_FOLDER = os.path.dirname(__file__) + os.sep

_arch: Arch | None = None
_parents_arch: Arch | None = None


def call(function: Callable[..., _Result], /, *arguments: Any, **options: Any) -> _Result:
    """Run a function that launches kernels in the thread that all of them run in, and return what it returns."""
    return taichi_thread().call(function, *arguments, **options)


def start(device: str = "auto") -> Arch:
    """Start Taichi if it is not running yet and return its architecture, the device if that is not "auto".

    "auto" takes CUDA where Taichi finds a device and the CPU elsewhere; once Taichi runs, "auto" means what is running.
    In a process that was forked from one in which Taichi ran, it starts anew.

    Raises:
        OptionError: if the name is not a device.
        DeviceError: if the device is not available or Taichi cannot start on it, or if it is not the one that this
            process already uses, or if this process was forked while kernels were running, or from one that runs on
            Vulkan or Metal.
    """
    if device not in get_args(Device):
        raise OptionError(f"unknown device {device!r}: choose auto, cpu, cuda, vulkan or metal")
    arch = call(_initialize, device) if _arch is None else _arch
    if device not in ("auto", arch):
        raise DeviceError(f"this process already runs on {arch}: use another process for {device}")
    return arch


def is_running() -> bool:
    """Tell whether Taichi has been started in this process."""
    return _arch is not None


def kernel_form(arch: Arch) -> Form:
    """Return the form of the kernels that suits an architecture."""
    return "cpu" if arch == "cpu" else "gpu"


def _initialize(device: str) -> Arch:
    global _arch
    if _arch is not None:  # another thread was first
        return _arch
    if was_forked_while_busy():
        raise DeviceError("this process was forked while kernels were running: start processes with the method spawn")
    if _parents_arch in ("vulkan", "metal"):  # Taichi ends the program before, whose driver has lost its threads
        raise DeviceError(f"this process was forked from one on {_parents_arch}: start processes with the method spawn")
    from taichi_gs.kernels.pinning import pinned_pool
    from taichi_gs.kernels.taichi import QUIET, ti, without_variables

    arch = _choose_arch(device)
    cache = open_cache()
    options: dict[str, Any] = {
        "log_level": ti.ERROR,
        # Without it LLVM compiles 3-5 times faster at equal speed, and keeps the per-tile vectors of 256 as arrays. But
        # Taichi cannot write SPIR-V without it.
        "real_matrix_scalarize": arch in ("vulkan", "metal"),
        # No reassociation and no contraction, so that every x86-64 machine computes the same pixels.
        "fast_math": False,
        "offline_cache": cache is not None,
        **_thread_options(),
    }
    if cache is not None:
        options["offline_cache_file_path"] = str(cache)
    # The variables by which a user's shell sets up Taichi override options, and some end the process.
    others = [name for name in os.environ if name.startswith("TI_") and name not in QUIET]
    try:
        # ti.init prints the architecture whatever the log level.
        pinning = pinned_pool() if arch == "cpu" else contextlib.nullcontext()
        with contextlib.redirect_stdout(io.StringIO()), without_variables(others), pinning:
            ti.init(arch=getattr(ti, arch), enable_fallback=False, **options)
    except RuntimeError as error:  # for want of address space, say
        raise DeviceError(f"Taichi cannot start: {' '.join(str(error).split()) or 'it does not say why'}") from error
    _keep_program(ti)
    _abridge_positions()
    _remember_sources()
    if cache is not None:
        atexit.register(_finish, ti, cache, os.getpid())
    _arch = arch
    return arch


def _choose_arch(device: str) -> Arch:
    """The architecture for a device that Taichi finds."""
    if device == "auto":
        return "cuda" if finds("cuda") else "cpu"
    arch: Arch = device  # type: ignore[assignment]
    if not finds(arch):
        raise DeviceError(f"no {_NAMES[arch]} device was found")
    return arch


def _thread_options() -> dict[str, int]:
    """How many threads Taichi may have, if a variable of the environment says so."""
    value = os.environ.get("TI_CPU_MAX_NUM_THREADS", "")
    return {"cpu_max_num_threads": int(value)} if value.isdecimal() and 0 < int(value) < 4096 else {}


def _keep_program(ti: Any) -> None:
    """Keep Python from ever destroying Taichi's program: it would write to its cache once more, and may crash there."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(ti.lang.impl.get_runtime().prog))


def _abridge_positions() -> None:
    """Spare Taichi the excerpts of source that it lays out for each node of a kernel it loads, in case of an error.

    They take much of the time to load a kernel. For those of this package the file and the line have to do.
    """
    from taichi.lang.ast.ast_transformer_utils import ASTTransformerContext

    in_full = ASTTransformerContext.get_pos_info

    def position(context: Any, node: Any) -> str:
        if not context.file.startswith(_FOLDER):
            excerpt: str = in_full(context, node)
            return excerpt
        return f'File "{context.file}", line {node.lineno + context.lineno_offset}, in {context.func.func.__name__}:\n'

    ASTTransformerContext.get_pos_info = position


def _remember_sources() -> None:
    """Spare Taichi from finding the source of a function anew wherever a kernel calls it."""
    from taichi.lang import kernel_impl

    kernel_impl.getsourcelines = functools.cache(kernel_impl.getsourcelines)


def finds(arch: Arch) -> bool:
    """Tell whether Taichi finds a device of an architecture, which it does in the thread that all kernels run in."""
    from taichi_gs.kernels.taichi import ti

    return bool(ti.lang.misc.is_arch_supported(getattr(ti, arch)))


def _finish(ti: Any, cache: Path, process: int) -> None:
    """Stop Taichi, which writes new kernels to the cache then."""
    if process == os.getpid():  # not in a child that was forked
        with contextlib.suppress(RuntimeError):  # a full disk must not spoil the end of a process that did its work
            call(ti.reset)
            seal_cache(cache)


def _forget_in_child() -> None:
    """Let a process that was forked start Taichi anew: the threads of the program that it inherited are gone."""
    global _arch, _parents_arch
    if _arch is not None:
        _arch, _parents_arch = None, _arch
        from taichi_gs.kernels.taichi import ti

        ti.lang.impl.get_runtime()._prog = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
