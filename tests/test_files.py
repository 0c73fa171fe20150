from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.signals import SIGNALS, Terminated, raise_terminated
from taichi_gs import files
from taichi_gs.errors import FileError

STAGES = ("write", "fsync", "replace", "link")
"""What `write_atomic` does in turn; of the last two it does one."""


class HalfWritten(io.FileIO):
    """A new file of which only the first byte can be written."""

    def __init__(self, path: str, mode: str, failure: BaseException) -> None:
        super().__init__(path, mode)
        self.failure = failure

    def write(self, data: Any) -> int:
        super().write(data[:1])
        raise self.failure


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


@pytest.mark.skipif(os.name == "nt", reason="has other permissions")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_write_atomic_keeps_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    files.write_atomic(path, b"new", overwrite=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


def test_write_atomic_follows_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    files.write_atomic(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_targets_are_where_links_lead(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "missing" / "a")
    with pytest.raises(FileError, match=r"there is no folder '.*missing'"):
        files.check_target(tmp_path / "link", overwrite=True)


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


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("has_old", [False, True])
@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (Terminated(), Terminated),
        (RuntimeError("a bug"), RuntimeError),
        (MemoryError(), MemoryError),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), FileError),
        (OSError(errno.EIO, os.strerror(errno.EIO)), FileError),
    ],
    ids=["ctrl-c", "sigterm", "bug", "memory", "full", "broken"],
)
def test_whatever_fails_leaves_the_folder_as_it_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    has_old: bool,
    failure: BaseException,
    raised: type[BaseException],
) -> None:
    def fail(*arguments: object) -> None:
        raise failure

    path = tmp_path / "a"
    if has_old:
        path.write_bytes(b"old")
    if stage == "write":
        monkeypatch.setattr(files, "open", lambda path, mode: HalfWritten(path, "x", failure), raising=False)
    elif stage == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        # Without an old file the name is given by a link, or where there are none by replacing a file of our own.
        monkeypatch.setattr(os, "link", _no_links if stage == "replace" else fail)
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(raised) as caught:
        files.write_atomic(path, b"data", overwrite=has_old)
    if raised is FileError:
        assert str(caught.value).startswith(f"cannot write {files.quoted(path)}: ")
    assert os.listdir(tmp_path) == (["a"] if has_old else [])
    assert not has_old or path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("number", SIGNALS)
def test_signals_leave_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: signal.raise_signal(number))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(SIGNALS[-1], signal.SIG_DFL)
        raise_terminated()
        with pytest.raises((KeyboardInterrupt, Terminated)):
            files.write_atomic(path, b"data", overwrite=True)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="a folder with an open file stays there")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", lambda descriptor: shutil.rmtree(folder, ignore_errors=True))
    with pytest.raises(FileError, match=r"^cannot write '.*': no such file"):
        files.write_atomic(folder / "a", b"data", overwrite=overwrite)


@pytest.mark.parametrize(
    ("overwrite", "has_links", "steps"),
    [
        (True, True, ["flush file", "replace", "flush folder"]),
        (False, True, ["flush file", "link", "flush folder"]),
        (False, False, ["flush file", "replace", "flush folder"]),
    ],
    ids=["overwriting", "new", "new, no links"],
)
@pytest.mark.skipif(os.name == "nt", reason="folders cannot be flushed there")
def test_bytes_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool, has_links: bool, steps: list[str]
) -> None:
    """A name on the disk with its bytes still in memory would be an empty file after a loss of power."""
    seen: list[str] = []
    fsync, link, replace = os.fsync, os.link, os.replace

    def spy_fsync(descriptor: int) -> None:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            assert os.path.samestat(state, tmp_path.stat())
            assert (tmp_path / "a").read_bytes() == b"data"
            seen.append("flush folder")
        else:
            assert state.st_size == len(b"data"), "nothing is left in Python's own buffer"
            seen.append("flush file")
        fsync(descriptor)

    def spy_link(source: str, target: str) -> None:
        link(source, target)
        seen.append("link")

    def spy_replace(source: str, target: str) -> None:
        replace(source, target)
        seen.append("replace")

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "link", spy_link if has_links else _no_links)
    monkeypatch.setattr(os, "replace", spy_replace)
    files.write_atomic(tmp_path / "a", b"data", overwrite=overwrite)
    assert seen == steps


@pytest.mark.parametrize("function", ["open", "fsync"])
def test_folders_that_cannot_be_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    original: Callable[..., Any] = getattr(os, function)

    def refuse_folders(what: str | int, *arguments: int) -> Any:
        if stat.S_ISDIR(os.stat(what).st_mode):
            raise OSError(errno.EACCES if function == "open" else errno.EINVAL, "refused")
        return original(what, *arguments)

    monkeypatch.setattr(os, function, refuse_folders)
    files.write_atomic(tmp_path / "a", b"data", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"data"
    assert os.listdir(tmp_path) == ["a"]


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
