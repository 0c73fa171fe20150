"""Decode many mutated files in process, and count what comes of them.

    python -m fuzz.mutate [--count N] [--seed S] [--jobs J] [--seeds FOLDER] [--output FILE.tsv] [--keep FOLDER]

Of each file it is checked that nothing but a `TgsError` is raised, that decoding takes no more than 2 s of processor
time and 512 MiB, and that the pixels have the shape that the header tells and are the same the second time (of one file
in 16). A process that dies or does not come back is noticed, and replaced. The exit status is 1 if there were findings,
whose files are kept.

Mutants follow from the seeds, S and their number: another run of the same command decodes the same ones.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from benchmarks.provenance import command_line, provenance
from fuzz.checks import MAX_SECONDS, Decode, examine, prepare_process
from fuzz.mutations import mutant
from fuzz.tally import CORPUS, Fault, Report, Tally, conclude, parser_of_runs, read_seeds, show_progress

HANG_SECONDS = 60.0
"""A process that is silent for so long is ended; it takes some seconds to start."""

DECODED_TWICE = 16
"""One in so many is decoded a second time."""

MAX_RETIMED = 200
"""So many files that were too slow are decoded again when nothing else runs, the slowest first."""


def main(argv: list[str] | None = None) -> int:
    """Run the mutants and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = parser_of_runs("fuzz.mutate", "Decode mutated files.")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side [default: 1]")
    arguments = parser.parse_args(argv)
    seeds = read_seeds(arguments.seeds)
    started = time.monotonic()
    tally = run(seeds, arguments.seed, arguments.count, arguments.jobs, notify=show_progress)
    seconds = time.monotonic() - started
    return conclude(tally, seeds, seconds, arguments, provenance(command_line("fuzz.mutate", argv)))


def run(
    seeds: Sequence[bytes],
    seed: int,
    count: int,
    jobs: int = 1,
    decode: Decode | None = None,
    notify: Callable[[int, int], None] | None = None,
) -> Tally:
    """Decode `count` mutants in `jobs` processes.

    Args:
        seeds: the files that are mutated.
        seed, count: the mutants (seed, 0) to (seed, count - 1).
        jobs: processes.
        decode: in the decoder's place; a function of a module, which processes can find.
        notify: called with the number of mutants done, and of findings.
    """
    tally = Tally()
    for report in _reports([range(job, count, jobs) for job in range(jobs)], seeds, seed, decode, tally.faults):
        tally.add(report)
        if notify is not None and len(tally.reports) % 1000 == 0:
            notify(len(tally.reports), len(tally.faults))
    slow = sorted((-report.seconds, report.number) for report in tally.reports if _is_slow(report))
    tally.num_slow_once = len(slow)
    indices = [index for _, index in slow]
    # Machines are noisy: what is slow alone too is slow.
    again = list(_reports([indices[:MAX_RETIMED]], seeds, seed, decode, tally.faults))
    tally.faults += [Fault(report.number, f"slow: {report.seconds:.1f} s") for report in again if _is_slow(report)]
    tally.faults += [Fault(index, "slow: not timed again") for index in indices[MAX_RETIMED:]]
    better = {report.number: report for report in again}
    tally.reports = [min(each, better.get(each.number, each), key=lambda one: one.seconds) for each in tally.reports]
    return tally


def _is_slow(report: Report) -> bool:
    return report.seconds > MAX_SECONDS


def _reports(
    shares: Sequence[Sequence[int]], seeds: Sequence[bytes], seed: int, decode: Decode | None, faults: list[Fault]
) -> Iterator[Report]:
    """Yield the reports of one worker for each share of mutants; add those that end a worker to `faults`."""
    workers = {
        worker.connection: worker for worker in (_Worker(share, seeds, seed, decode) for share in shares if share)
    }
    try:
        while workers:
            for connection in wait(list(workers), timeout=1.0):
                assert isinstance(connection, Connection)
                worker = workers[connection]
                try:
                    report: Report = connection.recv()
                except EOFError:
                    del workers[connection]
                    ending = worker.end()
                    if worker.remaining:
                        faults.append(Fault(worker.remaining[0], f"died: {ending}"))
                        workers.update(worker.successor())
                    continue
                worker.note(report)
                yield report
            for connection, worker in list(workers.items()):
                if worker.remaining and time.monotonic() - worker.heard > HANG_SECONDS:
                    worker.kill()
                    faults.append(Fault(worker.remaining[0], f"hung: {HANG_SECONDS:.0f} s"))
                    del workers[connection]
                    workers.update(worker.successor())
    finally:
        for worker in workers.values():
            worker.kill()


class _Worker:
    """A process at work on `remaining` mutants, of which it reports the first one next."""

    def __init__(self, indices: Sequence[int], seeds: Sequence[bytes], seed: int, decode: Decode | None) -> None:
        self.remaining = indices
        self._job = (seeds, seed, decode)
        # Taichi does not survive a fork.
        context = multiprocessing.get_context("spawn")
        self.connection, end = context.Pipe(duplex=False)
        self._process: BaseProcess = context.Process(target=_work, args=(end, indices, *self._job), daemon=True)
        self._process.start()
        end.close()
        self.heard = time.monotonic()

    def note(self, report: Report) -> None:
        assert report.number == self.remaining[0]
        self.remaining = self.remaining[1:]
        self.heard = time.monotonic()

    def end(self) -> str:
        """Wait for the process to end, and say how it did."""
        self._process.join()
        self.connection.close()
        return f"exit status {self._process.exitcode}"

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def successor(self) -> dict[Connection, _Worker]:
        """Start a worker for the mutants after the one that was fatal."""
        if len(self.remaining) == 1:
            return {}
        worker = _Worker(self.remaining[1:], *self._job)
        return {worker.connection: worker}


def _work(
    connection: Connection, indices: Iterable[int], seeds: Sequence[bytes], seed: int, decode: Decode | None
) -> None:
    """Report on mutants, in a process of its own."""
    # Processes side by side have the cores among them.
    os.environ["TI_CPU_MAX_NUM_THREADS"] = "1"
    decode = decode or _start()
    for index in indices:
        data, method, is_repaired = mutant(seeds, seed, index)
        outcome = examine(data, decode, again=index % DECODED_TWICE == 0)
        connection.send(Report(index, method, is_repaired, outcome))


def _start() -> Decode:
    """Load the decoder's kernels, bound what the process may allocate, and return the decoder."""
    import taichi_gs
    from taichi_gs.kernels import runtime

    runtime.start("cpu")
    for name in ("drawn", "drawn_paper"):
        taichi_gs.decode(CORPUS / f"{name}.tgs")
    prepare_process()
    return taichi_gs.decode


if __name__ == "__main__":
    sys.exit(main())
