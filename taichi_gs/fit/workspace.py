"""What a step keeps for the next one, so that no memory is asked for anew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from taichi_gs.fit.tile_tensors import PairCapacity

SPARE = 1.25
"""Memory in multiples of what is asked for, because the next step may ask for a little more."""

MOST_SPARE = 5
"""Memory that is larger than that is given back, unless it is small."""

SMALL = 1 << 22
"""Bytes."""


class Workspace:
    """Memory of the kernels that draw moving Gaussians again and again, at one resolution.

    Fresh memory costs a fault of the processor for each of its pages, which together take longer than small kernels.

    Attributes:
        capacity: of the lists on a GPU.
        num_pairs: of a tile and a Gaussian, on the CPU, in the last step; 0 before the first.
    """

    def __init__(self, other: Workspace | None = None) -> None:
        """Make one that shares its arrays with another, if one is given: for resolutions that take turns."""
        self.capacity, self.num_pairs = PairCapacity(), 0
        self._memory: dict[str, NDArray[Any]] = {} if other is None else other._memory

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that nobody else has under this name; what it holds means nothing."""
        size, memory = math.prod(shape), self._memory.get(name)
        if memory is not None and (len(memory) < size or memory.dtype != np.dtype(dtype)):
            memory = None
        if memory is not None and memory.nbytes > SMALL and len(memory) > MOST_SPARE * size:
            memory = None
        if memory is None:
            self._memory.pop(name, None)  # before there is new memory
            memory = self._memory[name] = np.empty(int(SPARE * size), dtype)
        return memory[:size].reshape(shape)
