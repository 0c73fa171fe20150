from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from taichi_gs import files
from taichi_gs.errors import FileError


def test_read_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    assert files.read_bytes(path) == b"1234"
    assert files.read_bytes(str(path), max_bytes=4) == b"1234"
    with pytest.raises(FileError, match="larger than the limit of 3 bytes"):
        files.read_bytes(path, max_bytes=3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "no such file"),
        ("folder", "directory|permission"),
        ("x" * 5000, "too long|no such file"),
        ("nul\0", "null"),
    ],
)
def test_read_bytes_failures_are_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=f"^cannot read '.*': .*({sentence})") as caught:
        files.read_bytes(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_names_are_shown_on_one_line() -> None:
    assert files.quoted("a\nb\x1b[1m") == r"'a\nb\x1b[1m'"
    assert files.quoted("\udcff").isascii()


@pytest.mark.parametrize("overwrite", [False, True])
def test_write_atomic_makes_an_ordinary_file(tmp_path: Path, overwrite: bool) -> None:
    files.write_atomic(tmp_path / "a", b"data", overwrite=overwrite)
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "a").read_bytes() == b"data"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["a", "ordinary"]


def test_write_atomic_overwrites_only_when_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(FileError, match="already exists"):
        files.write_atomic(path, b"new", overwrite=False)
    assert path.read_bytes() == b"old"
    files.write_atomic(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_write_atomic_follows_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    files.write_atomic(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    path = tmp_path / "a"

    def fsync(descriptor: int) -> None:
        path.write_bytes(b"somebody else's")

    monkeypatch.setattr(os, "fsync", fsync)
    if not has_links:
        monkeypatch.setattr(os, "link", _no_links)
    with pytest.raises(FileError, match="already exists"):
        files.write_atomic(path, b"data", overwrite=False)
    assert path.read_bytes() == b"somebody else's"
    assert os.listdir(tmp_path) == ["a"]


def test_write_atomic_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    files.write_atomic(tmp_path / "a", b"data", overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"data"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("function", ["fsync", "replace", "link"])
def test_interruption_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, overwrite: bool
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    if function == "replace" and not overwrite:
        monkeypatch.setattr(os, "link", _no_links)
    monkeypatch.setattr(os, function, interrupt)
    if function == "link" and overwrite:
        files.write_atomic(tmp_path / "a", b"data", overwrite=True)
        assert os.listdir(tmp_path) == ["a"]
        return
    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(tmp_path / "a", b"data", overwrite=overwrite)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FileError, match="no space left"):
        files.write_atomic(tmp_path / "a", b"data", overwrite=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/a", "there is no folder"),
        ("folder", "it is a directory"),
        ("file/a", "there is no folder"),
        ("nul\0", "null"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_targets_that_cannot_be_written(tmp_path: Path, name: str, sentence: str, overwrite: bool) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=f"^cannot write '.*': .*{sentence}"):
        files.check_target(tmp_path / name, overwrite=overwrite)


@pytest.mark.skipif(os.name == "nt", reason="needs a device file")
def test_devices_are_not_replaced() -> None:
    with pytest.raises(FileError, match="not a regular file"):
        files.check_target("/dev/null", overwrite=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user who is refused something")
def test_folders_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="not writable"):
        files.check_target(tmp_path / "a", overwrite=False)


def test_make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("", "a/b", tmp_path / "a/b", "a"):
        files.make_folder(path)
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    for path, sentence in (("file", "file exists"), ("file/b", "directory"), ("nul\0", "null")):
        with pytest.raises(FileError, match=f"^cannot make the folder '.*': .*{sentence}"):
            files.make_folder(path)


def test_open_text(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for mode, line, content in (("x", "a\n", b"a\n"), ("a", "é\n", b"a\n\xc3\xa9\n"), ("w", "c\n", b"c\n")):
        with files.open_text(path, mode) as file:  # type: ignore[arg-type]
            file.write(line)
        assert path.read_bytes() == content
    with pytest.raises(FileError, match=r"cannot write .* file exists"):
        files.open_text(path, "x")
    with pytest.raises(FileError, match=r"cannot write .* directory"):
        files.open_text(tmp_path, "w")


def _no_links(source: str, target: str) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
