"""`Twin`: the blending kernels in plain C, compiled here and now, as a measure of what the processor can do."""

from __future__ import annotations

import ctypes
import math
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taichi_gs.kernels.weights import FIRST_STATES
from taichi_gs.model.blending import CUTOFFS, Blending

SOURCE = Path(__file__).with_suffix(".c")

LOG2_UNITS: dict[Blending, int] = {"alpha": 0, "normalized": 16}
"""Weights are counted in units of 2 to this power, see `taichi_gs/kernels/blend.py`."""

# No promises about NaN, infinities, the sign of zero and traps, without which gcc leaves the inner loops scalar; sums
# keep their order. On x86-64 vectors of 256 bits, which is AVX2, also where there are wider ones.
FLAGS = ["-O3", "-march=native", "-ffinite-math-only", "-fno-signed-zeros", "-fno-trapping-math"]
VECTORS = ["-mno-avx512f"] if platform.machine() in ("x86_64", "AMD64") else []


def find_compiler() -> str | None:
    """The path of gcc, or None where there is none."""
    return shutil.which("gcc")


class Twin:
    """`forward` and `backward` of one blending in C, for float32 on OMP_NUM_THREADS threads."""

    def __init__(self, compiler: str, blending: Blending, folder: Path) -> None:
        """Compile into `folder`; raises subprocess.CalledProcessError where the compiler fails."""
        unit, cutoff = LOG2_UNITS[blending], CUTOFFS[blending]
        constants = {
            "NORMALIZED": int(blending == "normalized"),
            "LOG2_UNIT": f"{unit}.0f",
            "LOG2_CUTOFF": f"{math.log2(cutoff)!r}f",
            "CUTOFF": f"{cutoff * 2.0**-unit!r}f",
            "FIRST_STATE": f"{FIRST_STATES[blending]!r}f",
        }
        library = folder / f"{blending}.so"
        defines = [f"-D{name}={value}" for name, value in constants.items()]
        flags = [*FLAGS, *VECTORS, "-fopenmp", "-shared", "-fPIC", *defines]
        subprocess.run([compiler, *flags, str(SOURCE), "-o", str(library), "-lm"], check=True)
        self._library = ctypes.CDLL(str(library))

    def forward(
        self,
        splats: Sequence[NDArray[np.float32]],
        background: NDArray[np.float32],
        lists: Sequence[NDArray[np.int32]],
        image: NDArray[np.float32],
    ) -> None:
        """Draw into `image` [planes, H, W].

        Args: splats: means, conics, extents and colors; lists: tile_offsets and tile_indices.
        """
        self._library.forward(*_pointers(*splats, background, *lists, image), *image.shape[1:])

    def backward(
        self,
        splats: Sequence[NDArray[np.float32]],
        lists: Sequence[NDArray[np.int32]],
        image: NDArray[np.float32],
        grad_image: NDArray[np.float32],
        grad_pairs: NDArray[np.float32],
        grad_backgrounds: NDArray[np.float32],
    ) -> None:
        """Write grad_pairs [P, 9] and grad_backgrounds [3, tiles] for the gradient [3, H, W] of `image`."""
        arrays = (*splats, *lists, image, grad_image, grad_pairs, grad_backgrounds)
        self._library.backward(*_pointers(*arrays), *image.shape[1:])


def _pointers(*arrays: NDArray[Any]) -> list[ctypes.c_void_p]:
    if not all(array.flags.c_contiguous and array.dtype in (np.float32, np.int32) for array in arrays):
        raise ValueError("the twin takes contiguous arrays of float32 and int32")
    return [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
