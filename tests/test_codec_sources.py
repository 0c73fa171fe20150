"""What `encode` takes a picture from, and the sentence for everything else."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from codec_checks import QUICK
from numpy.typing import NDArray
from picture_files import KINDS, close, kinds, orientation_exif, red_cyan_profile, saved, swapped_profile, turned
from PIL import Image

import taichi_gs
from taichi_gs import FileError, ImageError, LimitError, Limits, OptionError, Picture

Bytes = NDArray[np.uint8]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_pillows_is_coded_as_its_file(picture: Bytes, kind: str, tmp_path: Path) -> None:
    image, _ = kinds(picture)[kind]
    path = tmp_path / ("a.tiff" if image.mode == "CMYK" else "a.png")
    transparency = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(path, icc_profile=image.info.get("icc_profile"), **transparency)
    assert taichi_gs.encode(image, **QUICK) == taichi_gs.encode(path, **QUICK)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_of_pillows_is_turned(picture: Bytes, orientation: int) -> None:
    with Image.open(io.BytesIO(turned(picture, orientation))) as image:
        assert close(taichi_gs.decode(taichi_gs.encode(image, preset="fast", steps=60, num_gaussians=100)), picture)


def test_what_a_picture_of_pillows_knows_is_kept(picture: Bytes) -> None:
    options: dict[str, Any] = {"icc_profile": swapped_profile(), "exif": orientation_exif(1), "xmp": b"<xmp/>"}
    data = saved(Image.fromarray(picture), "jpeg", **options)
    with Image.open(io.BytesIO(data)) as image:
        for keep_metadata in (False, True):
            kept = taichi_gs.encode(image, keep_metadata=keep_metadata, **QUICK)
            assert kept == taichi_gs.encode(data, keep_metadata=keep_metadata, **QUICK)
    ink = Image.fromarray(picture).convert("CMYK")
    ink.info["icc_profile"] = red_cyan_profile()
    assert taichi_gs.encode(ink, **QUICK) == taichi_gs.encode(
        saved(ink, "tiff", icc_profile=red_cyan_profile()), **QUICK
    )


def test_pictures_of_pillows_that_are_refused(picture: Bytes) -> None:
    with pytest.raises(ImageError, match=r"not supported \(Pillow mode HSV\)"):
        taichi_gs.encode(Image.fromarray(picture).convert("HSV"), **QUICK)
    data = saved(Image.fromarray(picture), "gif", save_all=True, append_images=[Image.fromarray(255 - picture)])
    with Image.open(io.BytesIO(data)) as frames:
        with pytest.raises(ImageError, match="holds several pictures or frames"):
            taichi_gs.encode(frames, **QUICK)
        assert taichi_gs.encode(frames, first_frame=True, **QUICK) == taichi_gs.encode(data, first_frame=True, **QUICK)
        frames.seek(1)
        assert taichi_gs.encode(frames, **QUICK) == taichi_gs.encode(frames.convert("RGB"), **QUICK)
    cut = Image.open(io.BytesIO(saved(Image.fromarray(picture))[:-60]))
    with cut, pytest.raises(ImageError, match="the image is damaged or truncated"):
        taichi_gs.encode(cut, **QUICK)


def test_none_is_what_opencv_returns_of_a_missing_file() -> None:
    with pytest.raises(ImageError, match=r"^there is no image: it is None, which OpenCV"):
        taichi_gs.encode(None, **QUICK)  # type: ignore[arg-type]


def test_files_that_are_open_but_cannot_be_read(picture: Bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    with path.open() as text:
        for work in (taichi_gs.encode, taichi_gs.decode, taichi_gs.info):
            with pytest.raises(FileError, match="read as text: open it in binary mode"):
                work(text)  # type: ignore[arg-type]
    with path.open("rb") as closed, path.open("ab") as written:
        closed.close()
        for file in (closed, written):
            with pytest.raises(FileError, match="the open file cannot be read"):
                taichi_gs.encode(file)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("text", "the open file is read as text: open it in binary mode"),
        (None, "the open file has no bytes to read but NoneType"),
        (bytes(2**30 + 1), "the open file is larger than the limit of 1,073,741,824 bytes"),
    ],
    ids=["text", "nothing", "too many bytes"],
)
def test_objects_that_read_something_else(content: Any, sentence: str) -> None:
    for work in (taichi_gs.encode, taichi_gs.decode, taichi_gs.info):
        with pytest.raises(FileError, match=sentence):
            work(SimpleNamespace(read=lambda size: content))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [io.BytesIO(), None, 5, b"a.tgs"])
def test_imwrite_writes_to_paths(picture: Bytes, target: Any) -> None:
    with pytest.raises(FileError, match=r"^imwrite writes to a path, not to \w+; encode returns the bytes"):
        taichi_gs.imwrite(target, picture, **QUICK)


@pytest.mark.parametrize("name", ["k", "steps", "seed", "num_gaussians", "bits_per_pixel", "psnr", "max_pixels"])
def test_true_is_no_number(picture: Bytes, name: str) -> None:
    with pytest.raises(OptionError, match=r"must be a (whole|positive) number"):
        taichi_gs.encode(picture, **{name: True})  # type: ignore[misc]


def test_limits_are_limits(encoded: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tgs").write_bytes(encoded)
    for read in (taichi_gs.decode, taichi_gs.decode_picture, taichi_gs.imread, taichi_gs.info):
        with pytest.raises(OptionError, match=r"^limits must be a taichi_gs\.Limits, not 5$"):
            read(tmp_path / "a.tgs", limits=5)  # type: ignore[operator]


def test_the_limit_of_pixels(picture: Bytes, encoded: bytes) -> None:
    data = saved(Image.fromarray(picture))
    for source in (picture, Picture(picture), Image.fromarray(picture), data, io.BytesIO(data)):
        with pytest.raises(ImageError, match="has 768 pixels, more than the limit of 767"):
            taichi_gs.encode(source, max_pixels=767, **QUICK)
    assert taichi_gs.encode(picture, max_pixels=768, **QUICK) == encoded
    large = np.broadcast_to(np.uint8(0), (10_000, 9_000))
    for source in (large, Picture(large)):
        with pytest.raises(ImageError, match="more than the limit of 89,478,485"):
            taichi_gs.encode(source, **QUICK)
        with pytest.raises(OptionError, match="bits per pixel"):  # which is looked at after the size
            taichi_gs.encode(source, max_pixels=10**8, bits_per_pixel=1e-9, preset="fast")
    for wrong in (0, -1, 1.5, "many"):
        with pytest.raises(OptionError, match="max_pixels must be a whole number from 1"):
            taichi_gs.encode(picture, max_pixels=wrong, **QUICK)  # type: ignore[arg-type]


def test_more_metadata_than_a_decoder_takes(picture: Bytes) -> None:
    most = Limits().max_chunk_bytes
    noise = np.random.default_rng(0).bytes(most)
    for described in (Picture(picture, xmp=bytes(most + 1)), Picture(picture, xmp=noise)):
        with pytest.raises(ImageError, match=r"bytes of profile and metadata, more than the limit of 16,777,216$"):
            taichi_gs.encode(described, **QUICK)
    data = taichi_gs.encode(Picture(picture, xmp=bytes(most)), **QUICK)
    assert taichi_gs.decode_picture(data).xmp == bytes(most)
    with pytest.raises(LimitError):
        taichi_gs.decode(data, limits=Limits(max_chunk_bytes=most - 1))
