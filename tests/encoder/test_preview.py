"""Previews: small, opaque, in sRGB, and nothing but the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from picture_files import swapped_profile
from PIL import Image

import taichi_gs
from cli import tgs
from taichi_gs import OptionError, Picture
from taichi_gs.encoder.choices import Preset
from taichi_gs.encoder.presets import configure

SHORT: dict[str, Any] = {"preset": "fast", "steps": 60, "preview": True}


def picture(size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """[H, W, 4]: slopes of colour, a disc in it, and transparent in its left third."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    colors = np.stack([255 * x / size[1], 255 * y / size[0], 128 + 0 * x], axis=2)
    colors[(x - 0.7 * size[1]) ** 2 + (y - 0.5 * size[0]) ** 2 < (0.2 * size[0]) ** 2] = 250, 220, 30
    return np.dstack([colors, np.where(x < size[1] // 3, 0, 255)]).astype(np.uint8)


def test_a_preview_has_three_hundred_bytes_and_is_opaque_over_white() -> None:
    pixels = picture()
    data = taichi_gs.encode(Picture(pixels, exif=b"Exif\0\0nothing", xmp=b"<x/>"), **SHORT)
    assert 200 < len(data) <= 300
    info = taichi_gs.info(data)
    assert (info.mode, info.metadata, info.alpha_bytes) == ("RGB", (), 0)
    decoded = taichi_gs.decode(data).astype(float)
    over_white = np.where(pixels[:, :, 3:] == 255, pixels[:, :, :3], 255).astype(float)
    assert np.abs(decoded - over_white).mean() < 12
    assert decoded[:, :20].min() > 200


def test_a_preview_is_converted_to_srgb() -> None:
    """The profile swaps red and green."""
    red = Picture(np.full((40, 40, 3), (250, 10, 10), dtype=np.uint8), icc_profile=swapped_profile())
    data = taichi_gs.encode(red, **SHORT)
    assert taichi_gs.info(data).metadata == ()
    assert np.abs(taichi_gs.decode(data).astype(int) - (10, 250, 10)).max() < 12


def test_gray_stays_gray() -> None:
    pixels = picture()
    data = taichi_gs.encode(np.dstack([pixels[:, :, 0], pixels[:, :, 3]]), **SHORT)
    assert taichi_gs.info(data).mode == "L"


@pytest.mark.parametrize(
    ("preset", "options", "steps"),
    [
        ("default", {}, 250),
        ("best", {}, 250),
        ("fast", {}, 250),
        ("default", {"steps": 400}, 400),
        ("default", {"num_bytes": 3000}, 500),
    ],
)
def test_how_many_steps_a_preview_has(preset: Preset, options: dict[str, Any], steps: int) -> None:
    assert configure(preset, options, preview=True).steps == steps


@pytest.mark.parametrize("goal", [{"num_bytes": 150}, {"num_gaussians": 9}, {"bits_per_pixel": 0.1}])
def test_another_size_can_be_asked_for(goal: dict[str, Any]) -> None:
    pixels = picture()
    data = taichi_gs.encode(pixels, **goal, **SHORT)
    plain = {**SHORT, "preview": False}
    assert data == taichi_gs.encode(np.where(pixels[:, :, 3:] == 255, pixels[:, :, :3], 255), **goal, **plain)


def test_a_preview_has_no_metadata_to_keep(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="preview and keep_metadata exclude each other"):
        taichi_gs.encode(picture(), keep_metadata=True, **SHORT)
    Image.fromarray(picture()).save(tmp_path / "a.png")
    result = CliRunner().invoke(tgs, ["compress", str(tmp_path / "a.png"), "--preview", "--keep-metadata"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--preview and --keep-metadata exclude each other" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_the_command_measures_the_preview_against_what_it_shows(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    arguments = ["compress", str(tmp_path / "a.png"), "--preview", "--steps", "60"]
    result = CliRunner().invoke(tgs, arguments)
    assert result.exit_code == 0, result.output
    decoded = taichi_gs.decode(tmp_path / "a.tgs").astype(float)
    pixels = picture()
    over_white = np.where(pixels[:, :, 3:] == 255, pixels[:, :, :3], 255)
    psnr = 10 * np.log10(255**2 / np.mean((decoded - over_white) ** 2))
    assert f"{psnr:.2f} dB" in result.output
