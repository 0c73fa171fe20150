"""Make the seed corpus: small files of every kind that there is.

    python -m fuzz.make_corpus [FOLDER]

Pictures are made by formulas, but for those from `examples/photo.png`. The corpus is kept in the repository, so that
runs can be repeated: another encoder makes other files.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

import taichi_gs
from benchmarks.provenance import ROOT
from taichi_gs.format.bitstream import parse, parse_header, serialize
from taichi_gs.model.quantized import QuantizedGaussians

CORPUS = Path(__file__).parent / "corpus"


def main(argv: list[str] | None = None) -> int:
    """Write the files."""
    arguments = sys.argv[1:] if argv is None else argv
    folder = Path(arguments[0]) if arguments else CORPUS
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _files().items():
        (folder / f"{name}.tgs").write_bytes(data)
    return 0


def _files() -> dict[str, bytes]:
    drawn, cut_out = _drawn(40, 56), _cut_out(40, 56)
    photo = Image.open(ROOT / "examples" / "photo.png").convert("RGB")
    small, large = photo.resize((96, 64)), photo.resize((288, 192))
    picture = taichi_gs.Picture(cut_out, exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>")
    files = {
        "drawn": _encode(drawn, num_bytes=400),
        "drawn_paper": _encode(drawn, preset="paper", num_bytes=400),
        "drawn_whole_cells": _whole_cells(_encode(drawn, num_bytes=400)),
        "drawn_few_codewords": _encode(drawn, num_bytes=300, k=2),
        "drawn_one_codeword": _encode(drawn, num_bytes=200, k=1),
        "gray": _encode(drawn[:, :, 0], num_bytes=300),
        "gray_paper": _encode(drawn[:, :, 1], preset="paper", num_bytes=300),
        "gray_alpha": _encode(cut_out[:, :, 2:], num_bytes=500),
        "alpha": _encode(cut_out, num_bytes=600),
        "alpha_paper": _encode(cut_out, preset="paper", num_bytes=600),
        "alpha_metadata": _encode(picture, num_bytes=700),
        "wide": _encode(_drawn(3, 700), num_bytes=300),
        "tall": _encode(_drawn(700, 3), num_bytes=300),
        "one_pixel": _encode(_drawn(1, 1), num_gaussians=1),
        "photo_small": _encode(np.asarray(small), num_bytes=1200),
        "photo_small_paper": _encode(np.asarray(small), preset="paper", num_bytes=1200),
        "photo": _encode(np.asarray(large), num_bytes=5000),
    }
    files["note"] = serialize(parse(files["gray"]), {b"note": b"of no interest", b"EXIF": b""})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files["drawn_profile"] = serialize(parse(files["drawn"]), {b"ICCP": profile})
    for name in ("drawn", "drawn_paper", "gray", "photo_small"):
        files[f"{name}_grain"] = _with(files[name], grain=np.arange(len(parse(files[name]).color_codebook)) % 8)
        files[f"{name}_without_grain"] = _with(files[name], grain=None)
    for name in ("drawn", "drawn_paper", "gray"):
        files[f"{name}_one"] = serialize(_first(parse(files[name]), 1))
        files[f"{name}_none"] = serialize(_first(parse(files[name]), 0))
    return files


def _encode(picture: taichi_gs.Picture | NDArray[np.uint8], **options: Any) -> bytes:
    usual: dict[str, Any] = {"preset": "fast", "device": "cpu", "steps": 60}
    return taichi_gs.encode(picture, **(usual | options))


def _whole_cells(data: bytes) -> bytes:
    return _with(data, subdivision=0, offsets=np.zeros_like(parse(data).offsets))


def _with(data: bytes, **changes: Any) -> bytes:
    """The file with some of its integers replaced."""
    return serialize(replace(parse(data), **changes), parse_header(data).chunks)


def _first(picture: QuantizedGaussians, count: int) -> QuantizedGaussians:
    return replace(
        picture,
        cells=picture.cells[:count],
        offsets=picture.offsets[:count],
        covariance_indices=picture.covariance_indices[:count],
        color_indices=picture.color_indices[:count],
    )


def _drawn(height: int, width: int) -> NDArray[np.uint8]:
    """A picture [height, width, 3] with slopes, waves and edges."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = [x, 0.5 + 0.5 * np.sin(20 * x * y + 9 * x), y + 0.4 * ((x - 0.5) ** 2 + (y - 0.3) ** 2 < 0.04)]
    levels: NDArray[np.uint8] = np.rint(255 * np.clip(np.stack(planes, axis=2), 0, 1)).astype(np.uint8)
    return levels


def _cut_out(height: int, width: int) -> NDArray[np.uint8]:
    """Such a picture with an alpha plane, [height, width, 4]."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    alpha = np.rint(255 * np.clip(8 * (0.35 - np.hypot(x - 0.5, y - 0.4)), 0, 1)).astype(np.uint8)
    return np.dstack([_drawn(height, width), alpha])


if __name__ == "__main__":
    sys.exit(main())
