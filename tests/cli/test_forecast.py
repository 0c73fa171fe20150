"""What is said before a picture is compressed that takes long."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import checkout_environment
from PIL import Image

from cli.forecast import forecast
from taichi_gs import DeviceError, OptionError


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(file, "PNG")
    return file.getvalue()


LARGE = picture(4000, 3000)


@pytest.mark.parametrize("options", [{}, {"steps": 250}, {"k": 64, "max_pixels": 10**9, "srgb": True}])
def test_a_photograph_of_usual_size_needs_none(options: dict[str, Any]) -> None:
    assert forecast(picture(768, 512), "default", options, "cpu") is None


def test_what_is_faster_is_said() -> None:
    said = forecast(LARGE, "default", {"bits_per_pixel": None}, "cpu")
    match = re.fullmatch(r"this takes about (\d+) seconds; --preset fast takes about (\d+) seconds", said or "")
    assert match is not None
    slow, fast = map(int, match.groups())
    assert fast / slow == pytest.approx(250 / 500, abs=0.1)
    said = forecast(LARGE, "fast", {}, "cpu")
    assert re.fullmatch(r"this takes about .* seconds; fewer --steps or a smaller picture take less", said or "")
    # Of as many steps both presets take as long.
    assert "--preset" not in (forecast(LARGE, "default", {"steps": 1000}, "cpu") or "")


@pytest.mark.parametrize(
    "header", [b"P5\n4000 3000\n255\n", b"P7\nWIDTH 4000\nHEIGHT 3000\nDEPTH 3\nMAXVAL 255\nENDHDR\n"]
)
def test_files_that_pillow_does_not_open(header: bytes) -> None:
    assert forecast(header, "default", {}, "cpu") == forecast(LARGE, "default", {}, "cpu")
    assert forecast(header, "default", {"max_pixels": 1000}, "cpu") is None
    assert forecast(header[:4], "default", {}, "cpu") is None


@pytest.mark.parametrize(
    ("steps", "time"), [(300_000, "hours"), (600, "minutes"), (250, "seconds"), (200, "40 seconds"), (50, "")]
)
def test_times_in_words(steps: int, time: str) -> None:
    said = forecast(LARGE, "default", {"steps": steps}, "cpu")
    assert time in (said or "")
    assert (said is None) == (time == "")


def test_what_cannot_be_read_or_asked_for() -> None:
    for data in (b"", b"nonsense", LARGE[:20]):
        assert forecast(data, "default", {}, "cpu") is None
    assert forecast(LARGE, "best", {"max_pixels": 1000}, "cpu") is None
    with pytest.raises(OptionError):
        forecast(LARGE, "default", {"psnr": 30.0, "num_bytes": 1000}, "cpu")


def test_without_a_gpu_there_is_no_doubt(device: str) -> None:
    if device == "cpu":
        with pytest.raises(DeviceError):
            forecast(LARGE, "default", {}, "cuda")
    assert (forecast(LARGE, "default", {}, "auto") is None) == (device == "cuda")


def test_it_comes_before_the_work(photo_folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "compress", "photo.png", "--steps", "10000000"],
        env=checkout_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert re.match(r"this takes about \d+ hours; fewer --steps or", process.stderr.readline())
    finally:
        process.kill()
        process.communicate()
