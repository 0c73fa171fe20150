"""Launching a kernel in a third of the time that calling it takes.

For each launch Taichi finds out in Python what each argument is and whether the kernel can take it. With fifteen arrays
that is a tenth of a millisecond, in which all threads but one wait.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from taichi_gs.kernels.taichi import ti


class Launcher:
    """Decorates a kernel of arrays and numbers. Calling it does what calling the kernel does.

    The first call leaves everything to Taichi. After it, arrays of NumPy go straight to what Taichi has compiled. So do
    all numbers. A call with anything else, or with arrays that the kernel cannot take, is left to Taichi again.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._kinds = [_kind_of(argument.annotation) for argument in kernel._primal.arguments]
        self._program: Any = ()  # Taichi's is None before it starts
        self._compiled: Any = None
        self._make_context: Any = None

    def __call__(self, *arguments: Any) -> None:
        """Call the kernel.

        Raises:
            TypeError: if an argument cannot be a number that the kernel takes.
        """
        # A process that was forked has another program, with kernels of its own.
        program = ti.lang.impl.get_runtime().prog
        if program is not self._program or len(arguments) != len(self._kinds):
            self._kernel(*arguments)
            self._remember(program, arguments)
            return
        context = self._make_context()
        for index, (argument, kind) in enumerate(zip(arguments, self._kinds, strict=True)):
            if kind is float:
                context.set_arg_float((index,), float(argument))
            elif kind is int:
                context.set_arg_int((index,), operator.index(argument))
            elif _is_array_of(argument, *kind):
                address = argument.__array_interface__["data"][0]
                context.set_arg_external_array_with_shape((index,), address, argument.nbytes, argument.shape, 0)
            else:
                self._kernel(*arguments)
                return
        program.launch_kernel(self._compiled, context)

    def _remember(self, program: Any, arguments: tuple[Any, ...]) -> None:
        """Keep what Taichi has compiled: one kernel for all arguments, because annotations leave no choice."""
        primal = self._kernel._primal
        compiled = primal.compiled_kernels[primal.ensure_compiled(*arguments)]
        self._compiled = program.compile_kernel(program.config(), program.get_device_caps(), compiled)
        self._program, self._make_context = program, compiled.make_launch_context


def _kind_of(annotation: Any) -> Any:
    """`float`, `int`, or for arrays their dtype and their number of dimensions."""
    if isinstance(annotation, ti.types.ndarray):
        return np.dtype(ti.lang.util.to_numpy_type(annotation.dtype)), annotation.ndim
    return float if annotation in (ti.f32, ti.f64) else int


def _is_array_of(argument: Any, dtype: np.dtype[Any], ndim: int) -> bool:
    """Tell whether a kernel that takes such arrays can take this one as it lies in memory."""
    is_array = type(argument) is np.ndarray and argument.ndim == ndim
    return is_array and argument.dtype == dtype and argument.flags.c_contiguous
