"""Another codec's largest file that is small enough."""

from __future__ import annotations

import bisect

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.peers import Peer

AROUND = 2
"""Settings on either side of the one that bisection finds."""

FAR = 1.1
"""How many times too large the file of the lowest setting is where no other setting is tried."""


class PeerFiles:
    """The files that a codec makes of a picture [H, W, 3] that is so many times smaller; each is made once."""

    def __init__(self, pixels: NDArray[np.uint8], peer: Peer, scale: float) -> None:
        self._pixels = pixels
        self.peer = peer
        self.scale = scale
        self._files: dict[float, bytes] = {}

    def data(self, setting: float) -> bytes:
        """The file of a setting."""
        if setting not in self._files:
            self._files[setting] = peers.encode(self._pixels, self.peer, self.scale, setting)
        return self._files[setting]

    def largest(self, max_bytes: int) -> float | None:
        """The setting of the largest file of at most `max_bytes`; None if there is none.

        Files grow with the setting, if not from each to the next: so the settings around the one that bisection finds
        are tried as well.
        """
        settings = self.peer.settings
        if self._size(settings[0]) > FAR * max_bytes:
            return None
        fits = self._size(settings[0]) <= max_bytes
        middle = bisect.bisect_right(settings, max_bytes, key=self._size) if fits else 0
        tried = {settings[0], *settings[max(middle - AROUND, 0) : middle + AROUND]}
        fitting = [setting for setting in sorted(tried | set(self._files)) if self._size(setting) <= max_bytes]
        return max(fitting, key=self._size, default=None)

    def _size(self, setting: float) -> int:
        return len(self.data(setting))
