"""Which outputs are written, and which are refused before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import FEW, error_of, run

from cli.conversion import Converted


def test_existing_outputs_need_force(photo_folder: Path, encoded: bytes) -> None:
    Path("photo.tgs").write_bytes(b"mine")
    assert error_of(run("compress", "photo.png", *FEW)) == "'photo.tgs' already exists; use --force to overwrite it"
    assert Path("photo.tgs").read_bytes() == b"mine"
    assert run("compress", "photo.png", *FEW, "--force").exit_code == 0
    photo = Path("photo.png").read_bytes()
    assert error_of(run("decompress", "photo.tgs")) == "'photo.png' already exists; use --force to overwrite it"
    assert Path("photo.png").read_bytes() == photo
    assert run("decompress", "photo.tgs", "--force").exit_code == 0
    assert Path("photo.png").read_bytes() != photo


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("photo.png", "'photo.png' is the name of a picture, and compress writes .tgs files"),
        ("other.JPG", "'other.JPG' is the name of a picture, and compress writes .tgs files"),
        ("missing/a.tgs", "cannot write 'missing/a.tgs': there is no folder"),
        (os.devnull, f"cannot write {os.devnull!r}: it is not a regular file"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_outputs_are_checked_before_the_work(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, output: str, sentence: str, force: bool
) -> None:
    monkeypatch.setattr("taichi_gs.codec.encode", None)
    arguments = ["compress", "photo.png", "-o", output] + ["--force"] * force
    assert error_of(run(*arguments)).startswith(sentence)
    assert os.listdir(photo_folder) == ["photo.png"]


def test_the_input_is_not_replaced(photo_folder: Path) -> None:
    os.rename("photo.png", "photo")
    for output in ("photo", "./photo"):
        sentence = f"the output {output!r} is the input itself; choose another with -o or --output-dir"
        assert error_of(run("compress", "photo", "-o", output, "--force")) == sentence
    assert os.listdir(photo_folder) == ["photo"]


@pytest.mark.parametrize("output", ["new/", "new/deeper/", "old"])
def test_an_output_that_is_a_folder(photo_folder: Path, encoded: bytes, output: str) -> None:
    Path("old").mkdir()
    Path("a.tgs").write_bytes(encoded)
    Path("b.tgs").write_bytes(encoded)
    assert run("decompress", "a.tgs", "-o", output).exit_code == 0
    assert os.listdir(output) == ["a.png"]
    assert run("decompress", "a.tgs", "b.tgs", "-o", output, "--skip-existing").exit_code == 0
    assert sorted(os.listdir(output)) == ["a.png", "b.png"]
    both = run("decompress", "a.tgs", "-o", output, "--output-dir", "other")
    assert (both.exit_code, "both name a folder" in both.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--output", "--output-dir", "--report", "--files-from"])
def test_empty_names(photo_folder: Path, option: str) -> None:
    result = run("compress", "photo.png", option, "")
    assert result.exit_code == 2
    assert f"Error: {option} is empty; it needs a name." in result.stderr
    assert os.listdir(photo_folder) == ["photo.png"]


def test_pictures_are_not_called_tgs(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    wrong = run("decompress", "a.tgs", "--format", "png", "-o", "back.JPG")
    assert (wrong.exit_code, os.path.exists("back.JPG")) == (2, False)
    assert "Error: --format png and the suffix of 'back.JPG' name two formats." in wrong.stderr
    assert run("decompress", "a.tgs", "--format", "tiff", "-o", "back.tif").exit_code == 0
    refused = error_of(run("decompress", "a.tgs", "--format", "png", "-o", "b.tgs"))
    assert refused.startswith("'b.tgs' is the name of a .tgs file, and decompress writes pictures")


def test_a_kept_suffix(photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes) -> None:
    monkeypatch.setattr("taichi_gs.codec.encode", lambda image, **options: encoded)
    assert run("compress", "photo.png", "--keep-suffix").exit_code == 0
    assert run("decompress", "photo.png.tgs").exit_code == 0
    assert sorted(os.listdir(photo_folder)) == ["photo.png", "photo.png.png", "photo.png.tgs"]


def test_a_file_larger_than_the_input_is_mentioned(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes
) -> None:
    size = os.path.getsize("photo.png")
    for length, larger in ((size + 1, True), (len(encoded), False)):
        converted = Converted(bytes(length), size, {"num_gaussians": 1})
        monkeypatch.setattr("cli.conversion.Compression._encode", lambda *_, result=converted: result)
        line = run("compress", "photo.png", "--force").stderr
        assert ("bytes, larger than the input" in line) is larger
        assert line.endswith(", 1 Gaussian\n")
        totals = run("compress", "photo.png", "--force", "--output-dir", "out").stderr.splitlines()[-1]
        assert ("1 file larger than the input" in totals) is larger
        with monkeypatch.context() as terminal:  # where bars are in the place of lines
            terminal.setattr("cli.report.is_watched", lambda *, quiet: True)
            lines = run("compress", "photo.png", "--force", "--output-dir", "out").stderr.splitlines()
        found = ["1 file is larger than the input:", f"  photo.png  {size:,} -> {length:,} bytes"]
        assert lines[1:] == (found if larger else [])


@pytest.mark.parametrize("name", ["a", "a.gif"])
def test_decompress_needs_a_picture_suffix(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes, name: str
) -> None:
    Path("photo.tgs").write_bytes(encoded)
    monkeypatch.setattr("taichi_gs.codec.decode", None)
    assert "cannot tell a picture format" in error_of(run("decompress", "photo.tgs", "-o", name))
    assert sorted(os.listdir(photo_folder)) == ["photo.png", "photo.tgs"]


def test_a_file_that_appears_during_the_work_is_not_lost(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes
) -> None:
    def encode(image: object, **options: object) -> bytes:
        Path("photo.tgs").write_bytes(b"somebody else's")
        return encoded

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    assert error_of(run("compress", "photo.png")) == "cannot write 'photo.tgs': it already exists"
    assert Path("photo.tgs").read_bytes() == b"somebody else's"
