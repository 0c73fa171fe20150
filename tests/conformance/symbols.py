"""The integers of a file as plain lists, read by the reference decoder and by the package, in one form.

`README.md` describes the form, which is that of the JSON files.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import reference_decoder

from taichi_gs.format.bitstream import parse, parse_header
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.model.lattice import lattice_of_picture

CODEBOOKS = ("covariance", "color")


def by_reference(data: bytes) -> dict[str, Any]:
    """Read a file with the reference decoder."""
    decoded = reference_decoder.decode_symbols(data)
    channels = _channels(data)
    symbols: dict[str, Any] = {"version": data[8]}
    symbols |= {name: decoded[name] for name in ("image_size", "blending", "is_gray", "background", "grid_size")}
    symbols["subdivision"] = decoded["subdivision"]
    for name, own in zip(CODEBOOKS, (channels[:3], channels[3:]), strict=True):
        symbols[f"{name}_bits"] = [bits for bits, _, _ in own]
        symbols[f"{name}_ranges"] = [[minimum, step] for _, minimum, step in own]
        symbols[f"{name}_codewords"] = decoded[f"{name}_symbols"].tolist()
        symbols[f"{name}_indices"] = decoded[f"{name}_indices"]
    symbols["cells"] = decoded["cells"]
    if decoded["subdivision"]:
        symbols |= {name: decoded[name] for name in ("lattices", "offsets")}
    symbols |= _tail(decoded["tail"])
    if ALPHA_TAG in decoded["tail"]:
        symbols["alpha"] = by_reference(decoded["tail"][ALPHA_TAG])
    return as_json_has_it(symbols)


def by_package(data: bytes) -> dict[str, Any]:
    """Read a file with the package."""
    header, parsed = parse_header(data), parse(data)
    symbols: dict[str, Any] = {
        "version": header.version,
        "image_size": parsed.image_size,
        "blending": parsed.blending,
        "is_gray": parsed.is_gray,
        "background": parsed.background.tolist(),
        "grid_size": parsed.grid_size,
        "subdivision": parsed.subdivision,
    }
    for name in CODEBOOKS:
        codebook = getattr(parsed, f"{name}_codebook")
        symbols[f"{name}_bits"] = [quantizer.bits for quantizer in codebook.quantizers]
        symbols[f"{name}_ranges"] = [[quantizer.minimum, quantizer.step] for quantizer in codebook.quantizers]
        symbols[f"{name}_codewords"] = codebook.symbols.tolist()
        symbols[f"{name}_indices"] = getattr(parsed, f"{name}_indices").tolist()
    symbols["cells"] = parsed.cells.tolist()
    if parsed.subdivision:
        lattice = lattice_of_picture(parsed)
        symbols["lattices"] = [
            [columns, rows, shear]
            for (rows, columns), shear in zip(lattice.levels.tolist(), lattice.shears.tolist(), strict=True)
        ]
        symbols["offsets"] = parsed.offsets.tolist()
    symbols |= _tail(header.chunks)
    if ALPHA_TAG in header.chunks:
        symbols["alpha"] = by_package(header.chunks[ALPHA_TAG])
    return as_json_has_it(symbols)


def to_json(symbols: dict[str, Any]) -> str:
    """Return the text of a JSON file: a line for each key."""
    lines = (f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in symbols.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def as_json_has_it(symbols: dict[str, Any]) -> dict[str, Any]:
    """Turn tuples into lists, so that what is read can be compared with what was written."""
    result: dict[str, Any] = json.loads(json.dumps(symbols))
    return result


def _tail(tail: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The chunks of the tail by their lengths and hashes, in their order; nothing if there is no tail."""
    chunks = {
        tag.decode("latin-1"): {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for tag, content in tail.items()
    }
    return {"tail": chunks} if chunks else {}


def _channels(data: bytes) -> list[tuple[int, float, float]]:
    """Read bits, minimum and step of the seven channels; the reference decoder returns what they lead to, not them."""
    is_subdivided, is_gray = data[9] & 4, data[9] & 8
    position = 10
    for _ in range(8 if is_subdivided else 7):
        while data[position] > 127:
            position += 1
        position += 1
    position += 1 if is_gray else 3
    (packed,) = struct.unpack_from("<I", data, position)
    stored = [0, 1, 2, 3, 6] if is_gray else list(range(7))
    ranges = dict(
        zip(stored, struct.iter_unpack("<ee", data[position + 4 : position + 4 + 4 * len(stored)]), strict=True)
    )
    return [(packed >> 4 * channel & 15, *ranges.get(channel, (0.0, 0.0))) for channel in range(7)]
