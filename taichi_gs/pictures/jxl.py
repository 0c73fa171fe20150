"""The size of a JPEG XL picture, from the first bytes of its file."""

from __future__ import annotations

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
SIGNATURES = (CODESTREAM, CONTAINER)

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width to height, by their number in the header."""

_HEADER_BYTES = 16
_MAX_BOXES = 1000


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return (height, width), as the picture is stored; None if they are not to be found."""
    codestream = data[:_HEADER_BYTES] if data.startswith(CODESTREAM) else _codestream_start(data)
    if not codestream.startswith(CODESTREAM):
        return None
    bits = _Bits(int.from_bytes(codestream[2:], "little"))
    is_small = bits.take(1)
    height = bits.side(is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return height, bits.side(is_small)
    numerator, denominator = _RATIOS[ratio]
    return height, height * numerator // denominator


class _Bits:
    """Numbers of some bits each, the lowest first."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def take(self, count: int) -> int:
        value = self.bits & ((1 << count) - 1)
        self.bits >>= count
        return value

    def side(self, is_small: int) -> int:
        """A width or a height: in eights of pixels, or with one of four numbers of bits."""
        if is_small:
            return 8 * (1 + self.take(5))
        return 1 + self.take((9, 13, 18, 30)[self.take(2)])


def _codestream_start(data: bytes) -> bytes:
    """The first bytes of the codestream in a container of boxes, which may be in parts; fewer if there are no more."""
    position, start = 0, b""
    for _ in range(_MAX_BOXES):
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        end = position + size if size else len(data)
        if kind in (b"jxlc", b"jxlp"):
            # A part has its number before its bytes.
            first = position + head + (4 if kind == b"jxlp" else 0)
            start += data[first : min(end, first + _HEADER_BYTES)]
        if len(start) >= _HEADER_BYTES or end < position + head or end >= len(data):
            break
        position = end
    return start[:_HEADER_BYTES]
