"""The integers of a file as plain lists, read by the reference decoder and by the package, in one form.

`README.md` describes the form, which is that of the JSON files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import reference_decoder

from taichi_gs.format.bitstream import parse, parse_header
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.model.channels import codes_of, present_channels
from taichi_gs.model.lattice import lattice_of_picture

CODEBOOKS = ("covariance", "color")


def by_reference(data: bytes) -> dict[str, Any]:
    """Read a file with the reference decoder."""
    decoded = reference_decoder.decode_symbols(data)
    symbols = {name: decoded[name] for name in ("version", "image_size", "blending", "is_gray", "background")}
    if decoded["num_gaussians"]:
        symbols |= {name: decoded[name] for name in ("grid_size", "subdivision", "area_code")}
        symbols |= _steps(decoded["step_codes"])
    for name in CODEBOOKS:
        symbols[f"{name}_codewords"] = decoded[f"{name}_symbols"].tolist()
        symbols[f"{name}_indices"] = decoded[f"{name}_indices"]
    symbols["cells"] = decoded["cells"]
    if decoded["num_gaussians"] and decoded["subdivision"]:
        symbols |= {name: decoded[name] for name in ("lattices", "offsets")}
    if decoded["has_grain"]:
        symbols["grain"] = decoded["grain"]
    symbols |= _chunks(decoded["chunks"])
    if ALPHA_TAG in decoded["chunks"]:
        symbols["alpha"] = by_reference(decoded["chunks"][ALPHA_TAG])
    return as_json_has_it(symbols)


def by_package(data: bytes) -> dict[str, Any]:
    """Read a file with the package."""
    header, parsed = parse_header(data), parse(data)
    symbols: dict[str, Any] = {"version": header.version, "background": parsed.background.tolist()}
    symbols |= {name: getattr(parsed, name) for name in ("image_size", "blending", "is_gray")}
    if len(parsed):
        symbols |= {"grid_size": parsed.grid_size, "subdivision": parsed.subdivision}
        quantizers = (*parsed.covariance_codebook.quantizers, *parsed.color_codebook.quantizers)
        step_codes, symbols["area_code"] = codes_of(quantizers, parsed.blending, is_gray=parsed.is_gray)
        symbols |= _steps([step_codes[channel] for channel in present_channels(is_gray=parsed.is_gray)])
    for name in CODEBOOKS:
        symbols[f"{name}_codewords"] = getattr(parsed, f"{name}_codebook").symbols.tolist()
        symbols[f"{name}_indices"] = getattr(parsed, f"{name}_indices").tolist()
    symbols["cells"] = parsed.cells.tolist()
    if len(parsed) and parsed.subdivision:
        lattice = lattice_of_picture(parsed)
        symbols["lattices"] = [
            [columns, rows, shear]
            for (rows, columns), shear in zip(lattice.levels.tolist(), lattice.shears.tolist(), strict=True)
        ]
        symbols["offsets"] = parsed.offsets.tolist()
    if parsed.grain is not None:
        symbols["grain"] = parsed.grain.tolist()
    symbols |= _chunks(header.chunks)
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


def _steps(codes: Sequence[int]) -> dict[str, Any]:
    return dict(zip(("covariance_steps", "color_steps"), (codes[:3], codes[3:]), strict=True))


def _chunks(chunks: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The chunks by their lengths and hashes, in their order; nothing if there are none."""
    described = {
        tag.decode("latin-1"): {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for tag, content in chunks.items()
    }
    return {"chunks": described} if described else {}
