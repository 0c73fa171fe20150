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
import re
import struct
import sys
import warnings
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted, read_bytes
from taichi_gs.pictures import icc
from taichi_gs.pictures.convert import MAX_PIXELS, FloatImage, as_float_image, as_srgb, check_size
from taichi_gs.pictures.picture import EXIF_PREFIX, Picture

_READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_GRAY_MODES = {"1", "L", "LA", "La"}
_MODES = _GRAY_MODES | {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"}

_ORIENTATION = 274
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
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
                check_size(image.height, image.width, name)
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
    check_size(image.height, image.width, name)
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


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=_READ_FORMATS)


def _check_frames(image: Image.Image, name: str, first_frame: bool) -> None:
    num_frames = getattr(image, "n_frames", 1)
    # MPO is what telephones write: a JPEG whose further pictures are previews and depth maps.
    if num_frames > 1 and image.format != "MPO" and not first_frame:
        raise ImageError(
            f"{name} holds {num_frames} pictures or frames, of which only the first can be taken: ask for first_frame"
        )


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
