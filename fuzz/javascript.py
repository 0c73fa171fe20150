"""Give mutated files to the browser decoder in `web/`, and compare what it finds with what this package finds.

    python -m fuzz.javascript [--count N] [--seed S] [--seeds FOLDER] [--output FILE.tsv] [--keep FOLDER]

Of each file it is checked that nothing but a `TgsError` is thrown; that decoding, and drawing it with sides of at most
64 pixels and grain, take no more than 6 s of processor time and 512 MiB together; and that both decoders find the same
integers and chunks, or refuse the file in the same words. All files go through one process of Node, which is replaced
if it dies or does not answer. The mutants are those of `fuzz.mutate`, and so are the exit status and the results.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.provenance import ROOT, command_line, provenance
from fuzz.checks import DECODED, Outcome, template
from fuzz.mutations import mutant
from fuzz.tally import Fault, Report, Tally, conclude, parser_of_runs, read_seeds, show_progress
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.errors import LimitError, TgsError
from taichi_gs.format.bitstream import parse_integers
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.header import Header
from taichi_gs.model.channels import codes_of
from taichi_gs.model.quantized import NUM_CHANNELS

WEB = ROOT / "web"
EXAMINER = WEB / "test" / "helpers" / "examine.js"
DECODER = WEB / "src" / "index.js"

MAX_SECONDS = 6.0
"""Processor time. It is more than with the package, because plain JavaScript takes several times as long to draw."""

HANG_SECONDS = 60.0
"""A process that is silent for so long is ended."""

TIMED_AGAIN = 2
"""A file that was too slow is decoded again so many times: a busy machine makes processor time longer too."""

GOES_ON = "comes up more often"
"""After a symbol that has come up too often, the package goes on to the end of the payload, and may find worse."""


class Finding(NamedTuple):
    """What a decoder makes of a file: "decoded" or the class of its error, the sentence, and the digest of integers."""

    name: str
    sentence: str
    digest: str


class Node:
    """The browser decoder in a process of Node."""

    def __init__(self, decoder: Path = DECODER) -> None:
        """Start a process when the first file comes; `decoder` is the decoder's module."""
        self._decoder = decoder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Node:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        self._end()

    def examine(self, data: bytes) -> dict[str, Any] | None:
        """Return what `examine.js` answers, or None if there is no answer."""
        if self._process is None:
            command = [node_command(), str(EXAMINER), str(self._decoder)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(HANG_SECONDS, process.kill)
        timer.start()
        line = b""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(struct.pack("<I", len(data)) + data)
            process.stdin.flush()
            line = process.stdout.readline()
        timer.cancel()
        if not line.endswith(b"\n"):
            self._end()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def main(argv: list[str] | None = None) -> int:
    """Run the mutants and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser_of_runs("fuzz.javascript", "Give mutated files to the browser decoder.").parse_args(argv)
    seeds = read_seeds(arguments.seeds)
    version = subprocess.run([node_command(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    comments = [*provenance(command_line("fuzz.javascript", argv)), f"node: {version}"]
    started = time.monotonic()
    tally = run(seeds, arguments.seed, arguments.count, notify=show_progress)
    return conclude(tally, seeds, time.monotonic() - started, arguments, comments)


def node_command() -> str:
    """Return where Node is; ends the program if it is missing."""
    found = shutil.which("node")
    if found is None:
        sys.exit("fuzz.javascript needs node, version 20 or later")
    return found


def run(
    seeds: Sequence[bytes],
    seed: int,
    count: int,
    decoder: Path = DECODER,
    notify: Callable[[int, int], None] | None = None,
) -> Tally:
    """Examine `count` mutants.

    Args:
        seeds: the files that are mutated.
        seed, count: the mutants (seed, 0) to (seed, count - 1).
        decoder: a module that stands for the decoder.
        notify: called with the number of mutants done, and of findings.
    """
    tally = Tally()
    with Node(decoder) as node:
        for number in range(count):
            data, method, is_repaired = mutant(seeds, seed, number)
            outcome = examine(node, data)
            if outcome.seconds > MAX_SECONDS:
                tally.num_slow_once += 1
                again = [examine(node, data) for _ in range(TIMED_AGAIN)]
                outcome = min(outcome, *again, key=lambda each: each.seconds)
                if outcome.seconds > MAX_SECONDS:
                    tally.faults.append(Fault(number, f"slow: {outcome.seconds:.1f} s"))
            tally.add(Report(number, method, is_repaired, outcome))
            if notify is not None and (number + 1) % 1000 == 0:
                notify(number + 1, len(tally.faults))
    return tally


def examine(node: Node, data: bytes) -> Outcome:
    """Let both decoders read a file, and say what is wrong."""
    answer = node.examine(data)
    if answer is None:
        return Outcome("no answer", "", 0.0, 0.0, f"died: or silent for {HANG_SECONDS:.0f} s")
    name, sentence, seconds, mebibytes = (answer[key] for key in ("name", "sentence", "seconds", "mebibytes"))
    found = Finding(name, sentence, answer.get("digest", ""))
    drawing = answer.get("drawing", answer)
    fault = _escaped(answer) or _escaped(drawing) or _disagreement(found, read(data))
    if name == DECODED and drawing["name"] != DECODED:
        name, sentence = f"{DECODED}, not drawn", drawing["sentence"]
    return Outcome(name, template(sentence), seconds, mebibytes, fault)


def read(data: bytes) -> Finding:
    """Return what this package finds in a file, as the browser decoder would say it."""
    try:
        file = TgsFile(data)
        digest = hashlib.sha256()
        for integers in _integers(data, file.header):
            digest.update(np.asarray(integers, np.float64).tobytes())
    except TgsError as error:
        return Finding("LimitError" if isinstance(error, LimitError) else "TgsError", str(error), "")
    for tag, content in file.header.chunks.items():
        digest.update(tag)
        digest.update(content)
    return Finding(DECODED, "", digest.hexdigest())


def _integers(data: bytes, header: Header) -> Iterator[Any]:
    """Yield the integers of a file, its alpha plane included, in the order of `examine.js`."""
    picture, lattice = parse_integers(data, header)
    height, width = header.image_size
    rows, columns = header.grid_size
    yield [width, height, header.blending == "alpha", header.is_gray, header.has_grain]
    yield [header.num_gaussians, columns, rows, header.subdivision, header.covariance_k, header.color_k]
    yield picture.background
    steps, area_code = [0] * NUM_CHANNELS, 0
    if len(picture):
        quantizers = (*picture.covariance_codebook.quantizers, *picture.color_codebook.quantizers)
        steps, area_code = codes_of(quantizers, picture.blending, is_gray=picture.is_gray)
    yield [area_code, *steps]
    yield picture.covariance_codebook.symbols
    yield picture.color_codebook.symbols
    yield picture.covariance_indices
    yield picture.color_indices
    yield picture.cells @ [columns, 1]
    yield lattice.levels[:, 1]
    yield lattice.levels[:, 0]
    yield lattice.shears
    yield picture.offsets[:, 1]
    yield picture.offsets[:, 0]
    yield [] if picture.grain is None else picture.grain
    if header.alpha is not None:
        yield from _integers(header.chunks[ALPHA_TAG], header.alpha)


def _escaped(answer: dict[str, Any]) -> str:
    """Say what was thrown that is no `TgsError`, if anything."""
    if answer["name"] == DECODED or answer["isTgsError"]:
        return ""
    return f"escaped: {answer['name']}: {template(answer['sentence'])}"


def _disagreement(found: Finding, expected: Finding) -> str:
    """Say how the browser decoder and the package differ, if they do."""
    if found == expected or (GOES_ON in found.sentence and expected.name != DECODED):
        return ""
    if found.name == expected.name == DECODED:
        return "disagrees: other integers or chunks"
    said = [template(f"{each.name} {each.sentence}").rstrip() for each in (found, expected)]
    return f"disagrees: {said[0]} / the package: {said[1]}"


if __name__ == "__main__":
    sys.exit(main())
