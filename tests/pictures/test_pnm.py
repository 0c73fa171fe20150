"""PPM, PGM, PBM and PAM, as text and as bytes, of 1 to 16 bits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import gray_profile, random_samples, saved, swapped_profile
from PIL import Image

from taichi_gs import Picture
from taichi_gs.errors import ImageError
from taichi_gs.pictures.read import picture_from_bytes
from taichi_gs.pictures.write import image_to_bytes

Bytes = NDArray[np.uint8]

TYPES = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}


def pnm_file(samples: NDArray[Any], magic: str, most: int) -> bytes:
    """A file of samples [H, W, C]."""
    height, width, channels = samples.shape
    head = f"{magic} # a comment\n{width} {height}\n" + ("" if magic in ("P1", "P4") else f"# another\n{most}\n")
    if magic == "P7":
        fields = f"WIDTH {width}\nHEIGHT {height}\n# a comment\nDEPTH {channels}\nMAXVAL {most}\n"
        head = f"P7\n{fields}TUPLTYPE {TYPES[channels]}\nENDHDR\n"
    if magic in ("P1", "P2", "P3"):
        space = "" if magic == "P1" else " "
        rows = (space.join(map(str, row.ravel())) for row in samples)
        return (head + "# a third\n" + "\n".join(rows) + "\n").encode()
    if magic == "P4":
        return head.encode() + np.packbits(samples[:, :, 0].astype(np.uint8), axis=1).tobytes()
    return head.encode() + samples.astype(np.uint8 if most < 256 else ">u2").tobytes()


@pytest.mark.parametrize("most", [1, 15, 255, 256, 1023, 65535])
@pytest.mark.parametrize(
    ("magic", "channels"), [("P2", 1), ("P3", 3), ("P5", 1), ("P6", 3), ("P7", 1), ("P7", 2), ("P7", 3), ("P7", 4)]
)
def test_every_depth(magic: str, channels: int, most: int) -> None:
    samples = random_samples((5, 7, channels), 16).astype(int) % (most + 1)
    samples[0, 0] = most
    read = picture_from_bytes(pnm_file(samples, magic, most))
    assert read.pixels.dtype == (np.uint8 if most < 256 else np.uint16)
    assert read.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    full = 255 if most < 256 else 65535
    np.testing.assert_array_equal(read.pixels.reshape(samples.shape), np.floor(samples * (full / most) + 0.5))


@pytest.mark.parametrize("magic", ["P1", "P4"])
@pytest.mark.parametrize("width", [1, 8, 13])
def test_bitmaps(magic: str, width: int) -> None:
    samples = random_samples((5, width, 1), 1)
    read = picture_from_bytes(pnm_file(samples, magic, 1))
    np.testing.assert_array_equal(read.pixels, 255 - 255 * samples[:, :, 0])


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_what_pillow_writes(picture: Bytes, mode: str) -> None:
    image = Image.fromarray(picture).convert(mode)
    expected = np.asarray(image.convert("L") if mode == "1" else image)
    np.testing.assert_array_equal(picture_from_bytes(saved(image, "ppm")).pixels, expected)


def test_opaque_alpha_is_dropped() -> None:
    samples = random_samples((5, 7, 4), 8)
    samples[:, :, 3] = 255
    np.testing.assert_array_equal(picture_from_bytes(pnm_file(samples, "P7", 255)).pixels, samples[:, :, :3])


def test_files_of_several_pictures() -> None:
    one = pnm_file(random_samples((5, 7, 3), 8), "P6", 255)
    with pytest.raises(ImageError, match="holds several pictures"):
        picture_from_bytes(one + one)
    expected = picture_from_bytes(one).pixels
    np.testing.assert_array_equal(picture_from_bytes(one + one, first_frame=True).pixels, expected)
    np.testing.assert_array_equal(picture_from_bytes(one + b"\n").pixels, expected)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"P6\n", "header is not whole"),
        (b"P6 7 a 255\n", "header is not whole"),
        (b"P6 7 5 0\n" + bytes(105), "its largest sample is 0"),
        (b"P6 7 5 65536\n" + bytes(210), "its largest sample is 65536"),
        (b"P6 0 5 255\n", "no pixels"),
        (b"P6 7 5 255\n" + bytes(104), "104 of 105 are there"),
        (b"P6 70000 70000 255\n", "more than the limit"),
        (b"P5 9999999999 9999999999 255\n", "more than the limit"),
        (b"P5 2 1 3\n\1\4", "samples above 3"),
        (b"P2 2 1 3\n1", "1 of 2 are there"),
        (b"P2 2 1 3\n1 x", "no numbers"),
        (b"P2 2 1 3\n1 -1", "below 0"),
        (b"P2 2 1 3\n1 99999999999999999999999", "no numbers"),
        (b"P1 2 1\n1", "1 of 2 are there"),
        (b"P7\nWIDTH 2\nHEIGHT 1\nENDHDR\n", "header is not whole"),
        (b"P7\n", "header is not whole"),
        (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR", "header is not whole"),
        (b"P6" + b" " * 60_000, "header is not whole"),
        (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n", "0 of 2 are there"),
        (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 5\nMAXVAL 255\nTUPLTYPE CMYKA\nENDHDR\n", "not supported .PAM, CMYKA, 5"),
        (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE CMYK\nENDHDR\n", "not supported .PAM, CMYK, 4"),
    ],
)
def test_damaged_files(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageError, match=f"^the picture .*{sentence}") as caught:
        picture_from_bytes(data)
    assert "\n" not in str(caught.value)


def test_other_damage_raises_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for magic, channels in (("P3", 3), ("P6", 3), ("P7", 4), ("P1", 1), ("P4", 1)):
        data = pnm_file(random_samples((3, 4, channels), 1), magic, 255)
        for _ in range(300):
            damaged = bytearray(data[: rng.integers(3, len(data) + 1)])
            damaged[int(rng.integers(len(damaged)))] = rng.integers(256)
            try:
                assert picture_from_bytes(bytes(damaged), max_pixels=10**6).pixels.size
            except ImageError:
                continue


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".ppm", ".pgm", ".pam"])
def test_writing(picture: Bytes, suffix: str, channels: int) -> None:
    planes = np.dstack([picture, 255 - picture[:, :, 0]])
    pixels = planes[:, :, 0] if channels == 1 else planes[:, :, -channels:] if channels != 3 else picture
    if (suffix == ".ppm" and channels in (2, 4)) or (suffix == ".pgm" and channels > 1):
        with pytest.raises(ImageError, match=r"cannot hold (transparency|colors); use"):
            image_to_bytes(pixels, suffix)
        return
    data = image_to_bytes(pixels, suffix)
    read = picture_from_bytes(data).pixels
    expected = np.dstack([pixels] * 3) if (suffix, channels) == (".ppm", 1) else pixels
    np.testing.assert_array_equal(read, expected)
    if suffix != ".pam":
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_what_holds_no_profile_gets_srgb(picture: Bytes) -> None:
    swapped = picture[:, :, [1, 0, 2]]
    for suffix in (".ppm", ".pam"):
        read = picture_from_bytes(image_to_bytes(Picture(swapped, swapped_profile()), suffix)).pixels
        assert np.abs(read.astype(int) - picture).mean() < 6
    gray = Picture(picture[:, :, 0], gray_profile(1.0))
    assert picture_from_bytes(image_to_bytes(gray, ".pgm")).pixels.mean() > picture[:, :, 0].mean() + 10
