"""The codec from pictures to pixels: every preset, size and kind of picture, files, and what it promises."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_decoder
from numpy.typing import NDArray
from picture_files import saved, swapped_profile
from PIL import Image

import taichi_gs
from taichi_gs import (
    PRESETS,
    BitstreamError,
    FileError,
    ImageError,
    LimitError,
    Limits,
    OptionError,
    Picture,
    Progress,
    QualityError,
)
from taichi_gs.format import bitstream
from taichi_gs.format.header import GRAY_SAVING
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.picture import comparable_rgb

QUICK: dict[str, Any] = {"preset": "fast", "steps": 10, "num_gaussians": 12, "k": 5}

Bytes = NDArray[np.uint8]


@pytest.fixture
def encoded(picture: Bytes) -> bytes:
    return taichi_gs.encode(picture, **QUICK)


def textured(height: int, width: int) -> Bytes:
    y, x = np.mgrid[:height, :width]
    return np.stack([37 * x % 256, 23 * y % 256, 11 * (x + y) % 256], axis=2).astype(np.uint8)


def largest_difference(data: bytes) -> int:
    """Between the decoder's pixels and the reference decoder's; they must not be those of different files."""
    pixels = taichi_gs.decode(data)
    expected = reference_decoder.decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    return int(np.abs(pixels.astype(int) - expected).max())


# Pictures


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_end_to_end(preset: str, picture: Bytes) -> None:
    data = taichi_gs.encode(picture, preset=preset, steps=10, num_gaussians=20)
    assert largest_difference(data) <= 1
    pixels = taichi_gs.decode(data).astype(float)
    flat = picture.mean(axis=(0, 1))
    assert np.mean((pixels - picture) ** 2) < 0.7 * np.mean((flat - picture) ** 2)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 17), (16, 16), (17, 33)])
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_sizes(size: tuple[int, int], preset: str) -> None:
    for options in ({}, {"num_gaussians": 9}):
        data = taichi_gs.encode(textured(*size), preset=preset, steps=10, **options)
        assert taichi_gs.decode(data).shape == (*size, 3)
        assert largest_difference(data) <= 1


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0)])
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_constant_pictures(color: tuple[int, int, int], preset: str) -> None:
    picture = np.full((20, 24, 3), color, dtype=np.uint8)
    data = taichi_gs.encode(picture, preset=preset, steps=20, num_gaussians=9)
    assert np.abs(taichi_gs.decode(data).astype(int) - picture).max() <= 8
    assert len(data) <= 120


def test_what_drifts_off_a_plain_picture_does_not_come_back() -> None:
    """Positions are rounded to a grid within the picture, whatever colour a Gaussian took where nobody saw it."""
    picture = np.full((20, 24, 3), 255, dtype=np.uint8)
    data = taichi_gs.encode(picture, preset="paper", steps=250, num_gaussians=9)
    assert np.abs(taichi_gs.decode(data).astype(int) - picture).max() <= 8


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_noise(blending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    data = taichi_gs.encode(noise, preset="fast", steps=10, num_gaussians=60, blending=blending)
    assert largest_difference(data) <= 1


def test_the_same_picture_in_other_types_has_the_same_file(picture: Bytes) -> None:
    expected = taichi_gs.encode(picture, **QUICK)
    unit = picture / 255.0
    others = (picture.astype(np.uint16) * 257, unit, unit.astype(np.float32), picture.tolist())
    for other in others[:3]:
        # Single precision may round in another place; files need not agree to the bit, but pictures do.
        pixels = taichi_gs.decode(taichi_gs.encode(other, **QUICK)).astype(int)
        assert np.abs(pixels - taichi_gs.decode(expected)).mean() < 2
    with pytest.raises(ImageError, match="int64"):
        taichi_gs.encode(others[3], **QUICK)


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_gray_is_coded_as_gray(picture: Bytes, preset: str) -> None:
    gray = picture[:, :, 0]
    options = {"preset": preset, "steps": 40, "num_gaussians": 30}
    data = taichi_gs.encode(gray, **options)
    assert taichi_gs.encode(gray[:, :, None], **options) == data
    assert taichi_gs.info(data).mode == "L"
    assert largest_difference(data) <= 1
    decoded = taichi_gs.decode(data)
    assert decoded.shape == (24, 32)
    as_rgb = taichi_gs.encode(np.repeat(gray[:, :, None], 3, axis=2), **options)
    # A file is not shorter by the header alone: bits that chroma does not get cannot be spent on it.
    assert len(data) <= len(as_rgb) - GRAY_SAVING
    assert np.square(decoded.astype(float) - gray).mean() < 1.2 * squared_error(taichi_gs.decode(as_rgb)[:, :, 0], gray)


def squared_error(a: Bytes, b: Bytes) -> float:
    return float(np.square(a.astype(float) - b).mean())


def with_alpha(pixels: Bytes) -> Bytes:
    """The picture cut out by an ellipse with a soft border."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    distance = np.hypot((x - 15.5) / 13, (y - 11.5) / 10)
    return np.dstack([pixels, (255 * (4 - 4 * distance).clip(0, 1)).astype(np.uint8)])


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_kept(picture: Bytes, channels: int) -> None:
    pixels = with_alpha(picture[:, :, :channels])
    data = taichi_gs.encode(pixels, preset="fast", steps=60, num_bytes=500)
    assert len(data) <= 500
    assert largest_difference(data) <= 1
    info, decoded = taichi_gs.info(data), taichi_gs.decode(data)
    assert info.mode == ("LA" if channels == 1 else "RGBA")
    assert 120 <= info.alpha_bytes <= 0.35 * 500
    assert decoded.shape == pixels.shape
    assert squared_error(decoded[..., -1], pixels[..., -1]) < 20**2
    assert psnr(comparable_rgb(decoded), comparable_rgb(pixels)) > 20


def test_opaque_alpha_is_dropped(picture: Bytes) -> None:
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    assert taichi_gs.encode(opaque, **QUICK) == taichi_gs.encode(picture, **QUICK)
    assert taichi_gs.info(taichi_gs.encode(opaque / 255 * [1, 1, 1, 0.999], **QUICK)).mode == "RGB"
    opaque[3, 4, 3] = 254
    assert taichi_gs.info(taichi_gs.encode(opaque, **QUICK)).mode == "RGBA"


def test_what_cannot_be_seen_does_not_count(picture: Bytes) -> None:
    pixels = with_alpha(picture)
    noisy = pixels.copy()
    invisible = pixels[..., 3] == 0
    noisy[invisible, :3] = np.random.default_rng(0).integers(0, 256, (invisible.sum(), 3))
    assert taichi_gs.encode(noisy, **QUICK) == taichi_gs.encode(pixels, **QUICK)


def test_nothing_visible_at_all(picture: Bytes) -> None:
    clear = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
    assert taichi_gs.decode(taichi_gs.encode(clear, **QUICK))[..., 3].max() == 0


def test_a_psnr_with_alpha_holds_over_black_and_white(picture: Bytes) -> None:
    pixels = with_alpha(picture)
    data = taichi_gs.encode(pixels, preset="fast", steps=60, psnr=22.0)
    assert psnr(comparable_rgb(taichi_gs.decode(data)), comparable_rgb(pixels)) >= 22.0
    with pytest.raises(QualityError) as caught:
        taichi_gs.encode(pixels, preset="fast", steps=10, psnr=70.0)
    assert str(caught.value).startswith("the best that this preset reaches is ")
    assert taichi_gs.decode(caught.value.data).shape == pixels.shape


def test_attempts_that_end_before_the_best_is_known_do_not_claim_it(
    picture: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = with_alpha(picture)
    monkeypatch.setattr("taichi_gs.encoder.encode.COLOR_MARGIN", -6.0)  # a first attempt that is bound to fall short
    monkeypatch.setattr("taichi_gs.encoder.encode.MAX_CUT_OUTS", 1)
    with pytest.raises(QualityError) as caught:
        taichi_gs.encode(pixels, preset="fast", steps=60, psnr=24.0)
    reached = psnr(comparable_rgb(taichi_gs.decode(caught.value.data)), comparable_rgb(pixels))
    assert reached < 24.0
    assert str(caught.value) == f"what the last of 1 attempts reached is {reached:.2f} dB, not 24"


def test_steps_count_on_over_alpha_and_colors(picture: Bytes) -> None:
    reports: list[Progress] = []
    taichi_gs.encode(with_alpha(picture), progress=reports.append, **QUICK)
    assert [report.step for report in reports] == list(range(1, 21))
    assert {report.num_steps for report in reports} == {20}


@pytest.mark.parametrize("shape", [(0, 4, 3), (4,), (4, 4, 5), (1, 65536, 3), (65536, 1)])
def test_pictures_that_no_file_can_hold_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError):
        taichi_gs.encode(np.zeros(shape, np.uint8), **QUICK)


# Reproducibility


def test_the_seed_decides_the_file(picture: Bytes) -> None:
    files = [taichi_gs.encode(picture, **QUICK, seed=seed) for seed in (0, 0, 1)]
    assert files[0] == files[1]
    assert files[0] != files[2]
    assert taichi_gs.encode(picture, **QUICK) == files[0], "the seed is 0 if not given"


@pytest.mark.parametrize(
    "options",
    [{"bits_per_pixel": 2.0}, {"blending": "alpha"}, {"preset": "paper", "num_gaussians": 20}],
    ids=["rate", "alpha", "paper"],
)
def test_another_process_makes_the_same_file(
    options: dict[str, Any], tmp_path: Path, python: Callable[..., Any], picture: Bytes
) -> None:
    """Long enough for pruning, reclustering and a byte limit to take part."""
    options = {"preset": "fast", "steps": 80, **options}
    np.save(tmp_path / "picture.npy", picture)
    program = f"""
import numpy as np
import taichi_gs
print(taichi_gs.encode(np.load("picture.npy"), **{options}).hex())
"""
    result = python("-c", program)
    assert (result.stdout.strip(), result.stderr) == (taichi_gs.encode(picture, **options).hex(), "")


def test_decoding_needs_the_file_alone_and_no_torch(encoded: bytes, tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "copy.tgs").write_bytes(encoded)
    program = """
import sys
from pathlib import Path
import taichi_gs
pixels = taichi_gs.decode(Path("copy.tgs").read_bytes())
assert sys.modules.keys().isdisjoint({"torch", "array_api_compat"})
print(pixels.shape, pixels.tobytes().hex())
"""
    result = python("-c", program)
    pixels = taichi_gs.decode(encoded)
    assert (result.stdout.strip(), result.stderr) == (f"{pixels.shape} {pixels.tobytes().hex()}", "")


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("position_bits", [None, 9])
def test_decoding_agrees_with_the_reference_decoder(blending: str, position_bits: int | None) -> None:
    options = {"blending": blending, "position_bits": position_bits}
    data = taichi_gs.encode(textured(37, 50), preset="fast", steps=10, num_gaussians=150, **options)
    assert largest_difference(data) <= 1
    header, symbols = bitstream.parse_header(data), reference_decoder.decode_symbols(data)
    assert header.blending == symbols["blending"] == blending
    # With either blending, positions are on lattices unless their bits are given.
    assert (header.subdivision > 0) == (position_bits is None)
    assert any(map(any, symbols["offsets"])) == (position_bits is None)
    assert any(shear != 0 for _, _, shear in symbols["lattices"]) == (position_bits is None)


# Files


def test_imwrite_and_imread(tmp_path: Path, picture: Bytes, encoded: bytes) -> None:
    path = tmp_path / "picture.tgs"
    taichi_gs.imwrite(path, picture, **QUICK)
    assert path.read_bytes() == encoded
    np.testing.assert_array_equal(taichi_gs.imread(path), taichi_gs.decode(encoded))
    np.testing.assert_array_equal(taichi_gs.imread(str(path)), taichi_gs.decode(encoded))
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.tgs"]


def test_imwrite_overwrites_only_if_it_may(tmp_path: Path, picture: Bytes, encoded: bytes) -> None:
    path = tmp_path / "picture.tgs"
    path.write_bytes(b"something else")
    reports: list[Progress] = []
    with pytest.raises(FileError, match="already exists"):
        taichi_gs.imwrite(path, picture, overwrite=False, progress=reports.append, **QUICK)
    assert reports == [], "it refuses before it encodes"
    assert path.read_bytes() == b"something else"
    with pytest.raises(OptionError):
        taichi_gs.imwrite(path, picture, steps=1)
    assert path.read_bytes() == b"something else"
    taichi_gs.imwrite(path, picture, **QUICK)
    assert path.read_bytes() == encoded


def test_info_is_true(tmp_path: Path, encoded: bytes) -> None:
    info = taichi_gs.info(encoded)
    symbols = reference_decoder.decode_symbols(encoded)
    assert (info.version, info.height, info.width) == (2, 24, 32)
    assert info.num_gaussians == len(symbols["cells"]) == 12
    assert info.covariance_codewords == len(symbols["covariance_symbols"])
    assert info.color_codewords == len(symbols["color_symbols"])
    assert (info.grid_height, info.grid_width) == symbols["grid_size"]
    assert (info.subdivision, info.blending) == (symbols["subdivision"], symbols["blending"])
    assert info.bytes == len(encoded) == info.header_bytes + info.payload_bytes + 4
    assert (info.mode, info.alpha_bytes, info.metadata) == ("RGB", 0, ())
    assert info.bits_per_pixel == 8 * len(encoded) / (24 * 32)

    path = tmp_path / "picture.tgs"
    path.write_bytes(encoded)
    assert taichi_gs.info(path) == taichi_gs.info(str(path)) == taichi_gs.info(bytearray(encoded)) == info
    with pytest.raises(FileError, match="no such file"):
        taichi_gs.info(tmp_path / "nothing.tgs")


# Picture files, profiles and metadata


def test_every_way_to_name_a_picture(picture: Bytes, encoded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    data = path.read_bytes()
    for source in (path, str(path), data, bytearray(data), io.BytesIO(data), Picture(picture)):
        assert taichi_gs.encode(source, **QUICK) == encoded
    with path.open("rb") as file:
        assert taichi_gs.encode(file, **QUICK) == encoded
    taichi_gs.imwrite(tmp_path / "picture.tgs", path, **QUICK)
    for source in (tmp_path / "picture.tgs", str(tmp_path / "picture.tgs"), io.BytesIO(encoded)):
        np.testing.assert_array_equal(taichi_gs.decode(source), taichi_gs.decode(encoded))
    assert taichi_gs.info(io.BytesIO(encoded)) == taichi_gs.info(encoded)


def test_sources_that_are_none(tmp_path: Path) -> None:
    for work in (taichi_gs.encode, taichi_gs.decode, taichi_gs.info):
        with pytest.raises(FileError, match="no such file"):
            work(tmp_path / "nothing.tgs")
        with pytest.raises(FileError, match="binary mode"):
            work(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="not a picture that can be read"):
        taichi_gs.encode(b"garbage")


def test_profile_and_metadata_come_back(picture: Bytes) -> None:
    profile = swapped_profile()
    exif = Image.Exif()
    exif[271] = "a camera"
    data = saved(Image.fromarray(picture), "jpeg", icc_profile=profile, exif=exif, xmp=b"<xmp/>")
    plain = taichi_gs.encode(data, **QUICK)
    kept = taichi_gs.encode(data, keep_metadata=True, **QUICK)
    assert (taichi_gs.info(plain).metadata, taichi_gs.info(kept).metadata) == (("icc",), ("icc", "exif", "xmp"))
    decoded = taichi_gs.decode_picture(plain)
    assert (decoded.icc_profile, decoded.exif, decoded.xmp) == (profile, None, None)
    decoded = taichi_gs.decode_picture(kept)
    assert (decoded.icc_profile, decoded.exif, decoded.xmp) == (profile, exif.tobytes()[6:], b"<xmp/>")
    np.testing.assert_array_equal(decoded.pixels, taichi_gs.decode(plain))
    again = taichi_gs.encode(decoded, **QUICK)
    assert taichi_gs.decode_picture(again).exif == exif.tobytes()[6:]


def test_profiles_count_as_bytes(picture: Bytes) -> None:
    described = Picture(picture, swapped_profile())
    assert len(taichi_gs.encode(described, preset="fast", steps=10, num_bytes=3000)) <= 3000
    with pytest.raises(OptionError, match=r"too few for this picture with its .*: at least [\d,]+$") as caught:
        taichi_gs.encode(described, num_bytes=200)
    least = int(str(caught.value).split()[-1].replace(",", ""))
    assert len(taichi_gs.encode(described, preset="fast", steps=10, num_bytes=least)) <= least


def test_srgb_on_request(picture: Bytes, encoded: bytes) -> None:
    """The profile of which red and green are swapped: as sRGB, the picture has them the other way round."""
    swapped = np.dstack([picture[:, :, [1, 0, 2]], np.full((24, 32), 255, np.uint8)])
    swapped[2:9, 3:9, 3] = 0
    data = taichi_gs.encode(Picture(swapped, swapped_profile()), srgb=True, **QUICK)
    assert (taichi_gs.info(data).mode, taichi_gs.info(data).metadata) == ("RGBA", ())
    unswapped = taichi_gs.encode(np.dstack([picture, swapped[:, :, 3]]), **QUICK)
    assert squared_error(taichi_gs.decode(data), taichi_gs.decode(unswapped)) < 50
    assert taichi_gs.encode(picture, srgb=True, **QUICK) == encoded


def test_hard_edges_get_more_of_the_bytes(picture: Bytes) -> None:
    x = np.broadcast_to(np.arange(32), (24, 32))
    sizes = []
    for mask in ((x > 15) * 255, x * 8):
        pixels = np.dstack([picture, mask.astype(np.uint8)])
        sizes.append(taichi_gs.info(taichi_gs.encode(pixels, preset="fast", steps=10, num_bytes=3000)).alpha_bytes)
    assert sizes[0] > sizes[1]


def test_the_first_frame(picture: Bytes, encoded: bytes) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="2 pictures or frames"):
        taichi_gs.encode(data, **QUICK)
    assert taichi_gs.encode(data, first_frame=True, **QUICK) == encoded


# Bytes that are no file


@pytest.mark.parametrize("data", [b"", b"garbage", None, 5, 1.5, [1, 2], np.zeros(5), object()])
def test_decoding_what_is_no_file(data: Any) -> None:
    with pytest.raises(BitstreamError):
        taichi_gs.decode(data)


def test_decoding_damaged_files(encoded: bytes) -> None:
    for data in (encoded[:-1], encoded + b"\0", encoded[:30] + bytes([encoded[30] ^ 4]) + encoded[31:]):
        with pytest.raises(BitstreamError):
            taichi_gs.decode(data)
        with pytest.raises(BitstreamError):
            taichi_gs.info(data)


def test_decoding_from_other_kinds_of_bytes(encoded: bytes) -> None:
    expected = taichi_gs.decode(encoded)
    np.testing.assert_array_equal(taichi_gs.decode(bytearray(encoded)), expected)
    np.testing.assert_array_equal(taichi_gs.decode(memoryview(encoded)), expected)  # type: ignore[arg-type]


def test_limits_reach_the_decoder(encoded: bytes) -> None:
    with pytest.raises(LimitError, match="pixels"):
        taichi_gs.decode(encoded, limits=Limits(max_pixels=24 * 32 - 1))
    assert taichi_gs.decode(encoded, limits=Limits(max_pixels=24 * 32)).shape == (24, 32, 3)
