"""What a few bytes can show of a photograph: Gaussians, WebP in files of equal size, ThumbHash and BlurHash."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from benchmarks.hashes import decode_blurhash, decode_thumbhash, encode_blurhash, encode_thumbhash
from benchmarks.largest_file import PeerFiles
from benchmarks.peers import decode, scaled_size
from benchmarks.small_peers import CODECS, MIN_SIDE
from taichi_gs.encoder.choices import Preset
from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted
from taichi_gs.pictures.convert import as_byte_image, as_float_image, as_preview
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.read import read_picture

SMALL, LARGE = 300, 1024
"""Bytes that a file of Gaussians, and one of WebP, may have."""

HASH_SIDE = 32
"""Pixels on the longer side of a decoded hash. It has no more than 7 waves, so a browser enlarges it without loss."""

BLURHASH_COUNTS = (4, 3)
"""Waves along the longer side and the shorter one, as in the examples of BlurHash."""

FULL_OPTIONS: dict[str, Any] = {"quality": 70, "speed": 6}
"""With which Pillow makes the AVIF file of a full picture."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Version:
    """A version of a photograph.

    Attributes:
        name: what the page calls it.
        num_bytes: of the file, or of the hash.
        kind: MIME type of `data`.
        data: what the browser gets: the file, or a picture of what the hash says.
    """

    name: str
    num_bytes: int
    kind: str
    data: bytes


@dataclass(frozen=True)
class Photograph:
    """A photograph and its versions.

    Attributes:
        size: (height, width) of the full picture.
        full: its AVIF file.
        pairs: Gaussians and WebP, each with at most SMALL bytes and with at most LARGE ones.
        hashes: ThumbHash and BlurHash.
    """

    size: tuple[int, int]
    full: bytes
    pairs: tuple[tuple[Version, Version], ...]
    hashes: tuple[Version, ...]


def photograph(path: Path, max_side: int, preset: Preset) -> Photograph:
    """Read a photograph, make it at most `max_side` pixels wide and high, and make all versions of that.

    Gaussians are made with the preset of this name.

    Raises:
        FileError, ImageError: if it cannot be read, or has no WebP file of so few bytes.
    """
    plain = as_preview(read_picture(path, first_frame=True), quoted(path))
    picture = Image.fromarray(as_byte_image(as_float_image(plain.pixels)))
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    if min(picture.size) < MIN_SIDE:
        raise ImageError(f"{quoted(path)} is less than {MIN_SIDE} pixels wide or high")
    pixels = np.asarray(picture)
    webp = dict(zip((SMALL, LARGE), best_webp(pixels, (SMALL, LARGE), quoted(path)), strict=True))
    pairs = tuple(
        (_gaussians(pixels, size, preset), Version("WebP", len(data), "image/webp", data))
        for size, data in webp.items()
    )
    return Photograph(pixels.shape[:2], _file(picture, "AVIF", FULL_OPTIONS), pairs, _hashes(pixels))


def best_webp(pixels: Pixels, sizes: tuple[int, ...], name: str) -> list[bytes]:
    """The WebP files of at most so many bytes, at any scale, that are nearest to a picture by PSNR.

    Raises:
        ImageError: if there is none; `name` stands for the picture.
    """
    files = [
        PeerFiles(pixels, variant, scale)
        for variant in CODECS["WebP"]
        for scale in variant.scales
        if scale == 1.0 or min(scaled_size(pixels.shape[:2], scale)) >= MIN_SIDE
    ]
    best = []
    for size in sizes:
        settings = [(some, some.largest(size)) for some in files]
        fitting = [some.data(setting) for some, setting in settings if setting is not None]
        if not fitting:
            raise ImageError(f"no WebP file of {name} has {size} bytes or less")
        best.append(max(fitting, key=lambda data: psnr(pixels, decode(data, pixels.shape[:2]))))
    return best


def _gaussians(pixels: Pixels, num_bytes: int, preset: Preset) -> Version:
    data = taichi_gs.encode(pixels, preset=preset, preview=True, num_bytes=num_bytes)
    return Version("Gaussians", len(data), "image/x-taichi-gs", data)


def _hashes(pixels: Pixels) -> tuple[Version, ...]:
    """The hashes, decoded already: so the page does without their decoders."""
    height, width = pixels.shape[:2]
    size = scaled_size((height, width), max(height, width) / HASH_SIDE)
    counts = BLURHASH_COUNTS if width >= height else BLURHASH_COUNTS[::-1]
    thumbhash, blurhash = encode_thumbhash(pixels), encode_blurhash(pixels, counts)
    drawn = {
        "ThumbHash": (thumbhash, decode_thumbhash(thumbhash, size)),
        "BlurHash": (blurhash, decode_blurhash(blurhash, size)),
    }
    return tuple(
        Version(name, len(hash), "image/webp", _file(Image.fromarray(seen), "WebP", {"lossless": True, "method": 6}))
        for name, (hash, seen) in drawn.items()
    )


def _file(picture: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()
