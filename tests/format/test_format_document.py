"""The file that `docs/format.md` shows byte by byte: it is the file, and what the document says of it is so."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

import numpy as np
from conftest import ROOT
from PIL import Image

from taichi_gs.format.bitstream import parse_header, parse_integers
from taichi_gs.model.quantized import CodedVectors

FILE = ROOT / "tests" / "conformance" / "v2" / "flags_07.tgs"
DATA = FILE.read_bytes()
HEADER = parse_header(DATA)
PICTURE, LATTICE = parse_integers(DATA, HEADER)

TEXT = (ROOT / "docs" / "format.md").read_text(encoding="utf-8").replace("−", "-")
SECTION = TEXT.partition("\n## A file, byte by byte\n")[2].partition("\n## ")[0]


def table(first_column: str) -> list[list[str]]:
    """The rows of the section's table, or of several like it, whose first column has this name."""
    found: list[list[str]] = []
    for block in re.findall(rf"^\| {first_column} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", SECTION, re.MULTILINE):
        found += [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()]
    return found


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_the_section_names_the_file() -> None:
    assert f"`{FILE.relative_to(ROOT).as_posix()}`, {len(DATA)} bytes: {len(PICTURE)} Gaussians" in SECTION


def test_the_dump_is_the_file() -> None:
    lines = re.findall(r"^    ([0-9a-f]{2}): ((?:[0-9a-f]{2} )+) *(\S.*)$", SECTION, re.MULTILINE)
    pieces = [bytes.fromhex(cells) for _, cells, _ in lines]
    assert b"".join(pieces) == DATA
    assert [int(offset, 16) for offset, _, _ in lines] == list(range(0, len(DATA), 16))
    for piece, (_, _, shown) in zip(pieces, lines, strict=True):
        assert shown == "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)


def test_the_fields_are_the_file() -> None:
    place = 0
    for offset, cells, field, _ in table("offset"):
        assert int(offset, 16) == place, field
        piece = bytes.fromhex(cells.replace("`", ""))
        assert DATA[place : place + len(piece)] == piece, field
        place += len(piece)
    assert place == len(DATA)


def test_the_fields_have_the_values_of_the_header() -> None:
    values = {field: value for _, _, field, value in table("offset")}
    (height, width), (rows, columns) = HEADER.image_size, HEADER.grid_size
    expected = {
        "version": HEADER.version,
        "width": width,
        "height": height,
        "N": HEADER.num_gaussians,
        "columns": columns,
        "rows": rows,
        "D": HEADER.subdivision,
        "covariance codewords": HEADER.covariance_k,
        "colour codewords": HEADER.color_k,
        "payload length": HEADER.payload_bytes,
        "chunk, length": len(HEADER.chunks[b"note"]),
    }
    assert {name: numbers(values[name])[0] for name in expected} == expected
    assert numbers(values["background"]) == list(HEADER.background)
    assert values["chunk, content"] == f'the text "{HEADER.chunks[b"note"].decode()}"'
    quantizers = (*HEADER.covariance_quantizers, *HEADER.color_quantizers)
    for name, quantizer in zip("m u v Y Co Cg z".split(), quantizers, strict=True):
        found = re.match(r"minimum (\S+?),? .*step (\S+)", values[f"range of {name}"])
        assert found is not None
        assert (float(found[1]), float(found[2])) == (quantizer.minimum, quantizer.step)


def test_words_and_halves_are_the_bytes_beside_them() -> None:
    checked = 0
    for _, cells, _, value in table("offset"):
        for shown in re.findall(r"0x([0-9a-f]+)", value):
            pieces = [bytes.fromhex(piece) for piece in re.findall(r"`([^`]+)`", cells)]
            assert int(shown, 16) in {int.from_bytes(piece, "little") for piece in pieces}
            checked += 1
    assert checked == 1 + 2 + HEADER.payload_bytes // 4 + 1


def assert_codewords(rows: Sequence[Sequence[str]], vectors: CodedVectors) -> None:
    codebook = vectors.codebook
    assert [numbers(row[1]) for row in rows] == codebook.symbols.tolist()
    for row, symbols in zip(rows, codebook.symbols, strict=True):
        values = [q.minimum + q.step * symbol for q, symbol in zip(codebook.quantizers, symbols, strict=True)]
        assert numbers(row[2]) == values


def test_the_codewords_are_those_of_the_file() -> None:
    rows = table("index")
    covariances, colors = rows[: HEADER.covariance_k], rows[HEADER.covariance_k :]
    assert_codewords(covariances, PICTURE.covariances)
    assert_codewords(colors, PICTURE.colors)


def test_the_gaussians_are_those_of_the_file() -> None:
    rows = [row for row in table("g") if row[1].startswith("(")]
    means = LATTICE.positions(PICTURE.cells, PICTURE.offsets)
    assert [int(row[0]) for row in rows] == list(range(len(PICTURE)))
    assert [numbers(row[1]) for row in rows] == PICTURE.cells.tolist()
    indices = np.stack([PICTURE.covariance_indices, PICTURE.color_indices], axis=1)
    assert [numbers(row[2]) for row in rows] == indices.tolist()
    # Rows come first in the arrays, and x in the document.
    lattices = np.column_stack([LATTICE.levels[:, ::-1], LATTICE.shears])
    assert [numbers(row[3]) for row in rows] == lattices.tolist()
    assert [numbers(row[4]) for row in rows] == PICTURE.offsets[:, ::-1].tolist()
    np.testing.assert_allclose([numbers(row[5]) for row in rows], means, rtol=1e-6)


def test_the_pixel_is_that_of_the_picture() -> None:
    column, row = map(int, re.findall(r"The pixel in column (\d+) and row (\d+)", SECTION)[0])
    shown = re.findall(r"the pixel is \((\d+), (\d+), (\d+)\)", SECTION)[0]
    with Image.open(FILE.with_suffix(".png")) as image:
        assert image.getpixel((column, row)) == tuple(map(int, shown))


def test_the_checksum_is_of_so_many_bytes() -> None:
    (value,) = [value for _, _, field, value in table("offset") if field == "checksum"]
    assert f"{struct.unpack('<I', DATA[-4:])[0]:#x}, the CRC-32 of the {len(DATA) - 4} bytes" in value
