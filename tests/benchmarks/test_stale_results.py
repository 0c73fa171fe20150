"""Results that documents quote, and that an older version of the encoder made: all of them are listed here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

from taichi_gs.encoder.version import ALPHA_BLENDING_VERSION, ENCODER_VERSION

RESULTS = ROOT / "benchmarks" / "results"

STALE = [
    "default-k64.tsv",
    "paper/figure3.tsv",
    "paper/table1-default-psnr.tsv",
    "paper/table2.tsv",
    "rate/kodak/taichi_gs-default-psnr.tsv",
    "rate/photos/taichi_gs-default-psnr.tsv",
    "rate/photos/taichi_gs-default.tsv",
    "safety/agreement.tsv",
    "scaling/photo.tsv",
    "speed/cpu.tsv",
    "speed/fast-100-steps-table1.tsv",
    "speed/fast-50-steps-table1.tsv",
    "speed/fast-table1.tsv",
    "speed/versus-folder.tsv",
    "speed/versus-kodak.tsv",
    "speed/versus-large.tsv",
    "speed/versus-start.tsv",
    "trials/best-small.tsv",
    "trials/best.tsv",
]
"""Take a file out of this list once it has been measured again. Files from before there were versions count
as stale, even if the encoder has not changed since."""

OTHER_CODECS = ("peers.tsv", "published.tsv", "networks.tsv")
"""Files of such names hold nothing of this encoder."""

OTHER_MODULES = ("fuzz.", "benchmarks.kill ", "benchmarks.decoding ")
"""Nor do the results of these: they damage files, kill processes, and make up the Gaussians that they decode."""


def header(path: Path, name: str) -> list[str]:
    """What the lines `# name: ` of a results file say."""
    return re.findall(rf"^# {name}: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def quoted_results() -> set[Path]:
    """The results files that the README and the pages name: as links, or as paths within the folder of results."""
    found = set()
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for name in re.findall(r"[\w./-]+\.tsv", document.read_text(encoding="utf-8")):
            found |= {path.resolve() for path in (document.parent / name, RESULTS / name) if path.is_file()}
    return found


def version_of(path: Path) -> int:
    """The version of the encoder that made a file; 0 of a file from before there were versions."""
    return min(map(int, header(path, "encoder")), default=0)


def depends_on_the_encoder(path: Path) -> bool:
    (command,) = header(path, "command")
    return path.name not in OTHER_CODECS and not command.removeprefix("python -m ").startswith(OTHER_MODULES)


def required(path: Path) -> int:
    """The version of the encoder that writes what is measured as the present one does."""
    is_paper = '"preset": "paper"' in "".join(header(path, "settings"))
    return ALPHA_BLENDING_VERSION if is_paper else ENCODER_VERSION


def test_stale_results_are_listed() -> None:
    quoted = {path for path in quoted_results() if depends_on_the_encoder(path)}
    assert len(quoted) > 10
    stale = sorted(path.relative_to(RESULTS).as_posix() for path in quoted if version_of(path) < required(path))
    assert stale == STALE


@pytest.mark.parametrize(
    ("text", "expected"),
    [("# command: x\n", 0), ("# encoder: 3\n", 3), ("# encoder: 3\nimage\n# encoder: 12\n", 3)],
)
def test_the_version_of_a_file(tmp_path: Path, text: str, expected: int) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(text, encoding="utf-8")
    assert version_of(path) == expected


def test_no_results_are_of_a_later_encoder() -> None:
    assert [path for path in RESULTS.rglob("*.tsv") if version_of(path) > ENCODER_VERSION] == []
