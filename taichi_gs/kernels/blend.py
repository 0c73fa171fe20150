"""Alpha blending of tiles of 16 x 16 pixels (paper eq. 4-6): what its CPU and its CUDA form have in common.

A conic is the exponent of one Gaussian in base two: `conics [N, 4] = (a, b, c, l)` with

    alpha = 2**(l - (a dx + b dy)**2 - (c dy)**2),   (dx, dy) = pixel centre - mean,

so [[a, b], [0, c]] is the Cholesky factor of the inverse covariance times log2(e)/2, and l = log2(opacity). A sum of
squares and not the quadratic form's three coefficients, for as many operations: rounding cannot make it negative, and
however thin the Gaussian, its terms do not cancel each other.

`extents [N, 2]` are the half sides of the box outside which alpha is below 1/255. Images are planar, [3, H', W'], with
both sides padded to whole tiles. `tile_offsets [T + 1]` and `tile_indices [P]` list each tile's Gaussians front to
back, see `tiles.py`.

With v = dL/d(ln alpha) at one pixel,

    v = w (g . color) - alpha / (1 - alpha) S,

where g is the pixel's gradient, w = alpha T the blending weight, T the transmittance in front of this Gaussian and
S = g . (the colour still to come behind it, the background included). The gradients of a Gaussian are sums of v, v dx,
v dy, v dx dx, v dx dy, v dy dy and w g over pixels. `grad_pairs [P, 9]` holds them for every (tile, Gaussian) pair:
mean x, y; conic a, b, c, l; colour r, g, b. `grad_backgrounds [T, 3]` holds the background's, a tile a row.
"""

import functools

import taichi as ti

TILE = 16
NUM_PIXELS = TILE * TILE
NUM_GRADS = 9

LOG2_MIN_ALPHA = -7.994353436858858
LN2 = 0.6931471805599453


@functools.cache
def make_alpha(dtype):
    """The Taichi function from a base-two exponent, at most 0, to alpha: 2**power, and 0 below 1/255."""
    exp2 = exp2_f32 if dtype == ti.f32 else exp2_f64

    @ti.func
    def alpha_of(power):
        return ti.select(power >= LOG2_MIN_ALPHA, exp2(ti.max(power, -126.0)), 0.0)

    return alpha_of


@ti.func
def store_gradients(grad_pairs: ti.template(), pair, a, b, c, moments, sums):
    """Write a row of `grad_pairs`; moments: sums of v, v dx, v dy, v dx dx, v dx dy, v dy dy; sums: those of w g."""
    shift = a * moments[1] + b * moments[2]
    grad_pairs[pair, 0] = 2.0 * LN2 * a * shift
    grad_pairs[pair, 1] = 2.0 * LN2 * (b * shift + c * c * moments[2])
    grad_pairs[pair, 2] = -2.0 * LN2 * (a * moments[3] + b * moments[4])
    grad_pairs[pair, 3] = -2.0 * LN2 * (a * moments[4] + b * moments[5])
    grad_pairs[pair, 4] = -2.0 * LN2 * c * moments[5]
    grad_pairs[pair, 5] = LN2 * moments[0]
    for channel in ti.static(range(3)):
        grad_pairs[pair, 6 + channel] = sums[channel]


@ti.func
def exp2_f32(x):
    """2**x for -126 <= x <= 0, within 6e-8: a degree-5 minimax polynomial on (-1, 0], the exponent by its bits.

    ti.exp is a scalar call, and six times slower.
    """
    whole = ti.cast(x, ti.i32)
    f = x - whole
    f2 = f * f
    high = 0.009209180357198386 + 0.0009468770291101538 * f
    middle = 0.24017895627762828 + 0.05529811967633446 * f
    low = 0.9999999438867431 + 0.693143134641113 * f
    return (low + f2 * (middle + f2 * high)) * ti.bit_cast((whole + 127) << 23, ti.f32)


@ti.func
def exp2_f64(x):
    """2**x in double precision, which only tests use."""
    return ti.exp(x * ti.cast(LN2, ti.f64))


@functools.cache
def make_sum_pairs(dtype):
    """The kernel that sums the rows of `grad_pairs` per Gaussian in a fixed order; see `tiles.TileLists`."""

    @ti.kernel
    def sum_pairs(
        grad_pairs: ti.types.ndarray(dtype=dtype, ndim=2),
        order: ti.types.ndarray(dtype=ti.i32, ndim=1),
        rank_offsets: ti.types.ndarray(dtype=ti.i32, ndim=1),
        rank_pairs: ti.types.ndarray(dtype=ti.i32, ndim=1),
        grad_means: ti.types.ndarray(dtype=dtype, ndim=2),
        grad_conics: ti.types.ndarray(dtype=dtype, ndim=2),
        grad_colors: ti.types.ndarray(dtype=dtype, ndim=2),
    ):
        for rank in range(order.shape[0]):
            i = order[rank]
            total = ti.Vector([0.0] * NUM_GRADS, dtype)
            for k in range(rank_offsets[rank], rank_offsets[rank + 1]):
                pair = rank_pairs[k]
                for column in ti.static(range(NUM_GRADS)):
                    total[column] += grad_pairs[pair, column]
            for column in ti.static(range(2)):
                grad_means[i, column] = total[column]
            for column in ti.static(range(4)):
                grad_conics[i, column] = total[2 + column]
            for column in ti.static(range(3)):
                grad_colors[i, column] = total[6 + column]

    return sum_pairs
