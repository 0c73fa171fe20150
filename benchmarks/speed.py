"""Time the kernels, the steps of a fit, the presets and the command line.

    python -m benchmarks.speed [--only kernels,steps,presets,startup] [--picture FILE] [--out FILE.tsv]

Every figure is a median with the lowest and the highest value. The sections are

    kernels: each stage of drawing random Gaussians and of its gradient, on one thread and on all. Beside forward,
        backward, and both in one kernel as a fit has them, runs a twin in C (`blend_twin.c`), in turns with them;
        `to_twin` is the median of the ratios.
    steps: a whole step of a fit, its serial part, which a second thread cannot share, and the optimiser's part.
    presets: `encode` and `decode` of the picture in process, and the memory that encoding takes.
    startup: the commands as whole processes, `tgs decompress` in its parts, and the memory that it takes.

Everything is measured in processes of its own; this one stays small.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measuring import COLUMNS, Process, Subject, row, run_process
from benchmarks.provenance import ROOT, command_line, provenance, write_lines

SECTIONS = ("kernels", "steps", "presets", "startup")
PRESETS = ("fast", "default", "best", "paper")
SCENES = ("768x512x500", "768x512x1000", "768x512x5000", "768x512x10000", "2048x1365x7000", "4096x3072x31000")
"""Width, height and number of Gaussians; the larger ones have one for about 400 pixels."""


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Time kernels, fits and commands.")
    parser.add_argument("--only", type=_names(SECTIONS), default=SECTIONS, help="sections, separated by commas")
    parser.add_argument("--runs", type=int, default=25, help="repetitions of each measurement [default: 25]")
    parser.add_argument("--encodes", type=int, default=3, help="repetitions of encoding [default: 3]")
    parser.add_argument("--presets", type=_names(PRESETS), default=PRESETS, help="presets, separated by commas")
    parser.add_argument("--scenes", nargs="+", default=SCENES, metavar="WxHxN", help="sizes to time kernels at")
    parser.add_argument(
        "--picture", type=Path, default=ROOT / "examples" / "photo.png", help="picture of presets and startup"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    lines = [f"# {comment}" for comment in provenance(command_line("benchmarks.speed", argv))]
    if "kernels" in arguments.only and shutil.which("gcc") is None:
        lines.append("# no gcc here: nothing to compare the kernels with")
    lines.append("\t".join(COLUMNS))
    drawing = [section for section in ("kernels", "steps") if section in arguments.only]
    if drawing:
        for threads in sorted({1, os.cpu_count() or 1}):
            for scene in arguments.scenes:
                lines += _stage_rows(drawing, scene, threads, arguments.runs)
    with tempfile.TemporaryDirectory() as folder:
        if "presets" in arguments.only:
            for preset in arguments.presets:
                lines += _preset_rows(arguments.picture, preset, Path(folder), arguments.runs, arguments.encodes)
        if "startup" in arguments.only:
            lines += _startup_rows(arguments.picture, Path(folder), max(1, arguments.runs // 3))
    write_lines(lines, arguments.out)
    return 0


def _names(choices: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        unknown = set(text.split(",")) - set(choices)
        if unknown:
            raise argparse.ArgumentTypeError(f"{min(unknown)} is none of {', '.join(choices)}")
        return tuple(text.split(","))

    return names


def _module(name: str, *arguments: object, environment: dict[str, str] | None = None) -> Process:
    return run_process(["-m", name, *map(str, arguments)], ROOT, environment)


def _stage_rows(sections: list[str], scene: str, threads: int, runs: int) -> list[str]:
    """The rows of the sections `kernels` and `steps` for one scene."""
    # Before Taichi and PyTorch are imported. One thread also so that the figures compare with those of other kernels.
    environment = dict.fromkeys(("TI_CPU_MAX_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))
    # Otherwise the twin's threads would go on spinning while a kernel has its turn.
    environment["OMP_WAIT_POLICY"] = "PASSIVE"
    arguments = ("--sections", *sections, "--scene", scene, "--threads", threads, "--runs", runs)
    return _module("benchmarks.speed_stages", *arguments, environment=environment).stdout.splitlines()


def _preset_rows(picture: Path, preset: str, folder: Path, runs: int, encodes: int) -> Iterator[str]:
    """Encoding and decoding in process, and the memory of a process that encodes."""
    subject, file = Subject(preset=preset), folder / f"{preset}.tgs"
    encoded = [_module("benchmarks.speed_codec", "encode", picture, file, preset) for _ in range(encodes)]
    yield row("encode", subject, [float(process.stdout) for process in encoded])
    yield row("encode, peak memory", subject, [process.mebibytes for process in encoded], "MiB")
    yield row("decode", subject, _figures(_module("benchmarks.speed_codec", "decode", file, runs)))


def _startup_rows(picture: Path, folder: Path, runs: int) -> Iterator[str]:
    """Commands as whole processes, and `tgs decompress` taken apart."""
    file, pixels = folder / "startup.tgs", folder / "startup.png"
    _module("benchmarks.speed_codec", "encode", picture, file, "fast")
    commands: dict[str, list[object]] = {
        "tgs decompress": ["decompress", file, "-o", pixels, "--force"],
        "tgs info": ["info", file],
        "tgs --help": ["--help"],
    }
    for name, command in commands.items():
        processes = [_module("cli", *command) for _ in range(runs + 1)][1:]
        yield row(name, Subject(), [process.milliseconds for process in processes])
        yield row(f"{name}, peak memory", Subject(), [process.mebibytes for process in processes], "MiB")
    for cache in ("warm", "cold"):
        parts = []
        for number in range(runs):
            environment = {} if cache == "warm" else {"XDG_CACHE_HOME": str(folder / f"cache{number}")}
            process = _module("benchmarks.speed_codec", "startup", file, pixels, environment=environment)
            *measured, inside = process.stdout.split("\t")
            parts.append([process.milliseconds - float(inside), *map(float, measured)])
        names = ("interpreter and exit", "imports", "ti.init", "compile or load", "work", "write picture")
        for name, times in zip(names, zip(*parts, strict=True), strict=True):
            yield row(f"start-up, {cache} cache: {name}", Subject(), times)


def _figures(process: Process) -> list[float]:
    return [float(figure) for figure in process.stdout.split("\t")]


if __name__ == "__main__":
    sys.exit(main())
