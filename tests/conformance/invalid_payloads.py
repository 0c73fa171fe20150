"""The files of `bad/` whose payloads no encoder writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import reference_decoder
from conformance.pictures import picture
from conformance.raw import (
    HAS_CHUNKS,
    IS_FRONT_TO_BACK,
    SIGNATURE,
    Symbol,
    background_of,
    file_of,
    interval_of,
    payload_of,
    quantizers_of,
    varint,
    with_checksum,
)
from reference_decoder import uniform, weighted

from taichi_gs.format.bitstream import serialize
from taichi_gs.format.payload import encode_payload
from taichi_gs.model.quantized import QuantizedGaussians

TRUNCATED = "The file is truncated: it ends before everything it announces."
SURPLUS = "The payload is damaged: it holds more or less than the header announces."
IMPOSSIBLE = "The payload is damaged: it holds a symbol that cannot be."
IMPOSSIBLE_STEP = "The payload is damaged: it has a step that cannot be."
TOO_OFTEN = "The payload is damaged: a symbol comes up more often than was announced."
TOO_MANY_IN_PART = "The payload is damaged: more points in a part than in the whole."


@dataclass(frozen=True)
class Damage:
    """A file that must be refused.

    Attributes:
        name: of the file, without the suffix.
        sentence: the whole message of the error.
        data: the file.
        error: its class.
        found_by: "parse", or "decode" where only that looks so far: into the payload of an alpha plane, and at how much
            there is to draw.
    """

    name: str
    sentence: str
    data: bytes
    error: str = "BitstreamError"
    found_by: str = "parse"


def alike(num_gaussians: int, columns: int = 1, area_code: int = 0) -> QuantizedGaussians:
    """Return so many Gaussians of one large codeword, in the first cell of a grid of one row."""
    values = [[(8 + area_code / 2, 0, 0)] * num_gaussians, [(0.5, 0, 0, 0)] * num_gaussians]
    made = picture([(0, 0)] * num_gaussians, *values, image_size=(2, 3), columns=columns, area_code=area_code)
    return made.canonical()


def symbols_of(data: bytes) -> list[Symbol]:
    """Return the symbols that the payload of a file codes, read by the reference decoder."""
    recorded: list[Symbol] = []

    class Recorder(reference_decoder.RangeDecoder):
        def decode(self, edges: Sequence[int]) -> int:
            symbol = super().decode(edges)
            recorded.append((symbol, edges))
            return symbol

    original = reference_decoder.RangeDecoder
    reference_decoder.RangeDecoder = Recorder
    try:
        reference_decoder.decode_symbols(data)
    finally:
        reference_decoder.RangeDecoder = original
    return recorded


def bad_payloads() -> list[Damage]:
    """Return the files with bad payloads, some of which are bad only for what the header says."""
    one = {"flags": IS_FRONT_TO_BACK, "num_gaussians": 1, "columns": 1}
    payload = encode_payload(alike(1))
    least, size, num_bytes = interval_of(symbols_of(file_of(**one, payload=payload)))
    flat = payload_of(*background_of(1, 2, 3))
    allowed = 1024 + 16 * 3
    huge = (
        f"The file has {2**35 - 1} bytes of payload, more than the {allowed} allowed for its Gaussians and codewords."
    )

    def of_one(name: str, sentence: str, payload: bytes) -> Damage:
        return Damage(name, sentence, file_of(**one, payload=payload))

    def steps(name: str, *codes: int) -> Damage:
        data = payload_of(*background_of(), *quantizers_of(0, codes))
        return of_one(name, IMPOSSIBLE_STEP, data)

    def of_length(length: int) -> bytes:
        head = SIGNATURE + bytes([0x10 | HAS_CHUNKS | IS_FRONT_TO_BACK, 3, 2, 1, 1, 0, 1, 1])
        return with_checksum(head + varint(length) + payload)

    return [
        Damage("payload_for_black", SURPLUS, file_of(payload=b"\0")),
        Damage("payload_with_zero", SURPLUS, file_of(payload=flat + b"\0")),
        of_one("payload_missing", IMPOSSIBLE_STEP, b""),
        of_one("payload_with_zeros", SURPLUS, payload + bytes(4)),
        of_one("payload_too_long", SURPLUS, payload + b"\1"),
        of_one("payload_much_too_long", SURPLUS, payload + bytes(12) + b"\1"),
        of_one("payload_of_lowest_number", SURPLUS, least.to_bytes(num_bytes, "big")),
        of_one("payload_of_highest_number", SURPLUS, (least + size - 1).to_bytes(num_bytes, "big")),
        of_one("payload_of_next_number", SURPLUS, payload[:-1] + bytes([payload[-1] + 1])),
        Damage("payload_length_too_large", TRUNCATED, of_length(len(payload) + 1)),
        Damage("payload_length_too_small", TRUNCATED, of_length(len(payload) - 3)),
        Damage("payload_length_huge", huge, of_length(2**35 - 1), "LimitError"),
        Damage("impossible_symbol", IMPOSSIBLE, file_of(payload=b"\xff" * 8)),
        of_one("impossible_symbol_later", IMPOSSIBLE, _after_quantizers(b"\xff" * 8)),
        steps("step_below_0", 5, 5, 5, 5, 5, -1, 5),
        steps("step_above_40", 40, 40, 41, 40, 40, 40, 40),
        _more_points_than_whole(),
        _symbol_too_often(),
    ]


def _after_quantizers(rest: bytes) -> bytes:
    """A payload that goes on with these bytes after the largest background and the largest quantisers."""
    symbols = [*background_of(15, 15, 15), *quantizers_of(47, (40,) * 7)]
    least, size, num_bytes = interval_of(symbols)
    # The largest numbers are beyond the last symbol of each distribution that follows.
    return (least + size - 1).to_bytes(num_bytes, "big") + rest


def _tampered(quantized: QuantizedGaussians, change: Callable[[Symbol], bool], symbol: int, most: int) -> bytes:
    """The file of a picture in which the first symbols of some kind are another one."""
    data = serialize(quantized)
    symbols = symbols_of(data)
    places = [place for place, own in enumerate(symbols) if change(own)][:most]
    assert len(places) == most
    for place in places:
        symbols[place] = (symbol, symbols[place][1])
    k_shape, k_color = len(quantized.covariance_codebook), len(quantized.color_codebook)
    height, width = quantized.image_size
    return file_of(
        flags=IS_FRONT_TO_BACK,
        size=(width, height),
        num_gaussians=len(quantized),
        columns=quantized.grid_size[1],
        codewords=(k_shape, k_color),
        payload=payload_of(*symbols),
    )


def _more_points_than_whole() -> Damage:
    """256 points, of which 256 + 1 are in the left half; the low bit is 1 as it is in a picture with 255 there."""
    quantized = alike(256, columns=2)
    cells = quantized.cells.copy()
    cells[-1] = (0, 1)
    quantized = replace(quantized, cells=cells)
    data = _tampered(quantized, lambda own: len(own[1]) == 130, 128, 1)
    assert (1, uniform(2)) in symbols_of(serialize(quantized))
    return Damage("more_points_than_whole", TOO_MANY_IN_PART, data)


def _symbol_too_often() -> Damage:
    """Two codewords, of which 32 Gaussians use the first once, but then twice in a block."""
    quantized = alike(32)
    symbols = quantized.covariance_codebook.symbols
    codebook = replace(quantized.covariance_codebook, symbols=np.vstack([symbols - 1, symbols]))
    quantized = replace(quantized, covariance_codebook=codebook, covariance_indices=np.arange(32) // 31).canonical()
    indices = 1 - quantized.covariance_indices[::-1]
    quantized = replace(quantized, covariance_indices=indices).canonical()
    return Damage("symbol_too_often", TOO_OFTEN, _tampered(quantized, lambda own: own[1] == weighted([1, 31]), 0, 2))
