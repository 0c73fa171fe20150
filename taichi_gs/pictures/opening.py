"""What kind of file the bytes of a picture are, and the plugin of Pillow's that opens it, loaded when it is needed.

`Image.open` would try each plugin in turn, and has a limit for pixels that is the same for the whole program.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import struct
from typing import NamedTuple

from PIL import Image, ImageFile

from taichi_gs.errors import ImageError
from taichi_gs.pictures import jxl
from taichi_gs.pictures.convert import check_size
from taichi_gs.pictures.suffixes import READ_SUFFIXES

KNOWN = "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, PPM, PGM, PBM or PAM, and HEIC or JPEG XL with the extra formats"
"""The kinds of files that are read, for messages."""


class _Plugin(NamedTuple):
    """Where a format's class is: its name in Pillow and the module that registers it; `package` if not Pillow's own."""

    title: str
    module: str
    package: str = "Pillow"


_PLUGINS = {
    "PNG": _Plugin("PNG", "PIL.PngImagePlugin"),
    "JPEG": _Plugin("JPEG", "PIL.JpegImagePlugin"),
    "WEBP": _Plugin("WebP", "PIL.WebPImagePlugin"),
    "TIFF": _Plugin("TIFF", "PIL.TiffImagePlugin"),
    "BMP": _Plugin("BMP", "PIL.BmpImagePlugin"),
    "GIF": _Plugin("GIF", "PIL.GifImagePlugin"),
    "AVIF": _Plugin("AVIF", "PIL.AvifImagePlugin"),
    "HEIF": _Plugin("HEIC", "pillow_heif.as_plugin", "pillow-heif"),
    "JXL": _Plugin("JPEG XL", "pillow_jxl", "pillow-jxl-plugin"),
}

_PREFIXES: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+"),
    "BMP": (b"BM",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "JXL": jxl.SIGNATURES,
}

_SUFFIXES = {"HEIF": {".heic", ".heif", ".hif"}, "JXL": {".jxl"}}
"""Of the formats whose plugins need not be installed."""

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}


def readable_suffixes() -> set[str]:
    """Return the suffixes of the pictures that can be read here: those of formats whose plugins are installed."""
    missing = (
        suffixes
        for format, suffixes in _SUFFIXES.items()
        if importlib.util.find_spec(_PLUGINS[format].module.partition(".")[0]) is None
    )
    return set(READ_SUFFIXES).difference(*missing)


def open_picture(data: bytes, name: str, max_pixels: int) -> ImageFile.ImageFile:
    """Open a picture file with Pillow; its size has been checked, its pixels are still to be decoded.

    Raises:
        ImageError: if it is of no kind that is read, what reads it is not installed, or it has too many pixels.
    """
    format = _format_of(data)
    if format is None:
        raise ImageError(f"{name} is not a picture that can be read ({KNOWN})")
    if format == "JXL":
        size = jxl.size_of(data)
        if size is None:
            raise ImageError(f"{name} is damaged or truncated (a JPEG XL file that does not say how large it is)")
        check_size(*size, name, max_pixels)  # because the plugin decodes the pixels at once
    plugin = _PLUGINS[format]
    try:
        module = importlib.import_module(plugin.module)
    except ImportError as error:
        advice = "a newer Pillow" if plugin.package == "Pillow" else f"{plugin.package}: pip install {plugin.package}"
        raise ImageError(f"{name} is a {plugin.title} file, and to read it takes {advice}") from error
    try:
        if format == "HEIF":  # whose package does not register it unasked
            image: ImageFile.ImageFile = module.HeifImageFile(io.BytesIO(data))
        else:
            factory, accept = Image.OPEN[format]
            accepted = accept(data[:16]) if accept else True
            if isinstance(accepted, str):
                raise ImageError(f"{name} is a {plugin.title} file, which Pillow was built here without")
            image = factory(io.BytesIO(data), "")
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        # What Image.open takes for a plugin's word that the file is not for it.
        reason = f"a {plugin.title} file that is damaged or of an unsupported kind: {error}"
        raise ImageError(f"{name} is not a picture that can be read ({reason})") from error
    check_size(image.height, image.width, name, max_pixels)
    return image


def _format_of(data: bytes) -> str | None:
    """The name of a file's format in Pillow; None if it is none that is read."""
    for format, prefixes in _PREFIXES.items():
        if data.startswith(prefixes):
            return format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        # The major brand, its version, and the compatible brands.
        end = min(int.from_bytes(data[:4], "big"), 1024)
        brands = {data[8:12], *(data[place : place + 4] for place in range(16, end, 4))}
        return "AVIF" if brands & _AVIF_BRANDS else "HEIF" if brands & _HEIF_BRANDS else None
    return None
