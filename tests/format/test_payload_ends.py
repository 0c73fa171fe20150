"""How payloads end: as few bytes as can be, no others that mean the same, and no surplus unnoticed."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import reference_decoder
from conformance.raw import interval_of, payload_of
from hypothesis import given, settings
from hypothesis import strategies as st

from taichi_gs.errors import BitstreamError
from taichi_gs.format.entropy import SymbolDecoder, SymbolEncoder
from taichi_gs.format.probabilities import categorical_model

Message = list[tuple[int, list[int]]]
"""Symbols, each with the weights of its distribution."""

TABLES = [[1, 1], [1, 2**30], [2**30, 1], [1, 2, 1000], [1000, 1, 2**30, 3]]
"""Improbable symbols make for wide and for narrow intervals, and therefore for the rare cases."""


def random_message(dice: random.Random, length: int) -> Message:
    tables = [dice.choice(TABLES) for _ in range(length)]
    return [(dice.randrange(len(table)), table) for table in tables]


def edged(message: Message) -> Message:
    return [(symbol, reference_decoder.weighted(table)) for symbol, table in message]


def encoded(message: Message) -> bytes:
    encoder = SymbolEncoder()
    for symbol, table in message:
        encoder.encode(np.array([symbol]), categorical_model(np.array(table)))
    return encoder.finish()


def decoded(data: bytes, tables: list[list[int]]) -> list[int]:
    decoder = SymbolDecoder(data)
    symbols = [int(decoder.weighted(1, np.array(table))[0]) for table in tables]
    decoder.finish()
    return symbols


def assert_specified(message: Message) -> None:
    """Assert that an encoder of big integers writes the same, and that both decoders read it."""
    data, tables = encoded(message), [table for _, table in message]
    assert data == payload_of(*edged(message))
    assert decoded(data, tables) == [symbol for symbol, _ in message]
    decoder = reference_decoder.RangeDecoder(data)
    assert [(decoder.decode(edges), edges) for _, edges in edged(message)] == edged(message)
    decoder.finish()


@given(st.randoms(use_true_random=False), st.integers(0, 14))
@settings(deadline=None, max_examples=300)
def test_the_range_coder_is_the_specified_one(dice: random.Random, length: int) -> None:
    assert_specified(random_message(dice, length))


def test_every_kind_of_end() -> None:
    """Numbers of bytes left out of those read, and whether the number carries into the words before."""
    dice = random.Random(1)
    seen: set[tuple[int, bool, bool]] = set()
    for _ in range(6000):
        message = random_message(dice, dice.randrange(1, 14))
        least, _, num_bytes = interval_of(edged(message))
        data = encoded(message)
        number = int.from_bytes(data.ljust(num_bytes, b"\0"), "big")
        carries = number >> 64 != least >> 64
        assert_specified(message)
        # A carry that runs through more than the last byte before.
        seen.add((num_bytes - len(data), carries, carries and least >> 64 & 0xFF == 0xFF))
    assert {(cut, False, False) for cut in (4, 5, 6, 7)} <= seen
    assert {(8, True, False), (9, True, True)} <= seen
    assert max(cut for cut, _, _ in seen) > 11


def test_a_carry_through_words() -> None:
    """Constructed: an interval that goes on containing 0x80000000…, and begins with 0x7fffffff… in many words."""
    message: Message = []
    table = [2, 3, 2]
    for _ in range(100):
        for symbol in range(len(table)):
            least, size, num_bytes = interval_of(edged([*message, (symbol, table)]))
            if least < 0x80 << 8 * num_bytes - 8 < least + size:
                message.append((symbol, table))
                break
    assert len(message) == 100
    least, _, num_bytes = interval_of(edged(message))
    assert num_bytes >= 20
    assert least.to_bytes(num_bytes, "big").startswith(b"\x7f" + 11 * b"\xff")
    assert encoded(message) == b"\x80"
    assert_specified(message)


@pytest.mark.parametrize("length", [1, 1000])
def test_zeros_take_no_bytes(length: int) -> None:
    message: Message = [(0, [1, 2**12])] * length
    assert encoded(message) == b""
    assert_specified(message)


def test_no_symbols_take_no_bytes() -> None:
    assert encoded([]) == payload_of() == b""
    SymbolDecoder(b"").finish()
    reference_decoder.RangeDecoder(b"").finish()
    for data in (b"\0", b"\1", bytes(8)):
        with pytest.raises(BitstreamError, match="more or less"):
            SymbolDecoder(data).finish()
        with pytest.raises(AssertionError):
            reference_decoder.RangeDecoder(data).finish()


def test_there_is_nothing_shorter() -> None:
    """Whatever has one byte less stands for other symbols."""
    dice = random.Random(2)
    for _ in range(200):
        message = random_message(dice, 6)
        data, (least, size, num_bytes) = encoded(message), interval_of(edged(message))
        for shorter in {data[:-1], (int.from_bytes(data[:-1], "big") + 1).to_bytes(max(len(data), 1), "big")}:
            number = int.from_bytes(shorter[-len(data) + 1 :].ljust(num_bytes, b"\0"), "big")
            assert not least <= number < least + size or not data


CHANGES: list[Callable[[bytes, int], bytes]] = [
    lambda data, _: data + b"\0",
    lambda data, _: data + bytes(4),
    lambda data, _: data + b"\1",
    lambda data, _: data + bytes(20) + b"\1",
    lambda data, _: data[:-1] + bytes([data[-1] ^ 1]),
    lambda data, _: data[:-1],
    lambda _, lowest: lowest.to_bytes((lowest.bit_length() + 7) // 8, "big"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_other_bytes_are_refused_or_stand_for_other_symbols(change: Callable[[bytes, int], bytes]) -> None:
    dice = random.Random(3)
    num_refused = 0
    for _ in range(100):
        message = [(dice.randrange(1, 4), [3, 2, 1, 2]) for _ in range(40)]
        data, tables = encoded(message), [table for _, table in message]
        changed = change(data, interval_of(edged(message))[0])
        assert changed != data
        try:
            assert decoded(changed, tables) != [symbol for symbol, _ in message]
        except BitstreamError:
            num_refused += 1
            decoder = reference_decoder.RangeDecoder(changed)
            with pytest.raises(AssertionError):  # noqa: PT012
                for _, edges in edged(message):
                    decoder.decode(edges)
                decoder.finish()
    assert num_refused == 100 or change in CHANGES[4:6]
