"""From the bytes of a .tgs file to pixels, on NumPy and Taichi alone: PyTorch takes a second to import."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taichi_gs.errors import LimitError
from taichi_gs.format.bitstream import SIGNATURE, parse_header, parse_integers
from taichi_gs.format.chunks import ALPHA_TAG, METADATA_TAGS
from taichi_gs.format.header import Header
from taichi_gs.format.limits import Limits
from taichi_gs.model.blending import Blending

if TYPE_CHECKING:
    from taichi_gs.decoder.draw import Layer


@dataclass(frozen=True)
class FileInfo:
    """What a .tgs file says of itself; see `format.header.Header` for the terms.

    `alpha_bytes` is the size of the alpha plane, and `metadata` has what there is of "icc", "exif" and "xmp".
    """

    version: int
    width: int
    height: int
    num_gaussians: int
    covariance_k: int
    color_k: int
    grid_width: int
    grid_height: int
    subdivision: int
    blending: Blending
    mode: str
    has_grain: bool
    bytes: int
    header_bytes: int
    payload_bytes: int
    alpha_bytes: int
    metadata: tuple[str, ...]
    bits_per_pixel: float


class TgsFile:
    """A .tgs file in memory. Its header is read once, when this is made; pixels are drawn when they are asked for.

    Attributes:
        header: what the file says of itself.
    """

    def __init__(self, data: bytes, limits: Limits | None = None) -> None:
        """Read the header of a whole file.

        Args:
            data: the file.
            limits: of what it may ask for; `Limits()` if not given.

        Raises:
            BitstreamError, LimitError: see `bitstream.parse_header`.
            LimitError: if it is larger than any file within the limits, or has too many Gaussians in all its layers.
        """
        self._data, self._limits = data, limits or Limits()
        most = self._limits.file_bytes_allowed
        if len(data) > most and data.startswith(SIGNATURE):
            raise LimitError(f"The file has {len(data)} bytes, more than the {most} that all limits together allow.")
        self.header: Header = parse_header(data, self._limits)
        num_gaussians = sum(header.num_gaussians for header in self._headers)
        if num_gaussians > self._limits.max_gaussians:
            raise LimitError(
                f"The file has {num_gaussians} Gaussians in its picture and its alpha plane, more than the "
                f"{self._limits.max_gaussians} allowed."
            )

    @property
    def info(self) -> FileInfo:
        """What the file says of itself."""
        header = self.header
        height, width = header.image_size
        return FileInfo(
            version=header.version,
            width=width,
            height=height,
            num_gaussians=header.num_gaussians,
            covariance_k=header.covariance_k,
            color_k=header.color_k,
            grid_width=header.grid_size[1],
            grid_height=header.grid_size[0],
            subdivision=header.subdivision,
            blending=header.blending,
            mode=header.mode,
            has_grain=header.has_grain,
            bytes=len(self._data),
            header_bytes=header.header_bytes,
            payload_bytes=header.payload_bytes,
            alpha_bytes=len(header.chunks.get(ALPHA_TAG, b"")),
            metadata=tuple(field.split("_")[0] for field, tag in METADATA_TAGS.items() if tag in header.chunks),
            bits_per_pixel=8 * len(self._data) / (height * width),
        )

    @property
    def metadata(self) -> dict[str, bytes | None]:
        """The fields of a `Picture` but for its pixels: icc_profile, exif and xmp."""
        return {field: self.header.chunks.get(tag) for field, tag in METADATA_TAGS.items()}

    def check(self) -> None:
        """Read the whole file, without drawing it; raises BitstreamError if its payload is damaged."""
        parse_integers(self._data, self.header)
        if self.header.alpha is not None:
            parse_integers(self.header.chunks[ALPHA_TAG], self.header.alpha)

    def draw(
        self,
        *,
        device: str = "auto",
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        region: tuple[int, int, int, int] | None = None,
        grain: bool = False,
    ) -> NDArray[np.uint8]:
        """Return the pixels, uint8: [H, W, 3], or [H, W] if they are gray; with alpha, which comes last, 4 or 2.

        Args:
            device: "auto", "cpu", "cuda", "vulkan" or "metal".
            scale, size, region: see `viewport.choose_viewport`.
            grain: whether to draw grain, if the file says how strong it is.

        Raises:
            BitstreamError: if the payload is damaged.
            OptionError, LimitError: see `viewport.choose_viewport`.
            LimitError: if there are more pairs of a Gaussian and a tile than the limits allow.
            DeviceError, OptionError: see `kernels.runtime.start`.
        """
        # Here, because a header is read without them.
        from taichi_gs.decoder.draw import draw_layers
        from taichi_gs.decoder.viewport import choose_viewport

        headers = self._headers
        viewport = choose_viewport(self.header.image_size, scale=scale, size=size, region=region, limits=self._limits)
        # Metadata must not pay for drawing: anything can be in there.
        num_bytes = sum(header.header_bytes + header.payload_bytes for header in headers)
        max_pairs = self._limits.pairs_allowed(
            num_bytes,
            sum(header.num_gaussians for header in headers),
            max(viewport.num_whole_samples, math.prod(self.header.image_size)),
            viewport.num_samples * (len(headers) + (grain and self.header.has_grain)),
        )
        num_channels = [1 if header.is_gray else 3 for header in headers]
        return draw_layers(self._layers(grain), num_channels, viewport, device, max_pairs)

    @property
    def _headers(self) -> list[Header]:
        return [self.header] if self.header.alpha is None else [self.header, self.header.alpha]

    def _layers(self, grain: bool) -> Iterator[Layer]:
        """The picture, and then its alpha plane if it has one, decoded one at a time."""
        from taichi_gs.decoder.draw import Layer
        from taichi_gs.model.dequantize import dequantize_gaussians, dequantize_grain

        quantized, lattice = parse_integers(self._data, self.header)
        deviations = dequantize_grain(quantized) if grain else None
        yield Layer(dequantize_gaussians(quantized, lattice), deviations)
        if self.header.alpha is not None:
            alpha = parse_integers(self.header.chunks[ALPHA_TAG], self.header.alpha)
            yield Layer(dequantize_gaussians(*alpha))
