"""Compiled kernels are kept for the next process, and decoding works where they cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import WITH_TAICHI, checkout_environment
from numpy.typing import NDArray
from PIL import Image

import taichi_gs


def decompressed(folder: Path, data: bytes) -> NDArray[np.uint8]:
    """The picture that a process of its own writes, which is to have nothing to say."""
    (folder / "photo.tgs").write_bytes(data)
    program = WITH_TAICHI + "from cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program, "decompress", "photo.tgs", "-o", "back.png", "--force", "--quiet"],
        cwd=folder,
        env=checkout_environment(),
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    return np.asarray(Image.open(folder / "back.png"))


def kept_kernels(folder: Path) -> list[Path]:
    return sorted((folder / "taichi_gs" / "kernels").glob("*.tic"))


def test_kernels_are_kept_for_the_next_process(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(photo_folder / "cache"))
    expected = taichi_gs.decode(encoded)
    np.testing.assert_array_equal(decompressed(photo_folder, encoded), expected)
    kept = kept_kernels(photo_folder / "cache")
    assert len(kept) == 1, "blending is the only kernel that a decoder needs"
    np.testing.assert_array_equal(decompressed(photo_folder, encoded), expected)
    assert kept_kernels(photo_folder / "cache") == kept


@pytest.mark.parametrize("age", [0, 3600])
def test_a_lock_that_a_killed_process_has_left(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes, age: int
) -> None:
    """Taichi keeps no kernels while somebody else has locked them, which may not go on for ever."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(photo_folder / "cache"))
    lock = photo_folder / "cache" / "taichi_gs" / "kernels" / "ticache.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - age,) * 2)
    np.testing.assert_array_equal(decompressed(photo_folder, encoded), taichi_gs.decode(encoded))
    assert lock.exists() == (age == 0)
    assert len(kept_kernels(photo_folder / "cache")) == (0 if age == 0 else 1)


@pytest.mark.skipif(os.name == "nt", reason="HOME and XDG_CACHE_HOME are names of Unix")
@pytest.mark.parametrize(
    ("home", "cache"),
    [(None, None), ("photo.png", None), ("missing/home", None), ("home", "photo.png"), ("home", "relative")],
)
def test_decoding_without_a_folder_for_kernels(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes, home: str | None, cache: str | None
) -> None:
    """Where there is no home, or a file in the place of a folder; a relative path is to be ignored."""
    for name, value in (("HOME", home), ("XDG_CACHE_HOME", cache)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value if value == "relative" else str(photo_folder / value))
    np.testing.assert_array_equal(decompressed(photo_folder, encoded), taichi_gs.decode(encoded))
    assert not (photo_folder / "relative").exists()


def test_processes_that_compile_at_once(photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(photo_folder / "cache"))
    folders = [photo_folder / name for name in ("a", "b")]
    for each in folders:
        each.mkdir()
    with ThreadPoolExecutor() as threads:
        pictures = list(threads.map(decompressed, folders, [encoded] * 2))
    for picture in pictures:
        np.testing.assert_array_equal(picture, taichi_gs.decode(encoded))
    assert len(kept_kernels(photo_folder / "cache")) == 1


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise", "empty", "folder"])
def test_a_damaged_cache_is_thrown_away(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes, damage: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(photo_folder / "cache"))
    expected = decompressed(photo_folder, encoded)
    index = photo_folder / "cache" / "taichi_gs" / "kernels" / "ticache.tcb"
    content = index.read_bytes()
    if damage == "folder":
        index.unlink()
        index.mkdir()
    else:
        noise = np.random.default_rng(0).integers(0, 256, len(content), dtype=np.uint8).tobytes()
        damaged = {"cut": content[: len(content) // 2], "zeros": bytes(len(content)), "noise": noise, "empty": b""}
        index.write_bytes(damaged[damage])
    for _ in range(2):
        np.testing.assert_array_equal(decompressed(photo_folder, encoded), expected)
    if damage != "folder":
        assert len(kept_kernels(photo_folder / "cache")) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs permissions as POSIX has them")
def test_nobody_else_can_write_to_the_cache(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(photo_folder / "cache"))
    before = os.umask(0)
    try:
        decompressed(photo_folder, encoded)
    finally:
        os.umask(before)
    assert (photo_folder / "cache" / "taichi_gs" / "kernels").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_a_library_without_a_cache_ends_well(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, encoded: bytes, variable: str
) -> None:
    """Where Taichi cannot write it would end the process by a segmentation fault."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, "/dev/null")
    (photo_folder / "a.tgs").write_bytes(encoded)
    program = WITH_TAICHI + "print(taichi_gs.decode('a.tgs').shape)"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=photo_folder, env=checkout_environment(), capture_output=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"(24, 32, 3)\n", b"")
