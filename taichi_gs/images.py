"""Pixels in and out: picture files of many kinds become a `Picture`, and 8-bit pictures become files.

What reading does, so that nothing is lost silently:

* PNG, JPEG, WebP, TIFF, BMP and GIF, recognised by content; everything else is refused.
* Orientation (EXIF) is baked in.
* Gray stays gray, palettes become RGB, 16 bits a channel stay 16 bits. CMYK becomes sRGB, through its ICC profile if it
  has one. The profile of gray or RGB is kept unless it is a spelling of sRGB.
* Alpha is kept, whether the file has a channel of it, a transparent colour or a palette with alpha; if it is opaque
  everywhere it is dropped.
* EXIF and XMP are kept on request, and animations refused unless the first frame is asked for.

Both directions use Pillow itself. imageio hands on neither the profile nor the pixel mode nor the list of formats to
try, and loads all of Pillow's plugins to write one file.
"""

from __future__ import annotations

import io
import os
import re
import struct
import sys
import warnings
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from taichi_gs import icc
from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted, read_bytes, write_atomic
from taichi_gs.picture import EXIF_PREFIX, Picture

FloatImage = NDArray[np.float32]
ByteImage = NDArray[np.uint8]

MAX_PIXELS = 89_478_485
"""The largest picture that is read or encoded, the limit that Pillow warns at."""

_READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_GRAY_MODES = {"1", "L", "LA", "La"}
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
_WITHOUT_ALPHA = {"JPEG", "BMP"}

_XMP_OF_PNG = "XML:com.adobe.xmp"

_ORIENTATION = 274
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
_TIFF_XMP = 700
_WHITE_IS_ZERO = 0
_TIFF_IFDS = (34665, 34853)
_TIFF_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432, *_TIFF_IFDS)
"""The tags of a TIFF that an Exif block would have: description, camera, software, date, artist, copyright, IFDs."""

_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
"""The kind of raw samples by which Pillow takes the lower byte of each, where it takes the upper one."""


def read_picture(path: Path, *, first_frame: bool = False, keep_metadata: bool = False) -> Picture:
    """Read a picture file; see `picture_from_bytes`; FileError if it cannot be read."""
    return picture_from_bytes(read_bytes(path), name=quoted(path), first_frame=first_frame, keep_metadata=keep_metadata)


def picture_from_bytes(
    data: bytes, *, name: str = "the picture", first_frame: bool = False, keep_metadata: bool = False
) -> Picture:
    """Decode the bytes of a picture file; the pixels are uint8 or uint16.

    Args:
        data: the file.
        name: what stands for it in messages.
        first_frame: whether to take the first of several frames.
        keep_metadata: whether to keep EXIF and XMP.

    Raises:
        ImageError: if they are not a whole picture of a kind that can be encoded; see the module's text.
    """
    if not data:
        raise ImageError(f"{name} is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large pictures, which are dealt with here.
            warnings.simplefilter("ignore")
            with _open(data) as image:
                _check_size(image.height, image.width, name)
                _check_frames(image, name, first_frame)
                _scale_gray_key(image)
                samples = _read_16_bits(data, image)
                return _picture(image, samples, name, keep_metadata)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture that can be read (PNG, JPEG, WebP, TIFF, BMP or GIF)") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} has more than {MAX_PIXELS:,} pixels, the limit") from error
    except Exception as error:
        # On damaged files Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        raise ImageError(f"{name} is damaged or truncated ({' '.join(str(error).split())})") from error


def picture_from_pillow(image: Image.Image, *, keep_metadata: bool = False) -> Picture:
    """Take over a picture of Pillow's, upright, with its profile, and with its metadata if they are wanted.

    Raises:
        ImageError: if it is of a kind that cannot be encoded.
    """
    name = "the image"
    _check_size(image.height, image.width, name)
    return _picture(image, None, name, keep_metadata)


def read_image(path: Path) -> FloatImage:
    """Read an opaque picture file as sRGB [H, W, 3] float32, 0 to 1.

    Raises:
        FileError: if the file cannot be read.
        ImageError: if it is not a whole picture of a kind that can be encoded, or is not opaque.
    """
    return image_from_bytes(read_bytes(path), name=quoted(path))


def image_from_bytes(data: bytes, *, name: str = "the picture") -> FloatImage:
    """Decode the bytes of an opaque picture file as sRGB [H, W, 3] float32, 0 to 1; `name` stands for it in messages.

    Raises:
        ImageError: if they are not a whole picture of a kind that can be encoded, or it is not opaque.
    """
    picture = picture_from_bytes(data, name=name)
    if picture.mode.endswith("A"):
        raise ImageError(f"{name} has transparent pixels, and transparency is not supported")
    return as_float_image(as_srgb(picture, name).pixels)


def as_planes(image: ArrayLike) -> FloatImage:
    """Convert an array to [H, W, C] float32, 0 to 1, with C from 1 to 4: gray, gray and alpha, RGB or RGBA.

    Args:
        image: [H, W] or [H, W, C]; uint8, uint16, bool, or float from 0 to 1.

    Raises:
        ImageError: if it is anything else, is empty, or has more than `MAX_PIXELS` pixels.
    """
    try:
        pixels = np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"an image has to be an array, not {type(image).__name__}") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ImageError(f"an image has the shape [height, width] or [height, width, 1 to 4], not {pixels.shape}")
    _check_size(pixels.shape[0], pixels.shape[1], "the image")
    return _to_unit_range(pixels)


def as_float_image(image: ArrayLike) -> FloatImage:
    """Convert an array as `as_planes` takes to RGB [H, W, 3] float32, 0 to 1.

    Raises:
        ImageError: if it is no image or not opaque.
    """
    planes = as_planes(image)
    height, width, num_channels = planes.shape
    if num_channels in (2, 4):
        if not is_opaque(planes[:, :, -1]):
            raise ImageError("the image has transparent pixels, and transparency is not supported")
        planes = planes[:, :, :-1]
    return np.ascontiguousarray(np.broadcast_to(planes, (height, width, 3)))


def as_srgb(picture: Picture, name: str = "the picture") -> Picture:
    """Convert a picture that has an ICC profile to sRGB, uint8, of the same mode; `name` stands for it in the log."""
    if picture.icc_profile is None:
        return picture
    pixels = as_byte_image(as_planes(picture.pixels))
    is_gray = pixels.shape[2] < 3
    colors = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if is_gray else pixels[:, :, :3]))
    planes = [np.asarray(icc.to_srgb(colors, picture.icc_profile, name))[:, :, : 1 if is_gray else 3]]
    if picture.mode.endswith("A"):
        planes.append(pixels[:, :, -1:])
    converted = np.concatenate(planes, axis=2)
    return replace(picture, pixels=converted[:, :, 0] if picture.mode == "L" else converted, icc_profile=None)


def is_opaque(alpha: FloatImage) -> bool:
    """Tell whether alpha, 0 to 1, is 255 everywhere when rounded to 8 bits."""
    return bool(as_byte_image(alpha).min() == 255)


def as_byte_image(image: FloatImage) -> ByteImage:
    """Round pixels, float from 0 to 1, to uint8."""
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


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=_READ_FORMATS)


def _check_size(height: int, width: int, name: str) -> None:
    if height == 0 or width == 0:
        raise ImageError(f"{name} has no pixels")
    if height * width > MAX_PIXELS:
        raise ImageError(f"{name} has {height * width:,} pixels, more than the limit of {MAX_PIXELS:,}")


def _check_frames(image: Image.Image, name: str, first_frame: bool) -> None:
    num_frames = getattr(image, "n_frames", 1)
    # MPO is what telephones write: a JPEG whose further pictures are previews and depth maps.
    if num_frames > 1 and image.format != "MPO" and not first_frame:
        raise ImageError(
            f"{name} holds {num_frames} pictures or frames, of which only the first can be taken: ask for first_frame"
        )


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


def _picture(image: Image.Image, samples: NDArray[np.uint16] | None, name: str, keep_metadata: bool) -> Picture:
    """Take over an opened picture; `samples` are its 16-bit samples, where Pillow has only their upper bytes."""
    upright = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    if samples is not None:
        pixels: NDArray[Any] = samples
    elif image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG"):
        pixels = _gray_16_bits(image, upright)
    elif image.mode in _MODES:
        upright = _plain(image, upright)
        if upright.mode == "CMYK":
            upright, profile = icc.to_srgb(upright, profile, name), None
        pixels = np.asarray(upright)
    else:
        raise ImageError(f"{name} has pixels of a kind that is not supported (Pillow mode {image.mode})")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and pixels[:, :, -1].min() == np.iinfo(pixels.dtype).max:
        pixels = pixels[:, :, 0] if pixels.shape[2] == 2 else pixels[:, :, :3]
    picture = Picture(pixels, **_metadata(image, upright) if keep_metadata else {})
    return replace(picture, icc_profile=_useful_profile(profile, picture.mode.removesuffix("A"), name))


def _plain(image: Image.Image, upright: Image.Image) -> Image.Image:
    """The picture in one of the modes L, LA, RGB, RGBA and CMYK, with alpha only if it is not opaque."""
    color = "L" if image.mode in _GRAY_MODES else "RGB"
    if upright.has_transparency_data:
        return upright.convert(color + "A")
    return upright if upright.mode == "CMYK" else upright.convert(color)


def _useful_profile(profile: bytes | None, mode: str, name: str) -> bytes | None:
    """The profile, unless it is a spelling of sRGB or cannot be used for pixels of the mode, "L" or "RGB"."""
    if not profile:
        return None
    difference = icc.difference_from_srgb(profile, mode)
    if difference is None:
        icc.warn_of_profile(name)
        return None
    return profile if difference > icc.MAX_DIFFERENCE else None


def _read_16_bits(data: bytes, image: ImageFile.ImageFile) -> NDArray[np.uint16] | None:
    """Decode 16-bit pictures of several channels at full precision, upright: [H, W, C]; None if it is none of them.

    Pillow takes the upper byte of each sample. It is made to take the lower one as well, by reading the file once more
    as if its samples had the other byte order; gray with alpha in PNG is read as if its four bytes were RGBA.
    """
    if not image.tile:
        return None
    raw_mode = _raw_mode(image.tile[0])
    if image.format == "PNG" and raw_mode == "LA;16B":
        header = data[12:24] + b"\x08\x06" + data[26:29]
        with _open(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]) as as_rgba:
            return np.asarray(ImageOps.exif_transpose(as_rgba)).view(">u2").astype(np.uint16)
    match = re.fullmatch(r"(RGBA?;)(16[BLN])", raw_mode)
    if match is None:
        return None
    swapped = match[1] + _SWAPPED[match[2]]
    with _open(data) as other:
        # A raw mode is all of a decoder's arguments, or the first of them.
        other.tile = [_with_raw_mode(tile, swapped) for tile in other.tile]
        lower = np.asarray(ImageOps.exif_transpose(other)).astype(np.uint16)
    upper = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)
    samples: NDArray[np.uint16] = (upper << 8 | lower).astype(np.uint16)
    key = image.info.get("transparency")
    if key is None:
        return samples
    alpha = np.where((samples == np.array(key)).all(axis=2, keepdims=True), 0, 65535)
    return np.concatenate([samples, alpha.astype(np.uint16)], axis=2)


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    return tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:]))


def _raw_mode(tile: Any) -> str:
    first = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
    return first if isinstance(first, str) else ""


def _scale_gray_key(image: ImageFile.ImageFile) -> None:
    """Bring the transparent gray of a PNG of 2 or 4 bits to the 8 bits that Pillow makes of the samples."""
    key = image.info.get("transparency")
    if image.format == "PNG" and image.tile and isinstance(key, int):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(_raw_mode(image.tile[0]), 1)


def _gray_16_bits(image: Image.Image, upright: Image.Image) -> NDArray[np.uint16]:
    """Decode a 16-bit (or 12-bit) gray picture at full precision, [H, W], or [H, W, 2] if it has a transparent gray."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))[0]
    samples: NDArray[np.uint32] = np.asarray(upright).astype(np.uint32)
    key = upright.info.get("transparency")
    alpha = None if key is None else np.where(samples == key, 0, 65535)
    # Pillow leaves both the range and the direction of such TIFFs as they are.
    samples = samples * 65535 // ((1 << bits) - 1)
    if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        samples = 65535 - samples
    planes = samples if alpha is None else np.dstack([samples, alpha])
    return planes.astype(np.uint16)


def _without_orientation(exif: bytes) -> bytes:
    """An Exif block without the orientation, which an odd value may have left in it; nothing if it is not readable."""
    block = Image.Exif()
    try:
        block.load(exif)
        if _ORIENTATION not in block:
            return exif
        del block[_ORIENTATION]
        return block.tobytes()
    except (OSError, ValueError, SyntaxError, struct.error):
        return b""


def _metadata(image: Image.Image, upright: Image.Image) -> dict[str, bytes]:
    """The Exif block, without an orientation, and the XMP packet, as far as the picture has them."""
    if image.format == "TIFF":
        block, tags = Image.Exif(), image.getexif()
        for tag in _TIFF_DESCRIPTIVE:
            if tag in tags:
                block[tag] = tags.get_ifd(tag) if tag in _TIFF_IFDS else tags[tag]
        exif = block.tobytes() if len(block) else b""
    else:
        exif = _without_orientation(upright.info.get("exif", b""))
    xmp = upright.info.get("xmp", b"")
    metadata = {"exif": exif.removeprefix(EXIF_PREFIX), "xmp": xmp.encode() if isinstance(xmp, str) else xmp}
    return {name: content for name, content in metadata.items() if content}
