"""Write 8-bit pictures as files of many formats.

Pillow does it by itself. imageio loads all of Pillow's plugins to write one file.
"""

from __future__ import annotations

import io
import os
import warnings
import zlib
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, features

from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted, write_atomic
from taichi_gs.pictures import pnm
from taichi_gs.pictures.convert import ByteImage, as_srgb
from taichi_gs.pictures.picture import Picture, pillow_info
from taichi_gs.pictures.suffixes import WRITE_SUFFIXES

_WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    # Of the filtered rows of a smooth picture, runs are nearly all that zlib finds, in a quarter of the time.
    ".png": {"format": "PNG", "compress_type": zlib.Z_RLE},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "lossless": True},
    ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
    ".tiff": {"format": "TIFF", "compression": "tiff_deflate"},
    ".bmp": {"format": "BMP"},
    ".avif": {"format": "AVIF", "quality": 95, "subsampling": "4:4:4"},
    ".ppm": {"format": "PPM"},
    ".pgm": {"format": "PGM"},
    ".pam": {"format": "PAM"},
}
_WITHOUT_ALPHA = {"JPEG", "BMP", "PPM", "PGM"}
_WITHOUT_PROFILE = {"BMP", "PPM", "PGM", "PAM"}
_MAX_PROFILE_OF_PNG = PngImagePlugin.MAX_TEXT_CHUNK
"""Pillow takes files with more for an attack."""

_PNM = {"PPM", "PGM", "PAM"}

_XMP_OF_PNG = "XML:com.adobe.xmp"


def check_image_suffix(path: Path) -> str:
    """Return the suffix of a picture file to be written, lower case.

    Raises:
        ImageError: if it does not name a format that can be written.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in WRITE_SUFFIXES:
        raise ImageError(f"cannot tell a picture format from the name {quoted(path)}; use {', '.join(WRITE_SUFFIXES)}")
    return suffix


def is_same_format(first: str, second: str) -> bool:
    """Whether two of WRITE_SUFFIXES stand for one format."""
    return bool(_WRITE_OPTIONS[first]["format"] == _WRITE_OPTIONS[second]["format"])


def write_image(path: Path, image: ByteImage | Picture, *, overwrite: bool) -> None:
    """Write 8-bit pixels of any mode in the format that the suffix names.

    JPEG and AVIF have quality 95, and the others keep every pixel. Profile and metadata of a `Picture` are written too,
    of Exif what describes the picture; BMP, PPM, PGM and PAM, which hold none, get sRGB.

    Raises:
        ImageError: if the suffix or the pixels do not fit, or the format cannot hold such a picture.
        FileError: if the file cannot be written, or exists and `overwrite` is false.
    """
    suffix = check_image_suffix(path)
    write_atomic(path, image_to_bytes(image, suffix), overwrite=overwrite)


def image_to_bytes(image: ByteImage | Picture, suffix: str) -> bytes:
    """Return the file that `write_image` writes; `suffix` is one that `check_image_suffix` returns."""
    picture = image if isinstance(image, Picture) else Picture(image)
    pixels, format = picture.pixels, _WRITE_OPTIONS[suffix]["format"]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and 2 <= pixels.shape[2] <= 4)):
        raise ImageError(f"an 8-bit picture was expected, not {pixels.dtype} of shape {pixels.shape}")
    if format in _WITHOUT_ALPHA and picture.mode.endswith("A"):
        raise ImageError(f"{format} cannot hold transparency; use .png, .webp or .tiff")
    if format == "PGM" and picture.mode != "L":
        raise ImageError("PGM cannot hold colors; use .ppm")
    if format in _WITHOUT_PROFILE or (format == "PNG" and len(picture.icc_profile or b"") > _MAX_PROFILE_OF_PNG):
        picture = as_srgb(picture, "the picture")
    if format in _PNM:
        gray_as_rgb = format == "PPM" and picture.mode == "L"
        return pnm.to_bytes(np.dstack([picture.pixels] * 3) if gray_as_rgb else picture.pixels, suffix)
    data = _written_by_pillow(picture, suffix)
    if format == "TIFF":
        from taichi_gs.pictures.exif import add_to_tiff, descriptive, upright_xmp  # which no other format needs

        return add_to_tiff(data, descriptive(picture.exif), picture.xmp and upright_xmp(picture.xmp))
    return data


def _written_by_pillow(picture: Picture, suffix: str) -> bytes:
    options, buffer = _WRITE_OPTIONS[suffix], io.BytesIO()
    if options["format"] == "AVIF" and not features.check("avif"):
        raise ImageError("Pillow cannot write AVIF here; use .png, .webp or .tiff")
    try:
        with warnings.catch_warnings():
            # Of odd metadata: what is in there is for those to judge who read them.
            warnings.simplefilter("ignore", UserWarning)
            image = Image.fromarray(picture.pixels)
            image.save(buffer, **options, **_info_options(picture, options["format"]))
    except MemoryError:
        raise
    except Exception as error:
        # Of metadata that they cannot write, Pillow's encoders raise RuntimeError, SyntaxError, struct.error and more.
        height, width = picture.pixels.shape[:2]
        raise ImageError(f"cannot write {width}x{height} pixels as {suffix} ({error})") from error
    return buffer.getvalue()


def _info_options(picture: Picture, format: str) -> dict[str, Any]:
    """How Pillow is told to write the profile and the metadata of a picture, and no others."""
    options: dict[str, Any] = {"icc_profile": picture.icc_profile}
    if format == "TIFF":
        return options  # whose other metadata `add_to_tiff` writes
    info = pillow_info(None, picture.exif, picture.xmp)
    if "xmp" in info and format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_XMP_OF_PNG, info.pop("xmp").decode("utf-8", "replace"))
    return {**options, **info}
