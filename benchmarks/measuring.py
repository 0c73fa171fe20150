"""A measurement as a row of a results file, and taking measurements in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.tables import NONE

COLUMNS = (
    *("what", "preset", "width", "height", "num_gaussians", "num_pairs", "threads"),
    *("runs", "unit", "median", "min", "max", "to_twin"),
)


class Subject(NamedTuple):
    """What a row is about; NONE where a column does not apply."""

    preset: str = NONE
    width: str = NONE
    height: str = NONE
    num_gaussians: str = NONE
    num_pairs: str = NONE
    threads: str = NONE


class Process(NamedTuple):
    """A process that has ended: its output, the milliseconds it took and the most memory it had, in MiB."""

    stdout: str
    milliseconds: float
    mebibytes: float


def row(what: str, subject: Subject, values: Sequence[float], unit: str = "ms", to_twin: float | None = None) -> str:
    """A row of COLUMNS: median, lowest and highest of `values`, and the ratio to a twin if there is one."""
    figures = [f"{value:.2f}" for value in (statistics.median(values), min(values), max(values))]
    ratio = NONE if to_twin is None else f"{to_twin:.2f}"
    return "\t".join([what, *subject, str(len(values)), unit, *figures, ratio])


def times_in_turn(actions: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Milliseconds of each of `runs` runs of every action, after one that does not count.

    The actions take turns, so that what else the machine does falls upon all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for run in range(runs + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if run > 0:
                times[name].append(1000.0 * (time.perf_counter() - started))
    return times


def ratio_in_turn(times: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios of times that were taken in turn."""
    return statistics.median(time / other for time, other in zip(times, others, strict=True))


def run_process(arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Run Python in `folder` and wait for it.

    The memory is only right if the calling process is small: a child counts from the memory of its parent.

    Raises:
        subprocess.CalledProcessError: if it fails; its errors are on stderr.
    """
    command = [sys.executable, *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    milliseconds = 1000.0 * (time.perf_counter() - started)
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    # In bytes on macOS, in KiB elsewhere.
    return Process(stdout, milliseconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def forget_peak() -> float | None:
    """Let Linux forget the most memory that this process had, and return what it has now, in MiB; None elsewhere."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return None
    return peak_mebibytes()


def peak_mebibytes() -> float | None:
    """Return the most memory that this process had since `forget_peak`, in MiB; None but on Linux."""
    kibibytes = process_status("VmHWM")
    return None if kibibytes is None else kibibytes / 1024


def process_status(name: str) -> int | None:
    """Return what Linux says of this process under `name`, in KiB; None elsewhere."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(status.partition(f"{name}:")[2].split()[0])
