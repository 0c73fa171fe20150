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
from PIL import Image, PngImagePlugin

from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted, write_atomic
from taichi_gs.pictures.convert import ByteImage, as_srgb
from taichi_gs.pictures.picture import EXIF_PREFIX, Picture

_WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    # Of the filtered rows of a smooth picture, runs are nearly all that zlib finds, in a quarter of the time.
    ".png": {"format": "PNG", "compress_type": zlib.Z_RLE},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "lossless": True},
    ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
    ".tiff": {"format": "TIFF", "compression": "tiff_deflate"},
    ".bmp": {"format": "BMP"},
}
_WITHOUT_ALPHA = {"JPEG", "BMP"}

_XMP_OF_PNG = "XML:com.adobe.xmp"
_TIFF_XMP = 700


def check_image_suffix(path: Path) -> str:
    """Return the suffix of a picture file to be written, lower case.

    Raises:
        ImageError: if it does not name a format that can be written.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _WRITE_OPTIONS:
        raise ImageError(f"cannot tell a picture format from the name {quoted(path)}; use {', '.join(_WRITE_OPTIONS)}")
    return suffix


def write_image(path: Path, image: ByteImage | Picture, *, overwrite: bool) -> None:
    """Write 8-bit pixels of any mode in the format that the suffix names; WebP is lossless, JPEG has quality 95.

    Profile and metadata of a `Picture` are written too; BMP, which holds neither, gets sRGB.

    Raises:
        ImageError: if the suffix or the pixels do not fit, or the format cannot hold such a picture.
        FileError: if the file cannot be written, or exists and `overwrite` is false.
    """
    suffix = check_image_suffix(path)
    write_atomic(path, image_to_bytes(image, suffix), overwrite=overwrite)


def image_to_bytes(image: ByteImage | Picture, suffix: str) -> bytes:
    """Return the file that `write_image` writes; `suffix` is one that `check_image_suffix` returns."""
    picture = image if isinstance(image, Picture) else Picture(image)
    pixels, options = picture.pixels, _WRITE_OPTIONS[suffix]
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and 2 <= pixels.shape[2] <= 4)):
        raise ImageError(f"an 8-bit picture was expected, not {pixels.dtype} of shape {pixels.shape}")
    if options["format"] in _WITHOUT_ALPHA and picture.mode.endswith("A"):
        raise ImageError(f"{options['format']} cannot hold transparency; use .png, .webp or .tiff")
    if options["format"] == "BMP":
        picture = as_srgb(picture, "the picture")
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # Of odd metadata: what is in there is for those to judge who read them.
            warnings.simplefilter("ignore", UserWarning)
            picture.to_pillow().save(buffer, **options, **_info_options(picture, options["format"]))
    except MemoryError:
        raise
    except Exception as error:
        # Of metadata that they cannot write, Pillow's encoders raise RuntimeError, SyntaxError, struct.error and more.
        height, width = pixels.shape[:2]
        raise ImageError(f"cannot write {width}x{height} pixels as {suffix} ({error})") from error
    return buffer.getvalue()


def _info_options(picture: Picture, format: str) -> dict[str, Any]:
    """How Pillow is told to write the profile and the metadata of a picture, and no others."""
    options: dict[str, Any] = {"icc_profile": picture.icc_profile}
    if format == "TIFF":
        # Its tags are those of an Exif block, and XMP is one of them.
        options["exif"] = Image.Exif()
        options["exif"].load(EXIF_PREFIX + picture.exif if picture.exif else b"")
        if picture.xmp:
            options["exif"][_TIFF_XMP] = picture.xmp
        return options
    if picture.exif:
        options["exif"] = EXIF_PREFIX + picture.exif
    if picture.xmp:
        if format == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt(_XMP_OF_PNG, picture.xmp.decode("utf-8", "replace"))
        else:
            options["xmp"] = picture.xmp
    return options
