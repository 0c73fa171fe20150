"""Bad inputs and failing encoders end in one sentence, and leave nothing behind."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from command_line import error_of, run
from PIL import Image

import taichi_gs


def write_bad_inputs(folder: Path) -> None:
    photo = (folder / "photo.png").read_bytes()
    Image.open(folder / "photo.png").save(folder / "whole.jpg")
    Image.new("L", (3, 4)).save(folder / "frames.gif", save_all=True, append_images=[Image.new("L", (3, 4), 255)])
    (folder / "text.png").write_text("hello\n" * 100)
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes(photo[: len(photo) // 2])
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:400])
    (folder / "sticker.tgs").write_bytes(gzip.compress(b'{"tgs": 1}'))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.png", "cannot read 'missing.png': no such file"),
        (".", "cannot read '.': "),
        ("text.png", "'text.png' is not a picture"),
        ("empty.png", "'empty.png' is empty"),
        ("cut.png", "'cut.png' is damaged or truncated"),
        ("cut.jpg", "'cut.jpg' is damaged or truncated"),
        ("frames.gif", "'frames.gif' "),
        ("sticker.tgs", "the output 'sticker.tgs' is the input itself"),
    ],
)
def test_compress_bad_input(photo_folder: Path, name: str, sentence: str) -> None:
    write_bad_inputs(photo_folder)
    before = sorted(os.listdir(photo_folder))
    assert error_of(run("compress", name)).startswith(sentence)
    assert sorted(os.listdir(photo_folder)) == before


@pytest.mark.parametrize("command", ["decompress", "info"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.tgs", "cannot read 'missing.tgs': no such file"),
        (".", "cannot read '.': "),
        ("photo.png", "'photo.png': .*PNG"),
        ("text.png", "'text.png': "),
        ("empty.png", "'empty.png': "),
        ("sticker.tgs", "'sticker.tgs': .*Telegram"),
        ("cut.tgs", "'cut.tgs': "),
        ("flipped.tgs", "'flipped.tgs': "),
    ],
)
def test_decoding_bad_input(photo_folder: Path, encoded: bytes, command: str, name: str, sentence: str) -> None:
    write_bad_inputs(photo_folder)
    (photo_folder / "cut.tgs").write_bytes(encoded[: len(encoded) // 2])
    (photo_folder / "flipped.tgs").write_bytes(encoded[:40] + bytes([encoded[40] ^ 4]) + encoded[41:])
    before = sorted(os.listdir(photo_folder))
    error = error_of(run(command, name))
    assert error.startswith(sentence.partition(".*")[0])
    assert error.endswith(sentence.partition(".*")[2]) or sentence.partition(".*")[2] in error
    assert sorted(os.listdir(photo_folder)) == before


def test_compressing_a_tgs_file_is_refused(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    assert error_of(run("compress", "a.tgs")).startswith("'a.tgs' is a .tgs file already")


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (taichi_gs.DeviceError("there is no CUDA device"), 1, "tgs: error: there is no CUDA device\n"),
        (MemoryError(), 1, "tgs: error: there is not enough memory for this picture\n"),
        (KeyboardInterrupt(), 130, "Interrupted\n"),
    ],
)
def test_failures_of_the_encoder(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int, line: str
) -> None:
    def encode(image: object, **options: object) -> bytes:
        raise raised

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    result = run("compress", "photo.png")
    assert (result.exit_code, result.stdout, result.stderr) == (status, "", line)
    assert os.listdir(photo_folder) == ["photo.png"]
