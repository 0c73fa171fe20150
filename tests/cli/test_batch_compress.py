"""Many pictures compressed in real processes, some of which are killed and interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Python, below, objects
from conftest import checkout_environment, read_all
from numpy.typing import NDArray
from PIL import Image

import taichi_gs

FEW = ["--preset", "fast", "--num-gaussians", "20", "--steps"]
PICTURES = ["in/a.png", "in/b.png", "in/one/c.png", "in/one/two/d.bmp"]
BAD = {
    "in/cut.png": "'in/cut.png' is damaged or truncated",
    "in/one/text.jpg": "'in/one/text.jpg' is not a picture",
    "in/one/two/empty.png": "'in/one/two/empty.png' is empty",
}


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
