"""Exif blocks that no camera writes: tags that describe pixels, values of wrong types, pointers to anywhere."""

from __future__ import annotations

import struct
from random import Random

TAGS = (
    *(256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 322, 338, 339),  # what a decoder of TIFF goes by
    *(269, 270, 271, 272, 282, 305, 306, 315, 33432),  # what describes a picture
    *(330, 34665, 34853, 40965, 700, 34675, 37500, 50740),  # other directories, and whole blocks
)

POINTERS = (0, 8, 14, 0xFFFFFFFF, 1 << 31)


def exif_block(random: Random) -> bytes:
    """Return a block of some hundred bytes whose directories may be anything."""
    order, mark = random.choice((("<", b"II"), (">", b"MM")))
    block = struct.pack(f"{order}2sHI", mark, random.choice((42, 42, 42, 43)), random.choice((8, 8, 8, *POINTERS)))
    for _ in range(random.choice((1, 1, 2, 4))):
        entries = [_entry(random, order) for _ in range(random.choice((0, 1, 5, 20)))]
        announced = random.choice((len(entries), len(entries), 0, 65535))
        following = random.choice((0, 0, *POINTERS))
        block += struct.pack(order + "H", announced) + b"".join(entries) + struct.pack(order + "I", following)
    block += random.randbytes(random.choice((0, 30, 200)))
    return random.choice((b"", b"Exif\0\0")) + block[: random.choice((len(block), len(block), random.randint(1, 60)))]


def _entry(random: Random, order: str) -> bytes:
    if random.random() < 0.2:  # a camera's name, as it should be
        return struct.pack(order + "HHI4s", random.choice((271, 272)), 2, 4, b"abc\0")
    tag = random.choice((*TAGS, random.randrange(65536)))
    count = random.choice((1, 1, 2, 4, 60, 65536, 0xFFFFFFFF))
    value = random.choice((*POINTERS, random.randrange(300), random.randrange(1 << 32)))
    return struct.pack(order + "HHII", tag, random.randrange(15), count, value)
