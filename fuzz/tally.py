"""What a run over many mutants has found, as a results file and as files that can be looked at."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.provenance import write_lines
from fuzz.checks import CAN_MEASURE_MEMORY, DECODED, Outcome
from fuzz.mutations import mutant

COLUMNS = ("what", "which", "value")
CORPUS = Path(__file__).parent / "corpus"


class Report(NamedTuple):
    """What a worker says of the mutant `number`."""

    number: int
    method: str
    is_repaired: bool
    outcome: Outcome

    @property
    def seconds(self) -> float:
        """How long its decoding took."""
        return self.outcome.seconds


class Fault(NamedTuple):
    """A finding: the mutant's number and what is wrong."""

    number: int
    what: str


@dataclass
class Tally:
    """What was found in a run."""

    reports: list[Report] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    num_slow_once: int = 0

    def add(self, report: Report) -> None:
        """Count a report; whether it is really slow is decided in the end."""
        self.reports.append(report)
        self.faults += [Fault(report.number, what) for what in report.outcome.findings(max_seconds=float("inf"))]


def parser_of_runs(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser of the options that all runs have."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--count", type=int, default=20000, help="mutants [default: 20000]")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices [default: 1]")
    parser.add_argument("--seeds", type=Path, default=CORPUS, metavar="FOLDER", help="files [default: fuzz/corpus]")
    parser.add_argument("--output", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="for files with findings [default: a temporary one]"
    )
    return parser


def read_seeds(folder: Path) -> list[bytes]:
    """Return the .tgs files of a folder, in the order of their names."""
    return [path.read_bytes() for path in sorted(folder.glob("*.tgs"))]


def conclude(
    tally: Tally, seeds: Sequence[bytes], seconds: float, arguments: argparse.Namespace, comments: Sequence[str]
) -> int:
    """Keep the files with findings and write the results; return the exit status.

    Args:
        tally: what was found.
        seeds: the files that were mutated.
        seconds: how long the run took.
        arguments: those of `parser_of_runs`.
        comments: of the results file.
    """
    if tally.faults:
        folder = arguments.keep or Path(tempfile.mkdtemp(prefix="tgs-findings-"))
        _keep(folder, tally.faults, seeds, arguments.seed)
        print(f"{len(tally.faults)} findings; their files are in {folder}", file=sys.stderr)
    rows = ["\t".join(map(str, row)) for row in _rows(tally, seeds, seconds)]
    write_lines([*(f"# {comment}" for comment in comments), "\t".join(COLUMNS), *rows], arguments.output)
    return 1 if tally.faults else 0


def show_progress(done: int, num_faults: int) -> None:
    """Tell the standard error how far a run is."""
    print(f"{done} mutants, {num_faults} findings", file=sys.stderr, flush=True)


def _keep(folder: Path, faults: Sequence[Fault], seeds: Sequence[bytes], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for fault in faults:
        (folder / f"{fault.what.partition(':')[0]}-{seed}-{fault.number}.tgs").write_bytes(
            mutant(seeds, seed, fault.number).data
        )


def _rows(tally: Tally, seeds: Sequence[bytes], seconds: float) -> Iterator[tuple[str, str, object]]:
    """Yield the rows of a results file."""
    reports = tally.reports
    outcomes = [report.outcome for report in reports]
    yield "seeds", "files", len(seeds)
    yield "mutants", "all", len(reports)
    yield "mutants", "checksums repaired", sum(report.is_repaired for report in reports)
    yield "mutants", "per second, all processes", f"{len(reports) / seconds:.0f}"
    yield from (("method", name, n) for name, n in Counter(report.method for report in reports).most_common())
    yield from (("outcome", name, n) for name, n in Counter(outcome.name for outcome in outcomes).most_common())
    sentences = Counter(f"{outcome.name}: {outcome.sentence}" for outcome in outcomes if outcome.name != DECODED)
    yield from (("sentence", sentence, n) for sentence, n in sentences.most_common())
    if reports:
        times = sorted(1000 * outcome.seconds for outcome in outcomes)
        slowest = max(reports, key=lambda report: report.seconds)
        yield "milliseconds", "median", f"{statistics.median(times):.2f}"
        yield "milliseconds", "99 of 100 at most", f"{times[len(times) * 99 // 100]:.2f}"
        yield "milliseconds", f"most, mutant {slowest.number}", f"{times[-1]:.0f}"
        yield "milliseconds", "too many at first, not alone", tally.num_slow_once - _count(tally, "slow")
    if reports and CAN_MEASURE_MEMORY:
        largest = max(reports, key=lambda report: report.outcome.mebibytes)
        yield "mebibytes", f"most, mutant {largest.number}", f"{largest.outcome.mebibytes:.0f}"
    elif reports:
        yield "mebibytes", "not measured on this system", "-"
    yield "findings", "all", len(tally.faults)
    yield from (("finding", fault.what, fault.number) for fault in tally.faults)


def _count(tally: Tally, kind: str) -> int:
    return sum(fault.what.startswith(kind) for fault in tally.faults)
