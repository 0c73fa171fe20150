"""`Picture`: pixels, and what a file says about them."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""What pixels are by their number of channels, as Pillow names it."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels, upright, and what a file says about them. Notebooks show it.

    Attributes:
        pixels: [H, W] gray, [H, W, 2] gray and alpha, [H, W, 3] RGB or [H, W, 4] RGBA; uint8, or what
            `convert.as_planes` takes. Alpha is straight, not premultiplied.
        icc_profile: of the gray or RGB; None means sRGB.
        exif: an Exif block that begins with its TIFF header. The pixels are upright, whatever orientation it states.
        xmp: an XMP packet, of which the same is true.
    """

    pixels: NDArray[Any]
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    @property
    def mode(self) -> str:
        """What the pixels are, as Pillow names it: "L", "LA", "RGB" or "RGBA"."""
        return MODES[1 if self.pixels.ndim == 2 else self.pixels.shape[2]]

    def to_pillow(self) -> Image.Image:
        """The picture [H, W, ...] uint8 as Pillow's, with the profile and the metadata in its `info`."""
        from PIL import Image

        image = Image.fromarray(self.pixels)
        image.info.update(pillow_info(self.icc_profile, self.exif, self.xmp))
        return image

    def _repr_png_(self) -> bytes | None:
        if self.pixels.dtype != np.uint8:
            return None
        buffer = io.BytesIO()
        self.to_pillow().save(buffer, "PNG", compress_type=zlib.Z_RLE)
        return buffer.getvalue()


def pillow_info(icc_profile: bytes | None, exif: bytes | None, xmp: bytes | None) -> dict[str, bytes]:
    """What `info` of a picture of Pillow's has, for the metadata of a `Picture`: of Exif what describes the picture.

    Neither Exif nor XMP states an orientation, by which the upright picture would be turned.
    """
    known = {"icc_profile": icc_profile}
    if exif or xmp:
        # Here: most files have neither, and their decoder starts without the parser of Exif.
        from taichi_gs.pictures.exif import EXIF_PREFIX, descriptive, upright_xmp

        block = descriptive(exif)
        known |= {"exif": block and EXIF_PREFIX + block, "xmp": xmp and upright_xmp(xmp)}
    return {name: content for name, content in known.items() if content}


def comparable_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels of any mode, [H, W, ...] uint8, as the RGB picture on which quality is measured.

    Gray becomes RGB, [H, W, 3]. With alpha it is the picture over black with that over white to its right, [H, 2 W, 3]:
    an error in alpha shows on one of them, and colours where nothing is visible do not count.
    """
    num_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    pixels = pixels.reshape(*pixels.shape[:2], num_channels)
    height, width = pixels.shape[:2]
    if num_channels in (1, 3):
        return np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3)))
    colors, alpha = np.broadcast_to(pixels[:, :, :-1], (height, width, 3)).astype(np.uint32), pixels[:, :, -1:]
    over_black = (colors * alpha + 127) // 255
    return np.concatenate([over_black, over_black + (255 - alpha)], axis=1).astype(np.uint8)
