"""How the work of a loop is shared among the threads of the CPU.

Taichi hands a thread 512 iterations at once or more, whatever the settings of the loop say. A loop over fewer tiles
would keep to one thread, and one over a few times as many would leave threads idle in the end. So such a loop goes
through slots, each of which has an equal share of the tiles, and most of them none.

To wake the threads takes longer than a short loop over Gaussians, candidates or samples does. Such a loop stays in the
thread that launches the kernel: it is compiled for either case. Loops over tiles are shared wherever there are threads,
because another variant of a large kernel takes longer to load than that would save.
"""

from taichi_gs.kernels.taichi import ti

SLOT_BITS = 15
"""2^15 slots are 64 portions of 512 iterations."""

MIN_SHARED_NANOSECONDS = 250_000
"""What a loop takes in one thread, for others to help: to wake them takes 70,000 to 130,000."""


def has_threads() -> bool:
    """Tell whether a loop can be shared at all."""
    num_threads: int = ti.lang.impl.current_cfg().cpu_max_num_threads
    return num_threads > 1


def is_worth_sharing(nanoseconds: float) -> bool:
    """Tell whether the threads that there are finish a loop sooner than one that does it in so many nanoseconds."""
    return nanoseconds >= MIN_SHARED_NANOSECONDS and has_threads()


def slot_bits(*, shared: bool) -> int:
    """The binary logarithm of the number of slots of a loop."""
    return SLOT_BITS if shared else 0


@ti.func
def first_of_slot(slot, count, bits):
    """The first of `count` items that belongs to one of 2^bits slots; the next slot's first is one past its last."""
    return ti.cast((ti.cast(slot, ti.i64) * count) >> bits, ti.i32)
