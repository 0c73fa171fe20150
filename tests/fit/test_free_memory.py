"""Memory that is given back."""

from __future__ import annotations

import gc
import weakref

import pytest

from taichi_gs.fit.free_memory import give_back_freed_memory


class Circle:
    """What only a collection of garbage frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("is_large", [False, True])
def test_garbage_is_collected_for_large_pictures_alone(is_large: bool) -> None:
    gc.disable()
    try:
        circle = weakref.ref(Circle())
        give_back_freed_memory(is_large=is_large)
        assert (circle() is None) == is_large
    finally:
        gc.enable()
