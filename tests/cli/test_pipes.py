"""Standard input and output, single files and their reports, and completion."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import ROOT, checkout_environment
from PIL import Image

from cli import tgs

DATA = ROOT / "tests" / "conformance" / "valid"
TGS = (DATA / "normalized.tgs").read_bytes()
EXPECTED = np.asarray(Image.open(DATA / "normalized.png"))
FEW = ["--preset", "fast", "--num-gaussians", "20", "--k", "4", "--steps", "10"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, data: bytes = b"") -> Result:
    return CliRunner().invoke(tgs, arguments, input=data)


@pytest.mark.parametrize("arguments", [["-"], ["-", "-o", "-"], ["photo.tgs", "-o", "-"]])
@pytest.mark.parametrize("name", [None, "png", "tif", "bmp", "webp"])
def test_decompress_to_stdout(folder: Path, arguments: list[str], name: str | None) -> None:
    (folder / "photo.tgs").write_bytes(TGS)
    result = run("decompress", *arguments, *(["--format", name] if name else []), data=TGS)
    assert (result.exit_code, result.stderr) == (0, "")
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == {"tif": "TIFF"}.get(name or "png", (name or "png").upper())
        np.testing.assert_array_equal(np.asarray(image), EXPECTED)
    assert os.listdir(folder) == ["photo.tgs"]


def test_decompress_from_stdin_to_a_file(folder: Path) -> None:
    assert run("decompress", "-", "-o", "back.bmp", data=TGS).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("back.bmp")), EXPECTED)


def test_a_format_goes_before_the_name(folder: Path) -> None:
    assert run("decompress", "-", "-o", "picture", "--format", "webp", data=TGS).exit_code == 0
    with Image.open("picture") as image:
        assert image.format == "WEBP"


def test_compress_in_a_pipe(folder: Path) -> None:
    photo = (DATA / "normalized.png").read_bytes()
    (folder / "photo.png").write_bytes(photo)
    piped = run("compress", "-", *FEW, "-q", data=photo)
    assert (piped.exit_code, piped.stderr) == (0, "")
    assert run("compress", "photo.png", *FEW, "-q").exit_code == 0
    assert piped.stdout_bytes == (folder / "photo.tgs").read_bytes()


@pytest.mark.parametrize("command", ["compress", "decompress", "info"])
@pytest.mark.parametrize(("data", "sentence"), [(b"", "standard input"), (b"hello", "standard input")])
def test_bad_input_on_stdin(command: str, data: bytes, sentence: str) -> None:
    result = run(command, "-", data=data)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"tgs: error: {sentence}")


def test_info_and_compare_read_stdin(folder: Path) -> None:
    assert json.loads(run("info", "-", "--json", data=TGS).stdout)["bytes"] == len(TGS)
    assert json.loads(run("compare", str(DATA / "normalized.png"), "-", "--json", data=TGS).stdout)["psnr"] is None


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal")
@pytest.mark.parametrize("arguments", [["decompress", "photo.tgs", "-o", "-"], ["compress", "photo.png", "-o", "-"]])
def test_terminals_get_no_bytes(folder: Path, arguments: list[str]) -> None:
    (folder / "photo.tgs").write_bytes(TGS)
    (folder / "photo.png").write_bytes((DATA / "normalized.png").read_bytes())
    master, terminal = os.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=checkout_environment(),
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(terminal)
    os.close(master)
    assert result.returncode == 1
    assert result.stderr == "tgs: error: standard output is a terminal; redirect it, or name a file with -o\n"


def test_views(folder: Path) -> None:
    """Another resolution, and a part of it."""
    height, width = EXPECTED.shape[:2]
    assert run("decompress", "-", "-o", "large.png", "--scale", "2", data=TGS).exit_code == 0
    large = np.asarray(Image.open("large.png"))
    assert large.shape[:2] == (2 * height, 2 * width)
    size = ["--size", f"{2 * width}x{2 * height}"]
    assert run("decompress", "-", "-o", "part.png", *size, "--region", "3,5,7,2", data=TGS).exit_code == 0
    part = np.asarray(Image.open("part.png"))
    assert part.shape[:2] == (2, 7)
    assert np.abs(part.astype(int) - large[5:7, 3:10]).max() <= 1
    both = run("decompress", "-", "-o", "no.png", *size, "--scale", "2", data=TGS)
    assert both.exit_code == 2
    assert not (folder / "no.png").exists()


def test_grain(folder: Path) -> None:
    """Grain is drawn if it is asked for, and a file without it is drawn as it is."""
    data = (DATA / "grain.tgs").read_bytes()
    for name, options in (("grain", []), ("grain_grain", ["--grain"])):
        assert run("decompress", "-", "-o", "back.png", "--force", *options, data=data).exit_code == 0
        back, expected = (np.asarray(Image.open(path)).astype(int) for path in ("back.png", DATA / f"{name}.png"))
        assert np.abs(back - expected).max() <= 1
    assert run("decompress", "-", "-o", "none.png", "--grain", data=TGS).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("none.png")), EXPECTED)


# One file and its report


def test_failures_are_objects(folder: Path) -> None:
    (folder / "bad.tgs").write_text("hello")
    result = run("decompress", "bad.tgs", "--json", "--report", "report.jsonl")
    assert result.exit_code == 1
    record = json.loads(result.stdout)
    assert record["input"] == "bad.tgs"
    assert result.stderr == f"tgs: error: {record['error']}\n"
    assert (folder / "report.jsonl").read_text() == result.stdout


def test_one_file_is_skipped_if_it_is_there(folder: Path) -> None:
    (folder / "photo.tgs").write_bytes(TGS)
    (folder / "photo.png").write_text("mine")
    for arguments in (["--skip-existing"], ["-o", "photo.png", "--skip-existing"]):
        result = run("decompress", "photo.tgs", *arguments)
        assert (result.exit_code, result.output) == (0, "nothing to do: photo.png exists\n")
        assert run("decompress", "photo.tgs", *arguments, "-q").output == ""
    assert (folder / "photo.png").read_text() == "mine"


def test_one_file_into_a_folder(folder: Path) -> None:
    (folder / "photo.tgs").write_bytes(TGS)
    assert run("decompress", "photo.tgs", "--output-dir", "new/out").exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("new/out/photo.png")), EXPECTED)


# Completion


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tgs comp", ["plain,compress", "plain,compare"]),
        ("tgs compress --skip", ["plain,--skip-existing"]),
        ("tgs compress --preset b", ["plain,best"]),
        ("tgs decompress pho", ["file,pho"]),
        ("tgs decompress x -o y", ["file,y"]),
    ],
)
def test_completion(
    python: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    expected: list[str],
) -> None:
    monkeypatch.setenv("_TGS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    result = python("-X", "importtime", "-m", "cli")
    assert sorted(result.stdout.split()) == sorted(expected)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert imported.isdisjoint({"numpy", "torch", "taichi", "rich", "PIL", "multiprocessing"})
