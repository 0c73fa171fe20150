"""Changes of the fields of a header, which is written back whatever they say."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from fuzz.parts import NUMBERS, Parts
from taichi_gs.format.header import IS_GRAY

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


def edit_field(random: Random, parts: Parts) -> Parts:
    """Change one field."""
    return random.choices(_EDITS, _WEIGHTS)[0](random, parts)


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


def _whole_number(random: Random, value: int) -> int:
    """A whole number that is near another one, at an edge, or anything."""
    near = max(0, value + random.choice((-1, 1)))
    anything = int(2 ** random.uniform(0, 20))
    return random.choice((near, near, 2 * value, value // 2, random.choice(EDGES), anything))


_EDITS = (_edit_number, _edit_flags, _edit_version, _edit_bits, _edit_range, _edit_background)
_WEIGHTS = (4, 1, 1, 3, 4, 1)
