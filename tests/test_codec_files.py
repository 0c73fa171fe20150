"""The codec on files: reading and writing them, what is known of them, and what is none."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_decoder
from codec_checks import QUICK
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from taichi_gs import BitstreamError, FileError, ImageError, LimitError, Limits, OptionError, Picture, Progress

Bytes = NDArray[np.uint8]


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
    assert (info.version, info.height, info.width) == (1, 24, 32)
    assert info.num_gaussians == len(symbols["cells"]) == 12
    assert info.covariance_k == len(symbols["covariance_symbols"])
    assert info.color_k == len(symbols["color_symbols"])
    assert (info.grid_height, info.grid_width) == symbols["grid_size"]
    assert (info.subdivision, info.blending) == (symbols["subdivision"], symbols["blending"])
    assert info.bytes == len(encoded) == info.header_bytes + info.payload_bytes + 2
    assert info.has_grain == symbols["has_grain"]
    assert (info.mode, info.alpha_bytes, info.metadata) == ("RGB", 0, ())
    assert info.bits_per_pixel == 8 * len(encoded) / (24 * 32)

    path = tmp_path / "picture.tgs"
    path.write_bytes(encoded)
    assert taichi_gs.info(path) == taichi_gs.info(str(path)) == taichi_gs.info(bytearray(encoded)) == info
    with pytest.raises(FileError, match="no such file"):
        taichi_gs.info(tmp_path / "nothing.tgs")


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


def test_files_that_give_little_at_a_time(encoded: bytes) -> None:
    """As a pipe does, for instance."""

    class Trickle(io.RawIOBase):
        def __init__(self) -> None:
            self._rest = encoded

        def read(self, size: int = -1) -> bytes:
            piece, self._rest = self._rest[:50], self._rest[50:]
            return piece

    np.testing.assert_array_equal(taichi_gs.decode(Trickle()), taichi_gs.decode(encoded))  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [EOFError("it ends too early"), zlib.error("it is damaged"), OSError("it is gone")])
def test_files_that_cannot_be_read(error: Exception) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise error

    for work in (taichi_gs.encode, taichi_gs.decode, taichi_gs.info):
        with pytest.raises(FileError, match=f"^the open file cannot be read: {error}$"):
            work(Broken())  # type: ignore[arg-type]


def test_pictures_that_are_none(picture: Bytes) -> None:
    for wrong, sentence in (
        (Picture(picture, xmp="text"), "xmp must be bytes, not str"),  # type: ignore[arg-type]
        (Picture(picture, icc_profile=5), "icc_profile must be bytes, not int"),  # type: ignore[arg-type]
        (Picture(np.zeros((8, 8, 5), np.uint8)), r"an image has the shape .*, not \(8, 8, 5\)"),
        (Picture([1, 2]), "an image has the shape"),  # type: ignore[arg-type]
    ):
        for options in ({}, {"preview": True}) if "bytes" not in sentence else ({},):
            with pytest.raises(ImageError, match=sentence):
                taichi_gs.encode(wrong, **options)


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
