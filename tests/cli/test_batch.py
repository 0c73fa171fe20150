"""Many files: through click's runner, and in real processes that are killed and interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import ROOT, checkout_environment, read_all
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from cli import tgs
from cli.conversion import PICTURE_SUFFIXES

DATA = ROOT / "tests" / "conformance" / "v1"
NAMES = ["old_default", "old_empty"]
FEW = ["--preset", "fast", "--num-gaussians", "20", "--steps"]
PICTURES = ["in/a.png", "in/b.png", "in/one/c.png", "in/one/two/d.bmp"]
BAD = {
    "in/cut.png": "'in/cut.png' is damaged or truncated",
    "in/one/text.jpg": "'in/one/text.jpg' is not a picture",
    "in/one/two/empty.png": "'in/one/two/empty.png' is empty",
}

Python = Callable[..., subprocess.CompletedProcess[str]]


def run(*arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(tgs, [str(argument) for argument in arguments], **options)


def objects(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The records by lines, and the totals after them."""
    *records, last = map(json.loads, text.splitlines())
    (totals,) = last.values()
    assert list(last) == ["totals"]
    return records, totals


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with .tgs files in in/, in/one/ and in/one/two/, and a damaged one."""
    monkeypatch.chdir(tmp_path)
    for name, place in zip([*NAMES, NAMES[0]], ["in", "in/one", "in/one/two"], strict=True):
        os.makedirs(place, exist_ok=True)
        shutil.copy(DATA / f"{name}.tgs", place)
    data = (DATA / "old_default.tgs").read_bytes()
    Path("in/one/cut.tgs").write_bytes(data[: len(data) // 2])
    return tmp_path


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: NDArray[np.uint8]) -> Path:
    """The current folder, with pictures in in/, two levels deep."""
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(PICTURES):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Image.fromarray(picture + np.uint8(20 * index)).save(name)
    return tmp_path


def add_bad_files(folder: Path) -> None:
    (folder / "in/cut.png").write_bytes((folder / "in/a.png").read_bytes()[:100])
    (folder / "in/one/text.jpg").write_text("hello\n" * 100)
    (folder / "in/one/two/empty.png").touch()
    (folder / "in/one/notes.txt").write_text("not a picture, and not asked for")


# Decoding, which starts fast


def test_folders_are_decoded_into_a_mirrored_tree(folder: Path) -> None:
    result = run("decompress", "in", "-r", "--output-dir", "out", "--jobs", "2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert below(folder / "out") == ["old_default.png", "one/old_empty.png", "one/two/old_default.png"]
    for name in below(folder / "out"):
        expected = np.asarray(Image.open(DATA / Path(name).name))
        np.testing.assert_array_equal(np.asarray(Image.open(folder / "out" / name)), expected)
    lines = result.stderr.splitlines()
    assert sum(" -> " in line and line.startswith("in") for line in lines) == 3
    assert lines[-2:] == ["1 of 4 files failed:", next(line for line in lines if line.startswith("  in/one/cut.tgs  "))]
    assert lines[-3].startswith("3 of 4 files written, ")


def test_objects_and_totals(folder: Path) -> None:
    result = run("decompress", "in", "-r", "--output-dir", "out", "--json", "--report", "report.jsonl", "--jobs", "1")
    assert result.exit_code == 1
    assert result.stdout == Path("report.jsonl").read_text()
    records, totals = objects(result.stdout)
    assert {Path(record["input"]).as_posix() for record in records} == {f"in/{name}" for name in below(folder / "in")}
    written = [record for record in records if "error" not in record]
    for record in written:
        assert record["input_bytes"] == os.path.getsize(record["input"])
        assert record["bytes"] == os.path.getsize(record["output"])
        with Image.open(record["output"]) as image:
            assert (record["width"], record["height"]) == image.size
    assert [record["input"] for record in records if "error" in record] == [os.path.join("in", "one", "cut.tgs")]
    rates = [8 * record["input_bytes"] / (record["width"] * record["height"]) for record in written]
    assert totals["mean_bits_per_pixel"] == pytest.approx(np.mean(rates))
    assert (totals["files"], totals["written"], totals["failures"], totals["skipped"]) == (4, 3, 1, 0)
    for name in ("input_bytes", "bytes"):
        assert totals[name] == sum(record[name] for record in written)
    assert totals["images_per_second"] == pytest.approx(3 / totals["seconds"], rel=0.02)
    assert result.stderr.splitlines()[0] == "1 of 4 files failed:"


def test_going_on(folder: Path) -> None:
    arguments = ["decompress", "in", "-r", "--output-dir", "out", "--report", "report.jsonl"]
    os.makedirs("out/one")
    Path("out/one/old_empty.png").write_text("mine")
    refused = run(*arguments)
    assert (refused.exit_code, below(folder / "out")) == (1, ["one/old_empty.png"])
    assert "use --skip-existing to leave them, or --force to overwrite them" in refused.stderr
    assert not Path("report.jsonl").exists()

    result = run(*arguments, "--skip-existing", "--json")
    records, totals = objects(result.stdout)
    assert (len(records), totals["skipped"], totals["written"]) == (3, 1, 2)
    assert Path("out/one/old_empty.png").read_text() == "mine"

    os.remove("in/one/cut.tgs")
    again = run(*arguments, "--skip-existing", "--json")
    assert again.exit_code == 0
    assert again.stdout == Path("report.jsonl").read_text().removeprefix(result.stdout)
    assert objects(again.stdout)[1]["skipped"] == 3

    forced = run(*arguments, "--force", "--quiet")
    assert (forced.exit_code, forced.output) == (0, "")
    assert Image.open("out/one/old_empty.png").size == Image.open(DATA / "old_empty.png").size
    assert objects(Path("report.jsonl").read_text())[1]["written"] == 3


def test_reports_are_not_written_over(folder: Path) -> None:
    Path("mine").write_text("precious")
    result = run("decompress", "in", "-r", "--output-dir", "out", "--report", "mine")
    assert (result.exit_code, result.stderr) == (1, "tgs: error: cannot write 'mine': file exists\n")
    assert Path("mine").read_text() == "precious"
    assert not Path("out").exists()


def test_lists_and_shards(folder: Path) -> None:
    names = ["in/old_default.tgs", str(folder / "in/one/old_empty.tgs"), "in/one/../one/two/old_default.tgs"]
    listed = "\r\n".join([*names, ""])
    for shard in ("1/2", "2/2"):
        arguments = ["decompress", "--files-from", "-", "--output-dir", "out", "--shard", shard, "--format", "bmp"]
        assert run(*arguments, input=listed).exit_code == 0
    absolute = (folder / "in/one/old_empty.bmp").relative_to(folder.anchor).as_posix()
    assert below(folder / "out") == sorted(["in/old_default.bmp", "in/one/two/old_default.bmp", absolute])


def test_outputs_beside_inputs(folder: Path) -> None:
    assert run("decompress", "in/old_default.tgs", "in/one/old_empty.tgs").exit_code == 0
    assert Path("in/old_default.png").exists()
    assert Path("in/one/old_empty.png").exists()


def test_an_output_folder_that_cannot_be_made(folder: Path) -> None:
    Path("file").touch()
    result = run("decompress", "in/old_default.tgs", "in/one/old_empty.tgs", "--output-dir", "file", "--json")
    assert result.exit_code == 1
    records, _ = objects(result.stdout)
    assert all(record["error"].startswith("cannot make the folder 'file'") for record in records)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["in"], "cannot read 'in': it is a folder, and -r takes"),
        (["in", "--output-dir", "out"], "cannot read 'in': it is a folder, and -r takes"),
        (["in", "in/one/two", "-r", "--output-dir", "out"], "would both become"),
        (["empty", "-r"], "there is nothing to do: no .tgs file was found"),
        (["--files-from", "missing"], "cannot read 'missing': no such file"),
    ],
)
def test_what_is_refused_before_any_work(folder: Path, arguments: list[str], sentence: str) -> None:
    Path("empty").mkdir()
    before = below(folder)
    result = run("decompress", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("tgs: error: ")
    assert sentence in result.stderr
    assert below(folder) == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["in", "-r", "-o", "a.png"],
        ["in", "-o", "a.png"],
        ["in/old_default.tgs", "in/one/old_empty.tgs", "-o", "a.png"],
        ["in/old_default.tgs", "--force", "--skip-existing"],
        ["in/old_default.tgs", "-", "--output-dir", "out"],
        ["-", "--output-dir", "out"],
        ["-", "--json"],
        ["in/old_default.tgs", "-o", "-", "--json"],
        ["in", "-r", "--shard", "0/2"],
        ["in", "-r", "--shard", "3/2"],
        ["in", "-r", "--shard", "half"],
        ["in", "-r", "--jobs", "0"],
        ["in", "-r", "--format", "gif"],
        ["in/old_default.tgs", "--size", "640"],
        ["in/old_default.tgs", "--region", "1,2,3"],
        ["in/old_default.tgs", "--scale", "0"],
    ],
)
def test_wrong_usage_is_status_2(folder: Path, arguments: list[str]) -> None:
    before = below(folder)
    result = run("decompress", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert below(folder) == before


def test_suffixes_are_those_of_what_can_be_read() -> None:
    registered = Image.registered_extensions()
    assert {registered[suffix] for suffix in PICTURE_SUFFIXES} == {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"}


# Encoding in real processes


def test_a_folder_with_damaged_files(pictures: Path, python: Python) -> None:
    add_bad_files(pictures)
    result = python("-m", "cli", "compress", "in", "-r", "--output-dir", "out", "--json", "-j", "2", *FEW, "10")
    assert result.returncode == 1
    assert below(pictures / "out") == ["a.tgs", "b.tgs", "one/c.tgs", "one/two/d.tgs"]
    records, totals = objects(result.stdout)
    errors = {Path(record["input"]).as_posix(): record["error"] for record in records if "error" in record}
    assert errors.keys() == BAD.keys()
    for name, sentence in BAD.items():
        assert errors[name].startswith(sentence)
        assert name in result.stderr
    assert result.stderr.startswith("3 of 7 files failed:\n")
    written = [record for record in records if "error" not in record]
    assert (totals["written"], totals["failures"]) == (4, 3)
    assert totals["mean_psnr"] == pytest.approx(np.mean([record["psnr"] for record in written]))
    for record in written:
        original, decoded = (np.asarray(image, float) for image in (Image.open(record["input"]), decode(record)))
        assert record["psnr"] == pytest.approx(10 * np.log10(255**2 / np.mean((original - decoded) ** 2)))


def decode(record: dict[str, Any]) -> NDArray[np.uint8]:
    return taichi_gs.decode(Path(record["output"]).read_bytes())


def test_files_that_miss_a_quality(pictures: Path, python: Python) -> None:
    names = PICTURES[:2]
    few = ["--preset", "fast", "--steps", "10", "--psnr", "99"]
    result = python("-m", "cli", "compress", *names, "--output-dir", "out", "-j", "1", *few)
    assert (result.returncode, result.stdout) == (3, "")
    assert below(pictures / "out") == ["a.tgs", "b.tgs"]
    assert "2 files are not as good as asked for:\n  in/a.png  " in result.stderr


def start(folder: Path, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Begin to compress in/ to out/ in a group of processes of its own."""
    command = ["compress", "in", "-r", "--output-dir", "out", "--json", "--report", "report.jsonl"]
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *command, *arguments],
        cwd=folder,
        env={**checkout_environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
        # A parent in the background may have left the signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def add_pictures(folder: Path, picture: NDArray[np.uint8]) -> None:
    """Enough of them that work is left for a while after the first."""
    for index in range(12):
        Image.fromarray(picture).save(folder / f"in/one/{index}.png")


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_after_a_kill_only_the_rest_is_done(pictures: Path, python: Python, picture: NDArray[np.uint8]) -> None:
    add_pictures(pictures, picture)
    with start(pictures, *FEW, "60", "-j", "1") as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        os.killpg(process.pid, signal.SIGKILL)
    done = {path: path.read_bytes() for path in (pictures / "out").rglob("*.tgs")}
    assert 0 < len(done) < 16
    for data in done.values():
        assert taichi_gs.info(data).width == 32  # whole, by its checksum
    result = python("-m", "cli", "compress", "in", "-r", "--output-dir", "out", "--skip-existing", "--json", *FEW, "10")
    assert (result.returncode, result.stderr) == (0, "")
    records, totals = objects(result.stdout)
    outputs = {pictures / record["output"] for record in records}
    assert len(outputs) == totals["written"] == 16 - len(done)
    assert totals["skipped"] == len(done)
    assert outputs.isdisjoint(done)
    assert outputs | done.keys() == set((pictures / "out").rglob("*.tgs"))
    assert all(path.read_bytes() == data for path, data in done.items())


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal and signals")
@pytest.mark.parametrize(
    ("number", "to_group", "status", "word"),
    [(signal.SIGINT, True, 130, "Interrupted"), (signal.SIGTERM, False, 143, "Terminated")],
)
def test_interruptions_leave_whole_files_only(
    pictures: Path, picture: NDArray[np.uint8], number: signal.Signals, to_group: bool, status: int, word: str
) -> None:
    """Ctrl-C reaches all processes of a terminal, and SIGTERM one of them."""
    add_pictures(pictures, picture)
    master, terminal = os.openpty()
    with (
        ThreadPoolExecutor(1) as reader,
        start(pictures, *FEW, "60", "-j", "1", stderr=terminal) as process,
    ):
        os.close(terminal)
        reading = reader.submit(read_all, master)
        assert process.stdout is not None
        first = process.stdout.readline()
        (os.killpg if to_group else os.kill)(process.pid, number)
        started = time.monotonic()
        rest = process.stdout.read()
        assert process.wait() == status
        shown = reading.result().decode()  # to the end, which comes when no process has the terminal any more
    os.close(master)
    assert time.monotonic() < started + 60
    records, totals = objects(first + rest)
    kept, same = objects((pictures / "report.jsonl").read_text())
    assert same == totals
    assert kept[: len(records)] == records  # the last may not have been printed any more
    assert 0 < len(kept) == totals["written"] < 16 == totals["files"]
    assert below(pictures / "out") == sorted(Path(record["output"]).relative_to("out").as_posix() for record in kept)
    assert "all files" in shown
    assert shown.rstrip().endswith(f"Run the same command with --skip-existing to go on from here.\r\n{word}")
    assert "Traceback" not in shown
