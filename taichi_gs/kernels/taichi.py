"""Taichi, imported silently, and in any environment. All modules of this folder take `ti` from here."""

import contextlib
import inspect
import os
import warnings
from collections.abc import Iterable, Iterator

__all__ = ["QUIET", "ti", "without_variables"]


@contextlib.contextmanager
def without_variables(names: Iterable[str]) -> Iterator[None]:
    """Hide variables of the environment in the block."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


# Its banner would land on stdout, where only results belong, its version check would contact a server, and its wrapper
# of stdout would print a line on terminals.
QUIET = {"ENABLE_TAICHI_HEADER_PRINT": "0", "TI_SKIP_VERSION_CHECK": "ON", "TI_ENABLE_PYBUF": "0"}
os.environ.update(QUIET)

if os.name == "posix" and "HOME" not in os.environ:
    # Taichi would end the process. Services and some containers lack the variable, and users without a name a home.
    _home = os.path.expanduser("~")
    os.environ["HOME"] = _home if os.path.isabs(_home) else os.sep

# Whenever a module that is being imported defines a Taichi function, Taichi looks for the source of the import system's
# own frame, for which `inspect` searches all modules, each time in vain. A third of the time to import Taichi is this,
# and more where many modules are loaded. Entered in inspect's cache of file names, the frame is found at once.
inspect.modulesbyfile.setdefault("<frozen importlib._bootstrap>", "importlib._bootstrap")

# Taichi warns, which is an error where warnings are, and fails if a variable names a locale that Python does not know.
with warnings.catch_warnings(), without_variables(("LC_ALL", "LC_CTYPE", "LANG", "LANGUAGE")):
    warnings.simplefilter("ignore")
    import taichi as ti

ti.set_logging_level(ti.ERROR)  # it warns where there is no CUDA
