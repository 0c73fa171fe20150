"""Pictures written as files of every format, and what a format cannot hold."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from taichi_gs.errors import FileError, ImageError
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.read import read_image, read_picture
from taichi_gs.pictures.write import write_image

Bytes = NDArray[np.uint8]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_writing_gray_and_alpha_is_exact(picture: Bytes, suffix: str, channels: int, tmp_path: Path) -> None:
    planes = np.dstack([picture, 255 - picture[:, :, 0]])
    pixels = planes[:, :, 0] if channels == 1 else planes[:, :, -channels:]
    write_image(tmp_path / f"a{suffix}", pixels, overwrite=False)
    read = read_picture(tmp_path / f"a{suffix}").pixels
    if suffix == ".webp" and channels < 4:  # which has no gray
        pixels = np.asarray(Image.fromarray(pixels).convert("RGB" if channels == 1 else "RGBA"))
    seen = pixels[..., -1:] > 0 if channels in (2, 4) else np.ones_like(pixels, dtype=bool)
    np.testing.assert_array_equal(np.where(seen, read, 0), np.where(seen, pixels, 0))


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_alpha_are_refused(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot hold transparency"):
        write_image(tmp_path / f"a{suffix}", np.zeros((3, 4, 4), np.uint8), overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["png", "PNG", "webp", "tif", "tiff", "bmp"])
@pytest.mark.parametrize("size", [(24, 32), (1, 1), (5, 3), (3, 1)])
def test_write_image_is_exact(picture: Bytes, tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    picture = picture[: size[0], : size[1]]
    write_image(tmp_path / f"a.{suffix}", picture, overwrite=False)
    np.testing.assert_array_equal(as_byte_image(read_image(tmp_path / f"a.{suffix}")), picture)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_write_jpeg(picture: Bytes, tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a.{suffix}", picture, overwrite=False)
    assert np.abs(as_byte_image(read_image(tmp_path / f"a.{suffix}")).astype(int) - picture).mean() < 3


def test_write_image_refusals(picture: Bytes, tmp_path: Path) -> None:
    for name in ("a", "a.gif", "a.tgs"):
        with pytest.raises(ImageError, match="cannot tell a picture format"):
            write_image(tmp_path / name, picture, overwrite=False)
    with pytest.raises(ImageError, match="an 8-bit picture was expected"):
        write_image(tmp_path / "a.png", picture / 255, overwrite=False)
    with pytest.raises(ImageError, match=r"cannot write 17000x1 pixels as \.webp"):
        write_image(tmp_path / "a.webp", np.zeros((1, 17000, 3), np.uint8), overwrite=False)
    write_image(tmp_path / "a.png", picture, overwrite=False)
    with pytest.raises(FileError, match="already exists"):
        write_image(tmp_path / "a.png", 255 - picture, overwrite=False)
    assert os.listdir(tmp_path) == ["a.png"]
