"""Pixels in and out: pictures of many kinds become sRGB [H, W, 3], and 8-bit pictures become files.

What reading does, so that nothing is lost silently:

* PNG, JPEG, WebP, TIFF and BMP, recognised by content; everything else is refused.
* Orientation (EXIF) is baked in. A picture with an ICC profile other than sRGB is converted to sRGB. CMYK without a
  profile is converted by the plain formula.
* Gray and palette become RGB. 16-bit gray keeps its 16 bits; of 16-bit RGB Pillow gives the upper eight.
* Transparency and animation are refused; an alpha channel that is opaque everywhere is dropped.

Both directions use Pillow itself. imageio hands on neither the profile nor the pixel mode nor the list of formats to
try, and loads all of Pillow's plugins to write one file.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted, read_bytes, write_atomic

FloatImage = NDArray[np.float32]
ByteImage = NDArray[np.uint8]

MAX_PIXELS = 89_478_485
"""The largest picture that is read or encoded, the limit that Pillow warns at."""

_READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_GRAY_MODES = {"1", "L", "LA"}
_MODES = _GRAY_MODES | {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"}

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

_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0

_logger = logging.getLogger(__name__)


def read_image(path: Path) -> FloatImage:
    """Read a picture file as sRGB [H, W, 3] float32, 0 to 1.

    Raises:
        FileError: if the file cannot be read.
        ImageError: if it is not a whole picture of a kind that can be encoded; see the module's text.
    """
    return image_from_bytes(read_bytes(path), name=quoted(path))


def image_from_bytes(data: bytes, *, name: str = "the picture") -> FloatImage:
    """Decode the bytes of a picture file as sRGB [H, W, 3] float32, 0 to 1; `name` stands for it in messages.

    Raises:
        ImageError: if they are not a whole picture of a kind that can be encoded; see the module's text.
    """
    if not data:
        raise ImageError(f"{name} is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large pictures, which are dealt with here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_READ_FORMATS) as image:
                return as_float_image(_read_pixels(image, name))
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture that can be read (PNG, JPEG, WebP, TIFF or BMP)") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} has more than {MAX_PIXELS:,} pixels, the limit") from error
    except Exception as error:
        # On damaged files Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        raise ImageError(f"{name} is damaged or truncated ({' '.join(str(error).split())})") from error


def as_float_image(image: ArrayLike) -> FloatImage:
    """Convert an array to sRGB [H, W, 3] float32, 0 to 1.

    Args:
        image: [H, W], [H, W, 1], [H, W, 3] or opaque [H, W, 4]; uint8, uint16, bool, or float from 0 to 1.

    Raises:
        ImageError: if it is anything else, is empty, or has more than `MAX_PIXELS` pixels.
    """
    try:
        pixels = np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"an image has to be an array, not {type(image).__name__}") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ImageError(f"an image has the shape [height, width] or [height, width, 1, 3 or 4], not {pixels.shape}")
    height, width, num_channels = pixels.shape
    _check_size(height, width, "the image")
    pixels = _to_unit_range(pixels)
    if num_channels == 4:
        if pixels[:, :, 3].min() < 1:
            raise ImageError("the image has transparent pixels, and transparency is not supported")
        pixels = pixels[:, :, :3]
    return np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3)))


def as_byte_image(image: FloatImage) -> ByteImage:
    """Round a picture [H, W, 3] float, 0 to 1, to uint8."""
    levels: FloatImage = np.floor(np.clip(image, 0, 1) * 255 + 0.5)
    return levels.astype(np.uint8)


def check_image_suffix(path: Path) -> str:
    """Return the suffix of a picture file to be written, lower case.

    Raises:
        ImageError: if it does not name a format that can be written.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _WRITE_OPTIONS:
        raise ImageError(f"cannot tell a picture format from the name {quoted(path)}; use {', '.join(_WRITE_OPTIONS)}")
    return suffix


def write_image(path: Path, image: ByteImage, *, overwrite: bool) -> None:
    """Write a picture [H, W, 3] uint8 in the format that the suffix names; WebP is lossless, JPEG has quality 95.

    Raises:
        ImageError: if the suffix or the array does not fit, or the format cannot hold a picture of this size.
        FileError: if the file cannot be written, or exists and `overwrite` is false.
    """
    suffix = check_image_suffix(path)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"an 8-bit RGB picture was expected, not {image.dtype} of shape {image.shape}")
    buffer = io.BytesIO()
    try:
        Image.fromarray(image).save(buffer, **_WRITE_OPTIONS[suffix])
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        raise ImageError(f"cannot write {width}x{height} pixels as {suffix} ({error})") from error
    write_atomic(path, buffer.getvalue(), overwrite=overwrite)


def _check_size(height: int, width: int, name: str) -> None:
    if height == 0 or width == 0:
        raise ImageError(f"{name} has no pixels")
    if height * width > MAX_PIXELS:
        raise ImageError(f"{name} has {height * width:,} pixels, more than the limit of {MAX_PIXELS:,}")


def _to_unit_range(pixels: NDArray[Any]) -> FloatImage:
    """Scale the whole range of the dtype to 0..1."""
    if pixels.dtype == bool:
        return pixels.astype(np.float32)
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ImageError(f"pixels are uint8, uint16, bool or floats from 0 to 1, not {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    tolerance = 1e-5  # what rounding in float16 and float32 arithmetic leaves of an exact 0 or 1
    if not (low >= -tolerance and high <= 1 + tolerance):  # false for NaN, too
        raise ImageError(f"floating-point pixels go from 0 to 1, and these from {low:g} to {high:g}")
    clipped: NDArray[Any] = np.clip(pixels, 0, 1)
    return clipped.astype(np.float32)


def _read_pixels(image: Image.Image, name: str) -> NDArray[Any]:
    """Decode an opened picture into [H, W] uint16 or [H, W, 3] uint8, sRGB."""
    _check_size(image.height, image.width, name)
    num_frames = getattr(image, "n_frames", 1)
    # MPO is what telephones write: a JPEG whose further pictures are previews and depth maps.
    if num_frames > 1 and image.format != "MPO":
        raise ImageError(f"{name} holds {num_frames} pictures or frames, and only single pictures are supported")
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG"):
        samples = _read_gray_16(image, name)
        gray = Image.fromarray(((samples.astype(np.uint32) + 128) // 257).astype(np.uint8))
        converted = _to_srgb(gray, profile, name)
        return samples if converted is gray else np.asarray(converted)
    if image.mode not in _MODES:
        raise ImageError(f"{name} has pixels of a kind that is not supported (Pillow mode {image.mode})")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        if np.asarray(upright.getchannel("A")).min() < 255:
            raise ImageError(f"{name} has transparent pixels, and transparency is not supported")
    if upright.mode != "CMYK":
        upright = upright.convert("L" if image.mode in _GRAY_MODES else "RGB")
    return np.asarray(_to_srgb(upright, profile, name).convert("RGB"))


def _read_gray_16(image: Image.Image, name: str) -> NDArray[np.uint16]:
    """Decode a 16-bit (or 12-bit) gray picture at full precision, [H, W]."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))[0]
    upright = ImageOps.exif_transpose(image)
    samples: NDArray[np.uint32] = np.asarray(upright).astype(np.uint32)
    if "transparency" in upright.info and np.any(samples == upright.info["transparency"]):
        raise ImageError(f"{name} has transparent pixels, and transparency is not supported")
    # Pillow leaves both the range and the direction of such TIFFs as they are.
    samples = samples * 65535 // ((1 << bits) - 1)
    if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        samples = 65535 - samples
    return samples.astype(np.uint16)


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Convert an 8-bit picture from its ICC profile to sRGB; the same object comes back when it is sRGB already."""
    if not profile:
        return image
    from PIL import ImageChops, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        _logger.warning("the ICC profile of %s cannot be used and is ignored (%s)", name, error)
        return image
    if converted is None:
        return image
    # There are many spellings of sRGB; a difference this small is one of them, and then the pixels stay untouched.
    if image.mode != "CMYK":
        difference = np.asarray(ImageChops.difference(converted, image.convert("RGB")))
        if difference.max() <= 2:
            return image
    return converted
