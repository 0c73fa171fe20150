"""Exif blocks of all kinds, good and hostile, on their way in and out: what describes a picture stays, nothing else."""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import saved
from PIL import Image, ImageOps

from taichi_gs import Picture
from taichi_gs.pictures import exif
from taichi_gs.pictures.exif_tags import TAGS
from taichi_gs.pictures.read import picture_from_bytes, picture_from_pillow
from taichi_gs.pictures.write import image_to_bytes

Bytes = NDArray[np.uint8]
Entry = tuple[int, int, int, bytes]

SUFFIXES = (".png", ".jpg", ".webp", ".tiff")
"""Of the formats that Exif is written in."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
CAMERA = (271, ASCII, 9, b"a camera\0")
PHONE = [(256, LONG, 1, 4000), (257, LONG, 1, 3000), (258, SHORT, 1, 4), (262, SHORT, 1, 0)]
XMP_TURNED = (b"<x tiff:Orientation='6'/>", b'<x tiff:Orientation="6"/>', b"<tiff:Orientation>6</tiff:Orientation>")


def block_of(*directories: list[Entry], order: str = "<") -> bytes:
    """An Exif block of a first directory, and one for its tag 34665, if there is a second; 34853 has the third."""
    start, parts = 8, []
    positions = []
    for entries in directories[::-1]:
        entries = list(entries)
        if len(parts) == len(directories) - 1:
            pointers = zip((34853, 34665)[-len(positions) or 2 :], positions, strict=True)
            entries += [(tag, LONG, 1, struct.pack(order + "I", position)) for tag, position in pointers]
        positions.append(start)
        parts.append(directory(sorted(entries, key=lambda entry: entry[0]), start, order))
        start += len(parts[-1])
    return struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, positions[-1]) + b"".join(parts)


def directory(entries: list[Entry], start: int, order: str) -> bytes:
    end = start + 6 + 12 * len(entries)
    written, values = [], b""
    for tag, kind, count, content in entries:
        field = content.ljust(4, b"\0")
        if len(content) > 4:
            field = struct.pack(order + "I", end + len(values))
            values += content
        written.append(struct.pack(order + "HHI", tag, kind, count) + field)
    return struct.pack(order + "H", len(entries)) + b"".join(written) + bytes(4) + values


def numbers(order: str, code: str, *values: int) -> bytes:
    return struct.pack(f"{order}{len(values)}{code}", *values)


def phone_block(order: str, orientation: int = 6) -> bytes:
    """What a telephone writes, with the size of the picture before it was turned, and with tags of wrong types."""
    first = [(tag, kind, count, numbers(order, "HI"[kind - 3], value)) for tag, kind, count, value in PHONE]
    first += [CAMERA, (274, SHORT, 1, numbers(order, "H", orientation)), (272, SHORT, 1, numbers(order, "H", 7))]
    details = [
        (33434, RATIONAL, 1, numbers(order, "I", 1, 125)),
        (34855, SHORT, 1, numbers(order, "H", 200)),
        (36864, UNDEFINED, 4, b"0232"),
        (36867, ASCII, 20, b"2024:05:06 07:08:09\0"),
        (37386, LONG, 1, numbers(order, "I", 50)),  # a focal length is rational
        (40962, LONG, 1, numbers(order, "I", 4000)),
    ]
    place = [(1, ASCII, 2, b"N\0"), (2, RATIONAL, 3, numbers(order, "I", 59, 1, 26, 1, 5, 1)), (99, BYTE, 1, b"x")]
    return block_of(first, details, place, order=order)


def check_phone(block: Image.Exif) -> None:
    assert {tag: value for tag, value in block.items() if tag in (271, 272, 274)} == {271: "a camera"}
    details, place = block.get_ifd(34665), block.get_ifd(34853)
    assert details == {33434: 1 / 125, 34855: 200, 36864: b"0232", 36867: "2024:05:06 07:08:09"}
    assert place == {1: "N", 2: (59.0, 26.0, 5.0)}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_telephone_says_in_every_format(picture: Bytes, suffix: str, order: str) -> None:
    data = image_to_bytes(Picture(picture, exif=phone_block(order)), suffix)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (32, 24)
        assert ImageOps.exif_transpose(image).size == (32, 24)
        check_phone(image.getexif())
    read = picture_from_bytes(data, keep_metadata=True)
    assert read.pixels.shape == picture.shape
    if suffix != ".jpg":
        np.testing.assert_array_equal(read.pixels, picture)
    check_phone(loaded(read.exif))


def loaded(block: bytes | None) -> Image.Exif:
    result = Image.Exif()
    result.load(block or b"")
    return result


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", SUFFIXES[1:3])
def test_a_telephones_file(picture: Bytes, suffix: str, order: str) -> None:
    """From its JPEG through a `Picture` into a TIFF."""
    data = saved(Image.fromarray(picture), suffix[1:].replace("jpg", "jpeg"), exif=b"Exif\0\0" + phone_block(order))
    read = picture_from_bytes(data, keep_metadata=True)
    assert read.pixels.shape == (32, 24, 3)
    check_phone(loaded(read.exif))
    again = picture_from_bytes(image_to_bytes(read, ".tif"), keep_metadata=True)
    np.testing.assert_array_equal(again.pixels, read.pixels)
    check_phone(loaded(again.exif))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_for_texts_are_no_pointers(picture: Bytes, suffix: str) -> None:
    """libtiff took tag 269, a text, for an address."""
    hostile = block_of([(269, LONG, 1, numbers("<", "I", 0xDEAD)), (270, LONG, 2, numbers("<", "I", 1, 2)), CAMERA])
    data = image_to_bytes(Picture(picture, exif=hostile), suffix)
    assert exif.descriptive(hostile) == exif.descriptive(block_of([CAMERA]))
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[271] == "a camera"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_number_of_tags_takes_no_time(suffix: str) -> None:
    tags = [(tag, LONG, 1, bytes(4)) for tag in range(300, 65000)]
    picture = Picture(np.zeros((7, 9, 3), np.uint8), exif=block_of([CAMERA, *tags]))
    start = time.perf_counter()
    data = image_to_bytes(picture, suffix)
    assert time.perf_counter() - start < 1
    assert len(data) < 1500
    many = saved(Image.fromarray(picture.pixels), "png", exif=picture.exif)
    start = time.perf_counter()
    assert picture_from_bytes(many, keep_metadata=True).exif is not None
    assert time.perf_counter() - start < 1


def test_one_piece_of_a_block_for_many_tags() -> None:
    """Its 20 texts are the same 100,000 bytes: a copy of each would be 20 times the block."""
    texts = [tag for tag, kind in TAGS["exif"].items() if kind.type == ASCII]
    block = bytearray(block_of([], [(tag, ASCII, 5, b"text\0") for tag in texts]))
    end = len(block)
    for index in range(len(texts)):
        struct.pack_into("<II", block, 8 + 2 + 12 * index + 4, 100_000, end)
    assert len(exif.descriptive(bytes(block) + b"x" * 99_999 + b"\0")) < len(block) + 100_000


@pytest.mark.parametrize("tag", [34665, 34853])
def test_directories_in_a_circle(tag: int) -> None:
    block = block_of([CAMERA, (tag, LONG, 1, numbers("<", "I", 8))])
    assert exif.descriptive(block) == exif.descriptive(block_of([CAMERA]))


@pytest.mark.parametrize("xmp", XMP_TURNED)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_that_is_written_is_turned_by_those_who_read_it(picture: Bytes, suffix: str, xmp: bytes) -> None:
    for described in (Picture(picture, xmp=xmp), Picture(picture, exif=phone_block("<", 6), xmp=xmp)):
        data = image_to_bytes(described, suffix)
        with Image.open(io.BytesIO(data)) as image:
            assert ImageOps.exif_transpose(image).size == (32, 24)
            assert image.info["xmp"] == xmp.replace(b"6", b"1")
        assert picture_from_bytes(data, keep_metadata=True).xmp == xmp.replace(b"6", b"1")
        shown = described.to_pillow()
        assert ImageOps.exif_transpose(shown).size == (32, 24)
        assert picture_from_pillow(shown).pixels.shape == (24, 32, 3)
        with Image.open(io.BytesIO(described._repr_png_() or b"")) as image:
            assert ImageOps.exif_transpose(image).size == (32, 24)


@pytest.mark.parametrize("mistyped", [(271, RATIONAL, 1, bytes(8)), (282, ASCII, 1, b"a"), (256, BYTE, 1, b"a")])
def test_a_tag_of_another_type_does_not_damage_a_picture(picture: Bytes, mistyped: Entry) -> None:
    block = block_of([mistyped, (272, ASCII, 6, b"model\0"), (274, SHORT, 1, numbers("<", "H", 6))])
    data = saved(Image.fromarray(picture), "jpeg", exif=b"Exif\0\0" + block)
    with Image.open(io.BytesIO(data)) as image:
        taken = picture_from_pillow(image, keep_metadata=True)
    for read in (picture_from_bytes(data, keep_metadata=True), taken):
        assert read.pixels.shape == (32, 24, 3)
        assert dict(loaded(read.exif)) == {272: "model"}


def test_a_tag_that_is_not_there_costs_the_others_nothing() -> None:
    block = block_of([(270, ASCII, 1 << 31, b"\xff\xff\xff\x7f"), (271, ASCII, 0, bytes(4)), (272, ASCII, 2, b"m\0")])
    assert dict(loaded(exif.descriptive(block))) == {272: "m"}


def test_texts_without_an_end_get_one() -> None:
    assert dict(loaded(exif.descriptive(block_of([(271, ASCII, 6, b"camera")])))) == {271: "camera"}


def test_a_block_that_cannot_be_read_is_left_out(picture: Bytes, caplog: pytest.LogCaptureFixture) -> None:
    for suffix in SUFFIXES:
        data = image_to_bytes(Picture(picture, exif=b"nonsense"), suffix)
        assert picture_from_bytes(data, keep_metadata=True).exif is None
    assert caplog.messages == ["the Exif block of the picture cannot be read and is ignored"] * len(SUFFIXES)


def test_damaged_blocks_raise_nothing() -> None:
    rng, kept = np.random.default_rng(0), 0
    whole = phone_block(">")
    for _ in range(3000):
        block = bytearray(whole[: rng.integers(8, len(whole) + 1)])
        for position in rng.integers(8, len(block) + 1, 3):
            block[min(position, len(block) - 1)] = rng.integers(256)
        clean = exif.descriptive(bytes(block))
        assert exif.descriptive(clean) == clean
        kept += bool(clean)
    assert kept > 150


def test_tiff_files_of_either_byte_order_and_of_64_bits() -> None:
    camera = struct.pack(">HHQQ", 271, ASCII, 9, 16 + 8 + 20 + 8) + bytes(8) + CAMERA[3]
    big = b"MM\0+\0\x08\0\0" + struct.pack(">QQ", 16, 1) + camera
    assert dict(loaded(exif.descriptive(big))) == {271: "a camera"}
    for order in "<>":
        file = block_of([(256, SHORT, 1, numbers(order, "H", 7))], order=order)
        described = exif.add_to_tiff(file, exif.descriptive(phone_block("<")), b"<xmp/>")
        check_phone(loaded(described))
        assert loaded(described)[256] == 7
        assert loaded(described)[700] == b"<xmp/>"


def test_tags_that_a_tiff_has_are_left_as_they_are() -> None:
    file = block_of([CAMERA])
    added: Any = exif.add_to_tiff(file, block_of([(271, ASCII, 6, b"other\0"), (272, ASCII, 6, b"model\0")]), None)
    assert dict(loaded(added)) == {271: "a camera", 272: "model"}
    assert exif.add_to_tiff(file, b"", None) == file
