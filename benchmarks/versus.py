"""Time another state of the code against this one, in pairs, on one machine.

    python -m benchmarks.versus BEFORE PICTURE... [--runs N] [--only encode,small,decode,decompress,folder,large]
                                [--out FILE.tsv]

BEFORE is a checkout of the other state. Both are run by the same Python, in processes of their own, one after the
other; each row has the medians of both and the median of the ratios. After the rows of several pictures, there are
rows with the means of both over the pictures, and with the geometric means of the ratios. The sections are

    encode: `encode` in process by "fast" and by "default", in seconds by the clock and in processor time over it, after
        one short encoding that does not count; the process's most memory in MiB; the size and the PSNR of the files.
    small: the same for 1024 bytes by "fast": of a square of 512 pixels of each picture, and of the picture of "large".
    decode: `decode` of the file of this state in process, in milliseconds; where both states read it.
    decompress: `tgs decompress` as a whole process, in milliseconds, and its memory in MiB.
    folder: `tgs compress --preview` of a folder of squares of 512 pixels, cut from the pictures: pictures a minute.
    large: "encode" by "fast" of one picture of 4000 x 3000 pixels, in which the pictures lie side by side, scaled up;
        nothing is encoded before.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

from benchmarks.measuring import ratio_in_turn, run_process
from benchmarks.provenance import ROOT, command_line, provenance, write_lines

SECTIONS = ("encode", "small", "decode", "decompress", "folder", "large")
SIDE = 512
SMALL_BYTES = 1024
LARGE_SIZE, LARGE_SIDE = (4000, 3000), 1000
"""(width, height) of the large picture, and the side of the squares that it is made of, in pixels."""

ENCODE = """
import json, resource, sys, time
import taichi_gs
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.read import read_picture
picture, options, file, *first = sys.argv[1:]
pixels, options = read_picture(picture).pixels, json.loads(options)
if first:
    taichi_gs.encode(pixels, **options, steps=20)
clock, processor = time.perf_counter(), time.process_time()
data = taichi_gs.encode(pixels, **options)
clock, processor = time.perf_counter() - clock, time.process_time() - processor
open(file, "wb").write(data)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(clock, processor / clock, memory, len(data), psnr(taichi_gs.decode(data), pixels))
"""

DECODE = """
import sys, time
import taichi_gs
from taichi_gs.kernels import runtime
runtime.start()
data, times = open(sys.argv[1], "rb").read(), []
for _ in range(30):
    started = time.perf_counter()
    taichi_gs.decode(data)
    times.append(1000.0 * (time.perf_counter() - started))
print(sorted(times)[len(times) // 2])
"""


class Row(NamedTuple):
    """A row of the results; the fields are the columns."""

    what: str
    picture: str
    runs: int
    unit: str
    before: float
    after: float
    ratio: float

    def __str__(self) -> str:
        *names, before, after, ratio = self
        return "\t".join([*map(str, names), *(f"{number:.3f}" for number in (before, after, ratio))])


class Pair:
    """The two states, which take turns."""

    def __init__(self, before: Path, runs: int) -> None:
        self._states, self._runs = (before, ROOT), runs

    def rows(self, what: str, picture: str, units: Sequence[str], arguments: Sequence[str]) -> Iterator[Row]:
        """One row a unit: the numbers that a process with these arguments prints, in both states."""
        figures = [
            [[float(figure) for figure in run_process(arguments, state).stdout.split()] for state in self._states]
            for _ in range(self._runs)
        ]
        yield from self._table(what, picture, units, figures)

    def process_rows(self, what: str, picture: str, arguments: Sequence[str]) -> Iterator[Row]:
        """The time and the memory of a whole process."""
        figures = []
        for _ in range(self._runs + 1):
            processes = [run_process(arguments, state) for state in self._states]
            figures.append([[process.milliseconds, process.mebibytes] for process in processes])
        yield from self._table(what, picture, ("ms", "MiB"), figures[1:])

    def rates(self, what: str, picture: str, count: int, arguments: Sequence[str]) -> Iterator[Row]:
        """How many of `count` pictures a minute a process goes through."""
        figures = [
            [[60e3 * count / run_process(arguments, state).milliseconds] for state in self._states]
            for _ in range(self._runs)
        ]
        yield from self._table(what, picture, ("a minute",), figures)

    def _table(
        self, what: str, picture: str, units: Sequence[str], figures: Sequence[Sequence[Sequence[float]]]
    ) -> Iterator[Row]:
        for number, unit in enumerate(units):
            before, after = ([run[state][number] for run in figures] for state in (0, 1))
            medians = statistics.median(before), statistics.median(after)
            yield Row(what, picture, len(figures), unit, *medians, ratio_in_turn(after, before))


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description="Time two states of the code.")
    parser.add_argument("before", type=Path, help="checkout of the other state")
    parser.add_argument("pictures", type=Path, nargs="+", help="picture files")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs [default: 3]")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    only = arguments.only.split(",")
    if unknown := set(only) - set(SECTIONS):
        parser.error(f"{min(unknown)} is none of {', '.join(SECTIONS)}")
    pair, pictures = Pair(arguments.before.resolve(), arguments.runs), [path.resolve() for path in arguments.pictures]
    comments = [*provenance(command_line("benchmarks.versus", argv)), f"before: {_commit_of(arguments.before)}"]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for picture in pictures:
            rows += _picture_rows(pair, picture, folder, only)
        rows += means_of(rows)
        if "folder" in only:
            count = _cut(pictures, folder / "squares")
            (folder / "previews").mkdir()
            command = ["-m", "cli", "compress", "-r", "--preview", "--force", str(folder / "squares"), "-o"]
            rows += pair.rates("folder, --preview", "squares", count, [*command, str(folder / "previews")])
        if "large" in only or "small" in only:
            rows += _large_rows(pair, pictures, folder, only)
    write_lines([*(f"# {comment}" for comment in comments), "\t".join(Row._fields), *map(str, rows)], arguments.out)
    return 0


def means_of(rows: Sequence[Row]) -> Iterator[Row]:
    """The means over pictures of what was measured of more than one of them."""
    for what, unit in dict.fromkeys((row.what, row.unit) for row in rows):
        alike = [row for row in rows if (row.what, row.unit) == (what, unit)]
        if len(alike) > 1:
            means = statistics.fmean(row.before for row in alike), statistics.fmean(row.after for row in alike)
            ratio = statistics.geometric_mean(row.ratio for row in alike)
            yield Row(what, f"mean of {len(alike)} pictures", alike[0].runs, unit, *means, ratio)


def _encode_rows(
    pair: Pair, picture: Path, file: Path, preset: str, *, num_bytes: int | None = None, first: bool = True
) -> Iterator[Row]:
    options = {"preset": preset} | ({} if num_bytes is None else {"num_bytes": num_bytes})
    units = ("s", "processor time", "MiB", "bytes", "dB")
    what = f"encode, {preset}" if num_bytes is None else f"encode, {preset}, {num_bytes} bytes"
    arguments = [str(picture), json.dumps(options), str(file), *(["after a short one"] if first else [])]
    yield from pair.rows(what, picture.name, units, ["-c", ENCODE, *arguments])


def _large_rows(pair: Pair, pictures: Sequence[Path], folder: Path, only: Sequence[str]) -> Iterator[Row]:
    large, file = folder / "large.png", folder / "large.tgs"
    _lay_side_by_side(pictures, large)
    if "small" in only:
        yield from _encode_rows(pair, large, file, "fast", num_bytes=SMALL_BYTES)
    if "large" in only:
        yield from _encode_rows(pair, large, file, "fast", first=False)


def _picture_rows(pair: Pair, picture: Path, folder: Path, only: Sequence[str]) -> Iterator[Row]:
    file = folder / f"{picture.stem}.tgs"
    if "encode" in only:
        for preset in ("fast", "default"):
            yield from _encode_rows(pair, picture, file, preset)
    if "small" in only:
        square, small = folder / f"{picture.stem}-square.png", folder / "small.tgs"
        next(_squares(picture)).save(square)
        yield from _encode_rows(pair, square, small, "fast", num_bytes=SMALL_BYTES)
    if ("decode" in only or "decompress" in only) and not file.exists():
        run_process(["-c", ENCODE, str(picture), json.dumps({"preset": "fast"}), str(file)], ROOT)
    if "decode" in only:
        yield from pair.rows("decode", picture.name, ("ms",), ["-c", DECODE, str(file)])
    if "decompress" in only:
        command = ["-m", "cli", "decompress", str(file), "-o", str(folder / "pixels.png"), "--force"]
        yield from pair.process_rows("tgs decompress", picture.name, command)


def _cut(pictures: Sequence[Path], folder: Path) -> int:
    """Cut the pictures into squares, and return how many there are."""
    folder.mkdir()
    count = 0
    for path in pictures:
        for number, square in enumerate(_squares(path)):
            square.save(folder / f"{path.stem}-{number}.png")
            count += 1
    return count


def _squares(path: Path) -> Iterator[Image.Image]:
    """Squares of SIDE pixels of a picture, from left to right; each begins in the middle of the one before it."""
    with Image.open(path) as image:
        whole = image.convert("RGB")
    for left in range(0, whole.width - SIDE // 2, SIDE // 2):
        right = min(left + SIDE, whole.width)
        yield whole.crop((right - SIDE, 0, right, SIDE)).resize((SIDE, SIDE))


def _lay_side_by_side(pictures: Sequence[Path], path: Path) -> None:
    """Write a picture of LARGE_SIZE: squares from the middle of pictures, which are repeated until it is full."""
    whole = Image.new("RGB", LARGE_SIZE)
    places = itertools.product(range(0, LARGE_SIZE[1], LARGE_SIDE), range(0, LARGE_SIZE[0], LARGE_SIDE))
    for (top, left), picture in zip(places, itertools.cycle(pictures), strict=False):
        with Image.open(picture) as image:
            whole.paste(ImageOps.fit(image.convert("RGB"), (LARGE_SIDE, LARGE_SIDE)), (left, top))
    whole.save(path)


def _commit_of(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
