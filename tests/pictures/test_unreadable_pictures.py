"""Damaged, huge and missing picture files, and files that are no pictures, are refused in a sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import SAVE_OPTIONS, png_chunk, png_file, random_samples, saved
from PIL import Image

from taichi_gs.errors import FileError, ImageError
from taichi_gs.pictures.read import image_from_bytes, picture_from_bytes, read_image
from taichi_gs.pictures.suffixes import MAX_PIXELS

Bytes = NDArray[np.uint8]


def broken_pngs() -> dict[str, bytes]:
    whole = png_file(random_samples((9, 33, 3), 8), 2)
    header = struct.pack(">IIBBBBB", 33, 9, 8, 2, 0, 0, 0)
    return {
        "signature": whole.replace(b"\r\n", b"\n\n"),
        "no pixels": whole[:33] + png_chunk(b"IEND", b""),
        "color type 1": whole.replace(header, header[:9] + b"\1" + header[10:]),
        "color type 9": whole.replace(header, header[:9] + b"\x09" + header[10:]),
        "bits 0": whole.replace(header, header[:8] + b"\0" + header[9:]),
        "bits 99": whole.replace(header, header[:8] + b"\x63" + header[9:]),
        "checksum of the header": whole[:29] + b"....".ljust(4) + whole[33:],
        "half of 16 bits": png_file(random_samples((9, 33, 3), 16), 2, 16)[:300],
        "half of gray and alpha": png_file(random_samples((9, 33, 2), 16), 4, 16)[:300],
    }


@pytest.mark.parametrize("kind", broken_pngs())
def test_broken_pngs(kind: str) -> None:
    with pytest.raises(
        ImageError, match=r"^the picture is (not a picture that can be read|damaged or truncated)"
    ) as caught:
        picture_from_bytes(broken_pngs()[kind])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"hello, I am a text file\n" * 50, "not a picture that can be read"),
        (b"\x1f\x8b\x08" + b"\0" * 50, "not a picture that can be read"),
        (b"GIF89a" + b"\0" * 50, "not a picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture that can be read"),
        (b"\x89PNG\r\n\x1a\n", "not a picture|damaged"),
    ],
)
def test_what_is_no_picture(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageError, match=f"^'a.png' (is )?({sentence})") as caught:
        image_from_bytes(data, name="'a.png'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", SAVE_OPTIONS)
def test_every_truncation_is_an_image_error(picture: Bytes, format: str) -> None:
    data = saved(Image.fromarray(picture), format, **SAVE_OPTIONS[format])
    whole = image_from_bytes(data)
    failures = 0
    for length in range(len(data) - 1, 0, -max(1, len(data) // 97)):
        try:
            np.testing.assert_array_equal(image_from_bytes(data[:length]), whole)
        except ImageError:
            failures += 1
    assert failures > 80


@pytest.mark.parametrize("format", SAVE_OPTIONS)
def test_flipped_bits_raise_nothing_else(picture: Bytes, format: str) -> None:
    data = bytearray(saved(Image.fromarray(picture), format, **SAVE_OPTIONS[format]))
    rng = np.random.default_rng(1)
    for _ in range(100):
        damaged = bytearray(data)
        for position in rng.integers(0, min(len(data), 400), 3):
            damaged[position] ^= 1 << int(rng.integers(8))
        try:
            image = image_from_bytes(bytes(damaged))
        except ImageError:
            continue
        assert image.shape[2] == 3


@pytest.mark.parametrize(("width", "height"), [(10_000, 9_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_pixel_limit_is_checked_before_decoding(width: int, height: int) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    with pytest.raises(ImageError, match=f"more than (the limit of )?{MAX_PIXELS:,}"):
        image_from_bytes(b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""))


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="cannot read"):
        read_image(tmp_path / name)
