"""The command in a process of its own: to its end, without a reader, and interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import FEW, Python
from conftest import checkout_environment, read_all

from cli.signals import SIGNALS, raise_terminated


def test_a_real_process(photo_folder: Path, python: Python) -> None:
    result = python("-m", "cli", "compress", "photo.png", *FEW, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["bytes"] == os.path.getsize("photo.tgs")
    result = python("-m", "cli", "decompress", "photo.tgs", "-o", "back.bmp")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (0, "", 1)
    result = python("-m", "cli", "decompress", "photo.png", "-o", "no.png")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("tgs: error: 'photo.png': ")
    assert sorted(os.listdir(photo_folder)) == ["back.bmp", "photo.png", "photo.tgs"]


def test_a_reader_that_has_gone_is_no_traceback(photo_folder: Path, encoded: bytes) -> None:
    Path("photo.tgs").write_bytes(encoded)
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
@pytest.mark.parametrize(
    ("name", "status", "word"),
    [("SIGINT", 130, b"Interrupted"), ("SIGTERM", 143, b"Terminated"), ("SIGHUP", 129, b"Hung up")],
)
def test_signals_leave_nothing(photo_folder: Path, name: str, status: int, word: bytes) -> None:
    """Interrupt a run when its progress bar, which only a terminal sees, has begun to move."""
    number = getattr(signal, name)
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "compress", "photo.png", "--steps", "1000000", "--num-gaussians", "50"],
        env={**checkout_environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        # A parent in the background may have left the signal ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    os.close(terminal)
    try:
        seen = b""
        while b"/1000000" not in seen:
            seen += os.read(master, 4096)
        assert b"photo.png" in seen
        assert b"/?" not in seen
        process.send_signal(number)
        rest = read_all(master)
        stdout, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert (process.returncode, stdout) == (status, b"")
    assert rest.rstrip().endswith(word)
    assert b"Traceback" not in rest
    assert os.listdir(photo_folder) == ["photo.png"]


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal and signals")
def test_a_terminal_that_is_closed(photo_folder: Path) -> None:
    """The system sends SIGHUP to what ran in it, and what is drawn in it no longer succeeds."""
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "compress", "photo.png", "--steps", "1000000", "--num-gaussians", "50"],
        env={**checkout_environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    os.close(terminal)
    try:
        seen = b""
        while b"/1000000" not in seen:
            seen += os.read(master, 4096)
        os.close(master)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 129
    assert os.listdir(photo_folder) == ["photo.png"]


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_nohup_is_respected() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for handler in (signal.SIG_IGN, signal.SIG_DFL):
            signal.signal(signal.SIGHUP, handler)
            raise_terminated()
            assert (signal.getsignal(signal.SIGHUP) is signal.SIG_IGN) is (handler is signal.SIG_IGN)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
