"""The command line, through click's runner and through real processes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import checkout_environment, read_all
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from cli import compress as compress_command
from cli import tgs
from taichi_gs.model.gaussians import Blending

Python = Callable[..., subprocess.CompletedProcess[str]]

FEW = ["--preset", "fast", "--num-gaussians", "30", "--k", "8", "--steps", "20"]
JSON_NAMES = "input output width height num_gaussians k bytes bits_per_pixel psnr seconds".split()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(tgs, [str(argument) for argument in arguments])


def error_of(result: Result) -> str:
    """The one sentence of a failed run."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("tgs: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("tgs: error: ").rstrip("\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8]) -> Path:
    """The current folder, with photo.png in it."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture).save("photo.png")
    return tmp_path


@pytest.fixture(scope="module")
def tgs_bytes() -> bytes:
    """A small .tgs file, which takes some seconds to make."""
    y, x = np.mgrid[0:24, 0:32]
    image = np.stack([8 * x, 10 * y, 4 * (x + y)], axis=2).clip(0, 255).astype(np.uint8)
    return taichi_gs.encode(image, preset="fast", num_gaussians=20, k=4, steps=10)


# What needs no codec


@pytest.mark.parametrize("command", [[], ["compress"], ["decompress"], ["info"], ["compare"]])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(command: list[str], option: str) -> None:
    result = run(*command, option)
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert result.stderr == ""


def test_version() -> None:
    assert run("--version").stdout == f"tgs, version {taichi_gs.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["info", "photo.tgs"], ["compress", "--help"]])
def test_what_has_to_start_at_once_imports_nothing_heavy(
    python: Python, tmp_path: Path, arguments: list[str], tgs_bytes: bytes
) -> None:
    (tmp_path / "photo.tgs").write_bytes(tgs_bytes)
    result = python("-X", "importtime", "-m", "cli", *arguments)
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert imported.isdisjoint({"torch", "taichi", "imageio", "rich", "PIL"})


def test_decompress_imports_neither_torch_nor_imageio(python: Python, tmp_path: Path, tgs_bytes: bytes) -> None:
    (tmp_path / "photo.tgs").write_bytes(tgs_bytes)
    result = python("-X", "importtime", "-m", "cli", "decompress", "photo.tgs")
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "taichi" in imported
    assert imported.isdisjoint({"torch", "array_api_compat", "imageio", "rich", "PIL.ImageCms", "PIL.GbrImagePlugin"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["compress"],
        ["compress", "photo.png", "--k", "0"],
        ["compress", "photo.png", "--k", "many"],
        ["compress", "photo.png", "--num-gaussians", "0"],
        ["compress", "photo.png", "--steps", "-1"],
        ["compress", "photo.png", "--bpp", "0"],
        ["compress", "photo.png", "--seed", "-1"],
        ["compress", "photo.png", "--preset", "fastest"],
        ["compress", "photo.png", "--loss", "l3"],
        ["compress", "photo.png", "--blending", "beta"],
        ["compress", "photo.png", "--amplitude-bits", "13"],
        ["compress", "photo.png", "--opacity-bits", "8"],
        ["compress", "photo.png", "--device", "gpu"],
        ["compress", "photo.png", "--bpp", "0.1", "--num-gaussians", "10"],
        ["compare", "photo.png"],
    ],
)
def test_wrong_usage_is_status_2(folder: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert os.listdir(folder) == ["photo.png"]


def test_choices_are_those_of_the_library() -> None:
    choices = {parameter.name: getattr(parameter.type, "choices", ()) for parameter in compress_command.params}
    assert set(choices["preset"]) == set(taichi_gs.PRESETS)
    assert set(choices["blending"]) == set(get_args(Blending))


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
def test_compress_bad_input(folder: Path, name: str, sentence: str) -> None:
    write_bad_inputs(folder)
    before = sorted(os.listdir(folder))
    assert error_of(run("compress", name)).startswith(sentence)
    assert sorted(os.listdir(folder)) == before


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
def test_decoding_bad_input(folder: Path, tgs_bytes: bytes, command: str, name: str, sentence: str) -> None:
    write_bad_inputs(folder)
    (folder / "cut.tgs").write_bytes(tgs_bytes[: len(tgs_bytes) // 2])
    (folder / "flipped.tgs").write_bytes(tgs_bytes[:40] + bytes([tgs_bytes[40] ^ 4]) + tgs_bytes[41:])
    before = sorted(os.listdir(folder))
    error = error_of(run(command, name))
    assert error.startswith(sentence.partition(".*")[0])
    assert error.endswith(sentence.partition(".*")[2]) or sentence.partition(".*")[2] in error
    assert sorted(os.listdir(folder)) == before


# From end to end


def test_end_to_end(folder: Path, picture: NDArray[np.uint8]) -> None:
    result = run("compress", "photo.png", *FEW, "--json", "--covariance-k", "6", "--seed", "3", "--loss", "l2")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    values = json.loads(result.stdout)
    assert set(JSON_NAMES) <= set(values)
    assert (values["input"], values["output"]) == ("photo.png", "photo.tgs")
    assert (values["width"], values["height"], values["k"]) == (32, 24, 8)
    assert values["bytes"] == os.path.getsize("photo.tgs")
    assert values["bits_per_pixel"] == pytest.approx(8 * values["bytes"] / (32 * 24))
    assert 0 < values["num_gaussians"] <= 30
    assert values["covariance_k"] <= 6
    assert values["seconds"] > 0

    contents = json.loads(run("info", "photo.tgs", "--json").stdout)
    for name in ("width", "height", "num_gaussians", "bytes"):
        assert contents[name] == values[name]
    readable = run("info", "photo.tgs").stdout
    assert all(name.replace("_", " ") in readable for name in contents)

    result = run("decompress", "photo.tgs", "-o", "back.png")
    assert (result.exit_code, result.output) == (0, "")
    decoded = np.asarray(Image.open("back.png"))
    np.testing.assert_array_equal(decoded, taichi_gs.decode(Path("photo.tgs").read_bytes()))

    for other in ("back.png", "photo.tgs"):
        compared = json.loads(run("compare", "photo.png", other, "--json").stdout)
        assert compared["psnr"] == pytest.approx(values["psnr"])
        assert 0 < compared["ms_ssim"] <= 1
    assert f"{values['psnr']:.4f}" in run("compare", "photo.png", "back.png").stdout


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_gray_and_alpha(folder: Path, mode: str) -> None:
    image = Image.open("photo.png").convert("RGBA").resize((40, 40)).rotate(30).convert(mode)
    image.save("picture.png")
    result = run("compress", "picture.png", *FEW, "--json")
    assert result.exit_code == 0, result.output
    assert run("decompress", "picture.tgs", "-o", "back.webp").exit_code == 0
    assert run("decompress", "picture.tgs", "-o", "back.png").exit_code == 0
    assert Image.open("back.png").mode == mode
    for other in ("picture.tgs", "back.png", "back.webp"):
        compared = json.loads(run("compare", "picture.png", other, "--json").stdout)
        assert compared["psnr"] == pytest.approx(json.loads(result.stdout)["psnr"])


def test_first_frame_and_metadata(folder: Path, picture: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[0x010E] = "holiday"
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    frames[0].save("frames.png", save_all=True, append_images=frames[1:], exif=exif)
    assert "first_frame" in error_of(run("compress", "frames.png", *FEW))
    result = run("compress", "frames.png", *FEW, "--first-frame", "-q")
    assert (result.exit_code, result.output) == (0, "")
    first = json.loads(run("compare", "photo.png", "frames.tgs", "--json").stdout)["psnr"]
    assert first > 15
    for option, kept in ([], None), (["--keep-metadata"], "holiday"):
        assert run("compress", "frames.png", *FEW, "--first-frame", "--force", *option).exit_code == 0
        assert run("decompress", "frames.tgs", "-o", "back.png", "--force").exit_code == 0
        with Image.open("back.png") as image:
            assert image.getexif().get(0x010E) == kept


def test_compress_summary_is_on_stderr(folder: Path) -> None:
    result = run("compress", "photo.png", *FEW, "-o", "other.tgs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("photo.png -> other.tgs: ")
    assert result.stderr.count("\n") == 1
    quiet = run("compress", "photo.png", *FEW, "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert Path("photo.tgs").read_bytes() == Path("other.tgs").read_bytes()


def test_compare_equal_pictures(folder: Path) -> None:
    assert json.loads(run("compare", "photo.png", "photo.png", "--json").stdout)["psnr"] is None
    assert "inf dB" in run("compare", "photo.png", "photo.png").stdout


def test_compare_failures(folder: Path) -> None:
    Image.new("RGB", (3, 4)).save("other.png")
    assert "different sizes cannot be compared: 32x24 and 3x4" in error_of(run("compare", "photo.png", "other.png"))
    assert "cannot read 'no.png'" in error_of(run("compare", "photo.png", "no.png"))


def test_compressing_a_tgs_file_is_refused(folder: Path, tgs_bytes: bytes) -> None:
    Path("a.tgs").write_bytes(tgs_bytes)
    assert error_of(run("compress", "a.tgs")).startswith("'a.tgs' is a .tgs file already")


def test_existing_outputs_need_force(folder: Path, tgs_bytes: bytes) -> None:
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
    folder: Path, monkeypatch: pytest.MonkeyPatch, output: str, sentence: str, force: bool
) -> None:
    monkeypatch.setattr("taichi_gs.codec.encode", None)
    arguments = ["compress", "photo.png", "-o", output] + ["--force"] * force
    assert error_of(run(*arguments)).startswith(sentence)
    assert os.listdir(folder) == ["photo.png"]


@pytest.mark.parametrize("name", ["a", "a.gif", "a.tgs"])
def test_decompress_needs_a_picture_suffix(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes, name: str
) -> None:
    Path("photo.tgs").write_bytes(tgs_bytes)
    monkeypatch.setattr("taichi_gs.codec.decode", None)
    assert "cannot tell a picture format" in error_of(run("decompress", "photo.tgs", "-o", name))
    assert sorted(os.listdir(folder)) == ["photo.png", "photo.tgs"]


def test_a_file_that_appears_during_the_work_is_not_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes
) -> None:
    def encode(image: object, **options: object) -> bytes:
        Path("photo.tgs").write_bytes(b"somebody else's")
        return tgs_bytes

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    assert error_of(run("compress", "photo.png")) == "cannot write 'photo.tgs': it already exists"
    assert Path("photo.tgs").read_bytes() == b"somebody else's"


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (taichi_gs.DeviceError("there is no CUDA device"), 1, "tgs: error: there is no CUDA device\n"),
        (MemoryError(), 1, "tgs: error: there is not enough memory for this picture\n"),
        (KeyboardInterrupt(), 130, "Interrupted\n"),
    ],
)
def test_failures_of_the_encoder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int, line: str
) -> None:
    def encode(image: object, **options: object) -> bytes:
        raise raised

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    result = run("compress", "photo.png")
    assert (result.exit_code, result.stdout, result.stderr) == (status, "", line)
    assert os.listdir(folder) == ["photo.png"]


def test_options_that_the_library_refuses_are_wrong_usage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(image: object, **options: object) -> bytes:
        raise taichi_gs.OptionError("k is too large")

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    result = run("compress", "photo.png")
    assert result.exit_code == 2
    assert "Error: k is too large" in result.stderr


def test_options_reach_the_encoder(folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes) -> None:
    seen: dict[str, Any] = {}

    def encode(image: taichi_gs.Picture, **options: Any) -> bytes:
        seen.update(options, shape=image.pixels.shape)
        return tgs_bytes

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    given = ["--bpp", "0.5", "--color-k", "9", "--device", "cpu", "--blending", "alpha", "--amplitude-bits", "6", "-q"]
    assert run("compress", "photo.png", *given).exit_code == 0
    assert seen == {
        "shape": (24, 32, 3),
        "preset": "default",
        "device": "cpu",
        "progress": None,
        "bits_per_pixel": 0.5,
        "color_k": 9,
        "blending": "alpha",
        "amplitude_bits": 6,
    }


# Real processes


def test_a_real_process(folder: Path, python: Python) -> None:
    result = python("-m", "cli", "compress", "photo.png", *FEW, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["bytes"] == os.path.getsize("photo.tgs")
    result = python("-m", "cli", "decompress", "photo.tgs", "-o", "back.bmp")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    result = python("-m", "cli", "decompress", "photo.png", "-o", "no.png")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("tgs: error: 'photo.png': ")
    assert sorted(os.listdir(folder)) == ["back.bmp", "photo.png", "photo.tgs"]


def decompressed(folder: Path, data: bytes) -> NDArray[np.uint8]:
    """The picture that a process of its own writes, which is to have nothing to say."""
    (folder / "photo.tgs").write_bytes(data)
    result = subprocess.run(
        [sys.executable, "-m", "cli", "decompress", "photo.tgs", "-o", "back.png", "--force"],
        cwd=folder,
        env=checkout_environment(),
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    return np.asarray(Image.open(folder / "back.png"))


def kept_kernels(folder: Path) -> list[Path]:
    return sorted((folder / "taichi_gs" / "kernels").glob("*.tic"))


def test_kernels_are_kept_for_the_next_process(folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    expected = taichi_gs.decode(tgs_bytes)
    np.testing.assert_array_equal(decompressed(folder, tgs_bytes), expected)
    kept = kept_kernels(folder / "cache")
    assert len(kept) == 1, "blending is the only kernel that a decoder needs"
    np.testing.assert_array_equal(decompressed(folder, tgs_bytes), expected)
    assert kept_kernels(folder / "cache") == kept


@pytest.mark.parametrize("age", [0, 3600])
def test_a_lock_that_a_killed_process_has_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes, age: int
) -> None:
    """Taichi keeps no kernels while somebody else has locked them, which may not go on for ever."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    lock = folder / "cache" / "taichi_gs" / "kernels" / "ticache.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - age,) * 2)
    np.testing.assert_array_equal(decompressed(folder, tgs_bytes), taichi_gs.decode(tgs_bytes))
    assert lock.exists() == (age == 0)
    assert len(kept_kernels(folder / "cache")) == (0 if age == 0 else 1)


@pytest.mark.skipif(os.name == "nt", reason="HOME and XDG_CACHE_HOME are names of Unix")
@pytest.mark.parametrize(
    ("home", "cache"),
    [(None, None), ("photo.png", None), ("missing/home", None), ("home", "photo.png"), ("home", "relative")],
)
def test_decoding_without_a_folder_for_kernels(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes, home: str | None, cache: str | None
) -> None:
    """Where there is no home, or a file in the place of a folder; a relative path is to be ignored."""
    for name, value in (("HOME", home), ("XDG_CACHE_HOME", cache)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value if value == "relative" else str(folder / value))
    np.testing.assert_array_equal(decompressed(folder, tgs_bytes), taichi_gs.decode(tgs_bytes))
    assert not (folder / "relative").exists()


def test_processes_that_compile_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch, tgs_bytes: bytes) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    folders = [folder / name for name in ("a", "b")]
    for each in folders:
        each.mkdir()
    with ThreadPoolExecutor() as threads:
        pictures = list(threads.map(decompressed, folders, [tgs_bytes] * 2))
    for picture in pictures:
        np.testing.assert_array_equal(picture, taichi_gs.decode(tgs_bytes))
    assert len(kept_kernels(folder / "cache")) == 1


def test_a_reader_that_has_gone_is_no_traceback(folder: Path, tgs_bytes: bytes) -> None:
    Path("photo.tgs").write_bytes(tgs_bytes)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        result = subprocess.run(
            [sys.executable, "-m", "cli", "info", "photo.tgs"],
            env=checkout_environment(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal and signals")
def test_ctrl_c_leaves_nothing(folder: Path) -> None:
    """Interrupt a run when its progress bar, which only a terminal sees, has begun to move."""
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "compress", "photo.png", "--steps", "1000000", "--num-gaussians", "50"],
        env={**checkout_environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        # A parent in the background may have left the signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(terminal)
    try:
        seen = b""
        while b"dB" not in seen:
            seen += os.read(master, 4096)
        assert b"photo.png" in seen
        process.send_signal(signal.SIGINT)
        rest = read_all(master)
        stdout, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert (process.returncode, stdout) == (130, b"")
    assert rest.rstrip().endswith(b"Interrupted")
    assert b"Traceback" not in rest
    assert os.listdir(folder) == ["photo.png"]
