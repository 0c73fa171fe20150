"""Kill `tgs compress` again and again while it runs over an existing file, and look whether that is always whole.

    python -m benchmarks.kill PICTURE [--times 50] [--seed N] [--out FILE.tsv]

Each row is a run of the command that SIGKILL ended, with all of its processes. Half of the moments are drawn from the
whole time that a run takes; the others from when it writes: from 10 microseconds to 10 milliseconds after its temporary
file appears, with a logarithm that is evenly distributed, because nobody knows how long the disk takes. The column
`target` says what is then there:

    old: byte for byte the file from before;
    new: another one that decodes;
    damaged: anything else, for which the exit status is 1.

A process that is killed cannot clean up: `temporaries` is how many files `.tgs-*.tmp` it left in the folder. This needs
POSIX.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.provenance import ROOT, command_line, provenance, write_lines
from benchmarks.tables import NONE
from taichi_gs import TgsError, decode

COLUMNS = ("number", "drawn_from", "milliseconds", "since_temporary", "target", "temporaries")
SECONDS_BETWEEN_LOOKS = 20e-6
"""Sleeping, if hardly, lets the system wake this process at once when others want the cores as well."""

WRITING = (1e-5, 1e-2)
"""Seconds after the temporary file appears."""

ATTEMPTS = 20
"""Runs for each that is wanted, at most: the temporary file is there for so short a time that it may be missed."""

OLD, NEW, DAMAGED = "old", "new", "damaged"


class Kill(NamedTuple):
    """A run that was killed, after `seconds`, and what it left; `since_temporary` is None before there was one."""

    drawn_from: str
    seconds: float
    since_temporary: float | None
    outcome: str
    temporaries: int


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description="Kill a command while it works.")
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="what to compress")
    parser.add_argument("--times", type=int, default=50, help="how many runs to kill [default: 50]")
    parser.add_argument("--seed", type=int, default=0, help="of the moments [default: 0]")
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(arguments.picture.resolve(), Path(folder))
        duration = runs.duration()
        kills = list(runs.kill(arguments.times, duration, random.Random(arguments.seed)))
    comments = [*provenance(command_line("benchmarks.kill", argv)), *_summary(kills, duration)]
    rows = ["\t".join(_cells(number, kill)) for number, kill in enumerate(kills, 1)]
    write_lines([*(f"# {comment}" for comment in comments), "\t".join(COLUMNS), *rows], arguments.out)
    return 1 if any(kill.outcome == DAMAGED for kill in kills) else 0


class Runs:
    """Runs of `tgs compress` over one and the same file.

    Args:
        picture: what is compressed.
        folder: an empty one.
    """

    def __init__(self, picture: Path, folder: Path) -> None:
        self.picture, self.folder, self.output = picture, folder, folder / "output.tgs"
        with self._started("--seed", "1") as process:
            if process.wait() != 0:
                raise subprocess.CalledProcessError(process.returncode, process.args)
        self.old = self.output.read_bytes()

    def duration(self) -> float:
        """Let a run come to its end, and return how many seconds it took.

        Raises:
            ValueError: if it does not write another file.
        """
        started = time.perf_counter()
        with self._started() as process:
            process.wait()
        if process.returncode != 0 or self.outcome() != NEW:
            raise ValueError("the command did not write another file")
        return time.perf_counter() - started

    def kill(self, times: int, duration: float, generator: random.Random) -> Iterator[Kill]:
        """Kill so many runs, each of which would last for about `duration` seconds.

        Those that ended before are run again, to be killed at another moment.

        Raises:
            ValueError: if that happens too often.
        """
        killed = 0
        for _ in range(ATTEMPTS * times):
            if killed == times:
                break
            is_writing = killed % 2 == 1
            if is_writing:
                seconds = math.exp(generator.uniform(*map(math.log, WRITING)))
            else:
                seconds = generator.uniform(0.0, duration)
            kill = self._kill(seconds, is_writing)
            if kill is not None:
                killed += 1
                yield kill
        if killed < times:
            raise ValueError(f"only {killed} of {times} runs were killed before they ended")

    def temporaries(self) -> list[str]:
        """The temporary files that are in the folder now."""
        return [name for name in os.listdir(self.folder) if name.startswith(".tgs-") and name.endswith(".tmp")]

    def outcome(self) -> str:
        """What is there now."""
        try:
            data = self.output.read_bytes()
            if data == self.old:
                return OLD
            decode(data)
        except (OSError, TgsError):
            return DAMAGED
        return NEW

    def _kill(self, seconds: float, is_writing: bool) -> Kill | None:
        """Kill a run so long after it started, or after the temporary file was there; None if it had ended by then."""
        self.output.write_bytes(self.old)
        with self._started() as process:
            started = time.perf_counter()
            appeared = self._until_temporary(process, started, None if is_writing else seconds)
            moment = seconds + appeared if is_writing and appeared is not None else seconds
            while time.perf_counter() - started < moment and process.poll() is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
            killed = time.perf_counter() - started
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        left = self.temporaries()
        for name in left:
            (self.folder / name).unlink()
        if process.returncode != -signal.SIGKILL or (is_writing and appeared is None):
            return None
        since = None if appeared is None else killed - appeared
        return Kill("writing" if is_writing else "whole run", killed, since, self.outcome(), len(left))

    def _until_temporary(self, process: subprocess.Popen[bytes], started: float, limit: float | None) -> float | None:
        """Wait for the temporary file and return when it appeared; None if the process ended or `limit` came first."""
        while not self.temporaries():
            now = time.perf_counter() - started
            if (limit is not None and now >= limit) or process.poll() is not None:
                return None
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return time.perf_counter() - started

    def _started(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli", "compress", str(self.picture), "-o", str(self.output), "--force"]
        # Few steps: most of such a run is start-up, as everything that can be interrupted is there once.
        command += ["--preset", "fast", "--steps", "20", "--num-gaussians", "200", "--quiet", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True)


def _summary(kills: list[Kill], duration: float) -> Iterator[str]:
    outcomes = Counter(kill.outcome for kill in kills)
    yield f"an undisturbed run: {1000 * duration:.0f} ms"
    yield f"killed: {len(kills)}; {', '.join(f'{kind}: {outcomes[kind]}' for kind in (OLD, NEW, DAMAGED))}"
    yield f"temporary files left: {sum(kill.temporaries for kill in kills)}"


def _cells(number: int, kill: Kill) -> list[str]:
    since = NONE if kill.since_temporary is None else f"{1000 * kill.since_temporary:.3f}"
    return [str(number), kill.drawn_from, f"{1000 * kill.seconds:.1f}", since, kill.outcome, str(kill.temporaries)]


if __name__ == "__main__":
    sys.exit(main())
