"""What a file may ask for: the limits, the error each of them gives, and how to set others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from quantized_pictures import gray_picture, quantized_picture

import taichi_gs
from cli import tgs
from cli.options import LIMIT_NAMES
from taichi_gs import LimitError, Limits
from taichi_gs.decoder import viewport as view
from taichi_gs.decoder.viewport import choose_view
from taichi_gs.format.bitstream import parse, parse_header, serialize
from taichi_gs.format.header import check_header
from taichi_gs.format.limits import check_sides
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


def covering(num_gaussians: int, image_size: tuple[int, int]) -> QuantizedGaussians:
    """Gaussians of which each is visible in every pixel, and which take next to no bytes."""
    picture = quantized_picture(num_gaussians, 1, 0, image_size, (1, 1))
    quantizers = (UniformQuantizer(31.0, 0.0, 0), *[UniformQuantizer(0.0, 0.0, 0)] * 2)
    return replace(picture, covariance_codebook=QuantizedCodebook(np.zeros((1, 3), dtype=np.int64), quantizers))


def test_pairs_are_counted_where_they_are_drawn() -> None:
    """20 Gaussians over 3 x 4 tiles; a region of 2 x 1 of them; and four times as many."""
    data = serialize(covering(20, (40, 60)))
    for options, num_pairs in (
        ({}, 240),
        ({"region": (16, 0, 16, 32)}, 40),
        ({"scale": 2}, 20 * 5 * 8),
        ({"scale": 0.5}, 240),  # of two samples a pixel along either side
    ):
        taichi_gs.decode(data, limits=Limits(max_pairs=num_pairs), **options)
        with pytest.raises(
            LimitError, match=f"{num_pairs} pairs of a Gaussian and a tile, more than the {num_pairs - 1}"
        ):
            taichi_gs.decode(data, limits=Limits(max_pairs=num_pairs - 1), **options)


def test_what_a_small_file_may_ask_for() -> None:
    cheap, dear = covering(4000, (256, 256)), covering(4000, (600, 600))
    assert taichi_gs.decode(serialize(cheap)).shape == (256, 256, 3)
    data = serialize(dear)
    assert len(data) < 100
    num_pairs, allowed = 4000 * 38 * 38, 2**22 + 64 * (len(data) - 4) + 600 * 600 // 8
    with pytest.raises(
        LimitError, match=f"has {num_pairs} pairs of a Gaussian and a tile, more than the {allowed} allowed"
    ):
        taichi_gs.decode(data)
    # More is allowed to who asks for more, but not to who asks for less.
    assert taichi_gs.decode(data, region=(300, 300, 256, 256)).shape == (256, 256, 3)
    allowed += 3 * 600 * 600 // 8
    with pytest.raises(LimitError, match=f"{4000 * 75 * 75} pairs .* than the {allowed} allowed"):
        taichi_gs.decode(data, scale=2)
    with pytest.raises(LimitError, match="pairs of a Gaussian and a tile"):
        taichi_gs.decode(serialize(covering(4000, (1, 1))), size=(1024, 1024))


def test_metadata_in_thousands_of_pieces() -> None:
    tags = [bytes([97 + i // 676, 97 + i // 26 % 26, 97 + i % 26, 0]) for i in range(1001)]
    picture = quantized_picture(num_gaussians=0)
    assert len(parse_header(serialize(picture, dict.fromkeys(tags[:1000], b""))).tail) == 1000
    with pytest.raises(LimitError, match="more pieces than the 1000 allowed"):
        serialize(picture, dict.fromkeys(tags, b""))


def test_metadata_do_not_pay_for_drawing() -> None:
    picture = covering(4000, (600, 600))
    with pytest.raises(LimitError) as plain:
        taichi_gs.decode(serialize(picture))
    with pytest.raises(LimitError) as padded:
        taichi_gs.decode(serialize(picture, {b"xpad": bytes(100_000)}))
    # The length of the payload, which a file with a tail has, is a byte of its header.
    assert int(str(padded.value).split()[-2]) - int(str(plain.value).split()[-2]) == 64


def test_many_pairs_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = serialize(quantized_picture(num_gaussians=300, image_size=(150, 90)))
    whole = taichi_gs.decode(data).astype(int)
    monkeypatch.setattr(view, "PAIRS_PER_PART", 60)
    drawn = choose_view((150, 90))
    parts = list(drawn.parts(drawn.project(dequantize_gaussians(parse(data)))))
    assert len(parts) > 10
    covered = np.zeros((150, 90), dtype=int)
    for left, top, part in parts:
        height, width = part.image_size
        assert (left % 16, top % 16) == (0, 0)
        covered[top : top + height, left : left + width] += 1
    assert (covered == 1).all()
    assert np.abs(taichi_gs.decode(data) - whole).max() <= 1


def test_no_limit_goes_beyond_the_format() -> None:
    limits = Limits(**dict.fromkeys(Limits.__dataclass_fields__, 10**12))
    with pytest.raises(LimitError, match="more than the 65535 allowed"):
        check_sides((1, 65536), (1, 1), limits)
    for numbers in ({"num_gaussians": 2**24 + 1}, {"num_covariance_codewords": 65537}):
        header = parse_header(serialize(quantized_picture()))
        with pytest.raises(LimitError, match="allowed"):
            check_header(replace(header, **{"payload_bytes": 2**20, "num_gaussians": 2**20} | numbers), limits)


def test_no_more_pairs_than_lists_can_count() -> None:
    assert Limits(max_pairs=10**18).pairs_allowed(0, 1) == Limits().pairs_allowed(10**12, 1) == 2**31 - 1


def test_the_option_has_a_name_for_each_limit() -> None:
    assert [f"max_{name}" for name in LIMIT_NAMES] == list(Limits.__dataclass_fields__)


def test_an_alpha_plane_has_its_limits() -> None:
    plane = replace(gray_picture(num_gaussians=4000, bits=0), image_size=(600, 600), grid_size=(1, 1))
    codebook = covering(1, (1, 1)).covariance_codebook
    zeros = np.zeros_like(plane.cells)
    plane = replace(plane, cells=zeros, offsets=zeros, covariance_codebook=codebook, covariance_indices=zeros[:, 0])
    data = serialize(replace(quantized_picture(), image_size=(600, 600)), {b"ALPH": serialize(plane)})
    with pytest.raises(LimitError, match="pairs of a Gaussian and a tile"):
        taichi_gs.decode(data)


def test_photographs_are_far_from_the_limit() -> None:
    """A picture as an encoder makes it has less than half of what it may have without those pairs that are free."""
    y, x = np.mgrid[:200, :300]
    picture = (127 + 60 * np.sin(x / 17 + np.cos(y / 11)) + 50 * np.cos(y / 23)).astype(np.uint8)
    data = taichi_gs.encode(picture, preset="fast", steps=60, num_bytes=1500)
    half = Limits(max_pairs=(64 * len(data) + 200 * 300 // 8) // 2)
    np.testing.assert_array_equal(taichi_gs.decode(data, limits=half), taichi_gs.decode(data))


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("pixels=767", "768 pixels, more than the 767 allowed"),
        ("side=63", "64 columns of cells, more than the 63 allowed"),
        ("gaussians=49", "50 Gaussians, more than the 49 allowed"),
        ("codewords=7", "8 codewords, more than the 7 allowed"),
        ("tail=9", "10 bytes of metadata, more than the 9 allowed"),
        ("pairs=1", "pairs of a Gaussian and a tile, more than the 1 allowed"),
    ],
)
def test_the_option(tmp_path: Path, limit: str, sentence: str) -> None:
    path, target = tmp_path / "a.tgs", tmp_path / "a.png"
    path.write_bytes(serialize(quantized_picture(), {b"note": b"ab"}))
    commands: list[Any] = [["decompress", path, "-o", target], ["compare", path, path]]
    commands += [] if limit.startswith("pairs") else [["info", path]]
    name, number = limit.split("=")
    for command in commands:
        refused = CliRunner().invoke(tgs, [*map(str, command), "--limit", limit])
        assert refused.exit_code == 1
        assert sentence in refused.stderr.replace("\n", " ")
        assert not target.exists()
        enough = f"{name}={int(number) + 1000}"
        assert CliRunner().invoke(tgs, [*map(str, command), "--limit", enough, "--limit", "side=70"]).exit_code == 0
        target.unlink(missing_ok=True)


@pytest.mark.parametrize("limit", ["pixels", "pixels=", "pixels=-1", "pixels=many", "words=5", f"pixels={10**30}"])
def test_limits_that_make_no_sense(tmp_path: Path, limit: str) -> None:
    result = CliRunner().invoke(tgs, ["info", "a.tgs", "--limit", limit])
    assert result.exit_code == 2
    assert "is not NAME=NUMBER" in result.stderr.replace("\n", " ")


def test_limits_allow_more(tmp_path: Path) -> None:
    path = tmp_path / "a.tgs"
    path.write_bytes(serialize(replace(quantized_picture(num_gaussians=0), image_size=(9460, 9460))))
    refused = CliRunner().invoke(tgs, ["info", str(path), "--json"])
    assert refused.exit_code == 1
    allowed = CliRunner().invoke(tgs, ["info", str(path), "--json", "--limit", "pixels=89500000"])
    assert json.loads(allowed.stdout)["width"] == 9460
