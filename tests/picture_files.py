"""Picture files for tests: written by hand where Pillow writes no such, turned, with profiles, and of every kind."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.read import image_from_bytes

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each colour type of PNG: gray, RGB, palette, gray and alpha, RGBA."""

ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""First row, first column, and distances of rows and columns of the passes of an interlaced PNG."""

Bytes = NDArray[np.uint8]

FORMATS = ("png", "jpeg", "webp", "tiff")
"""That have profiles and metadata."""

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {},
    "bmp": {},
    "tiff": {},
    "webp": {"lossless": True},
    "jpeg": {"quality": 95},
}
"""Of each format, those by which it keeps pixels as well as it can."""

UNDO = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""Pillow's transposition that undoes each orientation."""


def random_samples(shape: tuple[int, ...], bits: int) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 1 << bits, shape).astype(np.uint16)


def scaled(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples of 1 to 16 bits as pixels of 8 or 16."""
    return samples if bits == 16 else (samples * (255 // ((1 << bits) - 1))).astype(np.uint8)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_file(
    samples: NDArray[Any], color_type: int, bits: int = 8, *, is_interlaced: bool = False, extra: bytes = b""
) -> bytes:
    """A PNG of samples [H, W] or [H, W, C], with every row filtered by "Sub"; `extra` are chunks before the pixels."""
    height, width = samples.shape[:2]
    samples = samples.reshape(height, width, CHANNELS[color_type])
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if is_interlaced else [samples]
    rows = b"".join(_filtered(row, bits) for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, is_interlaced)
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _filtered(row: NDArray[Any], bits: int) -> bytes:
    binary = row.reshape(-1, 1).astype(np.int64) >> np.arange(bits - 1, -1, -1) & 1
    packed = np.packbits(binary.ravel().astype(np.uint8))
    distance = max(1, row.shape[1] * bits // 8)
    before = np.concatenate([np.zeros(distance, np.uint8), packed])[: len(packed)]
    return b"\1" + (packed - before).tobytes()


def saved(image: Image.Image, format: str = "png", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels_of(data: bytes) -> Bytes:
    """What the package reads from an opaque picture file, in 8 bits."""
    return as_byte_image(image_from_bytes(data))


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera with this orientation stores it."""
    undo = UNDO[orientation]
    return image if undo is None else image.transpose(Image.Transpose(undo))


def orientation_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[271] = orientation, "a camera"
    return exif


@cache
def srgb_profile() -> bytes:
    """A profile of sRGB, the same each time: it says when it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """A profile whose red is sRGB's green and the other way round."""
    return srgb_profile().replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def icc_profile(device_class: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 with a description, a copyright and these tags."""
    text = b"a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        **tags,
    }
    position, table, contents = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content = content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, position, len(content))
        position, contents = position + len(content), contents + content
    header = struct.pack(
        ">I4sI4s4s4s12s4s", position, b"test", 0x02400000, device_class, space, connection, b"", b"acsp"
    )
    header = (header + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0")
    return header + struct.pack(">I", len(tags)) + table + contents


def gray_profile(gamma: float) -> bytes:
    """A profile of gray with the level to the power of `gamma` as its luminance."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return icc_profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve})


def red_cyan_profile() -> bytes:
    """A profile of CMYK whose cyan ink is a pure red, whose black is black, and whose other inks do nothing."""
    white, red, black = (255, 128, 128), (138, 209, 198), (0, 128, 128)  # L, a, b in the encoding of 8 bits
    corners = b"".join(bytes(black if corner & 1 else red if corner & 8 else white) for corner in range(16))
    identity = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + 4 * identity + corners + 3 * identity
    return icc_profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def close(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Tell whether two 8-bit pictures are much the same, which none of those turned or with other channels is."""
    return a.shape == b.shape and np.abs(a.astype(int) - b).mean() < 14


KINDS = (
    *("gray", "gray and alpha", "RGB", "RGBA", "palette", "transparent gray"),
    *("black and white", "16 bits", "CMYK", "profile"),
)
"""The keys of `kinds`."""


def kinds(picture: Bytes) -> dict[str, tuple[Image.Image, NDArray[Any]]]:
    """Pictures of Pillow's, each with the pixels that it should come back with."""
    image = Image.fromarray(picture)
    gray = np.asarray(image.convert("L"))
    alpha = np.zeros_like(gray)
    alpha[4:20, 6:26] = 255
    seen = np.where(alpha > 0, gray, 0)
    palette = image.quantize(64)
    with_key = Image.fromarray(np.where(alpha > 0, gray | 1, 0))
    with_key.info["transparency"] = 0
    described = image.copy()
    described.info["icc_profile"] = swapped_profile()
    return {
        "gray": (Image.fromarray(gray), gray),
        "gray and alpha": (Image.fromarray(np.dstack([gray, alpha])), np.dstack([seen, alpha])),
        "RGB": (image, picture),
        "RGBA": (Image.fromarray(np.dstack([picture, alpha])), np.dstack([picture * (alpha[..., None] > 0), alpha])),
        "palette": (palette, np.asarray(palette.convert("RGB"))),
        "transparent gray": (with_key, np.dstack([seen, alpha])),
        "black and white": (Image.fromarray(gray > 100), np.where(gray > 100, 255, 0)),
        "16 bits": (Image.fromarray(gray.astype(np.uint16) * 257), gray),
        "CMYK": (image.convert("CMYK"), picture),
        "profile": (described, picture),
    }


def without_hidden_colors(pixels: Bytes) -> Bytes:
    return np.concatenate([np.where(pixels[..., -1:] > 127, pixels[..., :-1], 0), pixels[..., -1:]], axis=2)


def turned(picture: Bytes, orientation: int) -> bytes:
    """A JPEG file whose pixels lie as a camera with this orientation stores them."""
    exif = Image.Exif()
    exif[274] = orientation
    return saved(stored(Image.fromarray(picture), orientation), "jpeg", quality=95, exif=exif)
