"""EXIF and XMP of pictures, read from files and written to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import FORMATS, orientation_exif, saved
from PIL import Image, PngImagePlugin

from taichi_gs import Picture
from taichi_gs.errors import ImageError
from taichi_gs.pictures.exif import Block, Value, serialize
from taichi_gs.pictures.read import image_from_bytes, picture_from_bytes, read_picture
from taichi_gs.pictures.write import image_to_bytes, write_image

Bytes = NDArray[np.uint8]

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></x:xmpmeta>"


@pytest.mark.parametrize("format", FORMATS)
def test_metadata_are_kept_on_request(picture: Bytes, format: str, tmp_path: Path) -> None:
    image, exif = Image.fromarray(picture), orientation_exif(6)
    options: dict[str, Any] = {"exif": exif, "xmp": XMP}
    if format == "png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif format == "tiff":
        exif[700] = XMP
    data = saved(image, format, **options)
    assert picture_from_bytes(data).exif is picture_from_bytes(data).xmp is None
    read = picture_from_bytes(data, keep_metadata=True)
    assert read.pixels.shape == (32, 24, 3)
    check_metadata(read)
    write_image(tmp_path / f"a.{format}", read, overwrite=False)
    again = read_picture(tmp_path / f"a.{format}", keep_metadata=True)
    check_metadata(again)
    assert again.pixels.shape == (32, 24, 3)


def check_metadata(picture: Picture) -> None:
    assert picture.xmp == XMP
    assert picture.exif is not None
    assert picture.exif[:4] in (b"II*\0", b"MM\0*")
    exif = Image.Exif()
    exif.load(picture.exif)
    assert exif[271] == "a camera"
    assert exif.get(274, 1) == 1


def test_orientations_that_mean_nothing_are_not_kept(picture: Bytes) -> None:
    exif = orientation_exif(0)
    exif[274] = 99
    read = picture_from_bytes(saved(Image.fromarray(picture), "jpeg", exif=exif), keep_metadata=True)
    assert read.pixels.shape == (24, 32, 3)
    block = Image.Exif()
    block.load(read.exif or b"")
    assert dict(block) == {271: "a camera"}


def test_metadata_that_cannot_be_written(picture: Bytes, tmp_path: Path) -> None:
    for name, described in (
        ("a.jpg", Picture(picture, xmp=bytes(80_000))),
        ("a.jpg", Picture(picture, exif=serialize(Block({"exif": {37500: Value(7, bytes(80_000))}})))),
    ):
        with pytest.raises(ImageError, match="cannot write 32x24 pixels as"):
            write_image(tmp_path / name, described, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_metadata_that_make_no_sense_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    """Pillow reads Exif where it writes a TIFF file, and tells users of lines in its source what it thinks of it."""
    exif = b"II*\0\x08\0\0\0" + b"\xff" * 2000
    data = image_to_bytes(Picture(np.zeros((7, 9, 3), np.uint8), exif=exif), ".tif")
    assert image_from_bytes(data).shape == (7, 9, 3)
    assert [str(warning.message) for warning in recwarn] == []
