"""Measure the codec on a folder of PNG files, Kodak's 24 pictures for one: a TSV row for each file it writes.

    python -m benchmarks.kodak FOLDER --preset default --k 64 --out benchmarks/results/default-k64.tsv

Every picture is compressed into a file on disk, read back from there, and measured: the rate is the file's size, the
quality that of the decoded 8-bit picture against the 8-bit original. Encoding is timed once (the first picture of a
process includes the compilation of the kernels), decoding as the median of three after one to warm up, both within the
process. With `--jobs` above 1 that many pictures are encoded at a time, on one thread each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from benchmarks.processes import map_in_processes
from benchmarks.provenance import command_line, provenance
from benchmarks.published import ANCHORS, read_table1
from benchmarks.tables import (
    NONE,
    ResultsError,
    Row,
    Table,
    format_head,
    format_row,
    format_value,
    mean_rows,
    read_table,
    settings_comment,
    write_table,
)
from taichi_gs.encoder.version import ENCODER_VERSION
from taichi_gs.errors import TgsError

COLUMNS = (
    *("image", "width", "height", "preset", "target_bpp", "bytes", "bpp", "psnr", "ms_ssim", "ssimulacra2"),
    *("seconds_encode", "seconds_decode", "num_gaussians", "covariance_k", "color_k"),
)
SIZE_COLUMNS = ("target_bytes",)
PUBLISHED_COLUMNS = ("point", "published_bpp", "published_psnr", "gain_db")

DECODE_RUNS = 3


@dataclass(frozen=True)
class Published:
    """A point of the paper's Table 1, counted from 1."""

    point: int
    bits_per_pixel: float
    psnr: float


@dataclass(frozen=True)
class Task:
    """One file to write: a picture and the options of `taichi_gs.encode`."""

    path: Path
    options: dict[str, Any]
    published: Published | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What tells its row from the others of a results file."""
        rate = format_value("target_bpp", self.options.get("bits_per_pixel"))
        size = format_value("target_bytes", self.options.get("num_bytes"))
        return (self.path.stem, rate, str(self.published.point) if self.published else "", size)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    try:
        run(arguments, command_line("benchmarks.kodak", argv))
    except (ResultsError, TgsError) as error:
        print(f"kodak: error: {error}", file=sys.stderr)
        return 1
    return 0


def run(arguments: argparse.Namespace, command: str) -> None:
    """Measure what `arguments` ask for and write the results to the file, or to stdout."""
    columns = COLUMNS + (PUBLISHED_COLUMNS if arguments.table1 else SIZE_COLUMNS if arguments.bytes else ())
    empty = Table((*provenance(command), settings_comment(_settings(arguments))), columns, ())
    measure_all(_tasks(arguments), empty, arguments.out, arguments.resume)


def measure_all(tasks: list[Task], empty: Table, out: Path | None, resume: bool) -> None:
    """Write a row for each task into the results file `out`, or to stdout, and their means at the end.

    `empty` has the columns of the file, and the comments of a new one; its settings say how many jobs there are.

    Raises:
        ResultsError: if the file is there already and may not be resumed, or was made in another way.
    """
    columns = empty.columns
    with contextlib.ExitStack() as stack:
        done: list[Row] = []
        if out is None:
            output: TextIO = sys.stdout
            output.write(format_head(empty.comments, columns))
        else:
            done = _open_results(out, empty, tasks, resume)
            output = stack.enter_context(open(out, "a", encoding="utf-8", newline="\n"))
        keys = {_key(row) for row in done}
        missing = [task for task in tasks if task.key not in keys]
        for row in map_in_processes(measure, missing, empty.settings["jobs"]):
            output.write(format_row(columns, row))
            output.flush()
            done.append(row)
        for row in mean_rows(columns, done):
            output.write(format_row(columns, row))


def measure(task: Task) -> Row:
    """Compress one picture into a file and measure it: the cells of its row."""
    from taichi_gs import decode, encode, info
    from taichi_gs.pictures.convert import as_byte_image
    from taichi_gs.pictures.metrics import bits_per_pixel, ms_ssim, psnr, ssimulacra2
    from taichi_gs.pictures.read import read_image

    image = read_image(task.path)
    original = as_byte_image(image)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "picture.tgs")
        started = time.perf_counter()
        file.write_bytes(encode(image, **task.options))
        seconds_encode = time.perf_counter() - started
        num_bytes = file.stat().st_size
        data = file.read_bytes()

    device = task.options.get("device", "auto")
    decoded = decode(data, device=device)
    seconds_decode = []
    for _ in range(DECODE_RUNS):
        started = time.perf_counter()
        decode(data, device=device)
        seconds_decode.append(time.perf_counter() - started)

    contents = info(data)
    values: dict[str, Any] = {
        "image": task.path.stem,
        "width": original.shape[1],
        "height": original.shape[0],
        "preset": task.options["preset"],
        "target_bpp": task.options.get("bits_per_pixel"),
        "bytes": num_bytes,
        "bpp": bits_per_pixel(num_bytes, original.shape[:2]),
        "psnr": psnr(original, decoded),
        "ms_ssim": ms_ssim(original, decoded),
        "ssimulacra2": ssimulacra2(original, decoded),
        "seconds_encode": seconds_encode,
        "seconds_decode": statistics.median(seconds_decode),
        "num_gaussians": contents.num_gaussians,
        "covariance_k": contents.covariance_k,
        "color_k": contents.color_k,
    }
    if "num_bytes" in task.options:
        values["target_bytes"] = task.options["num_bytes"]
    if task.published:
        values |= {
            "point": task.published.point,
            "published_bpp": task.published.bits_per_pixel,
            "published_psnr": task.published.psnr,
            "gain_db": values["psnr"] - task.published.psnr,
        }
    return {column: format_value(column, value) for column, value in values.items()}


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    """List the files to write: every picture at every rate that was asked for."""
    paths = sorted(arguments.folder.glob("*.png"))
    if not paths:
        raise ResultsError(f"there are no PNG files in {arguments.folder}")
    if arguments.images:
        unknown = sorted(set(arguments.images) - {path.stem for path in paths})
        if unknown:
            raise ResultsError(f"there is no picture {unknown[0]} in {arguments.folder}")
        paths = [path for path in paths if path.stem in arguments.images]
    options = _encode_options(arguments)
    if arguments.table1:
        return table1_tasks(paths, options, arguments.table1)
    if arguments.bpp:
        return [Task(path, options | {"bits_per_pixel": rate}) for rate in arguments.bpp for path in paths]
    if arguments.bytes:
        return [Task(path, options | {"num_bytes": size}) for size in arguments.bytes for path in paths]
    return [Task(path, options) for path in paths]


def table1_tasks(paths: list[Path], options: dict[str, Any], anchors: Path = ANCHORS) -> list[Task]:
    """The files that compete with the paper's Table 1: every picture at its four rates.

    Raises:
        ResultsError: if `anchors` does not have the figures of a picture.
    """
    published = read_table1(anchors)
    missing = [path.stem for path in paths if path.stem not in published]
    if missing:
        raise ResultsError(f"{anchors.name} has no figures for {missing[0]}")
    return [
        Task(path, options | {"bits_per_pixel": rate}, Published(point, rate, psnr))
        for path in paths
        for point, (rate, psnr) in enumerate(published[path.stem], start=1)
    ]


def _open_results(path: Path, empty: Table, tasks: list[Task], resume: bool) -> list[Row]:
    """Leave a results file that rows can be appended to, and return the rows that it has already."""
    table = empty
    if path.exists():
        if not resume:
            raise ResultsError(f"{path} already exists; continue it with --resume")
        table = read_table(path)
        if table.settings != empty.settings or table.columns != empty.columns:
            raise ResultsError(f"{path} was made with other settings, {json.dumps(table.settings)}, and cannot go on")
        if not {task.key for task in tasks} <= {_key(row) for row in table.measurements}:
            if table.rows:
                check_encoder(path, table)
            table = table.resumed(empty.comments)
    table = replace(table, rows=tuple(table.measurements))
    write_table(path, table)
    return list(table.rows)


def check_encoder(path: Path, table: Table) -> None:
    """Raise ResultsError if the rows of a results file are of another version of the encoder than the next would be."""
    if table.comment("encoder") != str(ENCODER_VERSION):
        raise ResultsError(f"{path} was made by another version of the encoder: remove it to measure again")


def _key(row: Row) -> tuple[str, ...]:
    return (row["image"], row["target_bpp"], row.get("point", ""), row.get("target_bytes", NONE))


def _encode_options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("preset", "k", "covariance_k", "color_k", "num_gaussians", "loss", "tune", "steps", "seed", "device")
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What rows of one results file have in common."""
    names = ("bpp", "bytes")
    goals = {name: value for name in names if (value := getattr(arguments, name))}
    if arguments.table1:
        goals = {"table1": True}
    return {**_encode_options(arguments), **goals, "jobs": arguments.jobs}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kodak", description="Measure the codec on PNG files.")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a folder of PNG files")
    add("--preset", default="default", help="preset of the encoder [default: default]")
    add("--k", type=int, help="size of both codebooks")
    add("--covariance-k", type=int, help="size of the covariance codebook alone")
    add("--color-k", type=int, help="size of the color codebook alone")
    goals = parser.add_mutually_exclusive_group()
    goals.add_argument("--num-gaussians", type=int, help="how many Gaussians")
    goals.add_argument("--bpp", type=float, nargs="+", help="rates not to be exceeded, a row for each")
    goals.add_argument("--bytes", type=int, nargs="+", help="sizes not to be exceeded, a row for each")
    goals.add_argument(
        "--table1",
        type=Path,
        nargs="?",
        const=ANCHORS,
        metavar="FILE.json",
        help="the rates of the paper's Table 1, or of such a file, and how much better the pictures are",
    )
    add("--loss", help="what the fit minimises")
    add("--tune", help="which errors count more")
    add("--steps", type=int, help="how many optimisation steps")
    add("--seed", type=int, help="seed of every random choice")
    add("--device", default="auto", help="where to compute [default: auto]")
    add("--images", nargs="+", metavar="NAME", help="only these pictures, as in kodim01 kodim05")
    add("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    add("--resume", action="store_true", help="go on with the results file where it ends")
    add("--jobs", type=positive, default=1, help="pictures at a time; one thread each if several [default: 1]")
    return parser


def positive(text: str) -> int:
    """Read an option that is a positive whole number."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a positive number is needed")
    return value


if __name__ == "__main__":
    sys.exit(main())
