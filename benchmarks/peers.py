"""Measure the codecs that Pillow has, the way `benchmarks.kodak` measures this one: a TSV row for each file written.

Every picture is saved to a file on disk with each setting of each codec and read back from there: the rate is the
file's size, container and all.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from benchmarks.provenance import provenance
from benchmarks.tables import (
    ResultsError,
    Row,
    Table,
    format_head,
    format_row,
    format_value,
    read_table,
    settings_comment,
)
from taichi_gs.files import write_atomic
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import bits_per_pixel, ms_ssim, psnr
from taichi_gs.pictures.read import read_image

COLUMNS = ("image", "codec", "setting", "bytes", "bpp", "psnr", "ms_ssim", "seconds_encode", "seconds_decode")

_LIBRARIES = ("libjpeg_turbo", "jpg_2000", "webp", "avif")


@dataclass(frozen=True)
class Peer:
    """A codec of Pillow's.

    Attributes:
        name: what tables call it.
        suffix: of its files, with the dot.
        options: of Pillow's `save`, for all settings.
        option: the one that takes a setting.
        settings: its values, from the smallest file to the largest: from about 0.03 bits per pixel, or as low as the
            codec goes, to 0.6 for pictures that are easy to compress.
    """

    name: str
    suffix: str
    options: dict[str, Any]
    option: str
    settings: tuple[int, ...]

    def save_options(self, setting: int) -> dict[str, Any]:
        """Return the options that Pillow takes for a setting; a JPEG 2000 file has one quality layer."""
        return self.options | {self.option: [setting] if self.option == "quality_layers" else setting}


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
    Peer(
        "AVIF",
        ".avif",
        # A single tile makes smaller files, and one thread the same file on every machine.
        {"speed": 4, "subsampling": "4:2:0", "autotiling": False, "max_threads": 1},
        "quality",
        (1, 4, 8, 13, 18, 24, 30, 36, 42, 50, 60),
    ),
)


def run(paths: list[Path], out: Path, command: str) -> None:
    """Append to the results file `out` the rows of these pictures that it has not got, as they are measured."""
    settings = {peer.name: peer.options for peer in PEERS}
    libraries = ", ".join(f"{name} {features.version(name)}" for name in _LIBRARIES)
    comments = (*provenance(command), f"libraries: {libraries}")
    table = Table((*comments, settings_comment(settings)), COLUMNS, ())
    if out.exists():
        table = read_table(out)
        if table.settings != settings or table.columns != COLUMNS:
            raise ResultsError(f"{out} was made with other options of the codecs: remove it to measure them again")
    done = {(row["image"], row["codec"], row["setting"]) for row in table.rows}
    missing = [
        (peer, setting, path)
        for peer in PEERS
        for setting in peer.settings
        for path in paths
        if (path.stem, peer.name, str(setting)) not in done
    ]
    if not missing:
        return
    told = {"commit", "date", "libraries"} if table.rows else set()
    resumed = [f"resumed, {comment}" for comment in comments if comment.partition(":")[0] in told]
    text = format_head((*table.comments, *resumed), COLUMNS) + "".join(format_row(COLUMNS, row) for row in table.rows)
    write_atomic(out, text.encode(), overwrite=True)
    with open(out, "a", encoding="utf-8", newline="\n") as file:
        for peer, setting, path in missing:
            file.write(format_row(COLUMNS, measure(peer, setting, path)))
            file.flush()


def measure(peer: Peer, setting: int, path: Path) -> Row:
    """Save one picture and measure the file: the cells of its row."""
    original = as_byte_image(read_image(path))
    picture = Image.fromarray(original)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"picture{peer.suffix}")
        started = time.perf_counter()
        picture.save(file, **peer.save_options(setting))
        saved = time.perf_counter()
        with Image.open(file) as image:
            decoded = np.asarray(image.convert("RGB"))
        ended = time.perf_counter()
        num_bytes = file.stat().st_size
    values = {
        "image": path.stem,
        "codec": peer.name,
        "setting": setting,
        "bytes": num_bytes,
        "bpp": bits_per_pixel(num_bytes, original.shape[:2]),
        "psnr": psnr(original, decoded),
        "ms_ssim": ms_ssim(original, decoded),
        "seconds_encode": saved - started,
        "seconds_decode": ended - saved,
    }
    return {column: format_value(column, value) for column, value in values.items()}
