"""Worker processes, with work that takes no time. Functions are found by name in the workers, so they stand here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from cli import machine
from cli.pool import Event, run_here, run_in_processes
from taichi_gs.codec import Progress
from taichi_gs.errors import ImageError

ONE: list[dict[str, str]] = [{}]


def write_program(path: Path, *lines: str) -> None:
    """Write a program that has the names of this module, and does nothing where it is imported."""
    folders = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "cli")]
    head = [f"import sys; sys.path[:0] = {folders}", "from test_pool import *", "if __name__ == '__main__':"]
    path.write_text("\n".join([*head, *(f"    {line}" for line in lines), ""]))


def outcome(events: list[Event], index: int) -> Event:
    (last,) = (event for event in events if event.index == index and event.kind in ("done", "failed"))
    return last


def work(source: str, progress: Callable[[Progress], None]) -> tuple[str, int]:
    if source == "bad":
        raise ImageError("'bad' is empty")
    if source == "bug":
        raise ValueError("two\nlines")
    if source == "memory":
        raise MemoryError
    if source == "exit":
        os._exit(7)
    if source == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if source == "steps":
        time.sleep(0.11)
        progress(Progress(3, 9, 21.5))
        progress(Progress(4, 9, 21.5))  # too soon to be reported
    return source.upper(), os.getpid()


def environment_of(source: str, progress: object) -> str | None:
    return os.environ.get(source)


def work_forever(source: str, progress: Callable[[Progress], None]) -> None:
    Path(source).write_text(str(os.getpid()))
    while True:
        time.sleep(0.02)
        progress(Progress(1, 2, 21.5))


def blocked_signals(source: str, progress: object) -> list[int]:
    return sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))


SENTENCES = {
    "bad": "'bad' is empty",
    "bug": "ValueError: two lines",
    "memory": "there is not enough memory for this picture",
}


@pytest.mark.parametrize("here", [True, False])
def test_errors_are_sentences_and_do_not_stop_the_rest(here: bool) -> None:
    sources = ["a", *SENTENCES, "z"]
    shown: list[Event] = []
    events = list(run_here(work, sources, shown.append) if here else run_in_processes(work, sources, ONE))
    assert [event.index for event in events if event.kind == "started"] == [0, 1, 2, 3, 4]
    for index, source in enumerate(sources):
        last = outcome(events, index)
        if source in SENTENCES:
            assert last == Event(index, "failed", SENTENCES[source])
        else:
            assert (last.kind, last.value[0]) == ("done", source.upper())
            assert (last.value[1] == os.getpid()) is here


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_process_that_dies_takes_one_file_with_it() -> None:
    sources = ["a", "killed", "b", "exit", "c", "killed"]
    events = list(run_in_processes(work, sources, ONE))
    process_ids = [outcome(events, index).value[1] for index in (0, 2, 4)]
    assert len(set(process_ids)) == 3
    assert outcome(events, 1) == Event(1, "failed", "the process that worked on it ended with signal 9")
    assert outcome(events, 3) == Event(3, "failed", "the process that worked on it ended with status 7")
    assert outcome(events, 5).kind == "failed"


def test_processes_share_the_work() -> None:
    events = list(run_in_processes(work, list("abcdef"), [{}, {}]))
    assert sorted(outcome(events, index).value[0] for index in range(6)) == list("ABCDEF")
    assert {event.index for event in events[:2]} == {0, 1}
    assert all(event.kind == "started" for event in events[:2])


def test_progress_is_reported() -> None:
    events = list(run_in_processes(work, ["steps"], ONE))
    assert [event for event in events if event.kind == "progress"] == [Event(0, "progress", (3, 9))]
    shown: list[Event] = []
    list(run_here(work, ["steps"], shown.append))
    assert shown[0] == Event(0, "progress", (3, 9))


def test_environments() -> None:
    environments = [{"TGS_TEST": "one"}]
    (_, done) = run_in_processes(environment_of, ["TGS_TEST"], environments)
    assert done == Event(0, "done", "one")
    assert "TGS_TEST" not in os.environ


@pytest.mark.skipif(os.name == "nt", reason="needs process ids to be tested with signal 0")
def test_closing_ends_the_processes(tmp_path: Path) -> None:
    sources = [str(tmp_path / name) for name in "ab"]
    events = run_in_processes(work_forever, sources, [{}, {}])
    while not all(Path(source).exists() and Path(source).read_text() for source in sources):
        next(events)
    process_ids = [int(Path(source).read_text()) for source in sources]
    assert all(map(is_running, process_ids))
    events.close()
    assert not any(map(is_running, process_ids))


@pytest.mark.skipif(os.name == "nt", reason="needs process ids to be tested with signal 0")
def test_processes_end_with_their_parent(tmp_path: Path) -> None:
    """Even if it was killed and could do nothing for that."""
    write_program(
        tmp_path / "main.py",
        "for event in run_in_processes(work_forever, ['process'], [{}]): print(event.kind, flush=True)",
    )
    parent = subprocess.Popen([sys.executable, "main.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as lines:
        while lines.readline() != "progress\n":
            assert parent.poll() is None
        process_id = int((tmp_path / "process").read_text())
        assert is_running(process_id)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 60
    while is_running(process_id):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="needs signal masks")
def test_no_process_is_open_to_interrupts_while_it_starts(tmp_path: Path) -> None:
    """Not even the first of a program, with which Python starts its tracker of resources."""
    write_program(
        tmp_path / "main.py",
        "events = run_in_processes(blocked_signals, ['a', 'b'], [{}, {}])",
        "print(*(event.value for event in events if event.kind == 'done'), blocked_signals('', None), sep='\\n')",
    )
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    blocked = [int(signal.SIGHUP), int(signal.SIGINT)]
    assert done.stdout.splitlines() == [f"{blocked}", f"{blocked}", "[]"]


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # What nobody waits for stays in the table after its end.
    status = Path(f"/proc/{process_id}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


# What the machine has


@pytest.mark.parametrize(
    ("cores", "gpus", "jobs", "device", "most", "expected"),
    [
        (4, [], None, "auto", 9, [("1", None)] * 4),
        (4, [], 2, "auto", 9, [("2", None)] * 2),
        (4, [], 3, "cpu", 9, [("1", None)] * 3),
        (4, [], None, "auto", 2, [("2", None)] * 2),
        (2, [], 8, "auto", 9, [("1", None)] * 8),
        (8, ["x", "y"], None, "auto", 9, [("4", "x"), ("4", "y")]),
        (8, ["x", "y"], 4, "cuda", 9, [("2", "x"), ("2", "y"), ("2", "x"), ("2", "y")]),
        (2, ["x"], None, "cpu", 9, [("1", None)] * 2),
        (4, ["x", "y"], None, "vulkan", 9, [("4", None)]),
        (4, [], 2, "metal", 9, [("2", None)] * 2),
    ],
)
def test_cores_and_gpus_are_shared(
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    gpus: list[str],
    jobs: int | None,
    device: str,
    most: int,
    expected: list[tuple[str, str | None]],
) -> None:
    monkeypatch.setattr(machine, "count_cores", lambda: cores)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus))
    environments = machine.worker_environments(jobs, device, most=most)
    assert [(each["TI_CPU_MAX_NUM_THREADS"], each.get("CUDA_VISIBLE_DEVICES")) for each in environments] == expected
    assert all(each["OMP_NUM_THREADS"] == each["TI_CPU_MAX_NUM_THREADS"] for each in environments)


@pytest.mark.skipif(os.name == "nt", reason="needs a script as a program")
def test_gpus_are_those_that_the_driver_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.list_gpus() == []
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "GPU-1"; echo "GPU-2"\n')
    program.chmod(0o755)
    assert machine.list_gpus() == ["GPU-1", "GPU-2"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert machine.list_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert machine.list_gpus() == []
