"""What is left when a command is ended from outside while it runs over an existing file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import checkout_environment
from numpy.typing import NDArray
from PIL import Image
from quantized_pictures import quantized_picture

import taichi_gs
from benchmarks import kill
from taichi_gs.format.bitstream import serialize

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals")

STOP_AND_RUN = """
import os
import sys
import time

from cli import main

function, when, *command = sys.argv[1:]
original = getattr(os, function)

def stop(*arguments):
    if when == "after":
        original(*arguments)
    print("stopped", flush=True)
    time.sleep(600)

setattr(os, function, stop)
sys.argv = ["tgs", *command]
main()
"""
"""Run a command that stops at its first call of a function of the system, before it is called or after that."""

OLD = b"any file that was there before"


@pytest.mark.parametrize(
    ("number", "function", "when", "status", "is_new", "temporaries"),
    [
        (signal.SIGKILL, "fsync", "before", -signal.SIGKILL, False, 1),
        (signal.SIGKILL, "replace", "before", -signal.SIGKILL, False, 1),
        (signal.SIGKILL, "replace", "after", -signal.SIGKILL, True, 0),
        (signal.SIGTERM, "fsync", "before", 143, False, 0),
    ],
    ids=["killed writing", "killed before it replaces", "killed after that", "terminated writing"],
)
def test_a_process_that_is_ended_while_it_writes(
    tmp_path: Path, number: signal.Signals, function: str, when: str, status: int, is_new: bool, temporaries: int
) -> None:
    """All commands write in the same way, and `decompress` is there the soonest."""
    source, target = tmp_path / "photo.tgs", tmp_path / "photo.png"
    source.write_bytes(small_file())
    target.write_bytes(OLD)
    command = ["decompress", str(source), "-o", str(target), "--force"]
    with subprocess.Popen(
        [sys.executable, "-c", STOP_AND_RUN, function, when, *command],
        env=checkout_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    if is_new:
        np.testing.assert_array_equal(np.asarray(Image.open(target)), taichi_gs.decode(source))
    else:
        assert target.read_bytes() == OLD
    left = [path.name for path in tmp_path.iterdir() if path not in (source, target)]
    assert len(left) == temporaries
    assert all(name.startswith(".tgs-") and name.endswith(".tmp") for name in left)


def test_the_benchmark(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    """Two kills, one of them while it writes; that the file is whole is what its exit status says."""
    photo, out = tmp_path / "photo.png", tmp_path / "kill.tsv"
    Image.fromarray(picture).save(photo)
    assert kill.main([str(photo), "--times", "2", "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "damaged: 0" in text
    header, *rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert tuple(header) == kill.COLUMNS
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["drawn_from"] for row in cells] == ["whole run", "writing"]
    assert float(cells[1]["since_temporary"]) >= 0.0
    assert {row["target"] for row in cells} <= {"old", "new"}


def test_the_benchmark_knows_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(runs: kill.Runs, *options: str) -> subprocess.Popen[bytes]:
        runs.output.write_bytes(small_file())
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(kill.Runs, "_started", start)
    runs = kill.Runs(tmp_path / "photo.png", tmp_path)
    assert runs.outcome() == "old"
    runs.output.write_bytes(small_file(num_gaussians=3))
    assert runs.outcome() == "new"
    runs.output.write_bytes(runs.old[:-1])
    assert runs.outcome() == "damaged"
    runs.output.unlink()
    assert runs.outcome() == "damaged"


def test_the_benchmark_reports_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are cut off: as if a command wrote in place."""

    def start(runs: kill.Runs, *options: str) -> subprocess.Popen[bytes]:
        data = small_file(num_gaussians=4 if options else 3)
        if (runs.folder / "timed").exists():
            runs.output.write_bytes(data[:-1])
            return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        runs.output.write_bytes(data)
        return subprocess.Popen([sys.executable, "-c", ""])

    def duration(runs: kill.Runs) -> float:
        (runs.folder / "timed").touch()
        return 0.01

    monkeypatch.setattr(kill.Runs, "_started", start)
    monkeypatch.setattr(kill.Runs, "duration", duration)
    assert kill.main([str(tmp_path / "photo.png"), "--times", "1"]) == 1
    assert "damaged: 1" in capsys.readouterr().out


def small_file(num_gaussians: int = 4) -> bytes:
    return serialize(quantized_picture(num_gaussians, image_size=(4, 5)))
