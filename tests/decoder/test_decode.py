"""From the bytes of a file to its pixels, gray and alpha among them."""

from __future__ import annotations

import numpy as np
import pytest
import reference_decoder
from example_files import ALPHA, ALPHA_FILE, FULL_FILE, GRAY_ALPHA_FILE, GRAY_FILE
from golden_files import GOLDEN_FILE, GOLDEN_FRONT_TO_BACK_FILE

from taichi_gs.codec import decode


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (FULL_FILE, (24, 32, 3)),
        (GOLDEN_FILE, (60, 80, 3)),
        (GOLDEN_FRONT_TO_BACK_FILE, (6, 8, 3)),
        (GRAY_FILE, (24, 32)),
        (GRAY_ALPHA_FILE, (24, 32, 2)),
        (ALPHA_FILE, (24, 32, 4)),
    ],
    ids=["all flags", "golden", "golden front to back", "gray", "gray and alpha", "alpha"],
)
def test_files_have_the_references_pixels(data: bytes, shape: tuple[int, ...]) -> None:
    expected, decoded = reference_decoder.decode(data).astype(int), decode(data)
    assert expected.std() > 10
    assert expected.shape == decoded.shape == shape
    assert np.abs(decoded - expected).max() <= 1


def test_alpha_is_a_picture_of_its_own() -> None:
    np.testing.assert_array_equal(decode(ALPHA_FILE)[:, :, 3], decode(ALPHA))
    np.testing.assert_array_equal(decode(ALPHA_FILE)[:, :, :3], decode(FULL_FILE))
