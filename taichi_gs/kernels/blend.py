"""Blending of tiles of 16 x 16 pixels (paper eq. 4-6): what its CPU and its GPU form have in common.

A conic is the exponent of one Gaussian in base two: `conics [N, 4] = (a, b, c, l)` with

    e = 2**(l - (a dx + b dy)**2 - (c dy)**2),   (dx, dy) = pixel centre - mean,

so [[a, b], [0, c]] is the Cholesky factor of the inverse covariance times log2(e)/2, and l = log2(amplitude). A sum of
squares and not the quadratic form's three coefficients, for as many operations: rounding cannot make it negative, and
however thin the Gaussian, its terms do not cancel each other.

In alpha blending the weight is e, or 0 below the cut-off; in normalised blending it is max(e - cut-off, 0).

`extents [N, 2]` are the half sides of the box outside which e is below the cut-off. Images are planar,
[PLANES[blending], H', W'], with both sides padded to whole tiles. `tile_offsets [T + 1]` and `tile_indices [P]` list
each tile's Gaussians front to back, see `tiles.py`.

Let g be the gradient at one pixel, s the share that a Gaussian has in its colour C, and v = dL/d(ln e). In alpha
blending the weight is an alpha and s = alpha T, with the transmittance T in front of this Gaussian, and

    v = s (g . color) - alpha / (1 - alpha) S,

where S = g . (the colour still to come behind it, the background included). In normalised blending s = weight / W,
where W is the sum of all weights, the background's included, and

    v = slope / W (g . color - g . C),   slope = dweight/d(ln e) = e, or 0 where the weight is 0.

The gradients of a Gaussian are sums of v, v dx, v dy, v dx dx, v dx dy, v dy dy and s g over pixels. `grad_pairs
[P, 9]` holds them for every (tile, Gaussian) pair: mean x, y; conic a, b, c, l; colour r, g, b. `grad_backgrounds [3,
T]` holds the background's, a tile a column.
"""

import functools

from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import TILE
from taichi_gs.kernels.weights import (
    EXP2_COEFFICIENTS,
    FIRST_STATES,
    LOG2_CUTOFFS,
    LOG2_UNITS,
    LOWEST_POWERS,
    NORMALIZED_CUTOFF,
)

NUM_PIXELS = TILE * TILE
NUM_GRADS = 9

PLANES = {"alpha": 3, "normalized": 4}
"""Planes of an image: red, green and blue, and after them 1 / W in normalised blending, which `backward` reads."""

LN2 = 0.6931471805599453

_P0, _P1, _P2, _P3, _P4, _P5 = EXP2_COEFFICIENTS


@functools.cache
def make_weight(dtype, blending):
    """The Taichi function from the base-two exponent of e to the weight, in units of the blending."""
    exp2 = exp2_f32 if dtype == ti.f32 else exp2_f64
    log2_cutoff, log2_unit, lowest = LOG2_CUTOFFS[blending], LOG2_UNITS[blending], LOWEST_POWERS[blending]

    @ti.func
    def weight_of(power):
        # `ti.max` would take three instructions, because of NaN.
        weight = exp2(ti.select(power - log2_unit > lowest, power - log2_unit, lowest))
        if ti.static(blending == "normalized"):
            # `exp2` rounds, and what it makes of the cut-off is no more than what it makes of larger exponents: the
            # difference is never negative, and 0 outside.
            weight -= exp2(ti.cast(lowest, dtype))
        else:
            weight = ti.select(power >= log2_cutoff, weight, 0.0)
        return weight

    return weight_of


@ti.func
def normalized_slope(weight):
    """dweight/d(ln e) of normalised blending, in the units of the weight."""
    return ti.select(weight > 0.0, weight + NORMALIZED_CUTOFF, 0.0)


@functools.cache
def make_store_pixel(dtype, blending):
    """The Taichi function that adds the background to a pixel and writes it to an image.

    `red`, `green`, `blue` are the sums over the Gaussians, `state` the transmittance behind all of them in alpha
    blending and W in normalised blending.
    """
    background_weight = FIRST_STATES[blending]

    @ti.func
    def store_pixel(image: ti.template(), y, x, red, green, blue, state, background: ti.template()):
        rest, scale = state, ti.cast(1.0, dtype)
        if ti.static(blending == "normalized"):
            rest, scale = background_weight, 1.0 / state
            image[3, y, x] = scale
        image[0, y, x] = (red + rest * background[0]) * scale
        image[1, y, x] = (green + rest * background[1]) * scale
        image[2, y, x] = (blue + rest * background[2]) * scale

    return store_pixel


@ti.func
def store_gradients(grad_pairs: ti.template(), pair, a, b, c, moments, sums):
    """Write a row of `grad_pairs`; moments: sums of v, v dx, v dy, v dx dx, v dx dy, v dy dy; sums: those of s g."""
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
    """2**x for -126 <= x <= 127, within 6e-8: a polynomial on (-1, 0], the exponent added to its bits.

    ti.exp is a scalar call, and six times slower.
    """
    up = ti.ceil(x)
    whole, f = ti.cast(up, ti.i32), x - up
    f2 = f * f
    high = _P4 + _P5 * f
    middle = _P2 + _P3 * f
    low = _P0 + _P1 * f
    return ti.bit_cast(ti.bit_cast(low + f2 * (middle + f2 * high), ti.i32) + (whole << 23), ti.f32)


@ti.func
def exp2_f64(x):
    """2**x in double precision, which only tests use."""
    return ti.exp(x * ti.cast(LN2, ti.f64))
