"""Many .tgs files described."""

from __future__ import annotations

import json
import os
from pathlib import Path

from command_line import Python, run


def test_info_of_many_files(photo_folder: Path, encoded: bytes) -> None:
    for name in ("a.tgs", "b.tgs"):
        Path(name).write_bytes(encoded)
    result = run("info", "a.tgs", "photo.png", "no.tgs", "b.tgs")
    assert result.exit_code == 1
    first, second = result.stdout.split("\n\n")[:2]
    assert first == run("info", "a.tgs").stdout.rstrip("\n")
    assert second == run("info", "b.tgs").stdout.rstrip("\n")
    not_tgs, missing = result.stderr.splitlines()
    assert not_tgs.startswith("tgs: error: 'photo.png': ")
    assert missing == "tgs: error: cannot read 'no.tgs': no such file or directory"


def test_info_is_in_words(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    contents = json.loads(run("info", "a.tgs", "--json").stdout)
    rows = [row.split(":") for row in run("info", "a.tgs").stdout.splitlines()]
    lines = {name: value.strip() for name, value in rows}
    assert lines["metadata"] == (", ".join(contents["metadata"]) or "none")
    assert lines["has grain"] == ("yes" if contents["has_grain"] else "no")


def test_names_that_are_no_text(photo_folder: Path, encoded: bytes, python: Python) -> None:
    """Where standard output is strict about what it can encode."""
    for name in (b"caf\xe9.tgs", b"two\nlines.tgs"):
        Path(os.fsdecode(name)).write_bytes(encoded)
    program = "import sys; from cli import main; sys.argv = ['tgs', 'info', *sys.argv[1:]]; main()"
    result = python("-c", program, os.fsdecode(b"caf\xe9.tgs"), "two\nlines.tgs")
    assert (result.returncode, result.stderr) == (0, "")
    assert "'caf\\udce9.tgs'" in result.stdout
    assert "'two\\nlines.tgs'" in result.stdout


def test_failures_are_objects(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    result = run("info", "no.tgs", "a.tgs", "--json")
    assert result.exit_code == 1
    failure, contents = map(json.loads, result.stdout.splitlines())
    assert failure == {"input": "no.tgs", "error": "cannot read 'no.tgs': no such file or directory"}
    assert contents["input"] == "a.tgs"
    assert result.stderr == f"tgs: error: {failure['error']}\n"
