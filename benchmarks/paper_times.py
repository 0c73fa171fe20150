"""Measure what stands in the paper's Table 2: how long codecs take for a picture, and how large their files are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import taichi_gs
from benchmarks import kodak, peers
from benchmarks.kodak import check_encoder
from benchmarks.largest_file import PeerFiles
from benchmarks.peers import PEERS, Peer
from benchmarks.processes import map_in_processes
from benchmarks.provenance import provenance
from benchmarks.published import read_curves, read_table1, read_table2
from benchmarks.tables import (
    ResultsError,
    Row,
    Table,
    append_rows,
    format_value,
    read_table,
    settings_comment,
    write_table,
)
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import bits_per_pixel, psnr
from taichi_gs.pictures.read import read_image

COLUMNS = ("image", "codec", "setting", "bytes", "bpp", "psnr", "seconds_encode", "seconds_decode")
NETWORK_COLUMNS = (*COLUMNS, "steps", "ended_by")

PRESETS = ("paper", "fast", "default")

PEER_NAMES = ("JPEG", "WebP", "JPEG 2000", "AVIF, tune=psnr", "HEIC, tune=psnr", "JPEG XL")
"""Tuned for PSNR, by which the paper judges, where they can be."""

RUNS = 3
"""Of which the median counts, but for networks and for our encoder, which encode once."""

WARM_UP_STEPS = 10

_warm: set[str] = set()  # the presets whose kernels this process has


def max_bytes() -> int:
    """The size that files may have: that of the paper's own row in its Table 2."""
    size = read_table2()["Zhang et al. 2024"].size
    assert size is not None
    return int(1000 * size)


@dataclass(frozen=True)
class Task:
    """A picture and a codec: a preset of ours or another codec's name.

    Attributes:
        steps: of our encoder, for a trial; None is the preset's.
    """

    path: Path
    codec: str
    steps: int | None = None


@dataclass(frozen=True)
class NetworkTask:
    """A picture and a network's name.

    Attributes:
        seconds: that training may take.
        steps: that it may take, for a trial; None is the network's own number.
    """

    path: Path
    codec: str
    seconds: float
    steps: int | None = None


def run(paths: list[Path], out: Path, command: str, steps: int | None) -> None:
    """Append to the results file `out` the rows that it has not got: every codec, picture by picture, one at a time."""
    settings = {
        "max_bytes": max_bytes(),
        "presets": PRESETS,
        "tune": "psnr",
        "peers": PEER_NAMES,
        "steps": steps,
        "images": _names(paths),
    }
    comments = (*provenance(command), peers.libraries_comment(), settings_comment(settings))
    tasks = [Task(path, codec, steps) for path in paths for codec in (*PRESETS, *PEER_NAMES)]
    _append(out, Table(comments, COLUMNS, ()), tasks, measure, 1)


def run_networks(paths: list[Path], out: Path, command: str, limits: tuple[float, int | None], jobs: int) -> None:
    """Likewise for COIN and WIRE, with limits of seconds and of steps for each, `jobs` of them side by side."""
    from benchmarks.implicit import NETWORKS, best_device

    settings = {
        "networks": [network.name for network in NETWORKS],
        "seconds": limits[0],
        "steps": limits[1],
        "jobs": jobs,
        "device": best_device().type,
        "images": _names(paths),
    }
    comments = (*provenance(command), settings_comment(settings))
    tasks = [NetworkTask(path, network.name, *limits) for path in paths for network in NETWORKS]
    _append(out, Table(comments, NETWORK_COLUMNS, ()), tasks, measure_network, jobs)


def measure(task: Task) -> Row:
    """Make the largest file of a picture that is small enough, or the codec's smallest: the cells of its row."""
    if task.codec in PRESETS:
        return _measure_preset(task)
    peer = next(peer for peer in PEERS if peer.name == task.codec)
    original = as_byte_image(read_image(task.path))
    setting = largest_setting(peer, original, max_bytes())
    data, seconds_encode = _timed(lambda: peers.encode(original, peer, 1.0, setting))
    num_bytes, data = peers.read_back(data, peer.suffix)
    decoded, seconds_decode = _timed(lambda: peers.decode(data, original.shape[:2]))
    cells = {"setting": f"{peer.option} {setting:g}", "bytes": num_bytes}
    return _row(COLUMNS, task, original, decoded, cells | _seconds(seconds_encode, seconds_decode))


def measure_network(task: NetworkTask) -> Row:
    """Train a network on a picture, and draw it from its file: the cells of its row."""
    from benchmarks import implicit

    network = next(network for network in implicit.NETWORKS if network.name == task.codec)
    original = as_byte_image(read_image(task.path))
    published = published_psnr(network.name, network.num_bytes, task.path.stem)
    started = time.perf_counter()
    trained = implicit.train(network, original, implicit.Limits(task.seconds, published, task.steps))
    data = implicit.packed(network, trained.network)
    seconds_encode = time.perf_counter() - started
    num_bytes, data = peers.read_back(data, ".weights")
    decoded, seconds_decode = _timed(lambda: implicit.draw(implicit.unpack(network, data), original.shape[:2]))
    cells = {
        "setting": f"{network.num_bytes // np.dtype(network.dtype).itemsize} numbers",
        "bytes": num_bytes,
        "steps": trained.steps,
        "ended_by": trained.ended_by,
    }
    return _row(NETWORK_COLUMNS, task, original, decoded, cells | _seconds(seconds_encode, seconds_decode))


def published_psnr(codec: str, num_bytes: int, image: str) -> float | None:
    """Guess the quality that a codec's authors had on one picture of Kodak, in dB; None if they published no curve.

    They publish means over all pictures. The paper's Table 1 says how much harder than the mean a picture is for its
    own codec, at the point whose rate is the nearest.
    """
    curve, table = read_curves().get(codec), read_table1()
    if curve is None or image not in table:
        return None
    rate = bits_per_pixel(num_bytes, KODAK_SIZE)

    def distance(point: tuple[float, float]) -> float:
        return abs(point[0] - rate)

    mean = min(curve.points, key=distance)[1]
    point = min(range(len(table[image])), key=lambda index: distance(table[image][index]))
    return mean + table[image][point][1] - statistics.fmean(points[point][1] for points in table.values())


KODAK_SIZE = (512, 768)


def largest_setting(peer: Peer, pixels: NDArray[np.uint8], most: int) -> float:
    """The setting of another codec's largest file of at most so many bytes, or else of its smallest file.

    Its settings are all whole numbers between those that the other benchmarks use.
    """
    low, high = int(min(peer.settings)), int(max(peer.settings))
    settings = range(low, high + 1) if peer.settings[0] == low else range(high, low - 1, -1)  # towards large files
    files = PeerFiles(pixels, replace(peer, settings=tuple(settings)), 1.0)
    found = files.largest(most)
    return settings[0] if found is None else found


def _measure_preset(task: Task) -> Row:
    options: dict[str, Any] = {"preset": task.codec, "tune": "psnr", "num_bytes": max_bytes()}
    if task.steps is not None:
        options["steps"] = task.steps
    if task.codec not in _warm:
        # Kernels that are compiled are no part of the time of a picture.
        taichi_gs.encode(read_image(task.path), **options | {"steps": WARM_UP_STEPS})
        _warm.add(task.codec)
    row = kodak.measure(kodak.Task(task.path, options))
    return {column: row.get(column, "") for column in COLUMNS} | {"codec": task.codec, "setting": "preset"}


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """What an action returns, and the median of the seconds that it takes, after one run to warm up."""
    result, seconds = action(), []
    for _ in range(RUNS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return result, statistics.median(seconds)


def _seconds(encode: float, decode: float) -> dict[str, float]:
    return {"seconds_encode": encode, "seconds_decode": decode}


def _row(
    columns: tuple[str, ...],
    task: Task | NetworkTask,
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    cells: dict[str, Any],
) -> Row:
    values = cells | {
        "image": task.path.stem,
        "codec": task.codec,
        "bpp": bits_per_pixel(cells["bytes"], original.shape[:2]),
        "psnr": psnr(original, decoded),
    }
    return {column: format_value(column, values[column]) for column in columns}


def _names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def _append(out: Path, empty: Table, tasks: list[Any], measure: Callable[[Any], Row], jobs: int) -> None:
    table = empty
    if out.exists():
        table = read_table(out)
        if table.settings != empty.settings or table.columns != empty.columns:
            raise ResultsError(f"{out} was made with other settings: remove it to measure again")
        if any(table.comment(name) != empty.comment(name) for name in ("cpu", "cores")):
            raise ResultsError(f"{out} was measured on another machine: remove it to measure again")
    done = {(row["image"], row["codec"]) for row in table.rows}
    missing = [task for task in tasks if (task.path.stem, task.codec) not in done]
    if not missing:
        return
    if table.rows:
        if "presets" in table.settings:
            check_encoder(out, table)
        table = table.resumed(empty.comments)
    write_table(out, table)
    append_rows(out, empty.columns, ([row] for row in map_in_processes(measure, missing, jobs)))
