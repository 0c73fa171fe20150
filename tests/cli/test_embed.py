"""`tgs embed` prints what the library returns."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Python, error_of, run

from taichi_gs.integrations import html


def test_html_on_standard_output(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    options = {"alt": 'A "dog" & a 猫', "full": "a.avif?x=1&y"}
    result = run("embed", "a.tgs", "--alt", options["alt"], "--full", options["full"], "--script", "/s/e.js")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == html.embed(encoded, script="/s/e.js", **options) + "\n"
    assert run("embed", "a.tgs").stdout == html.embed("a.tgs", alt="") + "\n"
    assert run("embed", "-", input=encoded).stdout == html.embed("a.tgs", alt="") + "\n"
    assert run("embed", "a.tgs", "--no-script").stdout == html.embed("a.tgs", alt="", script=None) + "\n"


def test_bad_files(photo_folder: Path, encoded: bytes) -> None:
    Path("cut.tgs").write_bytes(encoded[:-1])
    assert error_of(run("embed", "no.tgs")) == "cannot read 'no.tgs': no such file or directory"
    assert error_of(run("embed", "photo.png")).startswith("'photo.png': This is not a .tgs file")
    assert error_of(run("embed", "cut.tgs")).startswith("'cut.tgs': The file is damaged")
    Path("a.tgs").write_bytes(encoded)
    assert error_of(run("embed", "a.tgs", "--limit", "pixels=9")).startswith("'a.tgs': The file has ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'FILE'."),
        (["a.tgs", "b.tgs"], "Got unexpected extra argument (b.tgs)"),
        (["a.tgs", "--full", ""], "--full must be a URL, not ''"),
        (["a.tgs", "--script", " "], "--script must be a URL, not ' '"),
        (["a.tgs", "--script", "e.js", "--no-script"], "--script and --no-script exclude each other."),
    ],
)
def test_wrong_usage(photo_folder: Path, encoded: bytes, arguments: list[str], sentence: str) -> None:
    Path("a.tgs").write_bytes(encoded)
    result = run("embed", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"Error: {sentence}"


def test_it_starts_at_once_and_prints_utf8(python: Python, tmp_path: Path, encoded: bytes) -> None:
    (tmp_path / "a.tgs").write_bytes(encoded)
    result = python("-X", "importtime", "-m", "cli", "embed", "a.tgs", "--alt", "猫")
    assert result.returncode == 0
    assert 'alt="猫"' in result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert imported.isdisjoint({"torch", "taichi", "imageio", "rich", "PIL"})
