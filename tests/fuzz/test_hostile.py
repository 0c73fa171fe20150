"""Hostile files: nothing but a TgsError comes of them, whatever their bytes; and the tools that search for more."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from conftest import ROOT, checkout_environment
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import taichi_gs
from fuzz import checks, decode_target
from fuzz import mutate as mutation_run
from fuzz import run as guided_run
from fuzz.checks import CAN_MEASURE_MEMORY, DECODED, MAX_MEBIBYTES, examine, template
from fuzz.exif_blocks import exif_block
from fuzz.mutations import Mutant, mutant
from fuzz.parts import assemble, dissect, repaired, with_checksum, without_checksum
from fuzz.payload_edits import beginning, taken_literally
from fuzz.tally import COLUMNS, CORPUS, Fault, read_seeds
from taichi_gs.format.bitstream import SIGNATURE, parse_header
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.header import VERSION
from taichi_gs.pictures import exif
from taichi_gs.pictures.write import image_to_bytes

SEED_FILES = sorted(CORPUS.glob("*.tgs"))
SEEDS = read_seeds(CORPUS)
REGRESSIONS = sorted((ROOT / "fuzz" / "regressions").glob("*.tgs"))
DRAWN = (CORPUS / "drawn.tgs").read_bytes()

UNLIMITED = float("inf")


def assert_no_fault(data: bytes) -> None:
    """Time is left out: it would tell of the machine."""
    assert examine(data).findings(max_seconds=UNLIMITED) == []


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_any_bytes(data: bytes) -> None:
    assert_no_fault(data)


@given(st.integers(0, 15), st.binary(max_size=300))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_any_bytes_behind_a_signature(flags: int, data: bytes) -> None:
    assert_no_fault(with_checksum(SIGNATURE + bytes([VERSION << 4 | flags]) + data))


@given(st.integers(0, 2**64))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_mutants(seed: int) -> None:
    assert_no_fault(mutant(SEEDS, seed, 0).data)


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_was_found_before(path: Path) -> None:
    assert_no_fault(path.read_bytes())


def test_there_are_regressions() -> None:
    assert len(REGRESSIONS) > 0


@pytest.mark.parametrize("path", SEED_FILES, ids=lambda path: path.stem)
def test_seeds_decode(path: Path) -> None:
    outcome = examine(path.read_bytes(), again=True)
    assert (outcome.name, outcome.fault) == (DECODED, "")
    assert path.stat().st_size < 6000


def test_seeds_have_every_feature() -> None:
    headers = [parse_header(seed) for seed in SEEDS]
    assert {len(seed) > 4098 for seed in SEEDS} == {False, True}  # checksums of two bytes, and of four
    assert {(header.blending, header.mode) for header in headers} >= {
        (blending, mode) for blending in ("alpha", "normalized") for mode in ("L", "RGB", "RGBA")
    }
    assert {tag for header in headers for tag in header.chunks} >= {b"ICCP", b"EXIF", b"XMP_", b"note", ALPHA_TAG}
    assert {min(header.num_gaussians, 2) for header in headers} == {0, 1, 2}
    assert {header.subdivision > 0 for header in headers} == {False, True}
    assert {(header.has_grain, header.is_gray) for header in headers} == {
        (has_grain, is_gray) for has_grain in (False, True) for is_gray in (False, True)
    }


@pytest.mark.parametrize("seed", SEEDS, ids=[path.stem for path in SEED_FILES])
def test_parts_are_the_whole(seed: bytes) -> None:
    assert assemble(dissect(seed)) == seed
    header, parts = parse_header(seed), dissect(seed)
    assert (parts.numbers["height"], parts.numbers["width"]) == header.image_size
    assert parts.numbers["columns"] == header.grid_size[1]
    assert (parts.numbers["covariance_k"], parts.numbers["color_k"]) == (header.covariance_k, header.color_k)
    assert parts.numbers["num_gaussians"] == header.num_gaussians
    assert len(parts.payload) == header.payload_bytes
    assert [tag for tag, _ in parts.chunks] == list(header.chunks)


@pytest.mark.parametrize("name", ["drawn", "alpha", "photo"])
def test_repairing_mends_the_checksums(name: str) -> None:
    data = (CORPUS / f"{name}.tgs").read_bytes()
    num_bytes = 4 if name == "photo" else 2
    assert repaired(data[:-num_bytes] + bytes(num_bytes)) == data
    for tag, content in dissect(data).chunks:
        if tag == ALPHA_TAG:
            at = data.index(content) + len(content) - 1
            damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with pytest.raises(taichi_gs.BitstreamError, match="checksum"):
                taichi_gs.decode(with_checksum(damaged[:-num_bytes]))
            assert repaired(damaged) == data


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 4098, 5000])
def test_checksums_come_off_again(size: int) -> None:
    body = bytes(size)
    data = with_checksum(body)
    assert data[size:] == struct.pack("<I", zlib.crc32(body))[: 2 if size <= 4096 else 4]
    assert without_checksum(data) == body


def test_payloads_are_taken_literally() -> None:
    """Noise stands for symbols, unless one of these cannot be; what is written of them is decoded."""
    parts, random = dissect(DRAWN), Random(1)
    assert taken_literally(parts) == DRAWN
    written = set()
    for _ in range(20):
        with contextlib.suppress(taichi_gs.TgsError):
            written.add(taken_literally(replace(parts, payload=random.randbytes(400))))
    assert len(written) > 5
    outcomes = [examine(data) for data in written]
    assert {outcome.name for outcome in outcomes} <= {DECODED, "LimitError"}
    assert all(parse_header(data).num_gaussians == parse_header(DRAWN).num_gaussians for data in written)


def test_beginnings_have_steps_that_cannot_be_too() -> None:
    sentences = Counter(
        examine(assemble(replace(dissect(DRAWN), payload=beginning(Random(number), dissect(DRAWN))))).sentence
        for number in range(60)
    )
    assert 5 < sum(count for sentence, count in sentences.items() if "a step that cannot be" in sentence) < 50


def mutants(count: int) -> list[Mutant]:
    return [mutant(SEEDS, 7, index) for index in range(count)]


def test_mutants_follow_from_their_numbers() -> None:
    assert mutants(50) == mutants(50)
    assert mutants(50) != [mutant(SEEDS, 8, index) for index in range(50)]


def test_mutants_reach_all_depths() -> None:
    """Most have good checksums; many are refused for what is behind them, and many decode."""
    found = mutants(250)
    assert len({each.method for each in found}) == 8
    share = sum(each.is_repaired for each in found) / len(found)
    assert 0.75 < share < 0.95
    outcomes = [examine(each.data) for each in found]
    by_checksum = sum("checksum does not match" in outcome.sentence for outcome in outcomes)
    assert by_checksum < 0.25 * len(found)
    assert sum(outcome.name == DECODED for outcome in outcomes) > 0.1 * len(found)
    assert len({outcome.sentence for outcome in outcomes}) > 15


def test_a_template_has_no_numbers() -> None:
    assert template("The file has 12 pixels, b'ICCP' and flags 0x1f.") == "The file has N pixels, TAG and flags N."


# What a decoder may do wrong. They are found by their names in other processes.


def decode_raising(data: bytes) -> NDArray[np.uint8]:
    raise ValueError("not so")


def decode_panicking(data: bytes) -> NDArray[np.uint8]:
    class PanicException(BaseException):
        """What native code raises in its last moment."""

    raise PanicException("not so")


def decode_warning(data: bytes) -> NDArray[np.uint8]:
    return np.full(3, np.float32(3e38)) * np.float32(10)  # type: ignore[return-value]


def decode_slowly(data: bytes) -> NDArray[np.uint8]:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    return taichi_gs.decode(data)


def decode_greedily(data: bytes) -> NDArray[np.uint8]:
    # Not from the heap, where other tests may have left so much.
    np.frombuffer(mmap.mmap(-1, 100 << 20), np.uint8).fill(1)
    return taichi_gs.decode(data)


def decode_transposed(data: bytes) -> NDArray[np.uint8]:
    return taichi_gs.decode(data).swapaxes(0, 1)


def decode_anything(data: bytes) -> NDArray[np.uint8]:
    return np.zeros((1, 1, 3), np.uint8)


def decode_unsteadily(data: bytes) -> NDArray[np.uint8]:
    return taichi_gs.decode(data) ^ np.uint8(time.perf_counter_ns() % 251)


def decode_or_die(data: bytes) -> NDArray[np.uint8]:
    """Take the process along, for a share of the files."""
    if data[-1] < 64:
        os._exit(11)
    raise taichi_gs.BitstreamError("no")


@pytest.mark.parametrize(
    ("decode", "finding"),
    [
        (decode_raising, "escaped: ValueError: not so"),
        (decode_panicking, "escaped: PanicException: not so"),
        (decode_warning, "escaped: RuntimeWarning"),
        (decode_transposed, "wrong: uint8 (56, 40, 3) for (40, 56, 3)"),
        (decode_unsteadily, "unstable"),
    ],
)
def test_faults_are_found(decode: mutation_run.Decode, finding: str) -> None:
    (found,) = examine(DRAWN, decode, again=True).findings(max_seconds=UNLIMITED)
    assert found.startswith(finding)


@pytest.mark.parametrize(
    ("written", "finding"),
    [
        (taichi_gs.ImageError("no"), "unwritten: .png"),
        (struct.error("too large"), "escaped while writing .png: error: too large"),
        (b"no picture", "escaped while writing .png: UnidentifiedImageError"),
        (image_to_bytes(np.zeros((40, 56, 4), np.uint8), ".png"), "wrong: other pixels in a .png file"),
    ],
)
def test_faults_of_writing_are_found(monkeypatch: pytest.MonkeyPatch, written: Any, finding: str) -> None:
    monkeypatch.setattr(checks, "image_to_bytes", Mock(side_effect=[written]))
    (found,) = examine((CORPUS / "alpha_metadata.tgs").read_bytes()).findings(max_seconds=UNLIMITED)
    assert found.startswith(finding)


def test_exif_blocks_are_of_many_kinds() -> None:
    """Most say nothing that may be written, some do, and some are the tag that crashed a TIFF's writer."""
    blocks = [exif_block(Random(number)) for number in range(500)]
    assert sum(len(block) > 20 for block in blocks) > 300
    kept = [exif.descriptive(block) for block in blocks]
    assert 10 < sum(map(bool, kept)) < 250
    assert any(struct.pack("<HH", 269, 4) in block for block in blocks)


def test_decoding_what_is_damaged_is_found() -> None:
    (found,) = examine(DRAWN[:-1], decode_anything).findings(max_seconds=UNLIMITED)
    assert found.startswith("wrong: decoded, though")


def test_slow_decoding_is_found() -> None:
    (found,) = examine(DRAWN, decode_slowly).findings(max_seconds=0.1)
    assert found.startswith("slow")


@pytest.mark.skipif(not CAN_MEASURE_MEMORY, reason="measures memory on Linux alone")
def test_a_taste_for_memory_is_found() -> None:
    assert examine(DRAWN).mebibytes < 50
    outcome = examine(DRAWN, decode_greedily)
    assert 99 < outcome.mebibytes < MAX_MEBIBYTES
    assert outcome.findings(max_seconds=UNLIMITED, max_mebibytes=50) == [f"memory: {outcome.mebibytes:.0f} MiB"]


def test_a_process_that_dies_is_found_and_replaced() -> None:
    count = 8
    fatal = [i for i in range(count) if mutant(SEEDS, 5, i).data[-1:] and mutant(SEEDS, 5, i).data[-1] < 64]
    assert 0 < len(fatal) < count
    tally = mutation_run.run(SEEDS, 5, count, jobs=2, decode=decode_or_die)
    died = [fault for fault in tally.faults if fault.what.startswith("died")]
    assert sorted(died) == [Fault(index, "died: exit status 11") for index in fatal]
    assert sorted(report.number for report in tally.reports) == [i for i in range(count) if i not in fatal]


def test_a_run_writes_its_result(tmp_path: Path) -> None:
    output = tmp_path / "mutate.tsv"
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "fuzz.mutate",
            "--count",
            "30",
            "--output",
            str(output),
            "--keep",
            str(tmp_path / "kept"),
        ],
        cwd=ROOT,
        env=checkout_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    lines = output.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert comments[0] == "# command: python -m fuzz.mutate --count 30 --output mutate.tsv --keep kept"
    columns, *rows = [tuple(line.split("\t")) for line in lines[len(comments) :]]
    assert columns == COLUMNS
    table = {(what, which): value for what, which, value in rows}
    assert table["mutants", "all"] == "30"
    assert table["findings", "all"] == "0"
    assert sum(int(value) for (what, _), value in table.items() if what == "outcome") == 30
    assert sum(int(value) for (what, _), value in table.items() if what == "method") == 30


LIBFUZZER_LINES = """INFO: seed corpus: files: 27 min: 48b max: 4988b total: 14288b rss: 170Mb
#28	INITED cov: 296 ft: 654 corp: 22/11511b exec/s: 0 rss: 171Mb
#94	REDUCE cov: 322 ft: 969 corp: 50/36Kb lim: 8192 exec/s: 94 rss: 175Mb L: 85/8192 MS: 1 Custom-
#128	pulse  cov: 345 ft: 1305 corp: 161/80Kb lim: 8192 exec/s: 313 rss: 556Mb
""".splitlines()


def test_a_guided_search_is_summarized() -> None:
    search = guided_run.summarize(LIBFUZZER_LINES, 0, 3.0)
    assert search == (128, 3.0, (296, 654, 22), (345, 1305, 161), "")
    lines = [*LIBFUZZER_LINES, "AssertionError: memory: 600 MiB", "==1== ERROR: libFuzzer: fuzz target exited"]
    assert guided_run.summarize(lines, 77, 3.0).complaint == "AssertionError: memory: 600 MiB (exit status 77)"
    assert guided_run.summarize([], -9, 3.0) == (0, 3.0, (0, 0, 0), (0, 0, 0), "died (exit status -9)")


def test_kernels_are_not_instrumented() -> None:
    """Their functions are never run as Python: instrumented, they would only seem to be code that no input reaches."""
    modules = (ROOT / "taichi_gs" / "kernels").glob("*.py")
    kernels = {path.stem for path in modules if re.search(r"@ti\.(func|kernel)", path.read_text(encoding="utf-8"))}
    assert set(decode_target.KERNELS) == kernels
