"""The time and the memory of files that ask for as much as they can: each is decoded within bounds, or refused.

The bound on time is far above what is promised, and counts processor time, not to tell of what else a machine does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import taichi_gs
from benchmarks.decoding import random_picture
from fuzz.checks import CAN_MEASURE_MEMORY, DECODED
from fuzz.hostile_files import crowd
from fuzz.parts import with_checksum
from fuzz.work import CASES, LARGEST, MOST, Case, Work, measure
from taichi_gs import Limits
from taichi_gs.decoder.parts import PAIRS_PER_PART
from taichi_gs.decoder.projection import project_gaussians
from taichi_gs.format.bitstream import parse_header, serialize
from taichi_gs.kernels.tiles import count_pairs
from taichi_gs.model.dequantize import dequantize_gaussians

MAX_SECONDS = 15.0
MAX_MEBIBYTES = 512.0

REFUSED = "LimitError"


def work(data: bytes, **options: Any) -> Work:
    """Decode a file in a process of its own, within all bounds."""
    found = measure(data, **options)
    assert found.processor_seconds < MAX_SECONDS
    assert found.mebibytes < MAX_MEBIBYTES
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_takes_the_most_is_decoded(case: Case) -> None:
    assert work(case.make(), **case.options).name == DECODED


@pytest.mark.parametrize(("image_size", "num_tiles"), [((16, 16), 1), ((1024, 1024), 4), ((1365, 65535), 4)])
def test_all_gaussians_in_one_place(image_size: tuple[int, int], num_tiles: int) -> None:
    """Where four tiles meet, dividing a view used to copy all of them again and again."""
    found = work(serialize(crowd(MOST, 0, image_size, num_codewords=2)))
    assert found.name == DECODED
    floats = 16 * min(image_size[0] * image_size[1], 1 << 21)
    expected = 3 * image_size[0] * image_size[1] + floats + 300 * MOST + 50 * min(num_tiles * MOST, PAIRS_PER_PART)
    assert found.mebibytes < expected / 2**20 + 30


def test_more_gaussians_are_refused() -> None:
    data = serialize(crowd(MOST + 1, 0, (16, 16), num_codewords=2))
    found = work(data)
    assert found.name == REFUSED
    assert found.mebibytes < 10
    limits = Limits(max_gaussians=MOST + 1)
    assert parse_header(data, limits).num_gaussians == MOST + 1


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_more_pairs_are_refused(blending: Any) -> None:
    found = work(serialize(crowd(60, 60, LARGEST, blending=blending)))
    assert found.name == REFUSED
    assert "pairs of a Gaussian and a tile" in found.sentence


def test_few_bytes_for_the_largest_picture_with_alpha() -> None:
    alpha = serialize(crowd(10, 10, LARGEST, is_gray=True))
    found = work(serialize(crowd(10, 10, LARGEST), {b"ALPH": alpha}))
    assert found.name == DECODED
    # What is drawn, in bytes, is most of it.
    assert found.mebibytes < 4 * 9459 * 9459 / 2**20 + 100


@pytest.mark.parametrize(
    "options", [{"size": (4728, 4728)}, {"scale": 0.26}, {"scale": 1.99, "region": (9, 9, 90, 90)}]
)
def test_many_pairs_at_all_scales_and_in_regions(options: dict[str, Any]) -> None:
    assert work(serialize(crowd(4000, 4000, (4729, 4729))), **options).name in (DECODED, REFUSED)


def test_a_payload_that_nothing_needs() -> None:
    data = serialize(crowd(1, 0, (8, 8)))
    header = parse_header(data)
    padded = data[: header.header_bytes] + bytes(60_000_000)
    found = work(with_checksum(padded))
    assert found.name == REFUSED
    assert found.mebibytes < 10


@pytest.mark.skipif(not CAN_MEASURE_MEMORY, reason="only Linux tells")
def test_memory_is_what_the_page_says() -> None:
    """1 to 4 bytes a pixel drawn, 300 a Gaussian, 50 a pair of one part, and 100 MiB."""
    picture = random_picture((1000, 1200), 100_000)
    data = serialize(picture)
    for scale in (1, 5):
        found = work(data, scale=scale)
        assert found.name == DECODED
        expected = 3 * scale**2 * 1000 * 1200 + 300 * 100_000 + 50 * PAIRS_PER_PART
        assert found.mebibytes < expected / 2**20 + 100


@pytest.mark.parametrize(
    ("megapixels", "num_gaussians"), [(0.4, 211_000), (2.0, 222_000), (24.0, 240_000), (89.4, 251_000)]
)
def test_photographs_of_a_megabyte_are_far_from_all_limits(megapixels: float, num_gaussians: int) -> None:
    """The encoder makes so many Gaussians of 1 MB at the most; these overlap more than those of photographs."""
    side = int((1e6 * megapixels) ** 0.5)
    picture, limits = random_picture((side, side), num_gaussians), Limits()
    projected = project_gaussians(dequantize_gaussians(picture))
    pairs = count_pairs(projected.means, projected.extents, projected.image_size)
    assert 1.1 * pairs < limits.pairs_allowed(1_000_000, num_gaussians, side**2, side**2)
    assert 1.5 * num_gaussians < limits.max_gaussians
    assert limits.max_codewords > 3 * 4096  # the encoder has no more than 4096 of either kind
    assert 16 * num_gaussians > 1.5 * 1_000_000


def test_a_large_photograph_decodes() -> None:
    picture = random_picture((1500, 2000), 200_000)
    data = serialize(picture)
    assert len(data) > 500_000
    assert taichi_gs.decode(data).shape == (1500, 2000, 3)
    assert np.ptp(taichi_gs.decode(data, region=(0, 0, 90, 90))) > 100
