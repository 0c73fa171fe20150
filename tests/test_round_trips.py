"""Every kind of picture through the command line, there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from picture_files import KINDS, close, kinds, turned, without_hidden_colors
from PIL import Image

from cli import tgs

QUICK = ("--preset", "fast", "--steps", "60", "--num-gaussians", "100", "--k", "30", "--quiet")


def round_trip(source: Path) -> tuple[NDArray[np.uint8], bytes | None]:
    """The pixels and the colour profile of what comes back."""
    middle, back = source.with_suffix(".tgs"), source.with_name("back.png")
    for command in (["compress", str(source), *QUICK], ["decompress", str(middle), "-o", str(back), "--quiet"]):
        result = CliRunner().invoke(tgs, command)
        assert (result.exit_code, result.output) == (0, "")
    with Image.open(back) as image:
        return np.asarray(image), image.info.get("icc_profile")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(picture: NDArray[np.uint8], kind: str, tmp_path: Path) -> None:
    image, expected = kinds(picture)[kind]
    source = tmp_path / ("a.tif" if image.mode == "CMYK" else "a.png")
    image.save(source)
    pixels, profile = round_trip(source)
    assert profile == image.info.get("icc_profile")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels = without_hidden_colors(pixels)
    assert close(pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(picture: NDArray[np.uint8], orientation: int, tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(turned(picture, orientation))
    assert close(round_trip(source)[0], picture)
