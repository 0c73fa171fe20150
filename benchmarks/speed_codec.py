"""What `benchmarks.speed` measures of the codec, a process each; times in milliseconds go to stdout, tabs between them.

python -m benchmarks.speed_codec encode PICTURE FILE PRESET    the time of `encode`
python -m benchmarks.speed_codec decode FILE RUNS              the times of `decode`, after one that does not count
python -m benchmarks.speed_codec startup FILE PICTURE          the parts of `tgs decompress`, and everything together
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.measuring import times_in_turn

if TYPE_CHECKING:
    from taichi_gs.encoder.choices import Preset


def encode_once(picture: Path, file: Path, preset: Preset) -> list[float]:
    """Encode a picture into a file; the time of that, without reading and without importing PyTorch."""
    import torch  # noqa: F401

    from taichi_gs import encode
    from taichi_gs.pictures.read import read_image

    pixels, started = read_image(picture), time.perf_counter()
    data = encode(pixels, preset=preset)
    milliseconds = 1000.0 * (time.perf_counter() - started)
    file.write_bytes(data)
    return [milliseconds]


def decode_often(file: Path, runs: int) -> list[float]:
    """Decode a file `runs` times."""
    from taichi_gs import decode
    from taichi_gs.kernels import runtime

    runtime.start()
    data = file.read_bytes()
    return times_in_turn({"decode": lambda: decode(data)}, runs)["decode"]


def start_up(file: Path, picture: Path) -> list[float]:
    """Do what `tgs decompress` does, step by step: imports, ti.init, kernels, work, writing; then all of them."""
    marks = [time.perf_counter()]
    import cli.decompress  # noqa: F401
    from taichi_gs.codec import decode
    from taichi_gs.kernels import dispatch, runtime  # noqa: F401
    from taichi_gs.pictures.write import write_image

    marks.append(time.perf_counter())
    runtime.start()
    marks.append(time.perf_counter())
    data = file.read_bytes()
    decode(data)
    marks.append(time.perf_counter())
    pixels = decode(data)
    marks.append(time.perf_counter())
    write_image(picture, pixels, overwrite=True)
    marks.append(time.perf_counter())
    imports, init, first, second, write = (1000.0 * (b - a) for a, b in itertools.pairwise(marks))
    # The first decoding compiles kernels, or loads them, and works; the second one only works.
    return [imports, init, first - second, second, write, 1000.0 * (marks[-1] - marks[0])]


def main(argv: list[str]) -> int:
    """Run one of the commands and return the exit status."""
    command, *arguments = argv
    if command == "encode":
        times = encode_once(Path(arguments[0]), Path(arguments[1]), cast("Preset", arguments[2]))
    elif command == "decode":
        times = decode_often(Path(arguments[0]), int(arguments[1]))
    elif command == "startup":
        times = start_up(Path(arguments[0]), Path(arguments[1]))
    else:
        raise ValueError(f"no command {command}")
    print("\t".join(f"{value:.3f}" for value in times))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
