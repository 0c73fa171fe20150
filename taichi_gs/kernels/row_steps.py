"""Weights from row to row of a half by two multiplications, for the kernels that fit.

From one row of pixels to the next a Gaussian's exponent changes by what is linear in the row. So its weight changes by
a factor, and this factor by another one, which is the same everywhere. For double rows, with e as in `blend.py`,

    e(y + 2) = e(y) s(y),   s(y + 2) = s(y) q.

Only the first rows need exponentials. Where e is less than single precision holds, it is taken as 0 and stays so. So
Gaussians that are thin from top to bottom begin anew after a few rows, and the thinnest ones have exponentials in every
row. With u = (a dx + b dy, c dy), a weight that
counts has |u|^2 <= log2(amplitude / cut-off), which is 25 at most. At the first rows |u| is up to MAX_MOVE more there,
and its square is less than 126.

What is drawn is that of `tile_forward.py` but for a few millionths. A decoder cannot take it, because it would depend
on where tiles begin.
"""

import functools

from taichi_gs.kernels.blend import exp2_f32, exp2_f64
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.kernels.weights import LOG2_UNITS, NORMALIZED_CUTOFF
from taichi_gs.model.blending import CUTOFFS

MAX_MOVE = 6.0
"""So far may u move between the first rows and the last ones that go by factors from them."""

LOWEST_POWER = -126.0
"""Of two, that single precision has with all its digits."""

HIGHEST_CHANGE = 60.0
"""Powers of two from row to row, up or down, are less than that where e is not 0: with d = (b, c) they are at most
|d| (2 |u| + |d|), and |d| <= 2 if there is more than one step."""


@ti.func
def num_steps(b, c):
    """How many double rows go together, by factors from the first."""
    most = 0.5 * (MAX_MOVE / ti.sqrt(b * b + c * c) + 1.0)
    return ti.cast(ti.math.clamp(most, 1.0, TILE / 2.0), ti.i32)


@functools.cache
def make_begin_rows(dtype, blending):
    """The Taichi function that fills vectors with a double row's e and s, and returns q.

    (x0, y0) is the centre of the upper row's first pixel seen from the mean. The first HALF_WIDTH lanes are that row,
    the others the row below it. e is in the units of the blending. `steps` is the Gaussian's `num_steps`.
    """
    exp2 = exp2_f32 if dtype == ti.f32 else exp2_f64
    log2_unit = LOG2_UNITS[blending]

    @ti.func
    def begin_rows(a, b, c, l, x0, y0, steps, weights: ti.template(), factors: ti.template()):
        # From one row to the next e changes by `factor`, and that by `decay`.
        curve, across = -2.0 * (b * b + c * c), c * y0
        decay = exp2(ti.select(curve > LOWEST_POWER, curve, LOWEST_POWER))
        decay_3 = decay * decay * decay
        constant, slope = (l - log2_unit) - across * across, 0.5 * curve - 2.0 * c * across
        for x in range(HALF_WIDTH):
            along = a * (x0 + x) + b * y0
            power = constant - along * along
            weight = exp2(ti.select(power > LOWEST_POWER, power, LOWEST_POWER))
            weight = ti.select(power > LOWEST_POWER, weight, 0.0)
            change = slope - 2.0 * b * along
            change = ti.select(change > -HIGHEST_CHANGE, change, -HIGHEST_CHANGE)
            factor = exp2(ti.select(change < HIGHEST_CHANGE, change, HIGHEST_CHANGE))
            weights[x], weights[x + HALF_WIDTH] = weight, weight * factor
            factors[x], factors[x + HALF_WIDTH] = factor * factor * decay, factor * factor * decay_3
        if steps == 1:
            below = c * (y0 + 1.0)
            for x in range(HALF_WIDTH):
                along = a * (x0 + x) + b * (y0 + 1.0)
                power = (l - log2_unit) - below * below - along * along
                weight = exp2(ti.select(power > LOWEST_POWER, power, LOWEST_POWER))
                weights[x + HALF_WIDTH] = ti.select(power > LOWEST_POWER, weight, 0.0)
        return decay * decay_3

    return begin_rows


@functools.cache
def make_cut_off(blending):
    """The Taichi function from e, in the units of the blending, to the weight."""

    @ti.func
    def cut_off(e):
        weight = e - NORMALIZED_CUTOFF
        if ti.static(blending == "normalized"):
            weight = ti.select(weight > 0.0, weight, 0.0)
        else:
            weight = ti.select(e >= CUTOFFS["alpha"], e, 0.0)
        return weight

    return cut_off
