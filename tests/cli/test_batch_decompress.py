"""Many files decompressed: folders, lists, reports, and going on where a run has ended."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import below, error_of, objects, run
from conftest import ROOT
from PIL import Image

DATA = ROOT / "tests" / "conformance" / "valid"
NAMES = ["normalized", "nothing"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with .tgs files in in/, in/one/ and in/one/two/, and a damaged one."""
    monkeypatch.chdir(tmp_path)
    for name, place in zip([*NAMES, NAMES[0]], ["in", "in/one", "in/one/two"], strict=True):
        os.makedirs(place, exist_ok=True)
        shutil.copy(DATA / f"{name}.tgs", place)
    data = (DATA / "normalized.tgs").read_bytes()
    Path("in/one/cut.tgs").write_bytes(data[: len(data) // 2])
    return tmp_path


def test_folders_are_decoded_into_a_mirrored_tree(folder: Path) -> None:
    result = run("decompress", "in", "-r", "--output-dir", "out", "--jobs", "2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert below(folder / "out") == ["normalized.png", "one/nothing.png", "one/two/normalized.png"]
    for name in below(folder / "out"):
        expected = np.asarray(Image.open(DATA / Path(name).name))
        np.testing.assert_array_equal(np.asarray(Image.open(folder / "out" / name)), expected)
    lines = result.stderr.splitlines()
    assert sum(" -> " in line and line.startswith("in") for line in lines) == 3
    assert lines[-2:] == ["1 of 4 files failed:", next(line for line in lines if line.startswith("  in/one/cut.tgs  "))]
    assert lines[-3].startswith("3 of 4 files written, ")
    assert lines[0] == "4 files to do"
    assert len(lines) == 7
    assert sum("cut.tgs" in line for line in lines) == 1


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
    assert totals["mean_bits_per_pixel"] is None
    assert (totals["files"], totals["written"], totals["failures"], totals["skipped"]) == (4, 3, 1, 0)
    for name in ("input_bytes", "bytes"):
        assert totals[name] == sum(record[name] for record in written)
    assert totals["images_per_second"] == pytest.approx(3 / totals["seconds"], rel=0.02)
    assert result.stderr.splitlines()[0] == "1 of 4 files failed:"


def test_going_on(folder: Path) -> None:
    arguments = ["decompress", "in", "-r", "--output-dir", "out", "--report", "report.jsonl"]
    os.makedirs("out/one")
    Path("out/one/nothing.png").write_text("mine")
    refused = run(*arguments)
    assert (refused.exit_code, below(folder / "out")) == (1, ["one/nothing.png"])
    assert "use --skip-existing to leave them, or --force to overwrite them" in refused.stderr
    assert not Path("report.jsonl").exists()

    result = run(*arguments, "--skip-existing", "--json")
    records, totals = objects(result.stdout)
    assert (len(records), totals["skipped"], totals["written"]) == (3, 1, 2)
    assert Path("out/one/nothing.png").read_text() == "mine"

    os.remove("in/one/cut.tgs")
    again = run(*arguments, "--skip-existing", "--json")
    assert again.exit_code == 0
    assert again.stdout == Path("report.jsonl").read_text().removeprefix(result.stdout)
    assert objects(again.stdout)[1]["skipped"] == 3
    assert run(*arguments[:-2], "--skip-existing").stderr == "nothing to do: all 3 outputs exist\n"

    forced = run(*arguments, "--force", "--quiet")
    assert (forced.exit_code, forced.output) == (0, "")
    assert Image.open("out/one/nothing.png").size == Image.open(DATA / "nothing.png").size
    assert objects(Path("report.jsonl").read_text())[1]["written"] == 3


def test_reports_are_not_written_over(folder: Path) -> None:
    Path("mine").write_text("precious")
    result = run("decompress", "in", "-r", "--output-dir", "out", "--report", "mine")
    assert (result.exit_code, result.stderr) == (1, "tgs: error: cannot write 'mine': file exists\n")
    assert Path("mine").read_text() == "precious"
    assert not Path("out").exists()


def test_lists_and_shards(folder: Path) -> None:
    names = ["in/normalized.tgs", str(folder / "in/one/nothing.tgs"), "in/one/../one/two/normalized.tgs"]
    listed = "\r\n".join([*names, ""])
    for shard in ("1/2", "2/2"):
        arguments = ["decompress", "--files-from", "-", "--output-dir", "out", "--shard", shard, "--format", "bmp"]
        assert run(*arguments, input=listed).exit_code == 0
    absolute = (folder / "in/one/nothing.bmp").relative_to(folder.anchor).as_posix()
    assert below(folder / "out") == sorted(["in/normalized.bmp", "in/one/two/normalized.bmp", absolute])


def test_a_list_with_zero_bytes(folder: Path) -> None:
    result = run("decompress", "--files-from", "-", input="in/normalized.tgs\0in/one/nothing.tgs\0")
    assert error_of(result) == "standard input holds a zero byte; a list has one path on each line"


@pytest.fixture
def refusing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a folder below `in` that cannot be read."""
    scandir, name = os.scandir, os.path.join("in", "one", "two")

    def refuse_one(path: str) -> Any:
        if Path(path) == Path(name):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse_one)
    return name


def test_a_folder_that_cannot_be_read_does_not_stop_the_rest(folder: Path, refusing: str) -> None:
    Path("in/one/notes.txt").touch()
    result = run("decompress", "in", "-r", "--output-dir", "out", "--jobs", "1", "--json", "--report", "report.jsonl")
    assert (result.exit_code, result.stdout) == (1, Path(folder / "report.jsonl").read_text())
    records, totals = objects(result.stdout)
    assert records[0] == {"input": refusing, "error": f"cannot read the folder {refusing!r}: permission denied"}
    written = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.png"))
    assert written == ["normalized.png", "one/nothing.png"]
    assert (totals["files"], totals["written"], totals["failures"], totals["other_types"]) == (3, 2, 1, 1)
    assert totals["unreadable_folders"] == 1


def test_a_folder_that_cannot_be_read_is_no_file(folder: Path, refusing: str) -> None:
    Path("in/one/cut.tgs").unlink()
    result = run("decompress", "in", "-r", "--output-dir", "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "2 files to do"
    *_, totals, title, line = result.stderr.splitlines()
    assert totals.startswith("2 of 2 files written, ")
    assert title == "1 folder cannot be read:"
    assert line == f"  {refusing}  cannot read the folder {refusing!r}: permission denied"


def test_nothing_but_a_folder_that_cannot_be_read(folder: Path, refusing: str) -> None:
    result = run("decompress", refusing, "-r", "--output-dir", "out")
    assert result.exit_code == 1
    sentence, title, line = result.stderr.splitlines()[-3:]
    assert sentence == "nothing to do: no file was found in what can be read"
    assert (title, line.split()[0]) == ("1 folder cannot be read:", refusing)


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    before = below(folder)
    Path("out/one").mkdir(parents=True)
    Path("out/one/nothing.png").touch()
    arguments = ["decompress", "in", "-r", "--output-dir", "out", "--skip-existing", "--dry-run", "--report", "no"]
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{os.path.join('in', name)}.tgs -> {os.path.join('out', name)}.png"
        for name in ("normalized", os.path.join("one", "cut"), os.path.join("one", "two", "normalized"))
    ]
    assert result.stderr == "3 files to do, 1 skipped\n"
    listed = [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]
    assert [f"{each['input']} -> {each['output']}" for each in listed] == result.stdout.splitlines()
    single = run("decompress", "in/normalized.tgs", "--dry-run", "--report", "no")
    assert (single.exit_code, single.stdout) == (0, "in/normalized.tgs -> in/normalized.png\n")
    assert below(folder) == sorted([*before, "out/one/nothing.png"])
    refused = run("decompress", "in", "-r", "--output-dir", "out", "--dry-run")
    assert "the output exists already" in error_of(refused)


def test_outputs_beside_inputs(folder: Path) -> None:
    assert run("decompress", "in/normalized.tgs", "in/one/nothing.tgs").exit_code == 0
    assert Path("in/normalized.png").exists()
    assert Path("in/one/nothing.png").exists()


def test_an_output_folder_that_cannot_be_made(folder: Path) -> None:
    Path("file").touch()
    result = run("decompress", "in/normalized.tgs", "in/one/nothing.tgs", "--output-dir", "file", "--json")
    assert result.exit_code == 1
    records, totals = objects(result.stdout)
    assert all(record["error"].startswith("cannot make the folder 'file'") for record in records)
    assert (len(records), totals["written"], totals["failures"]) == (2, 0, 2)


def test_a_process_that_cannot_be_started_ends_the_batch_with_its_totals(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", start)
    result = run("decompress", "in", "-r", "--output-dir", "out", "--jobs", "2", "--json")
    records, totals = objects(result.stdout)
    assert (result.exit_code, records, totals["written"]) == (1, [], 0)
    sentence = "tgs: error: cannot start a process to work in: too many open files; try a smaller --jobs"
    assert result.stderr.splitlines()[-1] == sentence


def test_nothing_is_worked_on_for_a_folder_that_cannot_be_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures may take hours."""
    Path("in/one/file").touch()
    monkeypatch.setattr("cli.conversion.FileConversion.__call__", lambda *_: pytest.fail("it is worked on"))
    result = run("decompress", "in/one/nothing.tgs", "--output-dir", "in/one/file/deeper", "--json")
    records, _ = objects(result.stdout)
    assert "'in/one/file/deeper'" in records[0]["error"]
    assert result.exit_code == 1


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
        ["in", "-o", "-"],
        ["in/normalized.tgs", "in/one/nothing.tgs", "-o", "a.png"],
        ["in/normalized.tgs", "--force", "--skip-existing"],
        ["in/normalized.tgs", "-", "--output-dir", "out"],
        ["-", "--output-dir", "out"],
        ["-", "--json"],
        ["in/normalized.tgs", "-o", "-", "--json"],
        ["in", "-r", "--shard", "0/2"],
        ["in", "-r", "--shard", "3/2"],
        ["in", "-r", "--shard", "half"],
        ["in", "-r", "--jobs", "0"],
        ["in", "-r", "--format", "gif"],
        ["in/normalized.tgs", "--size", "640"],
        ["in/normalized.tgs", "--region", "1,2,3"],
        ["in/normalized.tgs", "--region", "1,2,0,3"],
        ["in/normalized.tgs", "--size", "0x30"],
        ["in/normalized.tgs", "--scale", "0"],
    ],
)
def test_wrong_usage_is_status_2(folder: Path, arguments: list[str]) -> None:
    before = below(folder)
    result = run("decompress", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert below(folder) == before


def test_several_files_need_a_folder(folder: Path) -> None:
    refused = run("decompress", "in", "-r", "-o", "pictures")
    assert "-o pictures names one file; several need a folder, as in -o pictures/" in refused.stderr
    assert "Standard output takes one file" in run("decompress", "in", "-r", "-o", "-").stderr
    run("decompress", "in", "-r", "-o", "pictures/")
    assert below(folder / "pictures")


def test_a_region_that_is_not_in_a_picture_is_its_failure(folder: Path) -> None:
    """With one file as with several."""
    arguments = ["in/normalized.tgs", "--region", "0,0,9000,9000"]
    refused = error_of(run("decompress", *arguments, "-o", "a.png"))
    assert re.fullmatch(r"'in/normalized.tgs': the region .* reaches beyond a picture of \d+x\d+", refused)
    several = run("decompress", *arguments, "--output-dir", "out")
    assert (several.exit_code, several.stderr.splitlines()[-1]) == (1, f"  in/normalized.tgs  {refused}")
    assert not os.path.exists("a.png")
