"""One picture compressed, described and decompressed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import FEW, error_of, run
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from taichi_gs.decoder import decode
from taichi_gs.format import bitstream
from taichi_gs.pictures.suffixes import READ_SUFFIXES

JSON_NAMES = "input output width height num_gaussians k bytes bits_per_pixel psnr seconds".split()


def test_end_to_end(photo_folder: Path, picture: NDArray[np.uint8]) -> None:
    result = run("compress", "photo.png", *FEW, "--json", "--covariance-k", "6", "--seed", "3", "--loss", "l2")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    values = json.loads(result.stdout)
    assert set(JSON_NAMES) <= set(values)
    assert (values["input"], values["output"]) == ("photo.png", "photo.tgs")
    assert (values["width"], values["height"], values["k"]) == (32, 24, 8)
    assert values["bytes"] == os.path.getsize("photo.tgs")
    assert values["bits_per_pixel"] == pytest.approx(8 * values["bytes"] / (32 * 24))
    assert 0 < values["num_gaussians"] <= 30
    assert values["covariance_k"] <= 6
    assert values["seconds"] > 0

    contents = json.loads(run("info", "photo.tgs", "--json").stdout)
    for name in ("width", "height", "num_gaussians", "bytes"):
        assert contents[name] == values[name]
    readable = run("info", "photo.tgs").stdout
    assert all(name.replace("_", " ") in readable for name in contents)

    result = run("decompress", "photo.tgs", "-o", "back.png")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("photo.tgs -> back.png: ")
    decoded = np.asarray(Image.open("back.png"))
    np.testing.assert_array_equal(decoded, taichi_gs.decode(Path("photo.tgs").read_bytes()))

    for other in ("back.png", "photo.tgs"):
        compared = json.loads(run("compare", "photo.png", other, "--json").stdout)
        assert compared["psnr"] == pytest.approx(values["psnr"])
        assert 0 < compared["ms_ssim"] <= 1
    assert f"{values['psnr']:.4f}" in run("compare", "photo.png", "back.png").stdout


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_gray_and_alpha(photo_folder: Path, mode: str) -> None:
    image = Image.open("photo.png").convert("RGBA").resize((40, 40)).rotate(30).convert(mode)
    image.save("picture.png")
    result = run("compress", "picture.png", *FEW, "--json")
    assert result.exit_code == 0, result.output
    assert run("decompress", "picture.tgs", "-o", "back.webp").exit_code == 0
    assert run("decompress", "picture.tgs", "-o", "back.png").exit_code == 0
    assert Image.open("back.png").mode == mode
    for other in ("picture.tgs", "back.png", "back.webp"):
        compared = json.loads(run("compare", "picture.png", other, "--json").stdout)
        assert compared["psnr"] == pytest.approx(json.loads(result.stdout)["psnr"])


def test_first_frame_and_metadata(photo_folder: Path, picture: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[0x010E] = "holiday"
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    frames[0].save("frames.png", save_all=True, append_images=frames[1:], exif=exif)
    assert "add --first-frame" in error_of(run("compress", "frames.png", *FEW))
    result = run("compress", "frames.png", *FEW, "--first-frame", "-q")
    assert (result.exit_code, result.output) == (0, "")
    first = json.loads(run("compare", "photo.png", "frames.tgs", "--json").stdout)["psnr"]
    assert first > 15
    for option, kept in ([], None), (["--keep-metadata"], "holiday"):
        assert run("compress", "frames.png", *FEW, "--first-frame", "--force", *option).exit_code == 0
        assert run("decompress", "frames.tgs", "-o", "back.png", "--force").exit_code == 0
        with Image.open("back.png") as image:
            assert image.getexif().get(0x010E) == kept


def test_compress_summary_is_on_stderr(photo_folder: Path) -> None:
    result = run("compress", "photo.png", *FEW, "-o", "other.tgs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("photo.png -> other.tgs: ")
    assert result.stderr.count("\n") == 1
    quiet = run("compress", "photo.png", *FEW, "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert Path("photo.tgs").read_bytes() == Path("other.tgs").read_bytes()


def test_options_reach_the_encoder(photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes) -> None:
    seen: dict[str, Any] = {}

    def encode(image: taichi_gs.Picture, **options: Any) -> bytes:
        seen.update(options, shape=image.pixels.shape)
        return encoded

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    given = ["--bpp", "0.5", "--color-k", "9", "--device", "cpu", "--blending", "alpha", "--amplitude-bits", "6", "-q"]
    assert run("compress", "photo.png", *given).exit_code == 0
    assert seen == {
        "shape": (24, 32, 3),
        "preset": "default",
        "max_pixels": 89_478_485,
        "device": "cpu",
        "progress": None,
        "bits_per_pixel": 0.5,
        "color_k": 9,
        "blending": "alpha",
        "amplitude_bits": 6,
    }


def test_suffixes_are_those_of_what_can_be_read() -> None:
    registered = Image.registered_extensions()
    others = {".avif", ".heic", ".heif", ".hif", ".jxl", ".pam"}  # what Pillow here may know or not
    formats = {registered[suffix] for suffix in READ_SUFFIXES - others}
    assert formats == {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"}


def test_decompress_reads_a_header_once(photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes) -> None:
    calls = []

    def parse_header(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    original = bitstream.parse_header
    for module in (bitstream, decode):
        monkeypatch.setattr(module, "parse_header", parse_header)
    Path("photo.tgs").write_bytes(encoded)
    assert run("decompress", "photo.tgs", "-o", "back.png").exit_code == 0
    assert len(calls) == 1
