"""Changes of the fields of a header, which is written back whatever they say."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from fuzz.parts import NUMBERS, Parts
from taichi_gs.format.header import HAS_CHUNKS, HAS_GRAIN, IS_FRONT_TO_BACK, IS_GRAY
from taichi_gs.model.lattice import MAX_SUBDIVISION_CODE

EDGES = (
    *(0, 1, 2, 15, 16, 17, 127, 128, 129, 255, 256, 257, 1000, 4095, 4096, 4097, 9459, 16383, 16384),
    *(65534, 65535, 65536, 2**22, 2**22 + 1, 2**24 - 1, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**35 - 1),
)
"""Whole numbers at which something changes: groups of varints, limits, types."""


def edit_field(random: Random, parts: Parts) -> Parts:
    """Change one field."""
    return random.choices(_EDITS, _WEIGHTS)[0](random, parts)


def _edit_number(random: Random, parts: Parts) -> Parts:
    name = random.choice(NUMBERS)
    return _with_number(parts, name, _whole_number(random, parts.numbers[name]))


def _edit_flags(random: Random, parts: Parts) -> Parts:
    return replace(parts, flags=parts.flags ^ random.choice((HAS_CHUNKS, IS_FRONT_TO_BACK, IS_GRAY, HAS_GRAIN)))


def _edit_version(random: Random, parts: Parts) -> Parts:
    return replace(parts, version=random.choice((0, 1, 1, 2, 5, 15)))


def _edit_subdivision(random: Random, parts: Parts) -> Parts:
    most = MAX_SUBDIVISION_CODE
    return _with_number(parts, "subdivision_code", random.choice((0, 1, most, most + 1, random.randint(0, most))))


def _edit_columns(random: Random, parts: Parts) -> Parts:
    """Make a grid of one cell, of as many as there can be, or of rows that would be too many."""
    width, height = (max(1, parts.numbers[name]) for name in ("width", "height"))
    most_rows = min(65535 * width // height, 2**35 - 1)
    return _with_number(parts, "columns", random.choice((1, most_rows, most_rows + 1, 65535, 65536)))


def _edit_end(random: Random, parts: Parts) -> Parts:
    """Let the payload end otherwise than an encoder lets it end."""
    payload = parts.payload
    ends = (payload + b"\0", payload + bytes(4), payload[:-1], payload[:-4], payload + random.randbytes(1), b"")
    return replace(parts, payload=random.choice(ends))


def _with_number(parts: Parts, name: str, value: int) -> Parts:
    return replace(parts, numbers={**parts.numbers, name: value})


def _whole_number(random: Random, value: int) -> int:
    """A whole number that is near another one, at an edge, or anything."""
    near = max(0, value + random.choice((-1, 1)))
    anything = int(2 ** random.uniform(0, 20))
    return random.choice((near, near, 2 * value, value // 2, random.choice(EDGES), anything))


_EDITS = (_edit_number, _edit_flags, _edit_version, _edit_subdivision, _edit_columns, _edit_end)
_WEIGHTS = (6, 3, 1, 2, 2, 2)
