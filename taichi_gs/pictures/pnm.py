"""PPM, PGM, PBM and PAM: samples of up to 16 bits behind a few words of text. Pillow reads 8 bits, and no PAM.

See the manual pages pnm(5) and pam(5).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taichi_gs.errors import ImageError
from taichi_gs.pictures.convert import check_size

_CHANNELS = {b"P1": 1, b"P2": 1, b"P3": 3, b"P4": 1, b"P5": 1, b"P6": 3}
_BITMAPS, _PLAIN = (b"P1", b"P4"), (b"P1", b"P2", b"P3")

_WORD = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([^\s#]+)")
_COMMENT = re.compile(rb"#[^\r\n]*")
_MAX_HEADER = 65_536

_CHANNELS_OF_TYPES = {
    **{b"BLACKANDWHITE": 1, b"GRAYSCALE": 1, b"RGB": 3},
    **{b"BLACKANDWHITE_ALPHA": 2, b"GRAYSCALE_ALPHA": 2, b"RGB_ALPHA": 4},
}
_TYPES = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}


class _Header(NamedTuple):
    magic: bytes
    width: int
    height: int
    channels: int
    max_value: int
    end: int


def is_pnm(data: bytes) -> bool:
    """Tell whether bytes begin like one of these files."""
    return data[:2] in (*_CHANNELS, b"P7") and data[2:3] in (b" ", b"\t", b"\r", b"\n", b"#")


def size_of(data: bytes) -> tuple[int, int]:
    """Return the (width, height) that such a file announces.

    Raises:
        ImageError: if its header is not whole.
    """
    header = _read_header(data, "the picture")
    return header.width, header.height


def pixels_of(data: bytes, name: str, max_pixels: int, *, first_frame: bool) -> NDArray[Any]:
    """Decode the first picture of a file: [H, W] or [H, W, C] of uint8, or of uint16 if samples have more than 8 bits.

    Args:
        data: the file.
        name: what stands for it in messages.
        max_pixels: the limit.
        first_frame: whether other pictures may follow.

    Raises:
        ImageError: if it is not a whole picture, or larger than the limit.
    """
    header = _read_header(data, name)
    check_size(header.height, header.width, name, max_pixels)
    if not 1 <= header.max_value <= 65535:
        raise ImageError(f"{name} is damaged: its largest sample is {header.max_value}")
    samples, end = _samples(data, header, name)
    if is_pnm(data[end:].lstrip()) and not first_frame:
        raise ImageError(f"{name} holds several pictures, of which only the first can be taken: ask for first_frame")
    if samples.size and samples.max() > header.max_value:
        raise ImageError(f"{name} is damaged: it has samples above {header.max_value}, its largest one")
    if header.magic in _BITMAPS:
        samples = 1 - samples  # where 1 is black
    most, kind = (255, np.uint8) if header.max_value <= 255 else (65535, np.uint16)
    if header.max_value != most:
        samples = (samples.astype(np.uint32) * most + header.max_value // 2) // header.max_value
    pixels: NDArray[Any] = samples.astype(kind)
    return pixels[:, :, 0] if header.channels == 1 else pixels


def to_bytes(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """Return the file of 8-bit pixels: .ppm for RGB, .pgm for gray, .pam for either, with or without alpha."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if suffix == ".pam":
        fields = f"WIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL 255\nTUPLTYPE {_TYPES[channels]}"
        return f"P7\n{fields}\nENDHDR\n".encode() + pixels.tobytes()
    return f"P{5 if channels == 1 else 6}\n{width} {height}\n255\n".encode() + pixels.tobytes()


def _read_header(data: bytes, name: str) -> _Header:
    if data[:2] == b"P7":
        return _read_pam_header(data, name)
    magic, position, numbers = data[:2], 2, []
    for _ in range(2 if magic in _BITMAPS else 3):
        match = _WORD.match(data, position, _MAX_HEADER)
        numbers.append(_number(match[1] if match else b"", name))
        position = match.end() if match else position
    width, height, max_value = (*numbers, 1)[:3]
    return _Header(magic, width, height, _CHANNELS[magic], max_value, position + 1)


def _read_pam_header(data: bytes, name: str) -> _Header:
    end = data.find(b"\nENDHDR\n", 0, _MAX_HEADER)
    lines = [line.split(None, 1) for line in data[2 : max(end, 2)].splitlines() if not line.startswith(b"#")]
    fields = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    width, height, depth, max_value = (
        _number(fields.get(key, b""), name) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    )
    kind = fields.get(b"TUPLTYPE", b"")
    if not 1 <= depth <= 4 or (kind and _CHANNELS_OF_TYPES.get(kind) != depth):
        described = kind.decode("ascii", "backslashreplace")[:40] or "no type"
        raise ImageError(f"{name} has pixels of a kind that is not supported (PAM, {described}, {depth} channels)")
    return _Header(b"P7", width, height, depth, max_value, end + len(b"\nENDHDR\n"))


def _number(word: bytes, name: str) -> int:
    if not re.fullmatch(rb"[0-9]{1,10}", word):
        raise ImageError(f"{name} is damaged or truncated: its header is not whole")
    return int(word)


def _samples(data: bytes, header: _Header, name: str) -> tuple[NDArray[Any], int]:
    """The samples [H, W, C] as they are in the file, and where they end."""
    height, width, channels = header.height, header.width, header.channels
    count = height * width * channels
    if header.magic in _PLAIN:
        words = _COMMENT.sub(b"", data[header.end :])
        # Those of a bitmap need no spaces between them.
        digits = b" ".join(bytes([digit]) for digit in b"".join(words.split())) if header.magic == b"P1" else words
        try:
            plain = np.array(digits.split(None, count)[:count], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise ImageError(f"{name} is damaged: it has samples that are no numbers") from error
        _check_length(len(plain), count, name)
        if count and plain.min() < 0:
            raise ImageError(f"{name} is damaged: it has samples below 0")
        return plain.reshape(height, width, channels), len(data)
    row_bytes = (width + 7) // 8 if header.magic == b"P4" else width * channels * (1 if header.max_value < 256 else 2)
    end = header.end + height * row_bytes
    content = data[header.end : end]
    _check_length(len(content), height * row_bytes, name)
    if header.magic == b"P4":
        rows = np.frombuffer(content, np.uint8).reshape(height, row_bytes)
        return np.unpackbits(rows, axis=1, count=width)[:, :, None], end
    kind = np.dtype(np.uint8 if header.max_value < 256 else ">u2")
    return np.frombuffer(content, kind).reshape(height, width, channels), end


def _check_length(length: int, needed: int, name: str) -> None:
    if length < needed:
        raise ImageError(f"{name} is damaged or truncated: {length:,} of {needed:,} are there of its samples")
