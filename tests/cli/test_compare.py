"""Pictures compared by the command line."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import error_of, run
from PIL import Image


def test_compare_equal_pictures(photo_folder: Path) -> None:
    assert json.loads(run("compare", "photo.png", "photo.png", "--json").stdout)["psnr"] is None
    assert "inf dB" in run("compare", "photo.png", "photo.png").stdout


def test_compare_failures(photo_folder: Path) -> None:
    Image.new("RGB", (3, 4)).save("other.png")
    assert "different sizes cannot be compared: 32x24 and 3x4" in error_of(run("compare", "photo.png", "other.png"))
    assert "cannot read 'no.png'" in error_of(run("compare", "photo.png", "no.png"))
