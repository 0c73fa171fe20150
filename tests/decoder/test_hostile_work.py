"""The time and the memory of files that ask for as much as they can: each is decoded within bounds, or refused.

The bound on time is far above what is promised, and counts processor time, not to tell of what else a machine does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hostile_files import crowd

import taichi_gs
from benchmarks.decoding import random_picture
from fuzz.checks import CAN_MEASURE_MEMORY, DECODED
from fuzz.parts import with_checksum
from taichi_gs import Limits
from taichi_gs.decoder.parts import PAIRS_PER_PART
from taichi_gs.decoder.projection import project_gaussians
from taichi_gs.format.bitstream import parse_header, serialize
from taichi_gs.kernels.tiles import count_pairs
from taichi_gs.model.dequantize import dequantize_gaussians

MAX_SECONDS = 15.0
MAX_MEBIBYTES = 512.0

MOST, LARGEST = Limits().max_gaussians, (9459, 9459)
ANYWHERE = (65535, 65535)
"""A grid that takes the most time to read."""

REFUSED = "LimitError"

PROGRAM = """
import functools, json, sys, time
from pathlib import Path
import taichi_gs
from fuzz.checks import examine

options = json.loads(sys.argv[2])
taichi_gs.decode(Path(sys.argv[3]).read_bytes())  # with kernels in memory
before = time.process_time()
outcome = examine(Path(sys.argv[1]).read_bytes(), functools.partial(taichi_gs.decode, device="cpu", **options))
seconds = time.process_time() - before
print(json.dumps([outcome.name, outcome.sentence, seconds, outcome.mebibytes]))
"""


class Work(NamedTuple):
    """What came of a file, and what it took."""

    name: str
    sentence: str
    seconds: float
    mebibytes: float


@pytest.fixture
def work(python: Callable[..., Any], tmp_path: Path) -> Callable[..., Work]:
    """Decode a file in a process of its own."""

    def run(data: bytes, **options: Any) -> Work:
        (tmp_path / "hostile.tgs").write_bytes(data)
        (tmp_path / "warm.tgs").write_bytes(serialize(crowd(9, 1, (20, 20), is_gray=True)))
        done = python("-c", PROGRAM, "hostile.tgs", json.dumps(options), "warm.tgs")
        assert done.returncode == 0, done.stderr
        found = Work(*json.loads(done.stdout))
        assert found.seconds < MAX_SECONDS
        assert found.mebibytes < MAX_MEBIBYTES
        return found

    return run


@pytest.mark.parametrize(("image_size", "num_tiles"), [((16, 16), 1), ((1024, 1024), 4), ((1365, 65535), 4)])
def test_all_gaussians_in_one_place(work: Callable[..., Work], image_size: tuple[int, int], num_tiles: int) -> None:
    """Where four tiles meet, dividing a view used to copy all of them again and again."""
    found = work(serialize(crowd(MOST, 0, image_size, num_codewords=2)))
    assert found.name == DECODED
    floats = 16 * min(image_size[0] * image_size[1], 1 << 21)
    expected = 3 * image_size[0] * image_size[1] + floats + 300 * MOST + 50 * min(num_tiles * MOST, PAIRS_PER_PART)
    assert found.mebibytes < expected / 2**20 + 30


def test_all_gaussians_on_nine_tiles_of_a_third(work: Callable[..., Work]) -> None:
    """A part has whole pixels, and with three samples a pixel that is nine tiles."""
    assert work(serialize(crowd(MOST, MOST, (48, 48), num_codewords=2)), size=(16, 16)).name == DECODED


def test_all_gaussians_in_a_picture_and_its_alpha_plane(work: Callable[..., Work]) -> None:
    alpha = serialize(crowd(MOST // 2, 0, (16, 16), num_codewords=2, is_gray=True))
    assert work(serialize(crowd(MOST // 2, 0, (16, 16), num_codewords=2), {b"ALPH": alpha})).name == DECODED


def test_more_gaussians_are_refused(work: Callable[..., Work]) -> None:
    data = serialize(crowd(MOST + 1, 0, (16, 16), num_codewords=2))
    found = work(data)
    assert found.name == REFUSED
    assert found.mebibytes < 10
    limits = Limits(max_gaussians=MOST + 1)
    assert parse_header(data, limits).num_gaussians == MOST + 1


def test_everything_at_once(work: Callable[..., Work]) -> None:
    """As many Gaussians, pixels, codewords and pairs as there may be, each where it takes the most time."""
    picture = crowd(MOST, 14, LARGEST, grid_size=ANYWHERE, num_codewords=Limits().max_codewords - 1)
    assert work(serialize(picture)).name == DECODED


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_few_bytes_for_the_largest_picture(work: Callable[..., Work], blending: Any) -> None:
    data = serialize(crowd(30, 30, LARGEST, blending=blending))
    assert len(data) < 70
    assert work(data, size=(9458, 9458)).name == DECODED
    found = work(serialize(crowd(60, 60, LARGEST, blending=blending)))
    assert found.name == REFUSED
    assert "pairs of a Gaussian and a tile" in found.sentence


def test_few_bytes_for_the_largest_picture_with_alpha(work: Callable[..., Work]) -> None:
    alpha = serialize(crowd(10, 10, LARGEST, is_gray=True))
    found = work(serialize(crowd(10, 10, LARGEST), {b"ALPH": alpha}))
    assert found.name == DECODED
    # What is drawn, in bytes, is most of it.
    assert found.mebibytes < 4 * 9459 * 9459 / 2**20 + 100


@pytest.mark.parametrize(
    "options", [{"size": (4728, 4728)}, {"scale": 0.26}, {"scale": 1.99, "region": (9, 9, 90, 90)}]
)
def test_all_scales_and_regions(work: Callable[..., Work], options: dict[str, Any]) -> None:
    assert work(serialize(crowd(30, 30, (4729, 4729))), **options).name == DECODED
    assert work(serialize(crowd(4000, 4000, (4729, 4729))), **options).name in (DECODED, REFUSED)


def test_a_payload_that_nothing_needs(work: Callable[..., Work]) -> None:
    data = serialize(crowd(1, 0, (8, 8)))
    header = parse_header(data)
    padded = data[: header.header_bytes] + bytes(60_000_000)
    found = work(with_checksum(padded))
    assert found.name == REFUSED
    assert found.mebibytes < 10


@pytest.mark.skipif(not CAN_MEASURE_MEMORY, reason="only Linux tells")
def test_memory_is_what_the_page_says(work: Callable[..., Work]) -> None:
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
