"""Which outputs are written, and which are refused before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import FEW, error_of, run


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
        ("photo.png", "the output 'photo.png' is the input itself"),
        ("./photo.png", "the output './photo.png' is the input itself"),
        ("missing/a.tgs", "cannot write 'missing/a.tgs': there is no folder"),
        (".", "cannot write '.': it is a directory"),
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


@pytest.mark.parametrize("name", ["a", "a.gif", "a.tgs"])
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
