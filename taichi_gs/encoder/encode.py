"""From a picture to the bytes of a file: its planes are fitted, and the file is made once, at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping

from taichi_gs import files
from taichi_gs.encoder.alpha import AlphaCoding, Layers
from taichi_gs.encoder.choices import MIN_BYTES
from taichi_gs.encoder.fitter import Fitter
from taichi_gs.encoder.plane_fits import Outcome, Planes
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.encoder.restarts import ProgressListener
from taichi_gs.errors import ImageError, OptionError, QualityError
from taichi_gs.fit import device as fit_device
from taichi_gs.fit.pytorch_threads import one_pytorch_thread
from taichi_gs.format.bitstream import serialize
from taichi_gs.format.chunks import ALPHA_TAG, METADATA_TAGS, pack_chunks
from taichi_gs.format.limits import MAX_SIDE, Limits
from taichi_gs.format.varint import MAX_VARINT_BYTES
from taichi_gs.pictures.convert import as_planes, is_opaque
from taichi_gs.pictures.picture import Picture


def encode_picture(picture: Picture, config: EncoderConfig, device: str, listener: ProgressListener) -> bytes:
    """Return the .tgs file of a picture.

    Args:
        picture: what to encode, of any number of pixels; alpha that is opaque everywhere is dropped.
        config: what is asked for.
        device: "auto", "cpu", "cuda", "vulkan" or "metal".
        listener: is told of every step.

    Raises:
        ImageError: if the picture cannot be encoded.
        OptionError: if the bytes that are asked for are too few.
        DeviceError: if the device is not available.
        QualityError: if no file has the quality that is asked for; it has the best one.
    """
    colors, alpha = _split(as_planes(picture.pixels, max_pixels=None))
    metadata = _metadata_of(picture)
    _check_chunks(metadata)
    max_bytes = _max_bytes(config, colors.shape[0] * colors.shape[1])
    room = _room_beside(metadata, max_bytes, has_alpha=alpha is not None)
    fitter = Fitter(fit_device.start(device), listener)
    result: Layers | Outcome
    with one_pytorch_thread():
        if alpha is None:
            result = fitter.fit(colors, config, room)
        else:
            result = AlphaCoding().run(fitter, colors, alpha, config, room)
    if isinstance(result, Outcome):
        data = serialize(result.quantized, metadata)
    else:
        chunks = {**metadata, ALPHA_TAG: serialize(result.alpha)}
        _check_chunks(chunks)
        data = serialize(result.colors, chunks)
    if result.shortfall is not None:
        raise QualityError(result.shortfall, data)
    return data


def _split(planes: Planes) -> tuple[Planes, Planes | None]:
    """The colours [H, W, 1] or [H, W, 3] of planes, and their alpha [H, W] if it is not opaque everywhere."""
    if max(planes.shape) > MAX_SIDE:
        raise ImageError(f"the image has a side of {max(planes.shape):,} pixels, more than the limit of {MAX_SIDE:,}")
    if planes.shape[2] in (1, 3):
        return planes, None
    colors, alpha = planes[:, :, :-1], planes[:, :, -1]
    return colors, None if is_opaque(alpha) else alpha


def _metadata_of(picture: Picture) -> dict[bytes, bytes]:
    """The chunks of a picture's profile and metadata."""
    chunks = {}
    for field, tag in METADATA_TAGS.items():
        content = getattr(picture, field)
        if content is not None and not isinstance(content, bytes):
            raise ImageError(f"{field} must be bytes, not {type(content).__name__}")
        if content:
            chunks[tag] = content
    return chunks


def _check_chunks(chunks: Mapping[bytes, bytes]) -> None:
    """Raise ImageError if a decoder with the default limits would refuse a file with these chunks."""
    most = Limits().max_chunk_bytes
    size = sum(map(len, chunks.values()))
    size = size if size > most else max(size, len(pack_chunks(chunks)))
    if size > most:
        raise ImageError(f"the picture has {size:,} bytes of profile and metadata, more than the limit of {most:,}")


def _max_bytes(config: EncoderConfig, num_pixels: int) -> int | None:
    """The limit in bytes that follows from the options, if any."""
    if config.bits_per_pixel is None:
        return config.num_bytes
    max_bytes = math.floor(min(config.bits_per_pixel * num_pixels / 8, files.MAX_FILE_BYTES))
    if max_bytes < MIN_BYTES:
        least = 8 * MIN_BYTES / num_pixels
        unit = 10.0 ** (math.floor(math.log10(least)) - 3)  # of the last of four digits
        raise OptionError(
            f"{config.bits_per_pixel:g} bits per pixel is too little for this picture: a file has at least "
            f"{MIN_BYTES} bytes, here {math.ceil(least / unit) * unit:.4g} bits per pixel"
        )
    return max_bytes


def _room_beside(metadata: Mapping[bytes, bytes], max_bytes: int | None, *, has_alpha: bool) -> int | None:
    """The bytes that metadata leave for colours and alpha together, if there is a limit."""
    if max_bytes is None or not (metadata or has_alpha):
        return max_bytes
    beside = len(pack_chunks({**metadata, ALPHA_TAG: b""} if has_alpha else metadata))
    room = max_bytes - beside - MAX_VARINT_BYTES
    least = MIN_BYTES * (2 if has_alpha else 1)
    if room < least:
        raise OptionError(
            f"{max_bytes:,} bytes are too few for this picture with its transparency, colour profile and metadata: "
            f"at least {max_bytes + least - room:,}"
        )
    return room
