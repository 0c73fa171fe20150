"""How the work of a loop is shared among the threads of the CPU.

Taichi hands a thread 512 iterations at once or more, whatever the settings of the loop say. A loop over fewer tiles
would keep to one thread, and one over a few times as many would leave threads idle in the end. So such a loop goes
through NUM_SLOTS iterations, each of which has an equal share of the tiles, and most of them none.
"""

from taichi_gs.kernels.taichi import ti

SLOT_BITS = 15
NUM_SLOTS = 1 << SLOT_BITS
"""64 portions of 512 iterations."""


@ti.func
def first_of_slot(slot, count):
    """The first of `count` items that belongs to a slot; the next slot's first is one past its last."""
    return ti.cast((ti.cast(slot, ti.i64) * count) >> SLOT_BITS, ti.i32)
