"""Memory that nobody needs any more, but that the process keeps."""

import ctypes
import gc
import sys


def give_back_freed_memory(*, is_large: bool) -> None:
    """Let the operating system have what is free.

    glibc keeps blocks of up to 32 MB, in the fit of a large picture a few hundred megabytes of them.

    Args:
        is_large: whether to collect garbage before. When Taichi compiles a kernel it makes circles of objects, which
            keep the arrays of its first launch: a drawn picture, for instance. It takes as long as some steps of a fit
            of a small picture.
    """
    if is_large:
        gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has no such function
        if trim is not None:
            trim(0)
