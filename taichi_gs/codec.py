"""The codec: a picture in, bytes out, and back."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Union, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taichi_gs import files
from taichi_gs.decoder.decode import FileInfo, TgsFile
from taichi_gs.encoder.choices import Device, Preset
from taichi_gs.errors import BitstreamError, FileError, OptionError
from taichi_gs.format.limits import Limits
from taichi_gs.pictures.picture import Picture

if TYPE_CHECKING:
    from PIL import Image
    from typing_extensions import Unpack

    from taichi_gs.encoder.presets import EncodeOptions, EncoderConfig

Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO]
"""What a file is read from: its path, its bytes, or an open file."""

_TEXT = "the open file is read as text: open it in binary mode"


@dataclass(frozen=True)
class Progress:
    """How far the encoder is: steps done, steps in all, and the PSNR in dB measured last.

    Where several fits are made, in search of a PSNR, steps count on, and those in all are what is planned so far.
    """

    step: int
    num_steps: int
    psnr: float


def encode(
    image: Picture | Image.Image | ArrayLike | Source,
    *,
    preset: Preset = "default",
    device: Device = "auto",
    progress: Callable[[Progress], None] | None = None,
    first_frame: bool = False,
    keep_metadata: bool = False,
    srgb: bool = False,
    **options: Unpack[EncodeOptions],
) -> bytes:
    """Return the .tgs file of a picture.

    Gray, alpha and the ICC profile are kept. Alpha that is opaque everywhere is dropped, and so are colours that cannot
    be seen.

    Args:
        image: an array, [H, W] for gray or [H, W, C] for C channels, gray and alpha, RGB or RGBA; uint8, uint16, bool,
            or floating point from 0 to 1. Or a `Picture`, or a picture of Pillow's; or the path, the bytes, or an open
            file, of a picture file.
        preset: a name in PRESETS.
        device: "auto", "cpu", "cuda", "vulkan" or "metal".
        progress: called after every optimisation step, in another thread; what it raises ends the encoding.
        first_frame: whether to take the first of several frames of a picture file.
        keep_metadata: whether to keep EXIF and XMP of a picture file or of Pillow's; those of a `Picture` are kept.
        srgb: whether to convert to sRGB instead of keeping an ICC profile, which costs some hundred bytes.
        options: fields of EncoderConfig, over the preset's; k, the size of both codebooks; max_pixels, the largest
            picture that is taken, 89,478,485 by default; and preview, whether to make a placeholder for a page: of at
            most 300 bytes if no other size or quality is asked for, in sRGB, over white where the picture is
            transparent, and without profile and metadata.

    Raises:
        FileError: if the picture file cannot be read.
        ImageError: if the picture cannot be encoded.
        OptionError: if an option, or a combination, makes no sense.
        DeviceError: if the device is not available.
        QualityError: if no file reaches the option quality or psnr; it has the best one.
    """
    # Here, because decoding does without PyTorch and Pillow.
    from taichi_gs.encoder.encode import encode_picture
    from taichi_gs.pictures.convert import as_asked

    max_pixels, preview = _checked_pixels(options.pop("max_pixels", None)), options.pop("preview", False)
    config = _configured(preset, options, preview=preview, keep_metadata=keep_metadata)
    picture = _picture_of(image, first_frame, keep_metadata, max_pixels)

    def listen(step: int, num_steps: int, psnr: float) -> None:
        if progress is not None:
            progress(Progress(step, num_steps, psnr))

    return encode_picture(as_asked(picture, srgb=srgb, preview=preview), config, device, listen)


def check_options(options: Mapping[str, Any], *, keep_metadata: bool = False) -> None:
    """Refuse arguments of `encode`, by name, that make no sense, before there is a picture for them.

    Raises:
        OptionError: if one, or a combination, makes no sense.
    """
    rest = {name: value for name, value in options.items() if name not in ("device", "progress", "first_frame", "srgb")}
    preset, preview = rest.pop("preset", "default"), rest.pop("preview", False)
    _checked_pixels(rest.pop("max_pixels", None))
    _configured(preset, rest, preview=preview, keep_metadata=keep_metadata)


def decode(
    source: Source,
    *,
    device: Device = "auto",
    limits: Limits | None = None,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    region: tuple[int, int, int, int] | None = None,
    grain: bool = False,
) -> NDArray[np.uint8]:
    """Return the pixels, uint8, of a .tgs file: [H, W, 3], or [H, W] if it is gray; never imports PyTorch.

    With alpha, which comes last, they are [H, W, 4] or [H, W, 2]. They are sRGB unless the file has an ICC profile,
    which `decode_picture` returns too.

    Args:
        source: the path of the file, its bytes, or an open file.
        device: "auto", "cpu", "cuda", "vulkan" or "metal".
        limits: of what the file may ask for, and of the pixels that are drawn.
        scale: draw the Gaussians at this multiple of the picture's resolution.
        size: or at the resolution (width, height), of any aspect.
        region: draw this part alone, (x, y, width, height) in pixels of the scaled picture; takes time for them alone.
        grain: draw noise as strong as the texture that the file leaves out, if it says how strong that is. They look
            more like photographs, and have a lower PSNR.

    Raises:
        FileError: if the file cannot be read.
        BitstreamError: if it is not a whole, undamaged .tgs file.
        LimitError: if the file, or what is to be drawn, is larger than `limits`.
        OptionError: if scale, size or region makes no sense, or the region is not in the picture.
        DeviceError: if the device is not available.
    """
    return _open(source, limits).draw(device=device, scale=scale, size=size, region=region, grain=grain)


def decode_picture(source: Source, *, limits: Limits | None = None, **options: Any) -> Picture:
    """Return the `Picture` of a .tgs file, with profile and metadata; options and errors are those of `decode`."""
    file = _open(source, limits)
    return Picture(file.draw(**options), **file.metadata)


def imread(path: files.Path, **options: Any) -> NDArray[np.uint8]:
    """Read the pixels of a .tgs file; options, result and errors are those of `decode`."""
    return decode(path, **options)


def imwrite(
    path: files.Path, image: Picture | Image.Image | ArrayLike | Source, *, overwrite: bool = True, **options: Any
) -> None:
    """Write a picture as a .tgs file, whole or not at all; options and errors are those of `encode`, and FileError.

    Where a PSNR is out of reach nothing is written; the QualityError has the best file.
    """
    if not isinstance(path, str | os.PathLike):
        raise FileError(f"imwrite writes to a path, not to {type(path).__name__}; encode returns the bytes of the file")
    files.check_target(path, overwrite=overwrite)
    files.write_atomic(path, encode(image, **options), overwrite=overwrite)


def info(source: Source, *, limits: Limits | None = None) -> FileInfo:
    """Return what a .tgs file, by path, as bytes or open, says of itself, without decoding its payload.

    Raises:
        FileError: if it cannot be read.
        BitstreamError: if it is not a whole, undamaged .tgs file.
        LimitError: if it is larger than `limits`.
    """
    return _open(source, limits).info


def _picture_of(
    image: Picture | Image.Image | ArrayLike | Source, first_frame: bool, keep_metadata: bool, max_pixels: int
) -> Picture:
    """The picture that `encode` was given in any of the ways it takes."""
    from taichi_gs.pictures.convert import as_planes, check_size
    from taichi_gs.pictures.read import picture_from_bytes, picture_from_pillow, read_picture

    taken: dict[str, Any] = {"first_frame": first_frame, "keep_metadata": keep_metadata, "max_pixels": max_pixels}
    if isinstance(image, Picture):
        if getattr(image.pixels, "ndim", 0) >= 2:
            check_size(image.pixels.shape[0], image.pixels.shape[1], "the picture", max_pixels)
        return image
    if isinstance(image, str | os.PathLike):
        return read_picture(image, **taken)
    if isinstance(image, bytes | bytearray | memoryview) or hasattr(image, "read"):
        return picture_from_bytes(file_bytes(image), **taken)
    if _is_pillow(image):
        return picture_from_pillow(cast(Any, image), **taken)
    return Picture(as_planes(cast(Any, image), max_pixels))


def _is_pillow(image: Any) -> bool:
    """Tell whether this is a picture of Pillow's, which only a program that has imported Pillow has."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(image, pillow.Image)


def _configured(preset: Preset, options: Mapping[str, Any], *, preview: bool, keep_metadata: bool) -> EncoderConfig:
    """What decides how a picture is encoded, from the options of `encode` that are not about its file."""
    from taichi_gs.encoder.presets import configure

    if preview and keep_metadata:
        raise OptionError("preview and keep_metadata exclude each other: a preview has no metadata")
    return configure(preset, options, preview=bool(preview))


def _checked_pixels(max_pixels: Any) -> int:
    """The option `max_pixels` of `encode`, or its default."""
    if max_pixels is None:
        return Limits().max_pixels
    if isinstance(max_pixels, bool) or not isinstance(max_pixels, int | np.integer) or max_pixels < 1:
        raise OptionError(f"max_pixels must be a whole number from 1, not {max_pixels!r}")
    return int(max_pixels)


def _open(source: Any, limits: Any) -> TgsFile:
    if limits is not None and not isinstance(limits, Limits):
        raise OptionError(f"limits must be a taichi_gs.Limits, not {limits!r}")
    return TgsFile(file_bytes(source), limits)


def file_bytes(source: Any) -> bytes:
    """Return the bytes of a .tgs file, by path, as bytes, or open, without looking at them.

    Raises:
        FileError: if they cannot be read.
        BitstreamError: if `source` is nothing of this kind.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return files.read_bytes(source)
    if not hasattr(source, "read"):
        raise BitstreamError(f"A .tgs file is read from its path, its bytes or an open file: {type(source).__name__}.")
    if isinstance(source, io.TextIOBase):  # whose bytes may be no text
        raise FileError(_TEXT)
    pieces: list[bytes] = []
    room = files.MAX_FILE_BYTES + 1
    while piece := _read_piece(source, room):  # a pipe gives less than it is asked for
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            raise FileError(f"the open file is larger than the limit of {files.MAX_FILE_BYTES:,} bytes")
    return b"".join(pieces)


def _read_piece(source: Any, most: int) -> bytes:
    try:
        piece = source.read(most)
    except Exception as error:  # whatever kind of file this is
        raise FileError(f"the open file cannot be read: {error}") from error
    if isinstance(piece, str):
        raise FileError(_TEXT)
    if not isinstance(piece, bytes):
        raise FileError(f"the open file has no bytes to read but {type(piece).__name__}")
    return piece
