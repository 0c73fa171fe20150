"""Mutations of .tgs files: seeded, so that a file follows from its seeds and a number.

Most mutants get good checksums, the one of an alpha plane within them too, without which a decoder would look no
further. A file is changed at four depths: its bytes; its fields, each written back in its place (`Parts`); its tail;
and what it holds, integers that are decoded, changed and coded again, which yields files that are well-formed and ask
for extremes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import NamedTuple

import numpy as np

from taichi_gs.errors import TgsError
from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.format.varint import varint
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

SIGNATURE = b"\x89TGS\r\n\x1a\n"
HAS_TAIL, IS_SUBDIVIDED, IS_GRAY = 1, 4, 8
ALPHA_TAG = b"ALPH"

REPAIRED_SHARE = 0.85
"""Of the mutants, how many have good checksums."""

MAX_BYTES = 1 << 20
"""No mutant is larger."""

NUMBERS = ("width", "height", "num_gaussians", "columns", "rows", "subdivision", "covariance_words", "color_words")
"""The varints of a header in their order."""

EDGES = (
    *(0, 1, 2, 15, 16, 17, 127, 128, 255, 256, 257, 1000, 4095, 4096, 4097, 9459, 16383, 16384, 65534, 65535, 65536),
    *(2**22, 2**22 + 1, 2**24 - 1, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**35 - 1),
)
"""Whole numbers at which something changes: groups of varints, limits, types."""

HALVES = (
    *(0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x3800, 0x3C00, 0xBC00, 0x4000, 0xC000, 0x4001, 0x4800, 0xC800),
    *(0x5000, 0xD000, 0x5001, 0x4F80, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00),
)
"""float16 numbers, as integers: zeros, the smallest, 1/2, 1, 2, 8, 32 and their neighbours, the largest, inf, nan."""

_CHROMA_RANGES = slice(6, 10)
"""Where those of Co and Cg, which gray files leave out, are among the 14 numbers of the ranges."""


class Mutant(NamedTuple):
    """A mutated file, how it was made, and whether its checksums were repaired."""

    data: bytes
    method: str
    is_repaired: bool


@dataclass(frozen=True)
class Parts:
    """A .tgs file taken apart; `assemble` writes whatever the parts are, possible or not.

    Attributes:
        version, flags: a byte each. The flags decide which of the other parts are written.
        numbers: the value of each of NUMBERS.
        background: three bytes.
        bits: of all channels, as one u32.
        ranges: 14 float16 numbers as integers, minimum and step of each channel.
        payload: the entropy-coded bytes.
        chunks: tag and content of each chunk of the tail.
    """

    version: int
    flags: int
    numbers: dict[str, int]
    background: bytes
    bits: int
    ranges: tuple[int, ...]
    payload: bytes
    chunks: tuple[tuple[bytes, bytes], ...]


def dissect(data: bytes) -> Parts:
    """Take a file apart, its checksum not looked at.

    Raises:
        ValueError: if it is not laid out as a .tgs file.
    """
    if not data.startswith(SIGNATURE) or len(data) < 14:
        raise ValueError("not a .tgs file")
    rest = memoryview(data)[:-4]
    version, flags = data[8], data[9]
    rest = rest[10:]

    def take(count: int) -> bytes:
        nonlocal rest
        if count > len(rest):
            raise ValueError("a part is cut off")
        taken, rest = bytes(rest[:count]), rest[count:]
        return taken

    def take_varint() -> int:
        value = shift = 0
        while True:
            (group,) = take(1)
            value |= (group & 127) << shift
            shift += 7
            if group < 128 or shift > 63:
                return value

    numbers = {name: take_varint() for name in NUMBERS if name != "subdivision" or flags & IS_SUBDIVIDED}
    background = take(1) * 3 if flags & IS_GRAY else take(3)
    (bits,) = struct.unpack("<I", take(4))
    count = 10 if flags & IS_GRAY else 14
    ranges = list(struct.unpack(f"<{count}H", take(2 * count)))
    if flags & IS_GRAY:
        ranges[_CHROMA_RANGES.start : _CHROMA_RANGES.start] = [0] * 4
    payload = take(take_varint() if flags & HAS_TAIL else len(rest))
    chunks = []
    while flags & HAS_TAIL and rest:
        tag, length = struct.unpack("<4sI", take(8))
        chunks.append((tag, take(length)))
    return Parts(version, flags, {"subdivision": 0, **numbers}, background, bits, tuple(ranges), payload, tuple(chunks))


def assemble(parts: Parts) -> bytes:
    """Put a file together, with a good checksum."""
    flags = parts.flags
    body = SIGNATURE + bytes([parts.version, flags])
    body += b"".join(varint(parts.numbers[name]) for name in NUMBERS if name != "subdivision" or flags & IS_SUBDIVIDED)
    ranges = list(parts.ranges)
    if flags & IS_GRAY:
        del ranges[_CHROMA_RANGES]
    body += parts.background[: 1 if flags & IS_GRAY else 3]
    body += struct.pack(f"<I{len(ranges)}H", parts.bits, *ranges)
    if flags & HAS_TAIL:
        body += varint(len(parts.payload)) + parts.payload
        body += b"".join(struct.pack("<4sI", tag, len(content)) + content for tag, content in parts.chunks)
    else:
        body += parts.payload
    return with_checksum(body)


def with_checksum(body: bytes) -> bytes:
    """Append the CRC-32 that a decoder expects."""
    return body + struct.pack("<I", zlib.crc32(body))


def repaired(data: bytes) -> bytes:
    """Return a file with its last four bytes replaced by a good checksum, and likewise in its alpha plane."""
    try:
        parts = dissect(data)
    except ValueError:
        return with_checksum(data[:-4])
    if ALPHA_TAG not in dict(parts.chunks):
        return with_checksum(data[:-4])
    chunks = tuple((tag, with_checksum(content[:-4]) if tag == ALPHA_TAG else content) for tag, content in parts.chunks)
    return assemble(replace(parts, chunks=chunks))


def _with_whole_words(data: bytes) -> bytes:
    """Cut a payload to whole words, without which a decoder does not begin with it."""
    try:
        parts = dissect(data)
    except ValueError:
        return data
    return assemble(replace(parts, payload=parts.payload[: len(parts.payload) // 4 * 4]))


def mutate(seeds: Sequence[bytes], random: Random) -> Mutant:
    """Return a mutant of one of `seeds`, or of two; `random` alone decides."""
    names = list(_METHODS)
    method = random.choices(names, [_METHODS[name][0] for name in names])[0]
    changed = _METHODS[method][1](random, random.choice(seeds), seeds)
    is_repaired = random.random() < REPAIRED_SHARE
    # Without a signature nothing behind it is reached; a few may go without.
    if is_repaired and not changed.startswith(SIGNATURE) and random.random() < 0.95:
        changed = SIGNATURE + changed[len(SIGNATURE) :]
    if is_repaired:
        changed = repaired(_with_whole_words(changed) if random.random() < 0.8 else changed)
    elif random.random() < 0.5:
        changed = changed[:-4] + random.randbytes(4)
    else:
        changed = changed[:-4] + random.choice(seeds)[-4:]
    return Mutant(changed[:MAX_BYTES], method, is_repaired)


def mutant(seeds: Sequence[bytes], seed: int, index: int) -> Mutant:
    """Return the mutant number `index` of a run with the seed `seed`."""
    return mutate(seeds, Random(f"{seed}:{index}"))


def damaged(random: Random, data: bytes, most: int = 4) -> bytes:
    """Change the bytes of a file at up to `most` places, without an idea of what they mean."""
    body = bytearray(data)
    for _ in range(random.randint(1, most)):
        place = random.randrange(len(body) + 1)
        run = random.choice((1, 1, 1, 2, 3, 4, 8, random.randint(1, 64)))
        match random.randrange(7):
            case 0:
                if place < len(body):
                    body[place] ^= 1 << random.randrange(8)
            case 1:
                body[place : place + 1] = bytes([random.choice((0, 1, 127, 128, 254, 255, random.randrange(256)))])
            case 2:
                body[place:place] = random.randbytes(run)
            case 3:
                del body[place : place + run]
            case 4:
                del body[place:]
            case 5:
                body[place:place] = body[place : place + run]
            case _:
                body[place : place + run] = bytes(run)
    return bytes(body)


def _bytes(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    return damaged(random, data)


def _header_bytes(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """The bytes after the signature and before, or early in, the payload: most of what a decoder checks."""
    return data[:8] + damaged(random, data[8:64], 3) + data[64:]


def _truncation(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    # Four bytes stand in for the checksum, which replaces them.
    return data[: random.randrange(len(data))] + bytes(4)


def _splice(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """The beginning of one file and the end of another, cut at the same place or anywhere."""
    other = random.choice(seeds)
    place = random.randrange(len(data))
    return data[:place] + other[place if random.random() < 0.5 else random.randrange(len(other)) :]


def _payload(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    parts = dissect(data)
    payload = random.choice([dissect(random.choice(seeds)).payload, damaged(random, parts.payload)])
    return assemble(replace(parts, payload=payload))


def _fields(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    parts = dissect(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        parts = random.choices(_FIELD_EDITS, (4, 1, 1, 3, 4, 1))[0](random, parts)
    return assemble(parts)


def _edit_number(random: Random, parts: Parts) -> Parts:
    name = random.choice(NUMBERS)
    return replace(parts, numbers={**parts.numbers, name: _whole_number(random, parts.numbers[name])})


def _edit_flags(random: Random, parts: Parts) -> Parts:
    flags = parts.flags ^ 1 << random.choice((0, 1, 1, 2, 3, 3, random.randrange(8)))
    # A gray file has no bits for Co and Cg, or is refused at once.
    bits = parts.bits & ~0x00FF0000 if flags & IS_GRAY and random.random() < 0.8 else parts.bits
    return replace(parts, flags=flags, bits=bits)


def _edit_version(random: Random, parts: Parts) -> Parts:
    return replace(parts, version=random.choice((0, 1, 1, 2, 3, 255)))


def _edit_bits(random: Random, parts: Parts) -> Parts:
    shift = 4 * random.choice((*range(7), 7))
    value = random.choice((0, 1, 8, 11, 12, 13, 15, random.randrange(16)))
    return replace(parts, bits=parts.bits & ~(15 << shift) | value << shift)


def _edit_range(random: Random, parts: Parts) -> Parts:
    ranges = list(parts.ranges)
    place = random.randrange(len(ranges))
    ranges[place] = random.choice(
        (
            random.choice(HALVES),
            random.randrange(1 << 16),
            ranges[place] ^ 1 << random.randrange(16),
            ranges[place] + random.choice((-1, 1)) & 0xFFFF,
            random.choice(ranges),
        )
    )
    return replace(parts, ranges=tuple(ranges))


def _edit_background(random: Random, parts: Parts) -> Parts:
    return replace(parts, background=random.choice((bytes(3), b"\xff" * 3, random.randbytes(3))))


_FIELD_EDITS = (_edit_number, _edit_flags, _edit_version, _edit_bits, _edit_range, _edit_background)


def _tail(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change chunks of the tail, which a file without one gets first."""
    parts = dissect(data)
    chunks = list(parts.chunks)
    for _ in range(random.choice((1, 1, 2, 3))):
        if not chunks or random.random() < 0.3:
            chunks.insert(random.randint(0, len(chunks)), _new_chunk(random, parts, seeds))
            continue
        place = random.randrange(len(chunks))
        tag, content = chunks[place]
        match random.randrange(5):
            case 0:
                del chunks[place]
            case 1:
                chunks.append(chunks[place])
            case 2:
                chunks[place] = (_tag(random), content)
            case _ if tag == ALPHA_TAG and _is_whole(content) and random.random() < 0.8:
                # The plane within is a file as good as any other.
                chunks[place] = (tag, mutate([content], random).data)
            case _:
                chunks[place] = (tag, damaged(random, content))
    changed = assemble(replace(parts, flags=parts.flags | HAS_TAIL, chunks=tuple(chunks)))
    if random.random() < 0.15:
        # Lengths of chunks that are not so.
        start = len(changed) - 4 - sum(8 + len(content) for _, content in chunks)
        changed = changed[:start] + damaged(random, changed[start:], 2)
    return changed


def _is_whole(data: bytes) -> bool:
    try:
        dissect(data)
    except ValueError:
        return False
    return True


def _new_chunk(random: Random, parts: Parts, seeds: Sequence[bytes]) -> tuple[bytes, bytes]:
    if random.random() < 0.4:
        plane = dissect(random.choice(seeds))
        if random.random() < 0.9:
            sides = {name: parts.numbers[name] for name in ("width", "height")}
            plane = replace(plane, flags=plane.flags & ~HAS_TAIL, numbers={**plane.numbers, **sides}, chunks=())
        return ALPHA_TAG, assemble(plane)
    size = random.choice((0, 1, 100, 5000))
    content = random.choice((zlib.compress(bytes(size)), random.randbytes(size), _bomb(random.choice((23, 24, 26)))))
    return _tag(random), content


def _tag(random: Random) -> bytes:
    return random.choice((b"ICCP", b"EXIF", b"XMP_", ALPHA_TAG, b"note", b"NEWS", random.randbytes(4)))


@lru_cache
def _bomb(size_bits: int) -> bytes:
    """A zlib stream of 2**size_bits zeros, which is a thousandth as large."""
    return zlib.compress(bytes(1 << size_bits), 9)


def _content(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change the integers that a file holds and code them again; what the format cannot hold is changed elsewhere."""
    try:
        picture = _parsed(data)
        for _ in range(random.choice((1, 1, 2, 3))):
            picture = random.choice(_CONTENT_EDITS)(random, picture)
        levels = lattice_of_picture(picture).levels
        offsets = picture.offsets % levels if random.random() < 0.7 else levels - 1
        return serialize(replace(picture, offsets=offsets), dict(dissect(data).chunks) if random.random() < 0.3 else {})
    except (TgsError, ValueError, OverflowError, IndexError):
        return _fields(random, data, seeds)


@lru_cache
def _parsed(data: bytes) -> QuantizedGaussians:
    return parse(data)


def _resize(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    height, width = picture.image_size
    return replace(picture, image_size=(_side(random, height), _side(random, width)))


def _regrid(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    rows, columns = picture.grid_size
    size = (_side(random, rows), _side(random, columns))
    return replace(picture, grid_size=size, cells=np.minimum(picture.cells, np.array(size) - 1))


def _gather(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Move all Gaussians into one cell, or into a corner's."""
    cell = random.choice((picture.cells[0], np.zeros(2, np.int64), np.array(picture.grid_size) - 1))
    return replace(picture, cells=np.broadcast_to(cell, picture.cells.shape).copy())


def _multiply(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Take fewer of the Gaussians, or some thousand times the same ones."""
    count = random.choice((1, 2, len(picture) // 2, 2 * len(picture), 4096, random.randint(1, 6000)))
    taken = np.resize(np.arange(random.choice((1, len(picture)))), count)
    arrays = {
        name: getattr(picture, name)[taken] for name in ("cells", "offsets", "covariance_indices", "color_indices")
    }
    return replace(picture, **arrays)


def _swap_indices(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    name, codebook = random.choice(
        (("covariance_indices", picture.covariance_codebook), ("color_indices", picture.color_codebook))
    )
    generator = np.random.default_rng(random.randrange(2**32))
    indices = generator.integers(0, random.choice((1, len(codebook))), len(picture))
    return _with(picture, **{name: indices})


def _stretch(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    """Give one channel of a codebook another range or number of bits, and symbols at its ends or anywhere."""
    name = random.choice(("covariance_codebook", "color_codebook"))
    codebook: QuantizedCodebook = getattr(picture, name)
    channel = random.randrange(len(codebook.quantizers))
    bits = random.choice((0, 1, 3, 8, 12, codebook.quantizers[channel].bits))
    low, high = sorted(random.choice((-32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 12, 16, 24, 32)) for _ in range(2))
    step = float(np.float16((high - low) / max(1, (1 << bits) - 1)))
    if low + step * ((1 << bits) - 1) > high:
        step = float(np.nextafter(np.float16(step), np.float16(0)))
    quantizers = list(codebook.quantizers)
    quantizers[channel] = UniformQuantizer(float(low), step if step > 0 else 2.0**-24, bits)
    symbols = codebook.symbols.copy()
    generator = np.random.default_rng(random.randrange(2**32))
    top = (1 << bits) - 1
    symbols[:, channel] = random.choice(
        (np.full(len(codebook), random.choice((0, top))), generator.integers(0, top + 1, len(codebook)))
    )
    return _with(picture, **{name: QuantizedCodebook(symbols, tuple(quantizers))})


def _subdivide(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    return replace(picture, subdivision=random.choice((0, 1, 40, 1000, 65535)))


def _blend_otherwise(random: Random, picture: QuantizedGaussians) -> QuantizedGaussians:
    return replace(picture, blending="alpha" if picture.blending == "normalized" else "normalized")


def _with(picture: QuantizedGaussians, **changes: object) -> QuantizedGaussians:
    """Replace fields whose names are found at run time."""
    return replace(picture, **changes)  # type: ignore[arg-type]


_CONTENT_EDITS = (
    *(_resize, _regrid, _gather, _multiply, _swap_indices),
    *(_stretch, _stretch, _stretch, _subdivide, _blend_otherwise),
)


def _side(random: Random, side: int) -> int:
    """A side that is possible, most of them small, since it takes the time of its pixels to draw a picture."""
    if random.random() < 0.1:
        return random.choice([edge for edge in EDGES if 0 < edge <= 65535])
    return max(1, min(random.choice((1, side - 1, side + 1, 2 * side, int(2 ** random.uniform(0, 11)))), 65535))


def _whole_number(random: Random, value: int) -> int:
    """A whole number that is near another one, at an edge, or anything."""
    near = max(0, value + random.choice((-1, 1)))
    anything = int(2 ** random.uniform(0, 20))
    return random.choice((near, near, 2 * value, value // 2, random.choice(EDGES), anything))


_METHODS: dict[str, tuple[int, Callable[[Random, bytes, Sequence[bytes]], bytes]]] = {
    "bytes": (15, _bytes),
    "header bytes": (10, _header_bytes),
    "truncation": (5, _truncation),
    "splice": (6, _splice),
    "payload": (10, _payload),
    "fields": (24, _fields),
    "tail": (14, _tail),
    "content": (16, _content),
}
"""The methods by name, with their shares in percent."""
