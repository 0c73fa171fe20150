"""The channels of the codewords: what values they can have, and the quantisers that a file can name by a number.

A channel is rounded to multiples of a step. Steps are quarters of octaves below the largest one of the channel. The
range of a channel is the same in every file, so that nothing need be said about it. m alone is counted from the area
that the pixels of the picture divided by the Gaussians are about, which a file says as `area_code`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from taichi_gs.errors import BitstreamError
from taichi_gs.model.blending import Blending
from taichi_gs.model.quantized import (
    CHROMA_CHANNELS,
    COVARIANCE_CHANNELS,
    NO_CHROMA,
    NUM_CHANNELS,
    UniformQuantizer,
)

CHROMA = tuple(COVARIANCE_CHANNELS + channel for channel in CHROMA_CHANNELS)
"""Co and Cg among all seven."""

MAX_STEP_CODE = 40

MAX_DIFFERENCE = 12
"""The step codes of the other channels differ from that of m by so much at most."""

MAX_AREA_CODE = 47
"""exp(23.5) pixels a Gaussian are more than the largest picture has."""

AREA_UNIT = 0.5

_MANTISSA_BITS = 16
_MANTISSAS = (65536, 55109, 46341, 38968)
"""2^16 times 2^(-i / 4), rounded: steps are exact in binary, as lattices need them."""


@dataclass(frozen=True)
class Channel:
    """A channel of the codewords.

    Attributes:
        low, high: the ends of its range, whole numbers.
        largest_step: a power of two.
    """

    low: int
    high: int
    largest_step: float

    def levels_below(self, step: float) -> int:
        """How many levels are below the value 0, which is the number of its symbol."""
        return math.floor(-self.low / step)


SHAPE_CHANNELS = (Channel(-16, 8, 4.0), Channel(-8, 8, 4.0), Channel(-8, 8, 4.0))
"""m, u and v."""

_COLOR_CHANNELS = (Channel(-1, 2, 0.25), Channel(-1, 1, 0.25), Channel(-1, 1, 0.25))
_WEIGHT_CHANNEL, _OPACITY_CHANNEL = Channel(-1, 2, 1.0), Channel(-8, 8, 4.0)


def channels_of(blending: Blending) -> tuple[Channel, ...]:
    """Return the seven channels m, u, v, Y, Co, Cg and z."""
    return (*SHAPE_CHANNELS, *_COLOR_CHANNELS, _WEIGHT_CHANNEL if blending == "normalized" else _OPACITY_CHANNEL)


def step_of(channel: Channel, step_code: int) -> float:
    """The step with a code from 0 to MAX_STEP_CODE."""
    octaves, quarters = divmod(step_code, 4)
    return math.ldexp(channel.largest_step * _MANTISSAS[quarters], -_MANTISSA_BITS - octaves)


def quantizer_of(channel: Channel, step_code: int, start: float = 0.0) -> UniformQuantizer:
    """Return the quantiser of a channel with a code from 0 to MAX_STEP_CODE; 0 is one of its values.

    Args:
        channel: what is quantised.
        step_code: of the step.
        start: is added to all values.
    """
    step = step_of(channel, step_code)
    below, above = channel.levels_below(step), math.floor(channel.high / step)
    return UniformQuantizer(start - below * step, step, below + above + 1)


def area_code_of(num_pixels: int, num_gaussians: int) -> int:
    """The code of the mean area of a Gaussian."""
    return min(max(round(math.log(num_pixels / max(num_gaussians, 1)) / AREA_UNIT), 0), MAX_AREA_CODE)


def present_channels(*, is_gray: bool) -> list[int]:
    """The numbers of the channels that a picture has."""
    return [channel for channel in range(NUM_CHANNELS) if not (is_gray and channel in CHROMA)]


def starts_of(area_code: int) -> tuple[float, ...]:
    """What is added to the values of the seven channels."""
    return (AREA_UNIT * area_code, *(0.0,) * (NUM_CHANNELS - 1))


def quantizers_of(
    step_codes: Sequence[int], area_code: int, blending: Blending, *, is_gray: bool
) -> tuple[UniformQuantizer, ...]:
    """Return the quantisers of the seven channels; the codes of Co and Cg in a gray picture are not looked at."""
    made = [quantizer_of(*own) for own in zip(channels_of(blending), step_codes, starts_of(area_code), strict=True)]
    return tuple(NO_CHROMA if is_gray and channel in CHROMA else own for channel, own in enumerate(made))


def codes_of(quantizers: Sequence[UniformQuantizer], blending: Blending, *, is_gray: bool) -> tuple[list[int], int]:
    """Return the step codes of the seven channels, 0 for those that a gray picture has not, and the area code.

    Raises:
        BitstreamError: if `quantizers_of` does not make these quantisers.
    """
    channels, present = channels_of(blending), present_channels(is_gray=is_gray)
    step_codes = [_step_code(channels[c], own) if c in present else 0 for c, own in enumerate(quantizers)]
    start = quantizers[0].minimum - quantizer_of(channels[0], step_codes[0]).minimum
    area_code = min(max(round(start / AREA_UNIT), 0), MAX_AREA_CODE)
    if quantizers_of(step_codes, area_code, blending, is_gray=is_gray) != tuple(quantizers):
        raise BitstreamError("The format cannot hold these quantisers: they have other ranges.")
    return step_codes, area_code


def _step_code(channel: Channel, quantizer: UniformQuantizer) -> int:
    codes = [code for code in range(MAX_STEP_CODE + 1) if step_of(channel, code) == quantizer.step]
    if not codes:
        raise BitstreamError(f"The format cannot hold the step {quantizer.step}.")
    return codes[0]
