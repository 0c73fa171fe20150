"""Changes of payloads that a decoder follows further than changed bytes, which it refuses for how they end."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import numpy as np

from fuzz.parts import Parts, assemble
from taichi_gs.format import payload
from taichi_gs.format.bitstream import parse_header, parse_integers, serialize
from taichi_gs.format.entropy import SymbolDecoder, SymbolEncoder
from taichi_gs.format.header import IS_GRAY
from taichi_gs.model.channels import MAX_AREA_CODE, MAX_DIFFERENCE, MAX_STEP_CODE

_DIFFERENCES = np.array([1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64, 96, 120, 96, 64, 32, 16, 8, 4, 2, 2, 1, 1, 1, 1])
"""The weights of the differences between step codes, see `docs/format.md`."""


class _LenientDecoder(SymbolDecoder):
    """Takes bytes for what they say, whether or not an encoder would have written them."""

    def finish(self) -> None:
        """Check nothing."""


def taken_literally(parts: Parts) -> bytes:
    """Return the file that an encoder writes of the symbols that the bytes of a payload stand for.

    Raises:
        TgsError: if they do not stand for any.
    """
    data = assemble(parts)
    with patch.object(payload, "SymbolDecoder", _LenientDecoder):
        picture, _ = parse_integers(data, parse_header(data))
    return serialize(picture)


def beginning(random: Random, parts: Parts) -> bytes:
    """Return a payload with any background and any steps, those included that cannot be, and noise after them."""
    is_gray = bool(parts.flags & IS_GRAY)
    encoder = SymbolEncoder()
    levels = 1 if is_gray else 3
    encoder.uniform(np.array([random.randrange(16) for _ in range(levels)]), np.full(levels, 16))
    first = random.choice((0, MAX_STEP_CODE, random.randint(0, MAX_STEP_CODE)))
    encoder.uniform(np.array([random.randint(0, MAX_AREA_CODE), first]), np.array([MAX_AREA_CODE, MAX_STEP_CODE]) + 1)
    lowest, highest = -MAX_DIFFERENCE, MAX_DIFFERENCE
    if random.random() < 0.7:
        lowest, highest = max(lowest, -first), min(highest, MAX_STEP_CODE - first)
    others = [random.choice((lowest, highest, random.randint(lowest, highest))) for _ in range(4 if is_gray else 6)]
    encoder.weighted(np.array(others) + MAX_DIFFERENCE, _DIFFERENCES)
    return encoder.finish() + random.randbytes(random.choice((0, 3, len(parts.payload))))
