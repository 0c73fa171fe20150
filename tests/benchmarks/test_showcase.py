"""The README's picture: the other codec gets the best file that is allowed, and panels show what the files hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import showcase


def test_the_other_codec_has_the_largest_file_that_is_allowed(picture: NDArray[np.uint8]) -> None:
    for peer in showcase.RIVALS.values():
        setting, data = showcase.file_of_peer(peer, picture, 1200)
        smallest = showcase.file_of_peer(peer, picture, 1)[1]
        assert setting in range(min(peer.settings), max(peer.settings) + 1)
        assert len(smallest) <= len(data) <= max(1200, len(smallest))


def test_the_picture_has_three_panels(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    source, out = tmp_path / "a.png", tmp_path / "out.png"
    Image.fromarray(picture).save(source)
    arguments = ["--preset", "fast", "--bytes", "600", "--part", "5", "6", "20", "15", "--out", str(out)]
    assert showcase.main([str(source), *arguments]) == 0
    with Image.open(out) as drawn:
        assert drawn.size == (3 * 20 + 2 * showcase.GAP, 15 + showcase.LABEL_HEIGHT)
        np.testing.assert_array_equal(np.asarray(drawn)[:15, :20], picture[6:21, 5:25])
