"""What a step keeps for the next one: memory, and which kernels it uses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from taichi_gs.fit.tile_tensors import PairCapacity
from taichi_gs.kernels.sharing import is_worth_sharing


class Workspace:
    """Memory of the kernels that draw moving Gaussians again and again, and which of their loops are shared.

    Fresh memory costs a fault of the processor for each of its pages, which together take longer than small kernels.

    Attributes:
        capacity: of the lists on a GPU.
    """

    def __init__(self, other: Workspace | None = None) -> None:
        """Make one that has all this in common with another, if one is given: for resolutions that take turns."""
        self.capacity = PairCapacity()
        self._memory: dict[str, NDArray[Any]] = {} if other is None else other._memory
        self._shared_loops: set[str] = set() if other is None else other._shared_loops

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that nobody else has under this name; what it holds means nothing."""
        size, memory = math.prod(shape), self._memory.get(name)
        if memory is None or len(memory) < size or memory.dtype != np.dtype(dtype):
            memory = self._memory[name] = np.empty(size, dtype)
        return memory[:size].reshape(shape)

    def room(self, name: str) -> int:
        """How many numbers the array of this name has room for; none if there is none yet."""
        return len(self._memory.get(name, ()))

    def shares(self, loop: str, nanoseconds: float) -> bool:
        """Tell whether all threads take part in loops of this name, judged by how long they would take in one thread.

        Once they do, they do so for the rest of the fit. A kernel is compiled for either case, and to load another one
        takes longer than that saves.
        """
        if loop in self._shared_loops:  # asking Taichi again and again takes time
            return True
        if is_worth_sharing(nanoseconds):
            self._shared_loops.add(loop)
        return loop in self._shared_loops

    def clear(self) -> None:
        """Give all arrays back, of all that share them: there will be fewer Gaussians."""
        self._memory.clear()
