"""The .tgs format, version 2: `QuantizedGaussians` to bytes and back. `docs/format.md` is its specification.

Files of version 1 are read too.

    signature 8 | version 1 | flags 1 | header about 50 | payload | tail (if flagged) | CRC-32 4

The payload is one entropy-coded stream (`entropy.py`) and most of a file. The header is plain bytes, which can be read,
checked and shown without decoding anything. Nothing read from a file sizes an allocation or a loop before it has been
checked against `Limits`, and the checksum is verified before anything else is believed.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from taichi_gs.entropy import SymbolDecoder, SymbolEncoder
from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.gaussians import Blending
from taichi_gs.quantize import (
    MAX_AMPLITUDE_CODE,
    MAX_BITS,
    MAX_LOG_COVARIANCE,
    MAX_SUBDIVISION,
    lattice_of,
    lattice_of_picture,
)
from taichi_gs.quantized import (
    AMPLITUDE_CHANNEL,
    CHROMA_CHANNELS,
    COLOR_CHANNELS,
    COVARIANCE_CHANNELS,
    NO_CHROMA,
    QuantizedCodebook,
    QuantizedGaussians,
    UniformQuantizer,
)

SIGNATURE = b"\x89TGS\r\n\x1a\n"
VERSION = 2

HAS_TAIL = 1
IS_NORMALIZED = 2
IS_SUBDIVIDED = 4
IS_GRAY = 8
KNOWN_FLAGS = {1: HAS_TAIL, 2: HAS_TAIL | IS_NORMALIZED | IS_SUBDIVIDED | IS_GRAY}
"""The flags of each version that is understood; the other bits are reserved and must be zero."""

MAX_VARINT_BYTES = 5
MAX_HALF = 65504.0
MAX_SIDE = 65535
MAX_GAUSSIANS = 1 << 24
MAX_CODEWORDS = 65536

FREE_GAUSSIANS = 4096
GAUSSIANS_PER_BYTE = 64
"""N is at most 4096 + 64 * payload bytes: identical Gaussians cost nothing, and a tiny file could claim any number."""

METADATA_TAGS = frozenset({b"ICCP", b"EXIF", b"XMP_"})
"""Chunks of the tail that only tell something about the picture; compressed by zlib since version 2."""

ALPHA_TAG = b"ALPH"
"""The chunk with the alpha plane, a gray .tgs file within the file."""

KNOWN_TAGS = {1: METADATA_TAGS, 2: METADATA_TAGS | {ALPHA_TAG}}
"""Tags of the tail in each version. Others are ignored if they begin with a lower-case letter, else refused."""

GRAY_SAVING = 10
"""Bytes that the header of a gray picture is shorter."""

_LOOKALIKES = {
    b"\x1f\x8b": "a Telegram animated sticker, which also ends in .tgs, or another gzip file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"RIFF": "a WebP image or another RIFF file",
    b"GIF8": "a GIF image",
}


@dataclass(frozen=True)
class Limits:
    """What a file may ask for before it is refused with LimitError.

    Attributes:
        max_pixels: width times height; the default is Pillow's.
        max_side: width, height, and the rows and columns of the grid; the format itself ends at 65535.
        max_gaussians: N; the format itself ends at 2**24, and a file's payload bounds it further.
        max_codewords: codewords of either codebook.
        max_tail: bytes of the tail, as they are in the file and when decompressed.
    """

    max_pixels: int = 89_478_485
    max_side: int = MAX_SIDE
    max_gaussians: int = 4_194_304
    max_codewords: int = MAX_CODEWORDS
    max_tail: int = 16_777_216


FORMAT_LIMITS = Limits(max_pixels=MAX_SIDE**2, max_gaussians=MAX_GAUSSIANS, max_tail=1 << 32)
"""What the format itself allows."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its payload is decoded.

    Attributes:
        version: of the format.
        image_size: (height, width) in pixels.
        blending: "alpha" or "normalized".
        num_gaussians: N.
        grid_size: (rows, columns).
        subdivision: of the cells; 0 if means stand at their centres.
        num_covariance_codewords, num_color_codewords: K of either codebook.
        background: RGB, 0 to 255.
        covariance_quantizers, color_quantizers: one a channel.
        header_bytes: everything before the payload, signature included.
        payload_bytes: the entropy-coded part.
        is_gray: whether the picture has one channel and not three.
        tail: metadata and the alpha plane, tag to bytes; empty for most files.
    """

    version: int
    image_size: tuple[int, int]
    blending: Blending
    num_gaussians: int
    grid_size: tuple[int, int]
    subdivision: int
    num_covariance_codewords: int
    num_color_codewords: int
    background: tuple[int, int, int]
    covariance_quantizers: tuple[UniformQuantizer, ...]
    color_quantizers: tuple[UniformQuantizer, ...]
    header_bytes: int
    payload_bytes: int
    is_gray: bool = False
    tail: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """What the picture's pixels are, as Pillow names it: "L", "LA", "RGB" or "RGBA"."""
        return ("L" if self.is_gray else "RGB") + ("A" if ALPHA_TAG in self.tail else "")


def serialize(quantized: QuantizedGaussians, tail: Mapping[bytes, bytes] | None = None) -> bytes:
    """Return the .tgs file of a picture; `parse` returns `quantized.canonical()`.

    Args:
        quantized: the picture.
        tail: four-byte tag to bytes: b"ICCP" an ICC profile, b"EXIF" and b"XMP_" what their names say, b"ALPH" the
            .tgs file of the alpha plane, a gray picture of the same size.

    Raises:
        BitstreamError: if the format cannot hold the picture, for instance a side of more than 65535 pixels.
        ValueError: if a cell, an offset, an index or a symbol is out of the range that `quantized` itself gives it.
    """
    quantized = quantized.canonical()
    codebooks = (quantized.covariance_codebook, quantized.color_codebook)
    # These two first: lattices rely on sides and ranges that are possible.
    _check_sides(quantized.image_size, quantized.grid_size, FORMAT_LIMITS)
    quantizers = [quantizer for codebook in codebooks for quantizer in codebook.quantizers]
    channels = _pack_quantizers(quantizers, quantized.is_gray)
    payload = _encode_payload(quantized)
    tail_bytes = pack_tail(tail or {})
    (height, width), (rows, columns) = quantized.image_size, quantized.grid_size
    flags = HAS_TAIL if tail_bytes else 0
    flags |= IS_NORMALIZED if quantized.blending == "normalized" else 0
    flags |= IS_SUBDIVIDED if quantized.subdivision else 0
    flags |= IS_GRAY if quantized.is_gray else 0
    body = SIGNATURE + bytes([VERSION, flags])
    subdivision = (quantized.subdivision,) if quantized.subdivision else ()
    numbers = (width, height, len(quantized), columns, rows, *subdivision, *map(len, codebooks))
    body += b"".join(map(_varint, numbers))
    body += bytes(quantized.background.tolist()[: 1 if quantized.is_gray else 3]) + channels
    if tail_bytes:
        body += _varint(len(payload))
    body += payload + tail_bytes
    data = body + struct.pack("<I", zlib.crc32(body))
    # What could not be read must not be written; the reader knows the bounds of the format.
    parse_header(data, FORMAT_LIMITS)
    return data


def parse(data: bytes, limits: Limits | None = None) -> QuantizedGaussians:
    """Return the picture that a .tgs file holds.

    Args:
        data: the whole file.
        limits: what it may ask for; `Limits()` if not given.

    Raises:
        BitstreamError: if `data` is not a whole, undamaged .tgs file of a version that is understood.
        LimitError: if it asks for more than `limits` allow.
    """
    header = parse_header(data, limits)
    payload = data[header.header_bytes : header.header_bytes + header.payload_bytes]
    decoder = SymbolDecoder(payload)
    num_gaussians = header.num_gaussians
    cells = decoder.points(num_gaussians, header.grid_size)
    covariance_codebook = _decode_codebook(decoder, header.num_covariance_codewords, header.covariance_quantizers)
    covariance_indices = decoder.sequence(num_gaussians, len(covariance_codebook))
    color_codebook = _decode_codebook(decoder, header.num_color_codewords, header.color_quantizers)
    color_indices = decoder.sequence(num_gaussians, len(color_codebook))
    lattice = lattice_of(
        covariance_codebook,
        covariance_indices,
        color_codebook,
        color_indices,
        header.grid_size,
        header.image_size,
        header.subdivision,
        header.blending,
    )
    offsets = np.empty_like(cells)
    for axis in (1, 0):
        offsets[:, axis] = decoder.uniform(lattice.levels[:, axis])
    decoder.finish()
    return QuantizedGaussians(
        image_size=header.image_size,
        background=np.array(header.background, dtype=np.uint8),
        blending=header.blending,
        grid_size=header.grid_size,
        cells=cells,
        subdivision=header.subdivision,
        offsets=offsets,
        covariance_codebook=covariance_codebook,
        covariance_indices=covariance_indices,
        color_codebook=color_codebook,
        color_indices=color_indices,
        is_gray=header.is_gray,
    )


def parse_header(data: bytes, limits: Limits | None = None) -> Header:
    """Return what a .tgs file says of itself, the checksum verified but the payload not decoded.

    Raises:
        BitstreamError, LimitError: as `parse`, for everything outside the payload.
    """
    limits = limits or Limits()
    header = _parse_header(data, limits)
    if ALPHA_TAG in header.tail:
        alpha = _parse_header(header.tail[ALPHA_TAG], limits, is_plane=True)
        if not alpha.is_gray or alpha.image_size != header.image_size:
            raise BitstreamError("The file is invalid: its alpha plane is not a gray picture of the same size.")
    return header


def _parse_header(data: bytes, limits: Limits, *, is_plane: bool = False) -> Header:
    """Do the work of `parse_header`, but for what is within the alpha plane; that itself may have no tail."""
    reader = _Reader(_verified(data))
    reader.take(len(SIGNATURE))
    version, flags = reader.take(2)
    reserved = flags & ~KNOWN_FLAGS[version]
    if reserved:
        raise BitstreamError(f"The file sets the reserved flags {reserved:#04x}, which a newer version may define.")
    if is_plane and flags & HAS_TAIL:
        raise BitstreamError("The file is invalid: its alpha plane has a tail of its own.")
    width, height, num_gaussians, columns, rows = (reader.varint() for _ in range(5))
    subdivision = reader.varint() if flags & IS_SUBDIVIDED else 0
    if flags & IS_SUBDIVIDED and not 1 <= subdivision <= MAX_SUBDIVISION:
        raise BitstreamError(f"The file is invalid: its cells have the subdivision {subdivision}.")
    num_covariances, num_colors = reader.varint(), reader.varint()
    is_gray = bool(flags & IS_GRAY)
    red, green, blue = reader.take(1) * 3 if is_gray else reader.take(3)
    quantizers = _unpack_quantizers(reader, is_gray)
    payload_bytes = reader.varint() if flags & HAS_TAIL else reader.remaining
    header = Header(
        version=version,
        image_size=(height, width),
        blending="normalized" if flags & IS_NORMALIZED else "alpha",
        num_gaussians=num_gaussians,
        grid_size=(rows, columns),
        subdivision=subdivision,
        num_covariance_codewords=num_covariances,
        num_color_codewords=num_colors,
        background=(red, green, blue),
        covariance_quantizers=quantizers[:COVARIANCE_CHANNELS],
        color_quantizers=quantizers[COVARIANCE_CHANNELS:],
        header_bytes=reader.position,
        payload_bytes=payload_bytes,
        is_gray=is_gray,
    )
    _check(header, limits)
    reader.take(payload_bytes)
    return replace(header, tail=_unpack_tail(reader, version, limits))


def _encode_payload(quantized: QuantizedGaussians) -> bytes:
    """Code a canonical picture; the mirror image of what `parse` decodes."""
    encoder = SymbolEncoder()
    encoder.points(quantized.cells, quantized.grid_size)
    _encode_codebook(encoder, quantized.covariance_codebook)
    encoder.sequence(quantized.covariance_indices, len(quantized.covariance_codebook))
    _encode_codebook(encoder, quantized.color_codebook)
    encoder.sequence(quantized.color_indices, len(quantized.color_codebook))
    levels = lattice_of_picture(quantized).levels
    for axis in (1, 0):
        encoder.uniform(quantized.offsets[:, axis], levels[:, axis])
    return encoder.finish()


def _encode_codebook(encoder: SymbolEncoder, codebook: QuantizedCodebook) -> None:
    """Code the symbols channel by channel; the first is sorted, so that it is a mere multiset."""
    for channel, quantizer in enumerate(codebook.quantizers):
        code = encoder.sequence if channel else encoder.multiset
        code(codebook.symbols[:, channel], quantizer.num_levels)


def _decode_codebook(
    decoder: SymbolDecoder, num_codewords: int, quantizers: tuple[UniformQuantizer, ...]
) -> QuantizedCodebook:
    """Return a codebook with its symbols; the mirror image of `_encode_codebook`."""
    symbols = np.empty((num_codewords, len(quantizers)), dtype=np.int64)
    for channel, quantizer in enumerate(quantizers):
        code = decoder.sequence if channel else decoder.multiset
        symbols[:, channel] = code(num_codewords, quantizer.num_levels)
    return QuantizedCodebook(symbols, quantizers)


def _verified(data: bytes) -> bytes:
    """Return `data` without its checksum, having verified signature, version and checksum in this order."""
    if not data:
        raise BitstreamError("The file is empty.")
    if not data.startswith(SIGNATURE):
        if SIGNATURE.startswith(data):
            raise BitstreamError("The file is truncated: it ends within its signature.")
        guess = next((f"; it looks like {name}" for magic, name in _LOOKALIKES.items() if data.startswith(magic)), "")
        raise BitstreamError(f"This is not a .tgs file of Gaussians{guess}.")
    version = data[len(SIGNATURE) : len(SIGNATURE) + 1]
    if version and version[0] not in KNOWN_FLAGS:
        understood = " and ".join(map(str, KNOWN_FLAGS))
        raise BitstreamError(f"The file has version {version[0]} of the format, and only {understood} are understood.")
    body, checksum = data[:-4], data[-4:]
    if len(body) < len(SIGNATURE) + 2 or struct.pack("<I", zlib.crc32(body)) != checksum:
        raise BitstreamError("The file is damaged or truncated: its checksum does not match.")
    return body


def _check(header: Header, limits: Limits) -> None:
    """Raise BitstreamError or LimitError if the numbers in a header are impossible or too large."""
    _check_sides(header.image_size, header.grid_size, limits)
    num_gaussians, payload_bytes = header.num_gaussians, header.payload_bytes
    if num_gaussians > limits.max_gaussians:
        raise LimitError(f"The file has {num_gaussians} Gaussians, more than the {limits.max_gaussians} allowed.")
    if num_gaussians > FREE_GAUSSIANS + GAUSSIANS_PER_BYTE * payload_bytes:
        raise LimitError(f"The file has {num_gaussians} Gaussians, too many for {payload_bytes} bytes of payload.")
    for num_codewords in (header.num_covariance_codewords, header.num_color_codewords):
        if num_codewords > limits.max_codewords:
            raise LimitError(f"The file has {num_codewords} codewords, more than the {limits.max_codewords} allowed.")
        if not min(1, num_gaussians) <= num_codewords <= num_gaussians:
            raise BitstreamError(f"The file is invalid: {num_codewords} codewords for {num_gaussians} Gaussians.")
    if max(map(_reach, header.covariance_quantizers)) > MAX_LOG_COVARIANCE:
        raise BitstreamError(f"A covariance channel goes beyond {MAX_LOG_COVARIANCE:.0f} on a logarithmic scale.")
    if header.blending == "normalized" and _reach(header.color_quantizers[AMPLITUDE_CHANNEL]) > MAX_AMPLITUDE_CODE:
        raise BitstreamError(f"The amplitude codes go beyond {MAX_AMPLITUDE_CODE:.0f}.")


def _check_sides(image_size: tuple[int, int], grid_size: tuple[int, int], limits: Limits) -> None:
    """Raise BitstreamError or LimitError if (height, width) or (rows, columns) are zero or too large."""
    (height, width), (rows, columns) = image_size, grid_size
    for what, value, most in (
        ("pixels of width", width, limits.max_side),
        ("pixels of height", height, limits.max_side),
        ("columns of cells", columns, limits.max_side),
        ("rows of cells", rows, limits.max_side),
        ("pixels", width * height, limits.max_pixels),
    ):
        if value == 0:
            raise BitstreamError(f"The file is invalid: it has no {what}.")
        if value > most:
            raise LimitError(f"The file has {value} {what}, more than the {most} allowed.")


def _reach(quantizer: UniformQuantizer) -> float:
    """Return the largest magnitude in the range of a quantiser."""
    return max(abs(quantizer.minimum), abs(quantizer.minimum + quantizer.step * (quantizer.num_levels - 1)))


def _stored_channels(is_gray: bool) -> list[int]:
    """The channels, of both codebooks together, whose ranges a header has."""
    absent = [COVARIANCE_CHANNELS + channel for channel in CHROMA_CHANNELS] if is_gray else []
    return [channel for channel in range(COVARIANCE_CHANNELS + COLOR_CHANNELS) if channel not in absent]


def _pack_quantizers(quantizers: Sequence[UniformQuantizer], is_gray: bool) -> bytes:
    """Return the bits of all channels, four bits each in one u32, then (minimum, step) as float16 of those stored."""
    for quantizer in quantizers:
        if not (0 <= quantizer.bits <= MAX_BITS and _is_half(quantizer.minimum) and _is_half(quantizer.step)):
            raise BitstreamError(f"The format cannot hold {quantizer}: at most {MAX_BITS} bits, and float16 values.")
    packed = sum(quantizer.bits << 4 * channel for channel, quantizer in enumerate(quantizers))
    stored = [quantizers[channel] for channel in _stored_channels(is_gray)]
    return struct.pack("<I", packed) + b"".join(struct.pack("<ee", q.minimum, q.step) for q in stored)


def _unpack_quantizers(reader: _Reader, is_gray: bool) -> tuple[UniformQuantizer, ...]:
    """Return the quantisers of all channels; the inverse of `_pack_quantizers`."""
    (packed,) = struct.unpack("<I", reader.take(4))
    num_channels = COVARIANCE_CHANNELS + COLOR_CHANNELS
    if packed >> 4 * num_channels:
        raise BitstreamError("The file sets reserved bits in its header, which a newer version may define.")
    quantizers = [NO_CHROMA] * num_channels
    stored = _stored_channels(is_gray)
    for channel in range(num_channels):
        bits = packed >> 4 * channel & 15
        if channel not in stored:
            if bits:
                raise BitstreamError(f"The file is gray, and its channel {channel} of colour has {bits} bits.")
            continue
        minimum, step = struct.unpack("<ee", reader.take(4))
        if bits > MAX_BITS:
            raise BitstreamError(f"Channel {channel} has {bits} bits, more than the {MAX_BITS} of the format.")
        if not (math.isfinite(minimum) and math.isfinite(step)):
            raise BitstreamError(f"Channel {channel} has a range that is not finite.")
        if bits and step <= 0:
            raise BitstreamError(f"Channel {channel} has a step that is not positive.")
        quantizers[channel] = UniformQuantizer(minimum, step, bits)
    return tuple(quantizers)


def _is_half(value: float) -> bool:
    """Tell whether a number is exactly and finitely a float16."""
    return abs(value) <= MAX_HALF and struct.unpack("<e", struct.pack("<e", value)) == (value,)


def pack_tail(tail: Mapping[bytes, bytes]) -> bytes:
    """Return the chunks of the tail one after another: tag, length as u32, bytes, which are compressed if metadata."""
    if any(len(tag) != 4 for tag in tail):
        raise ValueError("a tag of the tail must have four bytes")
    packed = {tag: zlib.compress(chunk, 9) if tag in METADATA_TAGS else chunk for tag, chunk in tail.items()}
    return b"".join(struct.pack("<4sI", tag, len(chunk)) + chunk for tag, chunk in packed.items())


def _unpack_tail(reader: _Reader, version: int, limits: Limits) -> dict[bytes, bytes]:
    """Return the chunks of the tail; the inverse of `pack_tail`."""
    if reader.remaining > limits.max_tail:
        raise LimitError(f"The file has {reader.remaining} bytes of metadata, more than the {limits.max_tail} allowed.")
    tail: dict[bytes, bytes] = {}
    room = limits.max_tail
    while reader.remaining:
        tag, length = struct.unpack("<4sI", reader.take(8))
        chunk = reader.take(length)
        if tag in tail:
            raise BitstreamError(f"The file is invalid: it has the metadata {tag!r} twice.")
        if tag not in KNOWN_TAGS[version] and not tag[:1].islower():
            raise BitstreamError(f"The file has the metadata {tag!r}, which only a newer version understands.")
        if version > 1 and tag in METADATA_TAGS:
            chunk = _decompress(tag, chunk, room)
            room -= len(chunk)
        tail[tag] = chunk
    return tail


def _decompress(tag: bytes, chunk: bytes, max_bytes: int) -> bytes:
    """Return what a whole zlib stream holds; LimitError if that is more than `max_bytes`."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(chunk, max_bytes + 1)
    except zlib.error as error:
        raise BitstreamError(f"The file is invalid: its metadata {tag!r} cannot be decompressed.") from error
    if len(content) > max_bytes:
        raise LimitError(f"The file's metadata {tag!r} is larger than the {max_bytes} bytes left to it.")
    if not stream.eof or stream.unused_data:
        raise BitstreamError(f"The file is invalid: its metadata {tag!r} is not one zlib stream.")
    return content


def _varint(value: int) -> bytes:
    """Return a non-negative integer in groups of seven bits, the lowest first; the high bit tells that more follow."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class _Reader:
    """A position in `data` that moves on with every read; running out raises BitstreamError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def remaining(self) -> int:
        return len(self._data) - self.position

    def take(self, num_bytes: int) -> bytes:
        if num_bytes > self.remaining:
            raise BitstreamError("The file is truncated: it ends before everything it announces.")
        start = self.position
        self.position += num_bytes
        return self._data[start : self.position]

    def varint(self) -> int:
        """Return an integer written by `_varint`, in at most five bytes and no more than needed."""
        value = 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            (group,) = self.take(1)
            value |= (group & 127) << shift
            if group < 128:
                if group == 0 and shift:
                    break
                return value
        raise BitstreamError("The file is invalid: a number in its header is not in the shortest form.")
