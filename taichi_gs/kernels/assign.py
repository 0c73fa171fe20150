"""Find the cheapest codeword of every sample by looking at all of them: the inner loop of k-means."""

import functools

from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.sharing import first_of_slot, slot_bits
from taichi_gs.kernels.taichi import ti

LANES = 16
"""Samples that a task on the CPU goes through all codewords with, side by side in vector registers."""


@functools.cache
def make_assign(dtype, num_channels, form, *, shared=True):
    """The kernel from samples and codewords to the index of the cheapest codeword and its cost; see `fit/kmeans.py`.

    vectors and weights are [N, D] with D = `num_channels`, codewords [K, D], prices [K], indices [N] int32 and costs
    [N]. Of equally cheap codewords the first is taken. `form` is "cpu" or "gpu", where a thread has one sample.
    Only the threads of the CPU need not share the work.
    """
    bits = slot_bits(shared=shared)
    num_lanes = 1 if form == "gpu" else LANES
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    lanes = ti.types.vector(num_lanes, dtype)
    index_lanes = ti.types.vector(num_lanes, ti.i32)
    channel_lanes = ti.types.vector(num_channels * num_lanes, dtype)

    @Launcher
    @ti.kernel
    def assign(vectors: array2, weights: array2, codewords: array2, prices: array1, indices: index1, costs: array1):
        num_samples = vectors.shape[0]
        ti.loop_config(serialize=not shared)
        for slot in range(1 << bits):
            for task in range(
                first_of_slot(slot, (num_samples + num_lanes - 1) // num_lanes, bits),
                first_of_slot(slot + 1, (num_samples + num_lanes - 1) // num_lanes, bits),
            ):
                first = task * num_lanes
                count = ti.min(num_lanes, num_samples - first)
                x, w = channel_lanes(0.0), channel_lanes(0.0)
                for lane in range(count):
                    for channel in ti.static(range(num_channels)):
                        x[channel * num_lanes + lane] = vectors[first + lane, channel]
                        w[channel * num_lanes + lane] = weights[first + lane, channel]
                best, lowest = index_lanes(0), lanes(ti.math.inf)
                for k in range(codewords.shape[0]):
                    price = prices[k]
                    codeword = ti.Vector([codewords[k, channel] for channel in ti.static(range(num_channels))], dtype)
                    for lane in range(num_lanes):
                        cost = price
                        for channel in ti.static(range(num_channels)):
                            difference = x[channel * num_lanes + lane] - codeword[channel]
                            cost += w[channel * num_lanes + lane] * difference * difference
                        is_lower = cost < lowest[lane]
                        lowest[lane] = ti.select(is_lower, cost, lowest[lane])
                        best[lane] = ti.select(is_lower, k, best[lane])
                for lane in range(count):
                    indices[first + lane] = best[lane]
                    costs[first + lane] = lowest[lane]

    return assign
