"""Measure other codecs, the way `benchmarks.kodak` measures this one: a TSV row for each file written.

Every picture is saved to a file on disk with each setting of each codec and read back from there: the rate is the
file's size, container and all. Each codec also codes smaller pictures, made by Lanczos' filter and scaled up again by
bicubic interpolation: at low rates all of them gain from it. Files carry no colour profile.
"""

from __future__ import annotations

import functools
import importlib.metadata
import io
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from benchmarks.processes import map_in_processes
from benchmarks.provenance import provenance
from benchmarks.tables import (
    NONE,
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
from taichi_gs.pictures.metrics import bits_per_pixel, ms_ssim, psnr, ssimulacra2
from taichi_gs.pictures.read import read_image

COLUMNS = (
    *("image", "codec", "scale", "setting", "bytes", "bpp", "psnr", "ms_ssim", "ssimulacra2"),
    *("seconds_encode", "seconds_decode"),
)

SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""How many times smaller a picture is coded."""

MAX_SCALED_RATE = 1.0
"""Bits per pixel of a smaller picture: with more, a larger one is better, and such files are not measured."""

_LIBRARIES = ("libjpeg_turbo", "jpg_2000", "webp", "avif")
_PLUGINS = ("pillow-heif", "pillow-jxl-plugin")


@dataclass(frozen=True)
class Peer:
    """A codec that Pillow has, itself or by a plug-in.

    Attributes:
        name: what tables call it.
        suffix: of its files, with the dot.
        options: of Pillow's `save`, for all settings.
        option: the one that takes a setting.
        settings: its values, from the smallest file to the largest: from about 0.03 bits per pixel, or as low as the
            codec goes, to 0.6 for pictures that are easy to compress.
        scales: that it is measured at.
    """

    name: str
    suffix: str
    options: dict[str, Any]
    option: str
    settings: tuple[float, ...]
    scales: tuple[float, ...] = SCALES

    def save_options(self, setting: float) -> dict[str, Any]:
        """Return the options that Pillow takes for a setting; a JPEG 2000 file has one quality layer."""
        return self.options | {self.option: [setting] if self.option == "quality_layers" else setting}

    def encode(self, picture: Image.Image, setting: float) -> bytes:
        """The file of a picture."""
        file = io.BytesIO()
        picture.save(file, Image.registered_extensions()[self.suffix], **self.save_options(setting))
        return file.getvalue()


# A single tile makes smaller files, and one thread the same file on every machine.
_AVIF: dict[str, Any] = {"speed": 4, "subsampling": "4:2:0", "autotiling": False, "max_threads": 1}
_AVIF_QUALITIES = (0, 4, 9, 15, 22, 30, 39, 49, 60)
_HEIC_QUALITIES = (0, 3, 6, 10, 15, 20, 26, 33, 41, 50)

PEERS = (
    Peer(
        "JPEG",
        ".jpg",
        {"optimize": True, "progressive": True, "subsampling": "4:2:0"},
        "quality",
        (1, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50),
    ),
    Peer(
        "JPEG 2000",
        ".jp2",
        # The 9/7 wavelet and the colour transform that goes with it; settings are compression ratios.
        {"irreversible": True, "mct": 1, "quality_mode": "rates"},
        "quality_layers",
        (1000, 800, 600, 480, 360, 240, 160, 120, 80, 56, 40, 30),
    ),
    Peer("WebP", ".webp", {"method": 6}, "quality", (0, 1, 3, 5, 10, 15, 20, 30, 40, 50, 60, 75)),
    Peer("AVIF", ".avif", _AVIF, "quality", _AVIF_QUALITIES),
    Peer("AVIF, tune=psnr", ".avif", _AVIF | {"advanced": {"tune": "psnr"}}, "quality", _AVIF_QUALITIES),
    Peer("AVIF, speed 2", ".avif", _AVIF | {"speed": 2}, "quality", (0, 9, 22, 39, 60), (1.0,)),
    Peer("HEIC", ".heic", {}, "quality", _HEIC_QUALITIES),
    Peer("HEIC, tune=psnr", ".heic", {"enc_params": {"tune": "psnr"}}, "quality", _HEIC_QUALITIES),
    Peer("JPEG XL", ".jxl", {"effort": 7}, "quality", (0, 2, 5, 9, 13, 23, 32, 44, 60)),
)


@dataclass(frozen=True)
class Task:
    """A file to write: a picture at one scale, and a setting of a codec.

    Attributes:
        rates: bits per pixel of the smallest and of the largest file whose quality is measured.
    """

    path: Path
    peer: Peer
    scale: float
    setting: float
    rates: tuple[float, float]

    @property
    def key(self) -> tuple[str, ...]:
        """What tells its row from the others of a results file."""
        return (self.path.stem, self.peer.name, f"{self.scale:g}", str(self.setting))


def run(
    paths: list[Path],
    out: Path,
    command: str,
    rates: tuple[float, float],
    names: list[str] | None = None,
    jobs: int = 1,
    full_size: bool = False,
) -> None:
    """Append to the results file `out` the rows of these pictures that it has not got, as they are measured.

    Of files of less than the first of `rates` bits per pixel, or of more than the second, only the size is measured. If
    that was all, and they are within other rates now, they are measured again, whatever `names` and `full_size` are.
    With `names`, only codecs of these names are measured. With `full_size`, no picture is coded smaller than it is.
    """
    unknown = sorted(set(names or []) - {peer.name for peer in PEERS})
    if unknown:
        raise ResultsError(f"there is no codec {unknown[0]}: choose from {'; '.join(peer.name for peer in PEERS)}")
    codecs = {peer.name: peer.options | {"scales": list(peer.scales)} for peer in PEERS}
    comments = (*provenance(command), libraries_comment())
    table = Table((*comments, settings_comment({"codecs": codecs, "rates": list(rates)})), COLUMNS, ())
    if out.exists():
        table = read_table(out)
        if not _are_among(table.settings.get("codecs"), codecs) or table.columns != COLUMNS:
            raise ResultsError(f"{out} was made with other options of the codecs: remove it to measure them again")
        old_low, old_high = table.settings["rates"]
        rates = (min(rates[0], old_low), max(rates[1], old_high))
        table = table.with_settings({"codecs": codecs, "rates": list(rates)})
    each = [(peer, scale, setting) for peer in PEERS for scale in peer.scales for setting in peer.settings]
    every = (Task(path, *how, rates) for path, how in itertools.product(paths, each))
    tasks = {task.key: task for task in every}
    again = {
        _key(row) for row in table.rows if row["psnr"] == NONE and _matters(float(row["bpp"]), row["scale"], rates)
    }
    kept = [row for row in table.rows if _key(row) not in again & tasks.keys()]
    done = {_key(row) for row in kept}

    def is_asked_for(task: Task) -> bool:
        return (names is None or task.peer.name in names) and (task.scale == 1.0 or not full_size)

    missing = [task for key, task in tasks.items() if key not in done and (key in again or is_asked_for(task))]
    if not missing:
        return
    write_table(out, replace(table.resumed(comments), rows=tuple(kept)))
    append_rows(out, COLUMNS, ([row] for row in map_in_processes(measure, missing, jobs)))


def _key(row: Row) -> tuple[str, ...]:
    """What a row has for `Task.key`."""
    return (row["image"], row["codec"], row["scale"], row["setting"])


def _are_among(old: Any, codecs: dict[str, Any]) -> bool:
    """Whether all codecs that a file was made with have the same options today; there may be others since."""
    return isinstance(old, dict) and all(codecs.get(name) == options for name, options in old.items())


def measure(task: Task) -> Row:
    """Save one picture and measure the file: the cells of its row."""
    original = as_byte_image(read_image(task.path))
    size = original.shape[:2]
    started = time.perf_counter()
    data = encode(original, task.peer, task.scale, task.setting)
    saved = time.perf_counter()
    num_bytes, data = read_back(data, task.peer.suffix)
    rate = bits_per_pixel(num_bytes, size)
    values: dict[str, Any] = {
        "image": task.path.stem,
        "codec": task.peer.name,
        "scale": f"{task.scale:g}",
        "setting": task.setting,
        "bytes": num_bytes,
        "bpp": rate,
        "seconds_encode": saved - started,
    }
    if _matters(rate, values["scale"], task.rates):
        started = time.perf_counter()
        decoded = decode(data, size)
        values["seconds_decode"] = time.perf_counter() - started
        values["psnr"] = psnr(original, decoded)
        values["ms_ssim"] = ms_ssim(original, decoded)
        values["ssimulacra2"] = ssimulacra2(original, decoded)
    return {column: format_value(column, values.get(column)) for column in COLUMNS}


def _matters(rate: float, scale: str, rates: tuple[float, float]) -> bool:
    """Whether the quality of a file with so many bits per pixel, at a scale as tables have it, is measured."""
    # A picture that is half as wide and half as high has a quarter of the pixels.
    scaled_rate = rate * float(scale) ** 2
    return rates[0] <= rate <= rates[1] and (float(scale) == 1.0 or scaled_rate <= MAX_SCALED_RATE)


def encode(pixels: NDArray[np.uint8], peer: Peer, scale: float, setting: float) -> bytes:
    """The file that a codec makes of a picture [H, W, 3] that is so many times smaller."""
    _plug_in()
    picture = Image.fromarray(pixels)
    if scale != 1.0:
        height, width = scaled_size(pixels.shape[:2], scale)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return peer.encode(picture, setting)


def read_back(data: bytes, suffix: str) -> tuple[int, bytes]:
    """Write a file to the disk: the size that it has there, and the bytes that are read from it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"picture{suffix}")
        file.write_bytes(data)
        return file.stat().st_size, file.read_bytes()


def decode(
    data: bytes, size: tuple[int, int], enlarged: Image.Resampling = Image.Resampling.BICUBIC
) -> NDArray[np.uint8]:
    """The pixels [H, W, 3] of a file, scaled up to `size`, (H, W)."""
    _plug_in()
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    height, width = size
    if picture.size != (width, height):
        picture = picture.resize((width, height), enlarged)
    return np.asarray(picture)


def scaled_size(size: tuple[int, ...], scale: float) -> tuple[int, int]:
    """(height, width) of a picture that is so many times smaller."""
    height, width = (max(1, round(side / scale)) for side in size)
    return height, width


@functools.cache
def _plug_in() -> None:
    """Let Pillow know the codecs that it has not got itself."""
    try:
        import pillow_heif
        import pillow_jxl  # noqa: F401  # registers itself
    except ImportError as error:
        raise ResultsError(f"a codec is missing: pip install '.[benchmarks]' ({error})") from error
    pillow_heif.register_heif_opener()


def libraries_comment() -> str:
    """Say which versions of the codecs are measured, as a comment of a results file."""
    return f"libraries: {', '.join(_versions())}"


def _versions() -> Iterator[str]:
    yield from (f"{name} {features.version(name)}" for name in _LIBRARIES)
    yield from (f"{name} {importlib.metadata.version(name)}" for name in _PLUGINS)
