"""Start Taichi once, silently, on the device that was asked for."""

import atexit
import contextlib
import functools
import inspect
import io
import os
import threading
import time
from pathlib import Path
from typing import Any, Literal, get_args

from taichi_gs.errors import DeviceError, OptionError
from taichi_gs.kernels import Device

Arch = Literal["cpu", "cuda"]
"""Where kernels run."""

Form = Literal["cpu", "gpu"]
"""How kernels are written: a task a tile with loops over vectors, or a thread a pixel."""

# Whenever a module that is being imported defines a Taichi function, Taichi looks for the source of the import system's
# own frame, for which `inspect` searches all modules, each time in vain. A third of the time to import Taichi is this,
# and more where many modules are loaded. Entered in inspect's cache of file names, the frame is found at once.
inspect.modulesbyfile.setdefault("<frozen importlib._bootstrap>", "importlib._bootstrap")

if os.name == "posix" and "HOME" not in os.environ:
    # Taichi would end the process. Services and some containers lack the variable, and users without a name a home.
    _home = os.path.expanduser("~")
    os.environ["HOME"] = _home if os.path.isabs(_home) else os.sep

STALE_SECONDS = 60
"""Taichi locks its cache for a moment, at the beginning and at the end of a process."""

_FOLDER = os.path.dirname(__file__) + os.sep

_lock = threading.Lock()
_arch: Arch | None = None


def start(device: str = "auto") -> Arch:
    """Start Taichi if it is not running yet and return its architecture, "cpu" or "cuda".

    "auto" takes CUDA where Taichi finds a device and the CPU elsewhere; once Taichi runs, "auto" means what is running.

    Raises:
        OptionError: if the name is not a device.
        DeviceError: if the device is not available or Taichi cannot start on it, or if it is not the one that this
            process already uses.
    """
    global _arch
    if device not in get_args(Device):
        raise OptionError(f"unknown device {device!r}: choose auto, cpu or cuda")
    with _lock:
        if _arch is None:
            _arch = _initialize(device)
    if device not in ("auto", _arch):
        raise DeviceError(f"this process already runs on {_arch}: use another process for {device}")
    return _arch


def kernel_form(arch: Arch) -> Form:
    """Return the form of the kernels that suits an architecture."""
    return "cpu" if arch == "cpu" else "gpu"


def _initialize(device: str) -> Arch:
    import taichi as ti

    ti.set_logging_level(ti.ERROR)  # already the search for CUDA warns where there is none
    has_cuda = device != "cpu" and _has_cuda(ti)
    if device == "cuda" and not has_cuda:
        raise DeviceError("no CUDA device was found")
    cache = _cache_folder()
    options: dict[str, Any] = {
        "log_level": ti.ERROR,
        # Compiles 3-5 times faster at equal speed, and keeps the per-tile vectors of 256 as arrays.
        "real_matrix_scalarize": False,
        # No reassociation and no contraction, so that every x86-64 machine computes the same pixels.
        "fast_math": False,
        "offline_cache": cache is not None,
    }
    if cache is not None:
        options["offline_cache_file_path"] = str(cache)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # ti.init prints the architecture whatever the log level
            ti.init(arch=ti.cuda if has_cuda else ti.cpu, **options)
    except RuntimeError as error:  # for want of address space, say
        raise DeviceError(f"Taichi cannot start: {' '.join(str(error).split()) or 'it does not say why'}") from error
    _abridge_positions()
    _remember_sources()
    atexit.register(_finish, ti)
    return "cuda" if has_cuda else "cpu"


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


def _has_cuda(ti: Any) -> bool:
    return bool(ti.lang.misc.is_arch_supported(ti.cuda))


def _finish(ti: Any) -> None:
    """Stop Taichi, which writes new kernels to the cache and would otherwise do so only if collected as garbage."""
    with contextlib.suppress(RuntimeError):  # a full disk must not spoil the end of a process that did its work
        ti.reset()


def _cache_folder() -> Path | None:
    """Where compiled kernels are kept, or None where nothing can be: Taichi would fail at the end of the process."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # then the variable is to be ignored, says the XDG specification
        base = Path.home() / ".cache"
    folder = base / "taichi_gs" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        return None
    _drop_stale_lock(folder / "ticache.lock")
    return folder


def _drop_stale_lock(path: Path) -> None:
    """Delete the lock of a process that was killed at its end: it would keep all others from the cache for good."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink()
