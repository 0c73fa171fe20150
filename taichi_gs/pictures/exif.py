"""Exif blocks, which have the structure of a TIFF file: read with every offset checked, and reduced to what describes.

Nobody's library is given a block before that. Pillow's raise whatever they like of a tag that is not of its type, and
libtiff takes numbers for pointers.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from taichi_gs.pictures.exif_tags import (
    ASCII,
    BYTE,
    EXIF_POINTER,
    GPS_POINTER,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    TAGS,
    WIDTHS,
)

EXIF_PREFIX = b"Exif\0\0"
"""What comes before the TIFF header of an Exif block in a JPEG, and in Pillow."""

MAX_ENTRIES = 4096
"""Of one directory; what comes after them is not looked at."""

XMP_TAG = 700

_ORIENTATION_OF_XMP = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([0-9]+)")

_UNITS = {SHORT: 2, LONG: 4, RATIONAL: 4, SRATIONAL: 4}
"""Bytes of the numbers that values of a type consist of, where they have more than one."""

_POINTERS = {LONG: 4, 13: 4, 16: 8, 18: 8}
"""Bytes of the types that an offset of a directory may have."""

_logger = logging.getLogger(__name__)


class Value(NamedTuple):
    """The values of a tag as the bytes of a little-endian file."""

    type: int
    content: bytes


Directory = dict[int, Value]


class _Span(NamedTuple):
    """Where the values of a tag are, which nobody has copied yet: any number of tags may refer to the same bytes."""

    type: int
    number: int
    place: int


class _Layout(NamedTuple):
    """How the numbers of a TIFF file are written: the count of entries, an entry without its value, an offset."""

    order: str
    head: str
    entry: str
    offset: str


class Block(NamedTuple):
    """The descriptive tags of an Exif block, or of a TIFF file.

    Attributes:
        directories: those with tags of which anything is kept, by their names in `TAGS`.
        order: of the bytes, "<" or ">", as it was, because a camera's own notes may have the same.
    """

    directories: Mapping[str, Directory]
    order: str = "<"


def parse(data: bytes) -> Block | None:
    """Read an Exif block, with or without its prefix, or a TIFF file; None if it does not begin like one.

    Tags that are unknown, of another type than the specification's, or not within the data are left out, and so is what
    would make the block larger than it was: parts of it may be referred to any number of times.
    """
    data = data.removeprefix(EXIF_PREFIX)
    layout, offset = _layout(data)
    if layout is None:
        return None
    spans = _spans(data, layout, offset)
    directories: dict[str, Directory] = {}
    room = len(data)
    for name, pointer in (("image", None), ("exif", EXIF_POINTER), ("gps", GPS_POINTER)):
        found = spans
        if pointer is not None:
            start = _number(data, layout, spans.get(pointer), _POINTERS)
            found = _spans(data, layout, start) if start else {}
        directory = Directory()
        for tag, kind in TAGS[name].items():
            span = found.get(tag)
            if span is None or span.type != kind.type or kind.number not in (None, span.number):
                continue
            size = span.number * WIDTHS[span.type]
            if 0 < size <= min(room, len(data) - span.place):
                directory[tag] = _value(data, layout, span)
                room -= size
        if directory:
            directories[name] = directory
    return Block(directories, layout.order)


def serialize(block: Block) -> bytes:
    """Return an Exif block, without the prefix; nothing if there are no tags."""
    if not block.directories:
        return b""
    signature = b"II" if block.order == "<" else b"MM"
    return signature + struct.pack(f"{block.order}HI", 42, 8) + _directories(block.directories, {}, 8, block.order)


def descriptive(exif: bytes | None, name: str = "the picture") -> bytes:
    """Return what describes the picture in an Exif block: no orientation, size or thumbnail, and nothing mistyped.

    `name` stands for the picture in the log if nothing can be read at all.
    """
    if not exif:
        return b""
    block = parse(exif)
    if block is None:
        _logger.warning("the Exif block of %s cannot be read and is ignored", name)
        return b""
    return serialize(block)


def upright_xmp(xmp: bytes) -> bytes:
    """Return an XMP packet whose orientation, if it states one, is that of an upright picture."""
    return _ORIENTATION_OF_XMP.sub(rb"\g<1>1", xmp)


def add_to_tiff(file: bytes, exif: bytes, xmp: bytes | None) -> bytes:
    """Return a TIFF file of one picture with what describes it, appended as a new first directory.

    Tags that the file has already are left as they are.
    """
    block = parse(exif) if exif else None
    directories = dict(block.directories) if block else {}
    if xmp:
        directories["image"] = {**directories.get("image", {}), XMP_TAG: Value(BYTE, xmp)}
    if not directories:
        return file
    order = "<" if file[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", file, 4)
    (count,) = struct.unpack_from(f"{order}H", file, start)
    old = {}
    for position in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(f"{order}H", file, position)
        old[tag] = file[position : position + 12]
    file += bytes(len(file) % 2)
    added = _directories(directories, old, len(file), order)
    return file[:4] + struct.pack(f"{order}I", len(file)) + file[8:] + added


def _layout(data: bytes) -> tuple[_Layout | None, int]:
    """How a block's numbers are written, and where its first directory is."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None, 0
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    if version == 42:
        return _Layout(order, "H", "HHI", "I"), struct.unpack_from(f"{order}I", data, 4)[0]
    if version == 43 and len(data) >= 16:  # BigTIFF
        return _Layout(order, "Q", "HHQ", "Q"), struct.unpack_from(f"{order}Q", data, 8)[0]
    return None, 0


def _spans(data: bytes, layout: _Layout, start: int) -> dict[int, _Span]:
    """Where the values of each tag of a directory are.

    Of a tag that is there twice the first counts.
    """
    order, spans = layout.order, dict[int, _Span]()
    head_size, offset_size = struct.calcsize(order + layout.entry), struct.calcsize(order + layout.offset)
    position = start + struct.calcsize(order + layout.head)
    if position > len(data):
        return spans
    (count,) = struct.unpack_from(order + layout.head, data, start)
    for _ in range(min(count, MAX_ENTRIES)):
        if position + head_size + offset_size > len(data):
            break
        tag, kind, number = struct.unpack_from(order + layout.entry, data, position)
        place = position + head_size
        if number * (WIDTHS.get(kind) or _POINTERS.get(kind, 1)) > offset_size:
            (place,) = struct.unpack_from(order + layout.offset, data, place)
        spans.setdefault(tag, _Span(kind, number, place))
        position += head_size + offset_size
    return spans


def _number(data: bytes, layout: _Layout, span: _Span | None, sizes: Mapping[int, int]) -> int:
    """The one whole number that a tag has, if it is of a type that is here with its size; else 0."""
    if span is None or span.number != 1 or span.type not in sizes:
        return 0
    content = data[span.place : span.place + sizes[span.type]]
    return int.from_bytes(content, "little" if layout.order == "<" else "big")


def _value(data: bytes, layout: _Layout, span: _Span) -> Value:
    """The values of a tag, which are within the data."""
    content = data[span.place : span.place + span.number * WIDTHS[span.type]]
    if span.type == ASCII and not content.endswith(b"\0"):
        content += b"\0"
    return Value(span.type, _swapped(content, span.type, layout.order))


def _swapped(content: bytes, kind: int, order: str) -> bytes:
    """Values of a little-endian file as those of a file of this order, or the other way round."""
    unit = _UNITS.get(kind, 1)
    if order == "<" or unit == 1:
        return content
    code = f"{len(content) // unit}{'H' if unit == 2 else 'I'}"
    return struct.pack(f"<{code}", *struct.unpack(f">{code}", content))


def _directories(directories: Mapping[str, Directory], entries: Mapping[int, bytes], start: int, order: str) -> bytes:
    """The first directory with the others behind it, as they are written at an offset of a file.

    `entries` are those that the first has already, by tag, each with its value or the offset of it.
    """
    first = dict(directories.get("image", {}))
    pointers = {EXIF_POINTER: "exif", GPS_POINTER: "gps"}
    present = {tag: name for tag, name in pointers.items() if name in directories}
    first = {tag: value for tag, value in first.items() if tag not in entries}
    # The offsets are not known yet, but the sizes do not depend on them.
    blank = {tag: Value(LONG, bytes(4)) for tag in present if tag not in entries}
    end = start + len(_directory({**first, **blank}, entries, start, order))
    parts = []
    for tag in blank:
        first[tag] = Value(LONG, struct.pack("<I", end))
        parts.append(_directory(directories[present[tag]], {}, end, order))
        end += len(parts[-1])
    return _directory(first, entries, start, order) + b"".join(parts)


def _directory(values: Directory, entries: Mapping[int, bytes], start: int, order: str) -> bytes:
    """One directory, and the values that do not fit into its entries behind it."""
    written = dict(entries)
    end = start + 2 + 12 * (len(values) + len(entries)) + 4
    behind = b"".join(_placed(values, written, end, order))
    return (
        struct.pack(f"{order}H", len(written)) + b"".join(written[tag] for tag in sorted(written)) + bytes(4) + behind
    )


def _placed(values: Directory, written: dict[int, bytes], position: int, order: str) -> Iterator[bytes]:
    """Write the entries of values, and yield those values that stand behind the directory, from a position on."""
    for tag in sorted(values):
        kind, content = values[tag].type, _swapped(values[tag].content, values[tag].type, order)
        field = content.ljust(4, b"\0")
        if len(content) > 4:
            field = struct.pack(f"{order}I", position)
            content += bytes(len(content) % 2)
            position += len(content)
            yield content
        head = struct.pack(f"{order}HHI", tag, kind, len(values[tag].content) // WIDTHS[kind])
        written[tag] = head + field
