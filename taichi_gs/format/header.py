"""The header of a .tgs file: plain bytes, which can be read, checked and shown without decoding anything.

Nothing read from a file sizes an allocation or a loop before it has been checked against `Limits`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.format.limits import (
    FREE_GAUSSIANS,
    GAUSSIANS_PER_BYTE,
    MAX_CODEWORDS,
    MAX_GAUSSIANS,
    Limits,
    check_payload_bytes,
    check_ranges,
    check_sides,
)
from taichi_gs.format.varint import ByteCursor, varint
from taichi_gs.model.blending import Blending
from taichi_gs.model.lattice import MAX_SUBDIVISION
from taichi_gs.model.quantized import (
    CHROMA_CHANNELS,
    COLOR_CHANNELS,
    COVARIANCE_CHANNELS,
    MAX_BITS,
    NO_CHROMA,
    QuantizedGaussians,
    UniformQuantizer,
)

VERSION = 2

HAS_CHUNKS = 1
IS_NORMALIZED = 2
IS_SUBDIVIDED = 4
IS_GRAY = 8
KNOWN_FLAGS = {1: HAS_CHUNKS, 2: HAS_CHUNKS | IS_NORMALIZED | IS_SUBDIVIDED | IS_GRAY}
"""The flags of each version that is understood; the other bits are reserved and must be zero."""

MAX_HALF = 65504.0


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
        covariance_k, color_k: codewords of the covariance codebook and of the color codebook.
        background: RGB, 0 to 255.
        covariance_quantizers, color_quantizers: one a channel.
        header_bytes: everything before the payload, signature included.
        payload_bytes: the entropy-coded part.
        is_gray: whether the picture has one channel and not three.
        chunks: metadata and the alpha plane, tag to bytes; empty for most files.
        alpha: the header of the alpha plane, if there is one.
    """

    version: int
    image_size: tuple[int, int]
    blending: Blending
    num_gaussians: int
    grid_size: tuple[int, int]
    subdivision: int
    covariance_k: int
    color_k: int
    background: tuple[int, int, int]
    covariance_quantizers: tuple[UniformQuantizer, ...]
    color_quantizers: tuple[UniformQuantizer, ...]
    header_bytes: int
    payload_bytes: int
    is_gray: bool = False
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    alpha: Header | None = None

    @property
    def mode(self) -> str:
        """What the picture's pixels are, as Pillow names it: "L", "LA", "RGB" or "RGBA"."""
        return ("L" if self.is_gray else "RGB") + ("" if self.alpha is None else "A")


def describe(quantized: QuantizedGaussians, payload_bytes: int) -> Header:
    """Return the header of the file of a canonical picture, without chunks."""
    red, green, blue = quantized.background.tolist()
    return Header(
        version=VERSION,
        image_size=quantized.image_size,
        blending=quantized.blending,
        num_gaussians=len(quantized),
        grid_size=quantized.grid_size,
        subdivision=quantized.subdivision,
        covariance_k=len(quantized.covariance_codebook),
        color_k=len(quantized.color_codebook),
        background=(red, green, blue),
        covariance_quantizers=quantized.covariance_codebook.quantizers,
        color_quantizers=quantized.color_codebook.quantizers,
        header_bytes=0,
        payload_bytes=payload_bytes,
        is_gray=quantized.is_gray,
    )


def pack_header(header: Header, *, has_chunks: bool) -> bytes:
    """Return what stands between the signature and the payload: version, flags and numbers.

    Args:
        header: of the file; its `header_bytes` and `chunks` are not looked at.
        has_chunks: whether there are some, and therefore the length of the payload.

    Raises:
        BitstreamError: if a quantiser has more bits than a file can keep, or numbers that are not float16.
    """
    (height, width), (rows, columns) = header.image_size, header.grid_size
    flags = HAS_CHUNKS if has_chunks else 0
    flags |= IS_NORMALIZED if header.blending == "normalized" else 0
    flags |= IS_SUBDIVIDED if header.subdivision else 0
    flags |= IS_GRAY if header.is_gray else 0
    subdivision = (header.subdivision,) if header.subdivision else ()
    codebooks = (header.covariance_k, header.color_k)
    numbers = (width, height, header.num_gaussians, columns, rows, *subdivision, *codebooks)
    background = bytes(header.background[: 1 if header.is_gray else 3])
    quantizers = (*header.covariance_quantizers, *header.color_quantizers)
    packed = bytes([header.version, flags]) + b"".join(map(varint, numbers)) + background
    packed += _pack_quantizers(quantizers, header.is_gray)
    return packed + (varint(header.payload_bytes) if has_chunks else b"")


def unpack_header(cursor: ByteCursor, *, is_plane: bool = False) -> Header:
    """Return what `pack_header` has written, and the length of the payload; the numbers are still to be checked.

    Args:
        cursor: at the version, which is one of KNOWN_FLAGS.
        is_plane: whether this is the alpha plane of another file, which may have no chunks.
    """
    version, flags = cursor.take(2)
    reserved = flags & ~KNOWN_FLAGS[version]
    if reserved:
        raise BitstreamError(f"The file sets the reserved flags {reserved:#04x}, which a newer version may define.")
    if is_plane and flags & HAS_CHUNKS:
        raise BitstreamError("The file is invalid: its alpha plane has chunks of its own.")
    width, height, num_gaussians, columns, rows = (cursor.varint() for _ in range(5))
    subdivision = cursor.varint() if flags & IS_SUBDIVIDED else 0
    if flags & IS_SUBDIVIDED and subdivision == 0:
        raise BitstreamError("The file is invalid: its cells have the subdivision 0.")
    num_covariances, num_colors = cursor.varint(), cursor.varint()
    is_gray = bool(flags & IS_GRAY)
    red, green, blue = cursor.take(1) * 3 if is_gray else cursor.take(3)
    quantizers = _unpack_quantizers(cursor, is_gray)
    payload_bytes = cursor.varint() if flags & HAS_CHUNKS else cursor.remaining
    return Header(
        version=version,
        image_size=(height, width),
        blending="normalized" if flags & IS_NORMALIZED else "alpha",
        num_gaussians=num_gaussians,
        grid_size=(rows, columns),
        subdivision=subdivision,
        covariance_k=num_covariances,
        color_k=num_colors,
        background=(red, green, blue),
        covariance_quantizers=quantizers[:COVARIANCE_CHANNELS],
        color_quantizers=quantizers[COVARIANCE_CHANNELS:],
        header_bytes=cursor.position,
        payload_bytes=payload_bytes,
        is_gray=is_gray,
    )


def check_header(header: Header, limits: Limits) -> None:
    """Raise BitstreamError or LimitError if the numbers in a header are impossible or too large."""
    check_sides(header.image_size, header.grid_size, limits)
    if header.subdivision > MAX_SUBDIVISION:
        raise BitstreamError(f"The file is invalid: its cells have the subdivision {header.subdivision}.")
    num_gaussians, payload_bytes = header.num_gaussians, header.payload_bytes
    max_gaussians = min(limits.max_gaussians, MAX_GAUSSIANS)
    max_codewords = min(limits.max_codewords, MAX_CODEWORDS)
    if num_gaussians > max_gaussians:
        raise LimitError(f"The file has {num_gaussians} Gaussians, more than the {max_gaussians} allowed.")
    if num_gaussians > FREE_GAUSSIANS + GAUSSIANS_PER_BYTE * payload_bytes:
        raise LimitError(f"The file has {num_gaussians} Gaussians, too many for {payload_bytes} bytes of payload.")
    for num_codewords in (header.covariance_k, header.color_k):
        if num_codewords > max_codewords:
            raise LimitError(f"The file has {num_codewords} codewords, more than the {max_codewords} allowed.")
        if not min(1, num_gaussians) <= num_codewords <= num_gaussians:
            raise BitstreamError(f"The file is invalid: {num_codewords} codewords for {num_gaussians} Gaussians.")
    check_payload_bytes(payload_bytes, num_gaussians, header.covariance_k + header.color_k)
    check_ranges((*header.covariance_quantizers, *header.color_quantizers), header.blending)


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


def _unpack_quantizers(cursor: ByteCursor, is_gray: bool) -> tuple[UniformQuantizer, ...]:
    """Return the quantisers of all channels; the inverse of `_pack_quantizers`."""
    (packed,) = struct.unpack("<I", cursor.take(4))
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
        minimum, step = struct.unpack("<ee", cursor.take(4))
        quantizers[channel] = UniformQuantizer(minimum, step, bits)
    return tuple(quantizers)


def _is_half(value: float) -> bool:
    """Tell whether a number is exactly and finitely a float16."""
    return abs(value) <= MAX_HALF and struct.unpack("<e", struct.pack("<e", value)) == (value,)
