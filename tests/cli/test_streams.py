"""Standard streams and reports that are closed, full, or come in small pieces."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import objects, run
from conftest import ROOT, checkout_environment

from cli import streams

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")

DATA = ROOT / "tests" / "conformance" / "valid" / "normalized.tgs"
CLOSED = "tgs: error: cannot write to standard output: it is closed\n"
FULL = "tgs: error: cannot write to standard output: no space left on device\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two .tgs files in in/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in "ab":
        shutil.copy(DATA, tmp_path / "in" / f"{name}.tgs")
    return tmp_path


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which $tgs is the command."""
    environment = {**checkout_environment(), "tgs": f"{sys.executable} -m cli"}
    return subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    ("command", "status", "error"),
    [
        ("$tgs info in/a.tgs >/dev/full", 1, FULL),
        ("$tgs info in/a.tgs >&-", 1, CLOSED),
        ("$tgs --help >/dev/full", 1, FULL),
        ("$tgs compress --help >&-", 1, CLOSED),
        ("$tgs decompress in/a.tgs -o - >/dev/full", 1, FULL),
        ("$tgs decompress in/a.tgs -o - >&-", 1, CLOSED),
        ("$tgs decompress - -o a.png <&-", 1, "tgs: error: cannot read standard input: it is closed\n"),
        ("$tgs info missing.tgs 2>&-", 1, ""),
        ("$tgs info missing.tgs 2>/dev/full", 1, ""),
        ("$tgs nonsense 2>/dev/full", 2, ""),
        ("$tgs decompress in/a.tgs -o a.png <&- >&- 2>&-", 0, ""),
        ("$tgs decompress in/a.tgs -o a.png 2>/dev/full", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(command: str, status: int, error: str) -> None:
    result = shell(command)
    assert (result.returncode, result.stdout, result.stderr) == (status, "", error)


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        ("--json >/dev/full", 1, FULL),
        ("--json >&-", 1, CLOSED),
        ("-q --report /dev/full --force", 1, "tgs: error: cannot write the report '/dev/full': no space left on dev"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)
def test_the_work_goes_on_without_them(folder: Path, ending: str, status: int, error: str) -> None:
    result = shell(f"$tgs decompress in -r --output-dir out -j 1 {ending}")
    assert (result.returncode, result.stdout) == (status, "")
    assert result.stderr.startswith(error)
    assert result.stderr.count("\n") == (1 if error else 0)
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_a_reader_that_leaves_ends_a_batch_quietly() -> None:
    result = shell("$tgs decompress in -r --output-dir out -j 1 --json | head -n 1")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_a_full_disk_under_the_report_of_one_file() -> None:
    result = run("decompress", "in/a.tgs", "-q", "--report", "/dev/full", "--force")
    assert result.exit_code == 1
    assert result.stderr == "tgs: error: cannot write the report '/dev/full': no space left on device\n"
    assert os.path.exists("in/a.png")


def test_a_folder_that_is_gone() -> None:
    code = "from cli import main; main()"
    for names in ("a.tgs b.tgs", f"{DATA} b.tgs -o c.png"):
        gone = f'mkdir gone; cd gone; rmdir ../gone; {sys.executable} -c "{code}" decompress {names}'
        result = shell(gone)
        assert result.returncode in (1, 2)
        assert "Traceback" not in result.stderr
    result = shell(f'mkdir gone; cd gone; rmdir ../gone; {sys.executable} -c "{code}" decompress a.tgs b.tgs')
    assert (result.returncode, result.stderr) == (
        1,
        "tgs: error: the folder in which tgs was started does not exist any more\n",
    )


class Trickle(io.RawIOBase):
    """A pipe that does not block: it gives a few bytes at a time, and now and then says that there is nothing yet."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._count = 0

    def read(self, size: int = -1) -> bytes | None:
        self._count += 1
        if self._count % 10 == 1:
            return None
        piece, self._data = self._data[:16], self._data[16:]
        return piece


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    data = DATA.read_bytes()
    monkeypatch.setattr(streams, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Trickle(data)))
    assert streams.read_input("-") == data


# Reports


def test_a_report_is_not_an_input_or_an_output(folder: Path) -> None:
    data = DATA.read_bytes()
    os.link("in/a.tgs", "in/c.tgs")
    for report in ("in/a.tgs", "./in/a.tgs", "in/c.tgs", "a.png"):
        result = run("decompress", "in/a.tgs", "-o", "a.png", "--force", "--report", report)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "is an input or an output itself" in result.stderr
    for report in ("in/a.tgs", "in/b.png"):
        result = run("decompress", "in/a.tgs", "in/b.tgs", "--force", "--report", report)
        assert "is an input or an output itself" in result.stderr
    Path("list").write_text("in/a.tgs\n")
    assert "itself" in run("decompress", "--files-from", "list", "--force", "--report", "list").stderr
    os.remove("list")
    assert Path("in/a.tgs").read_bytes() == data
    assert "it is a directory" in run("decompress", "in/a.tgs", "--force", "--report", "in").stderr
    assert sorted(os.listdir(folder)) == ["in"]


def test_an_old_report_stays_until_the_new_one_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Path("report.jsonl")
    old.write_text("old\n")
    old.chmod(0o600)
    seen: list[str] = []

    def write_atomic(*arguments: object, **options: object) -> None:
        seen.append(old.read_text())
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr("cli.batch.write_atomic", write_atomic)
        run("decompress", "in", "-r", "-j", "1", "--force", "--report", "report.jsonl")
    assert seen == ["old\n"] * 2
    records, totals = objects(old.read_text())
    assert (len(records), totals["failures"]) == (2, 2)
    assert old.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(folder)) == ["in", "report.jsonl"]


@pytest.mark.parametrize(
    ("sources", "place", "error"),
    [("in/a.tgs", "cli.single._convert", KeyboardInterrupt), ("in -r -j 1", "cli.report.Report.keep", BrokenPipeError)],
)
@pytest.mark.parametrize("before", ["old\n", None])
def test_a_report_that_is_cut_short_takes_no_place(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    sources: str,
    place: str,
    error: type[BaseException],
    before: str | None,
) -> None:
    """Neither that of an old report, nor, being empty, that of the next one."""
    old = Path("report.jsonl")
    if before is not None:
        old.write_text(before)

    def break_off(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(place, break_off)
    assert run("decompress", *sources.split(), "--force", "--report", "report.jsonl").exit_code != 0
    assert (old.read_text() if old.exists() else None) == before
    assert not [name for name in os.listdir(folder) if name.startswith(".tgs-")]
