"""The conformance set: both decoders agree with it, and what is bad is refused in so many words."""

from __future__ import annotations

import ast
import csv
import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_decoder
from click.testing import CliRunner
from conformance import make, symbols
from conformance.invalid_payloads import symbols_of
from conformance.raw import interval_of, with_checksum, without_checksum
from conftest import ROOT

import taichi_gs.errors
from benchmarks import agreement
from cli import tgs
from taichi_gs.codec import decode
from taichi_gs.format.bitstream import parse, parse_header

PACKAGE = Path(taichi_gs.__file__).parent
SET = ROOT / "tests" / "conformance"
VALID = sorted(SET.glob("valid/*.tgs"))

CUT = [SET / "valid" / f"{name}.tgs" for name in ("grain_normalized", "subdivided", "gray_alpha")]
"""Files that are cut everywhere: without chunks, with grain, and with an alpha plane."""

NOT_PROVOKED = {
    "A .tgs file is read from its path, its bytes or an open file: .*.": "the argument is no file at all",
    "The format cannot hold a grid of .* x .* cells: its cells must be square.": "only of writing",
    "The format cannot hold steps that differ so much.": "only of writing",
    "The format cannot hold the background .*.": "only of writing",
    "The format cannot hold the step .*.": "only of writing",
    "The format cannot hold the subdivision .*.": "only of writing",
    "The format cannot hold these quantisers: they have other ranges.": "only of writing",
    "The file has .* bytes of metadata, more than the .* allowed.": "takes 16 MiB; see test_limits.py",
    "The file has .* bytes, more than the .* that all limits together allow.": "takes 24 MiB; see test_limits.py",
    "The file has .* Gaussians in its picture and its alpha plane, more than the .* allowed.": "see test_limits.py",
    "A picture is drawn, whole or in part, as if of at most .* pixels a side.": "of options, not of files",
    ".*x.* pixels are more than the limit, .* and .* a side.": "of options: the pixels of a file are checked before",
}
"""Sentences of BitstreamError and LimitError, as patterns, that no small file brings about, and why."""


def ids(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@cache
def expected_symbols(path: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return expected


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


BAD = table(SET / "bad" / "errors.tsv")


def names(folder: Path, suffix: str) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"*{suffix}"))


def test_the_set_is_all_there() -> None:
    folder = SET / "valid"
    listed = sorted(row["file"] for row in table(folder / "contents.tsv"))
    assert len(set(listed)) == len(listed) >= 115
    assert names(folder, ".tgs") == names(folder, ".json") == listed
    with_grain = [f"{name}{make.GRAIN}" for name in listed if "grain" in expected_symbols(folder / f"{name}.tgs")]
    assert names(folder, ".png") == sorted([*listed, *with_grain])
    assert all(row["contents"] for row in table(folder / "contents.tsv"))
    listed = [row["file"] for row in BAD]
    assert len(set(listed)) == len(listed) >= 102
    assert names(SET / "bad", ".tgs") == sorted(listed)


@pytest.mark.parametrize("path", VALID, ids=ids)
def test_symbols(path: Path) -> None:
    data = path.read_bytes()
    assert symbols.by_reference(data) == expected_symbols(path)
    assert symbols.by_package(data) == expected_symbols(path)


@pytest.mark.parametrize("path", VALID, ids=ids)
def test_pixels(path: Path) -> None:
    data, expected = path.read_bytes(), make.pixels_of(path.with_suffix(".png")).astype(int)
    assert expected.shape[:2] == tuple(expected_symbols(path)["image_size"])
    for decoder in (reference_decoder.decode, taichi_gs.decode):
        decoded = decoder(data)
        assert decoded.shape == expected.shape
        assert np.abs(decoded - expected).max() <= 1


@pytest.mark.parametrize("path", [path for path in VALID if "grain" in expected_symbols(path)], ids=ids)
def test_pixels_with_grain(path: Path) -> None:
    without = make.pixels_of(path.with_suffix(".png")).astype(int)
    expected = make.pixels_of(path.with_name(f"{path.stem}{make.GRAIN}.png")).astype(int)
    for drawn in (reference_decoder.decode(path.read_bytes(), with_grain=True), decode(path, grain=True)):
        assert np.abs(drawn - expected).max() <= 1
    assert (np.abs(expected - without).max() > 1) == any(expected_symbols(path)["grain"])


def test_the_set_covers_the_format() -> None:
    files = [(path.read_bytes(), expected_symbols(path)) for path in VALID]
    planes = [symbols for _, symbols in files] + [symbols["alpha"] for _, symbols in files if "alpha" in symbols]
    some = [plane for plane in planes if plane["cells"]]
    for codebook in symbols.CODEBOOKS:
        sizes = {len(plane[f"{codebook}_codewords"]) for plane in planes}
        assert {0, 1, 2} <= sizes
        assert any(2 < size < 20 for size in sizes)
        assert max(sizes) > 256
        assert any(len(plane[f"{codebook}_codewords"]) == len(plane["cells"]) > 10 for plane in planes)
        assert {0, 40} <= {code for plane in some for code in plane[f"{codebook}_steps"]}
    steps = [[*plane["covariance_steps"], *plane["color_steps"]] for plane in some]
    assert {-12, 0, 12} <= {code - first for first, *others in steps for code in others}
    assert {code % 4 for codes in steps for code in codes} == {0, 1, 2, 3}
    assert {len(codes) for codes in steps} == {5, 7}
    assert {0, 5, 40, 47} <= {plane["area_code"] for plane in some}
    for name, extremes in (("image_size", {(1, 65535), (65535, 1), (1, 1)}), ("grid_size", {(1, 1), (65535, 65535)})):
        assert extremes <= {tuple(plane[name]) for plane in some}
    assert {0, 1, 2} <= {len(plane["cells"]) for plane in planes}
    assert any(len(plane["cells"]) > 4096 for plane in planes)
    assert {0, 1, 2, 60160} <= {plane["subdivision"] for plane in some}
    assert {0, 34, 85, 119, 136, 204, 255} <= {level for plane in planes for level in plane["background"]}
    columns, rows, shears = np.concatenate([plane["lattices"] for plane in planes if plane.get("lattices")]).T
    for levels in (columns, rows):
        assert {1, 2, 3, 4096} <= set(levels.tolist())
    assert {-(2**15), 0, 2**15} <= set(shears.tolist())
    assert ((np.abs(shears) > 0) & (np.abs(shears) < 2**15)).any()
    assert {(plane["blending"], plane["is_gray"]) for plane in planes} == {
        (blending, is_gray) for blending in ("alpha", "normalized") for is_gray in (False, True)
    }
    assert {data[3] for data, _ in files} == set(range(16, 32))
    assert {strength for plane in planes for strength in plane.get("grain", [])} == set(range(8))
    assert {"ICCP", "EXIF", "XMP_", "note"} <= {tag for _, symbols in files for tag in symbols.get("chunks", {})}
    assert {len(symbols["chunks"]) for _, symbols in files if "alpha" in symbols} == {1, 4, 5}
    assert {4096 + 2, 4097 + 4} <= {len(data) for data, _ in files}


def payload_of(path: Path) -> bytes:
    data = path.read_bytes()
    header = parse_header(data)
    return data[header.header_bytes : header.header_bytes + header.payload_bytes]


@pytest.mark.parametrize("code", range(8))
def test_each_concentration_occurs(code: int) -> None:
    recorded = symbols_of((SET / "valid" / f"concentration_{code}.tgs").read_bytes())
    # Three of the background, the area code and seven step codes come first.
    assert recorded[11] == (code, reference_decoder.uniform(8))


def test_payloads_end_in_every_way() -> None:
    """How many bytes of those that are read are left out, and whether the number carries into the words before."""
    seen = set()
    for path in VALID:
        least, _, num_bytes = interval_of(symbols_of(path.read_bytes()))
        payload = payload_of(path)
        number = int.from_bytes(payload.ljust(num_bytes, b"\0"), "big")
        seen.add((num_bytes - len(payload), number >> 64 != least >> 64))
        if path.stem.startswith("end_"):
            assert num_bytes - len(payload) == int(path.stem.removeprefix("end_"))
    assert {(4, False), (5, False), (6, False), (7, False), (8, True), (9, True)} <= seen
    assert {len(payload_of(path)) % 4 for path in VALID} == {0, 1, 2, 3}
    assert payload_of(SET / "valid" / "black.tgs") == b""


@pytest.mark.parametrize("row", BAD, ids=lambda row: row["file"])
def test_bad_files_give_their_error(row: dict[str, str]) -> None:
    data = (SET / "bad" / f"{row['file']}.tgs").read_bytes()
    if row["found_by"] == "decode":
        parse(data)
    for read in [parse, taichi_gs.decode] if row["found_by"] == "parse" else [taichi_gs.decode]:
        with pytest.raises(taichi_gs.errors.TgsError) as error:
            read(data)
        assert (error.type.__name__, str(error.value)) == (row["error"], row["sentence"])


def sentences(path: Path) -> Iterator[str]:
    """The sentences of the BitstreamErrors and LimitErrors that a module raises, as patterns."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)):
            continue
        if node.exc.func.id in ("BitstreamError", "LimitError"):
            (sentence,) = node.exc.args
            parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
            yield "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".*" for part in parts)


ONLY_LIMITS = {"too_many_chunks", "too_many_pixels", "too_much_to_draw", "zip_bomb", "zip_bomb_in_parts"}
"""Bad files that the format allows; the set's README says so."""


@pytest.mark.parametrize("name", sorted({row["file"] for row in BAD} - ONLY_LIMITS))
def test_the_reference_decoder_refuses_bad_files(name: str) -> None:
    """It raises what comes to its mind."""
    with pytest.raises((AssertionError, IndexError, ValueError, struct.error, zlib.error)):
        reference_decoder.decode((SET / "bad" / f"{name}.tgs").read_bytes())


def test_every_sentence_has_a_file() -> None:
    patterns = {pattern for path in sorted(PACKAGE.rglob("*.py")) for pattern in sentences(path)}
    assert len(patterns) > 25
    provoked = [row["sentence"] for row in BAD]
    silent = {pattern for pattern in patterns if not any(re.fullmatch(pattern, sentence) for sentence in provoked)}
    unescaped = {re.sub(r"\\(.)", r"\1", pattern) for pattern in silent}
    assert unescaped == set(NOT_PROVOKED)


@pytest.mark.parametrize("path", CUT, ids=ids)
def test_every_truncation_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        with pytest.raises(taichi_gs.errors.TgsError):
            decode(data[:length])


def test_every_truncation_with_a_good_checksum_is_refused_or_lacks_chunks() -> None:
    path = SET / "valid" / "gray_alpha.tgs"
    data = path.read_bytes()
    num_whole = 0
    for length in range(len(without_checksum(data))):
        try:
            decode(with_checksum(data[:length]))
        except taichi_gs.errors.TgsError:
            continue
        num_whole += 1
    # What ends between two chunks has just fewer of them.
    assert num_whole == len(parse_header(data).chunks) == 1


@pytest.mark.parametrize("path", CUT, ids=ids)
def test_the_command_line_refuses_every_truncation(path: Path, tmp_path: Path) -> None:
    data, source = path.read_bytes(), tmp_path / "a.tgs"
    for length in range(len(data)):
        source.write_bytes(data[:length])
        result = CliRunner().invoke(tgs, ["decompress", str(source), "-o", str(tmp_path / "a.png")])
        assert result.exit_code == 1
        assert result.stderr.startswith("tgs: error: ")
        assert list(tmp_path.iterdir()) == [source]


def test_the_agreement_of_a_folder_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in CUT:
        shutil.copy(path, tmp_path)
    assert agreement.main([str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    assert lines[0].split("\t") == list(agreement.COLUMNS)
    assert sorted(line.split("\t")[:4] for line in lines[1:]) == sorted(
        [path.stem, str(path.stat().st_size), str(len(expected_symbols(path)["cells"])), "same"] for path in CUT
    )

    draw = reference_decoder.decode
    monkeypatch.setattr(reference_decoder, "decode", lambda data: draw(data) ^ 2)
    assert agreement.main([str(tmp_path), "--images", "subdivided"]) == 1
    monkeypatch.undo()
    monkeypatch.setattr(symbols, "by_reference", lambda data: {})
    assert agreement.main([str(tmp_path), "--images", "subdivided"]) == 1
    assert "\tdifferent\t" in capsys.readouterr().out
    assert agreement.main([str(tmp_path), "--images", "nothing"]) == 1
    assert agreement.main([str(tmp_path / "nowhere")]) == 1


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The set in a folder of its own."""
    for part in make.PARTS:
        shutil.copytree(SET / part, tmp_path / part)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("*/*")}


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng compresses metadata to other bytes")
def test_the_set_is_made_anew_only_when_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(copy)
    assert make.main([], copy) == 0
    assert make.main(["--overwrite-expected"], copy) == 0
    assert contents(copy) == before

    spoilt = ["bad/errors.tsv", "valid/grain_grain.png", "valid/one.tgs", "valid/wide.json", "valid/wide.png"]
    for name in spoilt:
        (copy / name).write_bytes((copy / "valid" / "tall.png").read_bytes())
    (copy / "bad" / "stray.tgs").write_bytes(b"")
    spoilt_contents = contents(copy)
    capsys.readouterr()
    assert make.main([], copy) == 1
    assert contents(copy) == spoilt_contents
    reported = capsys.readouterr().out.splitlines()
    assert sorted(reported[:-1]) == sorted(
        [*(f"{name} differs" for name in spoilt), "bad/stray.tgs does not belong here"]
    )
    assert make.main(["--overwrite-expected"], copy) == 0
    assert contents(copy) == before
