"""Pixels in: picture files of many kinds become a `Picture`.

What is done, so that nothing is lost silently:

* Files are recognised by content; see `opening.py` for the kinds. Everything else is refused.
* Orientation (EXIF, or XMP) is baked in.
* Gray stays gray, palettes become RGB, 16 bits a channel stay 16 bits; of HEIC, AVIF and JPEG XL, 8 bits are read. CMYK
  becomes sRGB, through its ICC profile if it has one. The profile of gray or RGB is kept unless it is a spelling of
  sRGB.
* Alpha is kept, whether the file has a channel of it, a transparent colour or a palette with alpha; if it is opaque
  everywhere it is dropped.
* Of EXIF what describes the picture is kept on request, and XMP. Animations are refused unless the first frame is asked
  for.

Pillow reads. imageio hands on neither the profile nor the pixel mode, nor does it take a list of formats to try.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taichi_gs.errors import ImageError
from taichi_gs.files import Path, quoted, read_bytes
from taichi_gs.pictures import exif, icc, pnm
from taichi_gs.pictures.convert import FloatImage, as_float_image, as_srgb, check_size
from taichi_gs.pictures.exif_tags import ORIENTATION
from taichi_gs.pictures.opening import open_picture
from taichi_gs.pictures.picture import Picture
from taichi_gs.pictures.samples import gray_16_bits, read_16_bits, scale_gray_key
from taichi_gs.pictures.suffixes import MAX_PIXELS

_GRAY_MODES = {"1", "L", "LA", "La"}
_MODES = _GRAY_MODES | {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of an orientation upright."""

_PNG_SIGNATURE_BYTES = 8
_RAW_EXIF = "Raw profile type exif"


def read_picture(
    path: Path, *, first_frame: bool = False, keep_metadata: bool = False, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Read a picture file; see `picture_from_bytes`; FileError if it cannot be read."""
    return picture_from_bytes(
        read_bytes(path),
        name=quoted(path),
        first_frame=first_frame,
        keep_metadata=keep_metadata,
        max_pixels=max_pixels,
    )


def picture_from_bytes(
    data: bytes,
    *,
    name: str = "the picture",
    first_frame: bool = False,
    keep_metadata: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Decode the bytes of a picture file; the pixels are uint8 or uint16.

    Args:
        data: the file.
        name: what stands for it in messages.
        first_frame: whether to take the first of several frames.
        keep_metadata: whether to keep EXIF and XMP.
        max_pixels: the limit, checked before pixels are decoded.

    Raises:
        ImageError: if they are not a whole picture of a kind that can be encoded; see the module's text.
    """
    if not data:
        raise ImageError(f"{name} is empty")
    if pnm.is_pnm(data):
        return Picture(_without_opaque_alpha(pnm.pixels_of(data, name, max_pixels, first_frame=first_frame)))

    def read() -> Picture:
        with open_picture(data, name, max_pixels) as image:
            _check_frames(image, name, first_frame)
            if image.format == "PNG":
                _check_sums(data, name)
            scale_gray_key(image)
            samples = read_16_bits(data, image, lambda other: open_picture(other, name, max_pixels), _upright)
            picture = _picture(image, samples, name)
            metadata = _metadata(image, data) if keep_metadata else {}
            return Picture(picture.pixels, picture.icc_profile, **metadata)

    return _guarded(read, name)


def size_of(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int] | None:
    """Return the (width, height) that the file of a picture announces, or None if it cannot be read."""
    try:
        if pnm.is_pnm(data):
            width, height = pnm.size_of(data)
            check_size(height, width, "the picture", max_pixels)
            return width, height
        with open_picture(data, "the picture", max_pixels) as image:
            return image.size
    except Exception:  # whatever a plugin of Pillow's makes of it
        return None


def picture_from_pillow(
    image: Image.Image, *, first_frame: bool = True, keep_metadata: bool = False, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Take over a picture of Pillow's, upright, with its profile, and with its metadata if they are wanted.

    Args:
        image: the picture; of several frames, the one that it stands at.
        first_frame: whether there may be other frames, if it stands at the first one.
        keep_metadata: whether to keep EXIF and XMP.
        max_pixels: the limit.

    Raises:
        ImageError: if it is of a kind that cannot be encoded, or cannot be decoded.
    """
    name = "the image"
    check_size(image.height, image.width, name, max_pixels)

    def read() -> Picture:
        _check_frames(image, name, first_frame or image.tell() > 0)
        picture = _picture(image, None, name)
        metadata = _metadata(image, None) if keep_metadata else {}
        return Picture(picture.pixels, picture.icc_profile, **metadata)

    return _guarded(read, name)


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


def _guarded(read: Callable[[], Picture], name: str) -> Picture:
    """What `read` returns; whatever else than ImageError it raises becomes one."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large pictures, which are dealt with here.
            warnings.simplefilter("ignore")
            return read()
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        # Some plugins have this limit of Pillow's to themselves.
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageError(f"{name} has more than {most:,} pixels, the limit of Pillow for such files") from error
    except Exception as error:
        # On damaged files Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        raise ImageError(f"{name} is damaged or truncated ({' '.join(str(error).split())})") from error


def _check_frames(image: Image.Image, name: str, first_frame: bool) -> None:
    # How many there are takes long to find out. MPO is what telephones write: a JPEG whose further pictures are
    # previews and depth maps.
    if getattr(image, "is_animated", False) and image.format != "MPO" and not first_frame:
        raise ImageError(
            f"{name} holds several pictures or frames, of which only the first can be taken: ask for first_frame"
        )


def _check_sums(data: bytes, name: str) -> None:
    """Raise ImageError if a chunk of a PNG file has another checksum; Pillow does not look at those of pixels."""
    view, position = memoryview(data), _PNG_SIGNATURE_BYTES
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(view[position : position + 4], "big")
        kind = bytes(view[position + 4 : position + 8])
        if end + 4 > len(data) or kind == b"IEND":
            return
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ImageError(f"{name} is damaged or truncated (a PNG chunk {kind!r} has another checksum)")
        position = end + 4


def _picture(image: Image.Image, samples: NDArray[np.uint16] | None, name: str) -> Picture:
    """Take over an opened picture; `samples` are its 16-bit samples, where Pillow has only their upper bytes."""
    upright = _upright(image)
    profile = image.info.get("icc_profile")
    if samples is not None:
        pixels: NDArray[Any] = samples
    elif image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG"):
        pixels = gray_16_bits(image, upright)
    elif image.mode in _MODES:
        upright = _plain(image, upright)
        if upright.mode == "CMYK":
            upright, profile = icc.to_srgb(upright, profile, name), None
        pixels = np.asarray(upright)
    else:
        raise ImageError(f"{name} has pixels of a kind that is not supported (Pillow mode {image.mode})")
    pixels = _without_opaque_alpha(pixels)
    return Picture(pixels, _useful_profile(profile, Picture(pixels).mode.removesuffix("A"), name))


def _without_opaque_alpha(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and pixels[:, :, -1].min() == np.iinfo(pixels.dtype).max:
        return pixels[:, :, 0] if pixels.shape[2] == 2 else pixels[:, :, :3]
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    """The picture, decoded, as its orientation says that it is to be seen."""
    image.load()
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # of a block that makes no sense Pillow raises one thing or another
        orientation = 1
    # What decodes JPEG XL has turned it, unless it is a JPEG within.
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        orientation = 1
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


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


def _metadata(image: Image.Image, data: bytes | None) -> dict[str, bytes]:
    """What the Exif block says of the picture, and the XMP packet; `data` is the file, as far as it is known."""
    block, xmp = image.info.get("exif"), image.info.get("xmp")
    if image.format == "TIFF" and data is not None:
        block = data  # which has the structure of such a block, and the tags
    elif not block and (image.format == "TIFF" or _RAW_EXIF in image.info):
        try:
            block = image.getexif().tobytes()
        except Exception:  # of tags that are not of their types
            block = None
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    metadata = {
        "exif": exif.descriptive(block) if isinstance(block, bytes) else b"",
        "xmp": exif.upright_xmp(xmp) if isinstance(xmp, bytes) else b"",
    }
    return {name: content for name, content in metadata.items() if content}
