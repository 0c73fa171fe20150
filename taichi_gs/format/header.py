"""The header of a .tgs file: plain bytes, which can be read, checked and shown without decoding anything.

Nothing read from a file sizes an allocation or a loop before it has been checked against `Limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.format.limits import (
    FREE_GAUSSIANS,
    GAUSSIANS_PER_BYTE,
    MAX_CODEWORDS,
    MAX_GAUSSIANS,
    Limits,
    check_payload_bytes,
    check_sides,
)
from taichi_gs.format.varint import ByteCursor, varint
from taichi_gs.model.blending import Blending
from taichi_gs.model.lattice import MAX_SUBDIVISION_CODE, rows_of, subdivision_code_of, subdivision_of
from taichi_gs.model.quantized import QuantizedGaussians

VERSION = 1

_VERSION_SHIFT = 4
"""The version and the flags share a byte."""

HAS_CHUNKS = 1
IS_FRONT_TO_BACK = 2
IS_GRAY = 4
HAS_GRAIN = 8


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
        header_bytes: everything before the payload, signature included.
        payload_bytes: the entropy-coded part.
        is_gray: whether the picture has one channel and not three.
        has_grain: whether the strength of its grain is known.
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
    header_bytes: int
    payload_bytes: int
    is_gray: bool = False
    has_grain: bool = False
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    alpha: Header | None = None

    @property
    def mode(self) -> str:
        """What the picture's pixels are, as Pillow names it: "L", "LA", "RGB" or "RGBA"."""
        return ("L" if self.is_gray else "RGB") + ("" if self.alpha is None else "A")


def describe(quantized: QuantizedGaussians, payload_bytes: int) -> Header:
    """Return the header of the file of a canonical picture, without chunks."""
    return Header(
        version=VERSION,
        image_size=quantized.image_size,
        blending=quantized.blending,
        num_gaussians=len(quantized),
        grid_size=quantized.grid_size,
        subdivision=quantized.subdivision,
        covariance_k=len(quantized.covariance_codebook),
        color_k=len(quantized.color_codebook),
        header_bytes=0,
        payload_bytes=payload_bytes,
        is_gray=quantized.is_gray,
        has_grain=quantized.grain is not None,
    )


def pack_header(header: Header, *, has_chunks: bool) -> bytes:
    """Return what stands between the signature and the payload: version, flags and numbers.

    Args:
        header: of the file; its `header_bytes` and `chunks` are not looked at.
        has_chunks: whether there are some, and therefore the length of the payload.

    Raises:
        BitstreamError: if the format does not have such a grid or such a subdivision.
    """
    (height, width), (rows, columns) = header.image_size, header.grid_size
    flags = HAS_CHUNKS if has_chunks else 0
    flags |= IS_FRONT_TO_BACK if header.blending == "alpha" else 0
    flags |= IS_GRAY if header.is_gray else 0
    flags |= HAS_GRAIN if header.has_grain else 0
    numbers = [width, height, header.num_gaussians]
    if header.num_gaussians:
        if rows != rows_of(columns, header.image_size):
            raise BitstreamError(
                f"The format cannot hold a grid of {columns} x {rows} cells: its cells must be square."
            )
        subdivision_code = subdivision_code_of(header.subdivision)
        if subdivision_of(subdivision_code) != header.subdivision:
            raise BitstreamError(f"The format cannot hold the subdivision {header.subdivision}.")
        numbers += [columns, subdivision_code, header.covariance_k, header.color_k]
    numbers += [header.payload_bytes] if has_chunks else []
    return bytes([header.version << _VERSION_SHIFT | flags]) + b"".join(map(varint, numbers))


def unpack_header(cursor: ByteCursor, *, is_plane: bool = False) -> Header:
    """Return what `pack_header` has written, and the length of the payload; the numbers are still to be checked.

    Args:
        cursor: at the version, which is VERSION.
        is_plane: whether this is the alpha plane of another file, which may have no chunks.
    """
    (byte,) = cursor.take(1)
    version, flags = byte >> _VERSION_SHIFT, byte & (1 << _VERSION_SHIFT) - 1
    if is_plane and flags & HAS_CHUNKS:
        raise BitstreamError("The file is invalid: its alpha plane has chunks of its own.")
    width, height, num_gaussians = (cursor.varint() for _ in range(3))
    columns, subdivision_code, num_covariances, num_colors = (
        (cursor.varint() for _ in range(4)) if num_gaussians else (1, 0, 0, 0)
    )
    if subdivision_code > MAX_SUBDIVISION_CODE:
        raise BitstreamError(f"The file is invalid: its cells have the subdivision code {subdivision_code}.")
    payload_bytes = cursor.varint() if flags & HAS_CHUNKS else cursor.remaining
    return Header(
        version=version,
        image_size=(height, width),
        blending="alpha" if flags & IS_FRONT_TO_BACK else "normalized",
        num_gaussians=num_gaussians,
        grid_size=(rows_of(columns, (height, width)), columns),
        subdivision=subdivision_of(subdivision_code),
        covariance_k=num_covariances,
        color_k=num_colors,
        header_bytes=cursor.position,
        payload_bytes=payload_bytes,
        is_gray=bool(flags & IS_GRAY),
        has_grain=bool(flags & HAS_GRAIN),
    )


def check_header(header: Header, limits: Limits) -> None:
    """Raise BitstreamError or LimitError if the numbers in a header are impossible or too large."""
    check_sides(header.image_size, header.grid_size, limits)
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
