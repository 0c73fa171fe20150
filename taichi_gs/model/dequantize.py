"""What the integers of a picture stand for (paper eq. 7)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from taichi_gs.model.arrays import Array, namespace
from taichi_gs.model.blending import MAX_OPACITY, Blending
from taichi_gs.model.gaussians import FloatArray, Gaussians
from taichi_gs.model.grain import deviations_of
from taichi_gs.model.lattice import Lattice, lattice_of_picture
from taichi_gs.model.quantized import AMPLITUDE_CHANNEL, AMPLITUDE_UNIT, QuantizedGaussians, UniformQuantizer


class QuantizerArrays(NamedTuple):
    """The minima, the steps and the last symbols of D quantisers, [D] float64 each."""

    minima: Array
    steps: Array
    last: Array

    @classmethod
    def of(cls, quantizers: Sequence[UniformQuantizer], like: Array) -> QuantizerArrays:
        """Return those of quantisers, in arrays of the kind and on the device of `like`."""
        return _arrays_of(tuple(quantizers), namespace(like), like.device)


@functools.lru_cache(maxsize=64)
def _arrays_of(quantizers: tuple[UniformQuantizer, ...], xp: Any, device: Any) -> QuantizerArrays:
    """Kept, because a fit rounds in each step, and small arrays take time to make."""
    columns = zip(*((own.minimum, own.step, own.num_levels - 1) for own in quantizers), strict=True)
    return QuantizerArrays(*(xp.asarray(column, dtype=xp.float64, device=device) for column in columns))


def dequantize(symbols: Array, quantizers: Sequence[UniformQuantizer]) -> Array:
    """The vectors [K, D] that symbols [K, D] stand for (eq. 7), float32, with one quantiser a channel."""
    xp, arrays = namespace(symbols), QuantizerArrays.of(quantizers, symbols)
    return xp.astype(arrays.minima + arrays.steps * xp.astype(symbols, xp.float64), xp.float32)


def rgb_from_ycocg(ycocg: Array) -> Array:
    """RGB [N, 3] from Y, Co, Cg [N, 3]: R = Y + Co - Cg, G = Y + Cg, B = Y - Co - Cg."""
    y, co, cg = ycocg.T
    return namespace(ycocg).stack([y + co - cg, y + cg, y - co - cg], axis=1)


def amplitudes_of(codes: Array, blending: Blending) -> Array:
    """The amplitudes [N] that amplitude codes [N] stand for: opacities for "alpha", else weights at the means."""
    exp = namespace(codes).exp
    return exp(AMPLITUDE_UNIT * codes) if blending == "normalized" else MAX_OPACITY / (1.0 + exp(-codes))


def amplitude_slopes(amplitudes: Array, blending: Blending) -> Array:
    """The derivatives [N] by their codes of amplitudes [N] that `amplitudes_of` returns."""
    return AMPLITUDE_UNIT * amplitudes if blending == "normalized" else amplitudes * (1.0 - amplitudes / MAX_OPACITY)


def dequantize_gaussians(quantized: QuantizedGaussians, lattice: Lattice | None = None) -> Gaussians:
    """The Gaussians that the integers stand for, front to back; `lattice` is theirs, if it is known already.

    Their means are float64, to be rounded when the pixel is known that they are counted from.
    """
    lattice = lattice or lattice_of_picture(quantized)
    order = quantized.blending_order()
    covariances, codes = (
        dequantize(codebook.symbols, codebook.quantizers)[indices[order]]
        for codebook, indices in (quantized.covariances, quantized.colors)
    )
    return Gaussians(
        means=lattice.exact_positions(quantized.cells, quantized.offsets)[order],
        log_covariances=covariances,
        colors=rgb_from_ycocg(codes[:, :AMPLITUDE_CHANNEL]),
        amplitudes=amplitudes_of(codes[:, AMPLITUDE_CHANNEL], quantized.blending),
        background=(quantized.background / 255.0).astype(np.float32),
        image_size=quantized.image_size,
        blending=quantized.blending,
    )


def dequantize_grain(quantized: QuantizedGaussians) -> FloatArray | None:
    """The deviations of the grain of the Gaussians [N], in the order of `dequantize_gaussians`; 1 is white."""
    if quantized.grain is None:
        return None
    order = quantized.blending_order()
    return deviations_of(quantized.grain)[quantized.color_indices[order]]
