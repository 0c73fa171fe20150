"""Plain bytes one after another: integers in groups of seven bits, and a cursor that never runs past the end."""

from __future__ import annotations

from taichi_gs.errors import BitstreamError

MAX_VARINT_BYTES = 5


def varint(value: int) -> bytes:
    """Return a non-negative integer in groups of seven bits, the lowest first; the high bit tells that more follow."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class ByteCursor:
    """A position in `data` that moves on with every read; running out raises BitstreamError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes after the position."""
        return len(self._data) - self.position

    def take(self, num_bytes: int) -> bytes:
        """Return the next bytes."""
        if num_bytes > self.remaining:
            raise BitstreamError("The file is truncated: it ends before everything it announces.")
        start = self.position
        self.position += num_bytes
        return self._data[start : self.position]

    def varint(self) -> int:
        """Return an integer written by `varint`, in at most five bytes and no more than needed."""
        value = 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            (group,) = self.take(1)
            value |= (group & 127) << shift
            if group < 128:
                if group == 0 and shift:
                    break
                return value
        raise BitstreamError("The file is invalid: a number in its header is not in the shortest form.")
