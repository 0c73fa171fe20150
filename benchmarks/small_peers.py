"""Measure what other codecs make of a few bytes: for each picture, codec and size, the best file that is small enough.

Each codec codes the picture at many scales, and with several variants of its options if none is always the best. Of
each, the largest file counts that is small enough, scaled up by bicubic interpolation and by Lanczos' filter. The best
of these is chosen twice: by PSNR, and by SSIMULACRA 2. Files have neither a colour profile nor metadata. Hashes, which
have a size of their own, have a row each.
"""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.hashes import decode_blurhash, decode_thumbhash, encode_blurhash, encode_thumbhash
from benchmarks.largest_file import PeerFiles
from benchmarks.peers import PEERS, Peer, decode, libraries_comment, read_back, scaled_size
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
from taichi_gs.pictures.metrics import psnr, ssimulacra2
from taichi_gs.pictures.read import read_image

COLUMNS = (
    *("image", "codec", "target_bytes", "best_by", "bytes"),
    *("variant", "scale", "setting", "enlarged", "psnr", "ssimulacra2"),
)

MEASURES = ("psnr", "ssimulacra2")
"""By each of which a best file is chosen, as the column `best_by` has them."""

SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
"""How many times smaller a picture is coded."""

MIN_SIDE = 8
"""Pixels of a smaller picture: JPEG and JPEG XL code blocks of so many, and x265 does not take every smaller one."""

ENLARGED = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}

NEAR = 1.0
"""Decibels below the best PSNR of a variant within which its files may have the best SSIMULACRA 2."""


@dataclass(frozen=True)
class WebPOfLibrary(Peer):
    """WebP with options of libwebp that Pillow does not pass on, by the package webp."""

    def encode(self, picture: Image.Image, setting: float) -> bytes:
        """The file of a picture."""
        try:
            from webp import WebPConfig, WebPPicture
        except ImportError as error:
            raise ResultsError(f"a codec is missing: pip install '.[benchmarks]' ({error})") from error
        config = WebPConfig.new()
        for name, value in self.save_options(setting).items():
            setattr(config.ptr, name, value)
        return bytes(WebPPicture.from_pil(picture).encode(config).buffer())


def _webp_quality(step: float) -> float:
    """The quality at which libwebp quantises with this step from 0 to 127: it has many below a quality of 1."""
    linear = (1.0 - step / 127.0) ** 3
    return round(100.0 * (1.5 * linear if linear < 0.5 else (1.0 + linear) / 2), 5)


def _avif_qualities() -> Iterator[int]:
    """A quality for each of the 64 quantisers that libavif chooses by it."""
    yield from {((100 - quality) * 63 + 50) // 100: quality for quality in range(101)}.values()


_OF = {peer.name: peer for peer in PEERS}
_QUALITIES = tuple(range(101))
_AVIF = replace(_OF["AVIF"], settings=tuple(_avif_qualities()), scales=SCALES)
_AVIF_PSNR = {"tune": "psnr", "enable-restoration": "0"}
_HEIC = replace(_OF["HEIC"], settings=_QUALITIES, scales=SCALES)
_WEBP_QUALITIES = tuple(_webp_quality(127 - step / 2) for step in range(255))

# Variants have their names in the results.
CODECS: dict[str, tuple[Peer, ...]] = {
    "JPEG": (
        # In small files progressive scans cost more than they save.
        replace(
            _OF["JPEG"],
            name="baseline",
            options=_OF["JPEG"].options | {"progressive": False},
            settings=_QUALITIES[1:],
            scales=SCALES,
        ),
    ),
    "JPEG 2000": (
        # Settings are compression ratios, 1 % apart.
        replace(
            _OF["JPEG 2000"],
            name="codestream",
            suffix=".j2k",
            options=_OF["JPEG 2000"].options | {"no_jp2": True},
            settings=tuple(round(20000 / 1.01**step, 3) for step in range(1000)),
            scales=SCALES,
        ),
    ),
    "WebP": (
        replace(_OF["WebP"], name="method 6", settings=_WEBP_QUALITIES, scales=SCALES),
        WebPOfLibrary(
            "method 6, one segment",
            ".webp",
            {"method": 6, "segments": 1, "sns_strength": 0},
            "quality",
            _WEBP_QUALITIES,
            SCALES,
        ),
    ),
    "AVIF": (
        replace(_AVIF, name="speed 4"),
        # At speed 0 a large picture takes seconds.
        replace(_AVIF, name="speed 4, tune=psnr", options=_AVIF.options | {"advanced": _AVIF_PSNR}, scales=SCALES[:2]),
        replace(
            _AVIF,
            name="speed 0, tune=psnr",
            options=_AVIF.options | {"advanced": _AVIF_PSNR, "speed": 0},
            scales=SCALES[2:],
        ),
    ),
    "HEIC": (
        replace(_HEIC, name="tune=ssim"),
        replace(_HEIC, name="tune=psnr", options={"enc_params": {"tune": "psnr"}}),
    ),
    "JPEG XL": (
        # A quality of 100 is lossless, which the plug-in does not take for one.
        replace(
            _OF["JPEG XL"],
            name="effort 9",
            options={"effort": 9},
            settings=tuple(step / 2 for step in range(200)),
            scales=SCALES,
        ),
    ),
}


class Hash(NamedTuple):
    """A placeholder of a size of its own: `encode` takes pixels [H, W, 3], and `decode` bytes and (H, W)."""

    name: str
    encode: Callable[[NDArray[np.uint8]], bytes]
    decode: Callable[[bytes, tuple[int, int]], NDArray[np.uint8]]


HASHES = (
    Hash("ThumbHash", encode_thumbhash, decode_thumbhash),
    Hash("BlurHash 4 × 3", functools.partial(encode_blurhash, counts=(4, 3)), decode_blurhash),
    Hash("BlurHash 9 × 9", functools.partial(encode_blurhash, counts=(9, 9)), decode_blurhash),
)


@dataclass(frozen=True)
class Task:
    """A picture, a codec or a hash by its name, and the sizes in bytes that its files may have."""

    path: Path
    codec: str
    sizes: tuple[int, ...]

    @property
    def keys(self) -> set[tuple[str, ...]]:
        """What tells its rows from the others of a results file."""
        if self.codec in {hash.name for hash in HASHES}:
            return {(self.path.stem, self.codec, NONE, NONE)}
        return {(self.path.stem, self.codec, str(size), measure) for size in self.sizes for measure in MEASURES}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A file that is small enough, and the picture that is decoded from it."""

    data: bytes
    peer: Peer
    scale: float
    setting: float
    enlarged: str
    decoded: NDArray[np.uint8]
    psnr: float

    @functools.cached_property
    def cells(self) -> dict[str, Any]:
        """Those of its row."""
        return {
            "bytes": len(self.data),
            "variant": self.peer.name,
            "scale": f"{self.scale:g}",
            "setting": self.setting,
            "enlarged": self.enlarged,
            "psnr": self.psnr,
        }


def run(paths: list[Path], out: Path, command: str, sizes: list[int], jobs: int = 1) -> None:
    """Append to the results file `out` the rows of these pictures and sizes that it has not got, as they are measured.

    Raises:
        ResultsError: if `out` was made with other options.
    """
    codecs = {
        name: {peer.name: peer.options | {"suffix": peer.suffix, "scales": list(peer.scales)} for peer in variants}
        for name, variants in CODECS.items()
    }
    settings = {"codecs": codecs, "min_side": MIN_SIDE, "near": NEAR}
    webp = f"webp {importlib.metadata.version('webp')}"
    comments = (*provenance(command), f"{libraries_comment()}, {webp}")
    table = Table((*comments, settings_comment(settings)), COLUMNS, ())
    if out.exists():
        table = read_table(out)
        if table.settings != settings or table.columns != COLUMNS:
            raise ResultsError(f"{out} was made with other options of the codecs: remove it to measure them again")
    done = {key(row) for row in table.rows}
    names = [*(hash.name for hash in HASHES), *CODECS]
    tasks = [Task(path, name, tuple(sizes)) for path in paths for name in names]
    missing = [task for task in tasks if not task.keys <= done]
    if not missing:
        return
    # What a task of several rows has begun, it does again.
    again = set().union(*(task.keys for task in missing))
    kept = tuple(row for row in table.rows if key(row) not in again)
    write_table(out, replace(table.resumed(comments), rows=kept))
    append_rows(out, COLUMNS, map_in_processes(measure, missing, jobs))


def measure(task: Task) -> list[Row]:
    """Find the best files of one picture and codec: a row for each size and measure.

    Where no file is small enough, the cells of the row are empty.
    """
    original = as_byte_image(read_image(task.path))
    values: list[dict[str, Any]] = []
    for hash in HASHES:
        if hash.name == task.codec:
            data = hash.encode(original)
            decoded = hash.decode(data, original.shape[:2])
            values.append(
                {"bytes": len(data), "psnr": psnr(original, decoded), "ssimulacra2": _score(original, decoded)}
            )
    if task.codec in CODECS:
        values += _best_files(original, CODECS[task.codec], task.sizes)
    names = {"image": task.path.stem, "codec": task.codec}
    return [{column: format_value(column, (names | row).get(column)) for column in COLUMNS} for row in values]


def _best_files(
    original: NDArray[np.uint8], variants: tuple[Peer, ...], sizes: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """The cells of the rows of one codec."""
    files = [
        PeerFiles(original, peer, scale)
        for peer in variants
        for scale in peer.scales
        if scale == 1.0 or min(scaled_size(original.shape[:2], scale)) >= MIN_SIDE
    ]
    decoded: dict[tuple[PeerFiles, float], list[Candidate]] = {}
    score = functools.cache(lambda candidate: _score(original, candidate.decoded))
    for size in sizes:
        fitting: list[list[Candidate]] = []
        for some in files:
            setting = some.largest(size)
            if setting is not None:
                if (some, setting) not in decoded:
                    decoded[some, setting] = list(_candidates(original, some, setting))
                fitting.append(decoded[some, setting])
        chosen = {
            "psnr": max(itertools.chain(*fitting), key=lambda one: one.psnr, default=None),
            "ssimulacra2": _best_scored(fitting, score),
        }
        for measure, one in chosen.items():
            cells = {} if one is None else one.cells | {"ssimulacra2": score(one)}
            yield {"target_bytes": size, "best_by": measure} | cells


def _best_scored(files: list[list[Candidate]], score: Callable[[Candidate], float]) -> Candidate | None:
    """The candidate with the best SSIMULACRA 2, of those of each file; None if there are no files.

    To measure it takes long. So files are compared in the filter that is better by PSNR, if they are near the best.
    Then both filters are tried on the file that is best.
    """
    best: dict[str, float] = {}
    for candidates in files:
        for one in candidates:
            best[one.peer.name] = max(best.get(one.peer.name, 0.0), one.psnr)
    sharpest = [(max(candidates, key=lambda one: one.psnr), candidates) for candidates in files]
    near = [(one, candidates) for one, candidates in sharpest if one.psnr >= best[one.peer.name] - NEAR]
    if not near:
        return None
    _, candidates = max(near, key=lambda pair: score(pair[0]))
    return max(candidates, key=score)


def _candidates(original: NDArray[np.uint8], files: PeerFiles, setting: float) -> Iterator[Candidate]:
    """A file that is written and read, and scaled up by each of the filters."""
    data = read_back(files.data(setting), files.peer.suffix)[1]
    for name, resampling in ENLARGED.items():
        decoded = decode(data, original.shape[:2], resampling)
        whole = files.scale == 1.0
        yield Candidate(
            data, files.peer, files.scale, setting, NONE if whole else name, decoded, psnr(original, decoded)
        )
        if whole:
            return


def _score(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    score = ssimulacra2(original, decoded)
    if score is None:
        raise ResultsError("a measure is missing: pip install '.[benchmarks]'")
    return score


def key(row: Row) -> tuple[str, ...]:
    """What tells a row from the others of a results file."""
    return (row["image"], row["codec"], row["target_bytes"], row["best_by"])
