"""What becomes of decoding, encoding, one file and a folder in circumstances of any kind: a result, or one sentence.

The documents promise it: see "Threads and processes" in docs/python.md, "Use pipes" in docs/command-line.md, and
SECURITY.md. Each work is done by a process of its own, in a fresh folder.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import checkout_environment, synthetic_picture
from PIL import Image

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc, /dev/full and fork")

resource = pytest.importorskip("resource")  # which Windows lacks

FEW = {"preset": "fast", "steps": 20, "num_gaussians": 30, "k": 8}
SWITCHES = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in FEW.items())

WORKS = {
    "decode": "taichi_gs.decode('a.tgs').tobytes()",
    "encode": f"taichi_gs.encode('photo.png', **{FEW})",
    "tgs": f"command('compress photo.png {SWITCHES} -q --force -o', f'{{number}}.tgs')",
    "tgs on folders": "command('decompress in -r -j 2 -q --force --output-dir', str(number))",
}
"""Expressions of what comes out: with a `number`, of which every run has its own."""

PROGRAM = """
import multiprocessing, os, resource, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
import taichi_gs
from cli import tgs

def command(line, output):
    try:
        tgs.main([*line.split(), output])
    except SystemExit as end:
        assert not end.code
    files = [Path(output)] if os.path.isfile(output) else sorted(Path(output).iterdir())
    return b"".join(file.read_bytes() for file in files)

def work(number):
    return {work}

if __name__ == "__main__":
    results = []
{circumstance}
    for number, result in enumerate(results):
        Path(f"result{{number}}").write_bytes(result)
"""

PLAIN = "results.append(work(0))"
THREADS = "results.extend(ThreadPoolExecutor(4).map(work, range(4)))"
FORK = """
results.append(work(0))
read, write = os.pipe()
if os.fork() == 0:
    result = work(1)
    os.write(write, result)
    os._exit(0)
os.close(write)
results.append(open(read, "rb").read())
results.append(work(2))
"""
SPAWN = """
with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
    results.extend(pool.map(work, range(2)))
"""

HOSTILE: dict[str, str | None] = {
    "TI_ARCH": "cuda",
    "TI_CPU_MAX_NUM_THREADS": "0",
    "TI_DEBUG": "1",
    "TI_DEFAULT_FP": "64",
    "TI_LOG_LEVEL": "trace",
    "TI_SKIP_VERSION_CHECK": "1",
    "ENABLE_TAICHI_HEADER_PRINT": "1",
    "LC_ALL": "nonsense",
    "LANG": "nonsense",
    "PYTHONIOENCODING": "ascii",
    "PYTHONWARNINGS": "error",
    "TERM": "nonsense",
    "TMPDIR": "/missing",
    "XDG_DATA_DIRS": "",
}

INTERRUPTED = """
signal.signal(signal.SIGINT, signal.default_int_handler)
results.append(work(0))
threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
try:
    while True:
        work(1)
except KeyboardInterrupt:
    results.append(work(2))
"""


class Outcome(NamedTuple):
    """What came of a process."""

    status: int
    stdout: str
    stderr: str
    results: set[str]
    """Digests, of all runs."""


Expected = Callable[[str], Outcome]


def filled(folder: Path, encoded: bytes) -> Path:
    """Put a picture, its file, and two files in in/ into a folder."""
    Image.fromarray(synthetic_picture()).save(folder / "photo.png")
    (folder / "in").mkdir()
    for name in ("a.tgs", "in/a.tgs", "in/b.tgs"):
        (folder / name).write_bytes(encoded)
    return folder


@pytest.fixture
def folder(tmp_path: Path, encoded: bytes) -> Path:
    """A folder to work in."""
    return filled(tmp_path, encoded)


def run(
    folder: Path,
    work: str,
    circumstance: str = PLAIN,
    variables: Mapping[str, str | None] | None = None,
    redirection: str = "",
) -> Outcome:
    """Do a work in a process of its own, in the folder.

    Args:
        folder: the current one.
        work: one of WORKS.
        circumstance: statements that add to `results`.
        variables: of the environment; those that are None are not set.
        redirection: of the process, in the shell's words.
    """
    lines = "\n".join(f"    {line}" for line in circumstance.splitlines())
    (folder / "program.py").write_text(PROGRAM.format(work=WORKS[work], circumstance=lines))
    environment = checkout_environment()
    for name, value in (variables or {}).items():
        environment.pop(name, None)
        environment.update({} if value is None else {name: value})
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" program.py {redirection}', sys.executable],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    results = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("result*")}
    return Outcome(done.returncode, done.stdout, done.stderr, results)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, encoded: bytes) -> Expected:
    """What comes of a work where nothing is special."""
    found: dict[str, Outcome] = {}

    def of(work: str) -> Outcome:
        if work not in found:
            found[work] = run(filled(tmp_path_factory.mktemp("plain"), encoded), work)
            assert len(found[work].results) == 1
            assert found[work][:3] == (0, "", "")
        return found[work]

    return of


@pytest.mark.parametrize("way", [THREADS, FORK, SPAWN], ids=["threads", "fork", "spawn"])
@pytest.mark.parametrize("work", WORKS)
def test_threads_and_processes(folder: Path, expected: Expected, work: str, way: str) -> None:
    assert run(folder, work, way) == expected(work)


@pytest.mark.parametrize("streams", [">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize("work", WORKS)
def test_streams_that_are_closed_or_full(folder: Path, expected: Expected, work: str, streams: str) -> None:
    assert run(folder, work, redirection=streams) == expected(work)


@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": "/proc", "XDG_CACHE_HOME": None},
        {"HOME": None, "XDG_CACHE_HOME": None},
        {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"},
        HOSTILE,
    ],
    ids=["read-only home", "no home", "no folders", "hostile environment"],
)
@pytest.mark.parametrize("work", WORKS)
def test_environments(folder: Path, expected: Expected, work: str, variables: dict[str, str | None]) -> None:
    assert run(folder, work, variables=variables) == expected(work)


@pytest.mark.parametrize("work", ["encode", "tgs"])
def test_a_damaged_cache(folder: Path, expected: Expected, work: str) -> None:
    """Of those that keep kernels; `tests/kernels/test_kernel_cache.py` has decoding with a kernel."""
    variables = {"XDG_CACHE_HOME": str(folder / "cache")}
    assert run(folder, work, variables=variables) == expected(work)
    kept = [path for path in (folder / "cache").rglob("*") if path.is_file()]
    assert len(kept) > 1
    for path in kept:
        path.write_bytes(path.read_bytes()[:-9] + b"\xff" * 99)
    for _ in range(2):
        assert run(folder, work, variables=variables) == expected(work)


@pytest.mark.parametrize("work", ["decode", "encode"])
def test_a_signal_in_the_middle_of_a_call(folder: Path, expected: Expected, work: str) -> None:
    assert run(folder, work, INTERRUPTED) == expected(work)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(
    "line", ["compress photo.png --steps 1000000 -o out/photo.tgs", "decompress in -r -j 2 --output-dir out"]
)
def test_a_signal_in_the_middle_of_a_command(folder: Path, encoded: bytes, line: str, name: str) -> None:
    for number in range(300):
        (folder / f"in/{number}.tgs").write_bytes(encoded)
    (folder / "out").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *line.split()],
        cwd=folder,
        env=checkout_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_DFL),
    )
    end = time.monotonic() + 4.0
    while time.monotonic() < end and not list(folder.glob("out/*.png")):
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    stdout, stderr = process.communicate(timeout=100)
    word = {"SIGINT": "Interrupted", "SIGTERM": "Terminated", "SIGHUP": "Hung up"}[name]
    assert (process.returncode, stdout) == (128 + getattr(signal, name), "")
    assert stderr.splitlines()[-1:] == [word]
    assert "Traceback" not in stderr
    written = sorted(os.listdir(folder / "out"))
    assert 0 < len(written) < 300 if "decompress" in line else not written
    for path in written:
        with Image.open(folder / "out" / path) as image:
            image.load()
            assert image.size == (32, 24)


@pytest.mark.parametrize("work", ["decode", "encode"])
def test_a_full_disk_below_a_call(folder: Path, expected: Expected, work: str) -> None:
    """Kernels cannot be kept."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, ({}, -1))"
    way = [limit.format(64), PLAIN, limit.format(-1)]
    assert run(folder, work, "\n".join(way), {"XDG_CACHE_HOME": str(folder / "cache")}) == expected(work)


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        (
            f"compress photo.png {SWITCHES} -o out/photo.tgs",
            ["tgs: error: cannot write 'out/photo.tgs': file too large"],
        ),
        (
            "decompress in -r --output-dir out",
            [
                "2 of 2 files failed:",
                "  in/a.tgs  cannot write 'out/a.png': file too large",
                "  in/b.tgs  cannot write 'out/b.png': file too large",
            ],
        ),
    ],
    ids=["tgs", "tgs on folders"],
)
def test_a_full_disk_below_a_command(folder: Path, line: str, sentences: list[str]) -> None:
    (folder / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cli", *line.split(), "--quiet"],
        cwd=folder,
        env={**checkout_environment(), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
    )
    first, *others = done.stderr.splitlines()
    assert (done.returncode, done.stdout, [first, *sorted(others)]) == (1, "", sentences)
    assert os.listdir(folder / "out") == []
