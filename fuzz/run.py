"""Search for files that the decoder does not stand, guided by coverage, for a given time.

    python -m fuzz.run [--minutes M] [--corpus FOLDER] [--keep FOLDER] [--output FILE.tsv]

It begins with the files of `fuzz/corpus` and adds what reaches further to the folder given, from which a later run can
go on. The search goes on after a finding; each is kept as a file. The exit status is 1 if there were any.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.provenance import ROOT, command_line, provenance, write_lines
from fuzz.tally import CORPUS

COLUMNS = ("what", "value")

INPUT_SECONDS = 30
"""One input that takes so long ends the search as one that hangs; `fuzz/decode_target.py` is stricter, and fairer."""

EXECUTIONS = 15000
"""A process gives way to another one after so many: what atheris has instrumented leaks some ten KiB an execution."""

MAX_MEBIBYTES = 3072
MAX_BYTES = 8192

MAX_FINDINGS = 50
"""After so many there is no point in going on."""


class Search(NamedTuple):
    """What one process of libFuzzer has said and done.

    Attributes:
        executions: inputs decoded.
        seconds: how long it ran.
        first, last: (edges, features, files) after its corpus was read and in the end; zeros if it did not get so far.
        complaint: what it found wrong, or nothing.
    """

    executions: int
    seconds: float
    first: tuple[int, int, int]
    last: tuple[int, int, int]
    complaint: str


def main(argv: list[str] | None = None) -> int:
    """Search, and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description="Search guided by coverage.")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long [default: 60]")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="for new files [default: a temporary one]")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for findings [default: a temporary one]")
    parser.add_argument("--output", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    if importlib.util.find_spec("atheris") is None:
        parser.exit(2, "fuzz.run needs atheris, which is not installed: pip install '.[fuzz]'\n")
    corpus = _folder(arguments.corpus, "tgs-corpus-")
    keep = _folder(arguments.keep, "tgs-findings-")
    searches = list(search(corpus, keep, 60.0 * arguments.minutes))
    complaints = [search.complaint for search in searches if search.complaint]
    comments = [f"# {comment}" for comment in provenance(command_line("fuzz.run", argv))]
    write_lines([*comments, "\t".join(COLUMNS), *_rows(searches, complaints)], arguments.output)
    if complaints:
        print(f"{len(complaints)} findings; their files are in {keep}", file=sys.stderr)
    return 1 if complaints else 0


def search(corpus: Path, keep: Path, seconds: float) -> Iterable[Search]:
    """Yield the searches, one after another, that fill the time; each goes on with what those before have learnt."""
    end = time.monotonic() + seconds
    num_findings = 0
    while num_findings < MAX_FINDINGS and (left := round(end - time.monotonic())) > 0:
        result = _search(corpus, keep, left)
        num_findings += bool(result.complaint)
        yield result


def _search(corpus: Path, keep: Path, seconds: int) -> Search:
    options = {
        "max_total_time": seconds,
        "runs": EXECUTIONS,
        "timeout": INPUT_SECONDS,
        "rss_limit_mb": MAX_MEBIBYTES,
        "max_len": MAX_BYTES,
        "print_final_stats": 1,
        "artifact_prefix": f"{keep.absolute()}/",
    }
    command = [sys.executable, "-m", "fuzz.decode_target", str(corpus.absolute()), str(CORPUS)]
    command += [f"-{name}={value}" for name, value in options.items()]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if "pulse" in line:
            print(line, end="", file=sys.stderr, flush=True)
    status = process.wait()
    return summarize(lines, status, time.monotonic() - started)


def summarize(lines: list[str], status: int, seconds: float) -> Search:
    """Return what the output and the exit status of libFuzzer tell."""
    matches = re.finditer(r"^#(\d+)\s.*cov: (\d+) ft: (\d+) corp: (\d+)", "\n".join(lines), re.MULTILINE)
    stages = [tuple(map(int, match.groups())) for match in matches]
    complaint = ""
    if status:
        said = [line.strip() for line in lines if re.search(r"^\w*(Error|Exception|Exit)\b|ERROR: ", line)]
        complaint = f"{said[0] if said else 'died'} (exit status {status})"
    if not stages:
        return Search(0, seconds, (0, 0, 0), (0, 0, 0), complaint)
    (_, *first), (executions, *last) = stages[0], stages[-1]
    return Search(executions, seconds, (first[0], first[1], first[2]), (last[0], last[1], last[2]), complaint)


def _folder(given: Path | None, prefix: str) -> Path:
    folder = given or Path(tempfile.mkdtemp(prefix=prefix))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _rows(searches: list[Search], complaints: list[str]) -> Iterable[str]:
    executions, seconds = sum(search.executions for search in searches), sum(search.seconds for search in searches)
    yield f"seed files\t{len(list(CORPUS.glob('*.tgs')))}"
    yield f"minutes\t{seconds / 60:.1f}"
    yield f"executions\t{executions}"
    yield f"executions per second\t{executions / max(seconds, 1e-9):.0f}"
    for name, values in (
        (("at first", searches[0].first), ("in the end", max(search.last for search in searches))) if searches else ()
    ):
        yield from (f"{what} {name}\t{n}" for what, n in zip(("edges", "features", "files"), values, strict=True))
    yield f"findings\t{len(complaints)}"
    yield from (f"finding\t{complaint}" for complaint in complaints)


if __name__ == "__main__":
    sys.exit(main())
