"""Mutations of .tgs files: seeded, so that a file follows from its seeds and a number.

Most mutants get good checksums, the one of an alpha plane within them too, without which a decoder would look no
further. A file is changed at five depths: its bytes; its fields, each written back in its place (`field_edits.py`); its
chunks; its payload (`payload_edits.py`); and what it holds, integers that are decoded, changed and coded again
(`content_edits.py`), which yields files that are well-formed and ask for extremes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import NamedTuple

from fuzz.content_edits import edit_content
from fuzz.exif_blocks import exif_block
from fuzz.field_edits import edit_field
from fuzz.parts import Parts, assemble, dissect, pack, repaired, with_checksum, without_checksum
from fuzz.payload_edits import beginning, taken_literally
from taichi_gs.errors import TgsError
from taichi_gs.format.bitstream import SIGNATURE, parse, serialize
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.header import HAS_CHUNKS
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedGaussians

REPAIRED_SHARE = 0.85
"""Of the mutants, how many have good checksums."""

MAX_BYTES = 1 << 20
"""No mutant is larger."""


class Mutant(NamedTuple):
    """A mutated file, how it was made, and whether its checksums were repaired."""

    data: bytes
    method: str
    is_repaired: bool


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
        changed = repaired(changed)
    elif random.random() < 0.5:
        changed = changed[:-2] + random.randbytes(2)
    else:
        changed = changed[:-2] + random.choice(seeds)[-2:]
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
    return data[:3] + damaged(random, data[3:32], 3) + data[32:]


def _truncation(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    # Bytes stand in for the checksum, which replaces them.
    return with_checksum(data[: random.randrange(len(data))])


def _splice(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """The beginning of one file and the end of another, cut at the same place or anywhere."""
    other = random.choice(seeds)
    place = random.randrange(len(data))
    return data[:place] + other[place if random.random() < 0.5 else random.randrange(len(other)) :]


def _payload(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Another payload; most often in the form in which an encoder writes what it says, which is decoded to its end."""
    parts = dissect(data)
    payloads = (dissect(random.choice(seeds)).payload, damaged(random, parts.payload), beginning(random, parts))
    changed = replace(parts, payload=random.choice(payloads))
    if random.random() < 0.7:
        try:
            return taken_literally(changed)
        except TgsError:
            pass
    return assemble(changed)


def _fields(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    parts = dissect(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        parts = edit_field(random, parts)
    return assemble(parts)


def _chunks(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Change chunks; a file without any gets one first."""
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
    changed = assemble(replace(parts, flags=parts.flags | HAS_CHUNKS, chunks=tuple(chunks)))
    if random.random() < 0.15:
        # Lengths of chunks that are not so.
        body, packed = without_checksum(changed), pack(tuple(chunks))
        changed = with_checksum(body[: len(body) - len(packed)] + damaged(random, packed, 2))
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
            plane = replace(plane, flags=plane.flags & ~HAS_CHUNKS, numbers={**plane.numbers, **sides}, chunks=())
        return ALPHA_TAG, assemble(plane)
    if random.random() < 0.4:
        return b"EXIF", zlib.compress(exif_block(random))
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
            picture = edit_content(random, picture)
        levels = lattice_of_picture(picture).levels
        offsets = picture.offsets % levels if random.random() < 0.7 else levels - 1
        return serialize(replace(picture, offsets=offsets), dict(dissect(data).chunks) if random.random() < 0.3 else {})
    except (TgsError, ValueError, OverflowError, IndexError):
        return _fields(random, data, seeds)


@lru_cache
def _parsed(data: bytes) -> QuantizedGaussians:
    return parse(data)


_METHODS: dict[str, tuple[int, Callable[[Random, bytes, Sequence[bytes]], bytes]]] = {
    "bytes": (15, _bytes),
    "header bytes": (10, _header_bytes),
    "truncation": (5, _truncation),
    "splice": (6, _splice),
    "payload": (10, _payload),
    "fields": (24, _fields),
    "chunks": (14, _chunks),
    "content": (16, _content),
}
"""The methods by name, with their shares in percent."""
