"""The quantisers that a file can name by numbers, against what `docs/format.md` says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantized_pictures import step_codes

from taichi_gs.errors import BitstreamError
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import (
    MAX_AREA_CODE,
    MAX_STEP_CODE,
    area_code_of,
    channels_of,
    codes_of,
    quantizer_of,
    quantizers_of,
    starts_of,
    step_of,
)
from taichi_gs.model.quantized import NO_CHROMA, UniformQuantizer

BLENDINGS: tuple[Blending, ...] = ("alpha", "normalized")

RANGES = [(-16, 8), (-8, 8), (-8, 8), (-1, 2), (-1, 1), (-1, 1)]
LARGEST_STEPS = [Fraction(4)] * 3 + [Fraction(1, 4)] * 3
OF_AMPLITUDES = {"normalized": ((-1, 2), Fraction(1)), "alpha": ((-8, 8), Fraction(4))}
MANTISSAS = (65536, 55109, 46341, 38968)
"""All from the document's tables."""


def exact_step(channel: int, blending: Blending, step_code: int) -> Fraction:
    largest = [*LARGEST_STEPS, OF_AMPLITUDES[blending][1]][channel]
    return largest * MANTISSAS[step_code % 4] / 2 ** (16 + step_code // 4)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("channel", range(7))
def test_steps_are_those_of_the_document(channel: int, blending: Blending) -> None:
    own = channels_of(blending)[channel]
    assert (own.low, own.high) == [*RANGES, OF_AMPLITUDES[blending][0]][channel]
    steps = [step_of(own, code) for code in range(MAX_STEP_CODE + 1)]
    assert [Fraction(step) for step in steps] == [
        exact_step(channel, blending, code) for code in range(MAX_STEP_CODE + 1)
    ]
    # Exact in binary, quarters of octaves apart, and ten octaves in all.
    assert all((Fraction(step) * 2**28).denominator == 1 for step in steps)
    np.testing.assert_allclose(np.array(steps[:-1]) / steps[1:], 2**0.25, rtol=2e-5)
    assert steps[0] == 1024 * steps[40]


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("start", [0.0, 0.5, 23.5])
def test_quantizers_cover_their_ranges(blending: Blending, start: float) -> None:
    """No more than a step is missing at either end, nothing is beyond, and `start` itself is a value."""
    for number, channel in enumerate(channels_of(blending)):
        for code in range(MAX_STEP_CODE + 1):
            quantizer = quantizer_of(channel, code, start)
            step = exact_step(number, blending, code)
            first = Fraction(quantizer.minimum) - Fraction(start)
            last = first + step * (quantizer.num_levels - 1)
            assert Fraction(quantizer.step) == step
            assert channel.low <= first < channel.low + step
            assert channel.high - step < last <= channel.high
            assert (first / step).denominator == 1
            assert (Fraction(quantizer.minimum) * 2**28).denominator == 1
            assert 2 <= quantizer.num_levels < 1 << 14


def test_areas_are_counted_from_that_of_a_gaussian() -> None:
    for num_pixels, num_gaussians in [(1, 1), (512 * 768, 5000), (65535**2, 1), (10, 100), (300, 0)]:
        code = area_code_of(num_pixels, num_gaussians)
        start, *others = starts_of(code)
        assert others == [0.0] * 6
        assert abs(start - max(math.log(num_pixels / max(num_gaussians, 1)), 0.0)) <= 0.25
        assert 0 <= code <= MAX_AREA_CODE
    assert starts_of(MAX_AREA_CODE)[0] > math.log(65535**2)


@given(step_codes(), st.integers(0, MAX_AREA_CODE), st.sampled_from(BLENDINGS), st.booleans())
@settings(deadline=None)
def test_codes_of_quantizers_are_those_that_made_them(
    codes: list[int], area_code: int, blending: Blending, is_gray: bool
) -> None:
    quantizers = quantizers_of(codes, area_code, blending, is_gray=is_gray)
    found, found_area = codes_of(quantizers, blending, is_gray=is_gray)
    assert found == ([*codes[:4], 0, 0, *codes[6:]] if is_gray else codes)
    assert found_area == area_code
    assert [own == NO_CHROMA for own in quantizers] == [is_gray and channel in (4, 5) for channel in range(7)]


QUANTIZERS = quantizers_of([20] * 7, 10, "normalized", is_gray=False)


def refuses(quantizers: Sequence[UniformQuantizer], blending: Blending = "normalized", is_gray: bool = False) -> None:
    with pytest.raises(BitstreamError, match="The format cannot hold"):
        codes_of(quantizers, blending, is_gray=is_gray)


@pytest.mark.parametrize("channel", range(7))
def test_other_quantizers_are_refused(channel: int) -> None:
    own = QUANTIZERS[channel]
    for changed in (
        replace(own, step=np.nextafter(own.step, 1)),
        replace(own, step=8.0),
        replace(own, step=own.step / 1024),
        replace(own, minimum=own.minimum + own.step),
        replace(own, minimum=own.minimum - 0.25),
        replace(own, num_levels=own.num_levels - 1),
        replace(own, num_levels=own.num_levels + 1),
        NO_CHROMA,
    ):
        refuses([*QUANTIZERS[:channel], changed, *QUANTIZERS[channel + 1 :]])


def test_areas_that_cannot_be_are_refused() -> None:
    m = channels_of("alpha")[0]
    for start in (-0.5, 0.25, 24.0):
        refuses([quantizer_of(m, 20, start), *QUANTIZERS[1:]])


def test_quantizers_of_other_pictures_are_refused() -> None:
    refuses(QUANTIZERS, blending="alpha")
    refuses(QUANTIZERS, is_gray=True)
    refuses(quantizers_of([20] * 7, 10, "normalized", is_gray=True))
