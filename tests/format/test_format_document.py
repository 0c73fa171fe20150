"""The file that `docs/format.md` shows byte by byte: it is the file, and what the document says of it is so."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import reference_decoder
from conftest import ROOT
from PIL import Image

from taichi_gs.format.bitstream import parse_header, parse_integers
from taichi_gs.format.priors import cumulative_weights
from taichi_gs.model.channels import codes_of
from taichi_gs.model.quantized import CodedVectors

FILE = ROOT / "tests" / "conformance" / "valid" / "flags_9.tgs"
DATA = FILE.read_bytes()
HEADER = parse_header(DATA)
PICTURE, LATTICE = parse_integers(DATA, HEADER)
QUANTIZERS = (*PICTURE.covariance_codebook.quantizers, *PICTURE.color_codebook.quantizers)
PAYLOAD = DATA[HEADER.header_bytes : HEADER.header_bytes + HEADER.payload_bytes]

TEXT = (ROOT / "docs" / "format.md").read_text(encoding="utf-8").replace("−", "-")
SECTION = TEXT.partition("\n## A file, byte by byte\n")[2].partition("\n## ")[0]


class Tracer(reference_decoder.RangeDecoder):
    """A decoder that keeps all symbols with their edges, and its states after each."""

    steps: list[tuple[int, Sequence[int], int, int]]
    states: list[tuple[int, int, int]]

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.steps, self.states = [], [(self.lower, self.range, self.point)]
        tracers.append(self)

    def decode(self, edges: Sequence[int]) -> int:
        scale = self.range >> 24
        quantile = (self.point - self.lower) % 2**64 // scale
        symbol = super().decode(edges)
        if len(edges) > 2:
            self.steps.append((symbol, edges, scale, quantile))
            self.states.append((self.lower, self.range, self.point))
        return symbol


tracers: list[Tracer] = []


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    """All that the range decoder does on the file."""
    monkeypatch.setattr(reference_decoder, "RangeDecoder", Tracer)
    reference_decoder.decode_symbols(DATA)
    return tracers.pop()


def table(first_column: str) -> list[list[str]]:
    """The rows of the section's table, or of several like it, whose first column has this name."""
    found: list[list[str]] = []
    for block in re.findall(rf"^\| {first_column} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", SECTION, re.MULTILINE):
        found += [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()]
    return found


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def integers(text: str) -> list[int]:
    return [int(number) for number in numbers(text)]


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
        "version and flags": HEADER.version,
        "width": width,
        "height": height,
        "N": HEADER.num_gaussians,
        "columns": columns,
        "subdivision code": 48,
        "covariance codewords": HEADER.covariance_k,
        "colour codewords": HEADER.color_k,
        "payload length": HEADER.payload_bytes,
        "chunk, length": len(HEADER.chunks[b"note"]),
    }
    assert {name: integers(values[name])[0] for name in expected} == expected
    assert integers(values["version and flags"]) == [1, *(bit for bit in range(4) if DATA[3] >> bit & 1)]
    assert values["chunk, content"] == f'the text "{HEADER.chunks[b"note"].decode()}"'
    assert f"= {rows} rows." in SECTION
    assert f"\n= {HEADER.subdivision}.\n" in SECTION


def test_words_are_the_bytes_beside_them() -> None:
    shown = []
    for _, cells, field, value in table("offset"):
        if re.search(r"\bwords? \d", field):
            pieces = [bytes.fromhex(piece).ljust(4, b"\0").hex() for piece in re.findall(r"`([^`]+)`", cells)]
            assert re.findall(r"0x([0-9a-f]+)", value) == pieces
            shown += pieces
    assert bytes.fromhex("".join(shown)).rstrip(b"\0") == PAYLOAD


def test_the_states_are_those_of_the_range_decoder(trace: Tracer) -> None:
    assert f"The payload codes {len(trace.steps)} symbols" in SECTION
    rows = table("after symbol")
    assert len(rows) == 3
    for number, scale, quantile, *state in rows:
        assert tuple(int(value, 16) for value in state) == trace.states[int(number)]
        if int(number):
            assert (int(scale), int(quantile)) == trace.steps[int(number) - 1][2:]
    renewed = [index for index, (_, size, _) in enumerate(trace.states) if size & 2**32 - 1 == 0]
    assert renewed[0] == 7
    (end,) = re.findall(r"lower = 0x(\w+), range = 0x(\w+) and point =\s+0x(\w+)\.", SECTION)
    assert tuple(int(value, 16) for value in end) == trace.states[-1]
    lower, size, _ = trace.states[-1]
    assert f"S + range ends in {lower + size:016x}" in SECTION
    assert f"T has 8 + 12 · 4 = {trace.num_bytes} digits" in SECTION
    assert f"so the payload has the {trace.num_bytes} - 6 = {len(PAYLOAD)} digits" in SECTION


def test_the_symbols_are_in_these_places(trace: Tracer) -> None:
    spans = re.findall(r"\*\*Symbols (\d+) to (\d+)\*\* are (?:the )?(\w+)", SECTION)
    assert [name for _, _, name in spans] == [
        *("background", "quantisers", "codes", "points", "other", "orders", "offsets")
    ]
    bounds = [(int(first), int(last)) for first, last, _ in spans]
    assert bounds[0][0] == 1
    assert all(before[1] + 1 == after[0] for before, after in pairwise(bounds))
    assert bounds[-1][1] == len(trace.steps)
    symbols = [symbol for symbol, _, _, _ in trace.steps]
    assert [17 * symbol for symbol in symbols[:3]] == PICTURE.background.tolist()
    assert f"The codes are {', '.join(map(str, symbols[11:16]))} and {symbols[16]}." in SECTION
    assert "other symbols are " + ", ".join(map(str, symbols[5:10])) + f" and {symbols[10]}" in SECTION
    for span, channel, values in table("symbols"):
        first, last = integers(span)
        assert symbols[first - 1 : last] == integers(values), channel
    for number, _, distribution, x, _ in table("symbol"):
        symbol, edges, _, _ = trace.steps[int(number) - 1]
        assert (int(x), reference_decoder.beta_binomial(*integers(distribution))) == (symbol, list(edges))
    shown = re.findall(r"beta_binomial\(5, 9, 1\) are ([\d, ]+) and 2\^24, and its q,\s(\d+)", SECTION)
    assert [integers(edges) for edges, _ in shown] == [list(trace.steps[17][1][:-1])]
    assert int(shown[0][1]) == trace.steps[17][3]


def test_the_quantizers_are_those_of_the_file() -> None:
    codes, area_code = codes_of(QUANTIZERS, PICTURE.blending, is_gray=PICTURE.is_gray)
    assert f"The area code is {area_code}, so {area_code // 2} is added to every m." in SECTION
    rows = table("channel")
    assert [row[0] for row in rows] == "m u v Y Co Cg z".split()
    for row, code, quantizer in zip(rows, codes, QUANTIZERS, strict=True):
        start = area_code / 2 if row[0] == "m" else 0
        low = (start - quantizer.minimum) / quantizer.step
        assert [float(value) for value in row[1:]] == [code, quantizer.step, low, quantizer.num_levels]
    weights = cumulative_weights(0, QUANTIZERS[0], PICTURE.blending)
    assert re.findall(r"W_27 = [^=]*= (\d+)", SECTION) == [str(weights[27])]
    weights = cumulative_weights(1, QUANTIZERS[1], PICTURE.blending)
    (shown,) = re.findall(r"W_65 of u is\s(\d+), .*?W_32 is (\d+),.*?W_33 is\s(\d+),", SECTION, re.DOTALL)
    assert [int(value) for value in shown] == [weights[65], weights[32], weights[33]]
    assert weights[32] < weights[65] // 2 <= weights[33]


def test_the_multisets_and_their_orders_are_those_of_the_file() -> None:
    indices = {"covariance indices": PICTURE.covariance_indices, "colour indices": PICTURE.color_indices}
    assert PICTURE.grain is not None
    lists = {**indices, "strengths of grain": PICTURE.grain}
    points = {
        "cells (row, column)": PICTURE.cells,
        "(m, u)": PICTURE.covariance_codebook.symbols[:, :2],
        "(Y, Co)": PICTURE.color_codebook.symbols[:, :2],
    }
    rows = [(row[0].partition(", ")[2], integers(row[1])) for row in table("multiset")]
    multisets, orders = rows[:6], rows[6:]
    assert multisets == [
        *((name, cells.reshape(-1).tolist()) for name, cells in points.items()),
        *((name, np.sort(values).tolist()) for name, values in lists.items()),
    ]
    assert orders == [(name, values.tolist()) for name, values in lists.items()]


def assert_codewords(rows: Sequence[Sequence[str]], vectors: CodedVectors) -> None:
    codebook = vectors.codebook
    assert [integers(row[1]) for row in rows] == codebook.symbols.tolist()
    for row, symbols in zip(rows, codebook.symbols, strict=True):
        values = [q.minimum + q.step * symbol for q, symbol in zip(codebook.quantizers, symbols, strict=True)]
        assert numbers(row[2]) == values


def test_the_codewords_are_those_of_the_file() -> None:
    rows = table("index")
    covariances, colors = rows[: HEADER.covariance_k], rows[HEADER.covariance_k :]
    assert_codewords(covariances, PICTURE.covariances)
    assert_codewords(colors, PICTURE.colors)
    assert PICTURE.grain is not None
    assert [int(row[4]) for row in colors] == PICTURE.grain.tolist()
    # F and G, of which the levels of lattices are made.
    factors = [int(row[3]) for row in colors]
    for shape, color, levels, shear in zip(
        PICTURE.covariance_indices, PICTURE.color_indices, LATTICE.levels, LATTICE.shears, strict=True
    ):
        f_x, f_y, k = (int(value) for value in covariances[shape][3:])
        found = [min(max((f * factors[color] + 2**31) >> 32, 1), 4096) for f in (f_y, f_x)]
        assert (found, k) == (levels.tolist(), shear)


def test_the_gaussians_are_those_of_the_file() -> None:
    rows = [row for row in table("g") if row[1].startswith("(")]
    means = LATTICE.exact_positions(PICTURE.cells, PICTURE.offsets)
    assert [int(row[0]) for row in rows] == list(range(len(PICTURE)))
    assert [numbers(row[1]) for row in rows] == PICTURE.cells.tolist()
    indices = np.stack([PICTURE.covariance_indices, PICTURE.color_indices], axis=1)
    assert [numbers(row[2]) for row in rows] == indices.tolist()
    # Rows come first in the arrays, and x in the document.
    lattices = np.column_stack([LATTICE.levels[:, ::-1], LATTICE.shears])
    assert [numbers(row[3]) for row in rows] == lattices.tolist()
    assert [numbers(row[4]) for row in rows] == PICTURE.offsets[:, ::-1].tolist()
    np.testing.assert_allclose([numbers(row[5]) for row in rows], means, rtol=1e-12)
    uncertain = LATTICE.levels > 1
    for axis, name in ((1, "i"), (0, "j")):
        (shown,) = re.findall(rf"have an? {name}: ([\d, ]+)\.", SECTION)
        assert integers(shown) == PICTURE.offsets[uncertain[:, axis], axis].tolist()


def test_the_pixel_is_that_of_the_picture() -> None:
    column, row = map(int, re.findall(r"The pixel in column (\d+) and row (\d+)", SECTION)[0])
    shown = re.findall(r"the pixel is \((\d+), (\d+), (\d+)\)", SECTION)
    assert len(shown) == 2
    for pixel, name in zip(shown, ("flags_9.png", "flags_9_grain.png"), strict=True):
        with Image.open(FILE.with_name(name)) as image:
            assert image.getpixel((column, row)) == tuple(map(int, pixel))
    assert f"The noise is {reference_decoder.noise(*PICTURE.image_size)[row, column]}." in SECTION


def test_the_weights_of_the_pixel_make_its_colours() -> None:
    rows = [row for row in table("g") if not row[1].startswith("(")]
    weights = [float(row[5]) for row in rows]
    total = sum(weights) + 1 / 16
    (shown,) = re.findall(r"the 1/16 of the background, is ([\d.]+)\.\s", SECTION)
    assert abs(float(shown) - total) < 2e-6
    color = sum(weight * np.array(numbers(row[1])) for weight, row in zip(weights, rows, strict=True))
    color = (color + PICTURE.background / 255 / 16) / total
    (shown,) = re.findall(r"colour is \(([^)]*)\)", SECTION)
    np.testing.assert_allclose(numbers(shown), color, atol=2e-6)
    (strength, added) = re.findall(r"= (0\.\d+)\. The noise.*?/ 886\.8 = (-0\.\d+)", SECTION, re.DOTALL)[0]
    assert PICTURE.grain is not None
    sigmas = [2 ** ((PICTURE.grain[PICTURE.color_indices[int(row[0])]] - 1) / 2) for row in rows]
    expected = sum(weight * sigma for weight, sigma in zip(weights, sigmas, strict=True)) / 255 / total
    assert abs(float(strength) - expected) < 2e-6
    assert abs(float(added) - expected * -1337 / 886.8) < 2e-6


def test_the_checksum_is_of_so_many_bytes() -> None:
    (value,) = [value for _, _, field, value in table("offset") if field == "checksum"]
    assert f"the low two bytes of the CRC-32 of the {len(DATA) - 2} bytes" in value
    assert value.startswith(f"0x{zlib.crc32(DATA[:-2]) & 0xFFFF:04x}, ")
