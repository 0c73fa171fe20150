"""ICC profiles: how far one is from sRGB, and the way there; Little CMS does the work, within Pillow."""

from __future__ import annotations

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image

MAX_DIFFERENCE = 2
"""In levels of 255: there are many spellings of sRGB, and a profile no further from it is taken for one of them."""

_STEP = 15
"""Between the levels of the colours that are tried, of which 255 is a multiple."""

_logger = logging.getLogger(__name__)


@lru_cache(maxsize=8)
def difference_from_srgb(profile: bytes, mode: str) -> int | None:
    """How far, in levels of 255, a profile takes pixels of a mode, "L" or "RGB", from what they are in sRGB.

    None if the profile cannot be used for such pixels.
    """
    levels = np.arange(0, 256, _STEP, dtype=np.uint8)
    if mode == "RGB":
        samples = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
    else:
        samples = levels[None]
    image = Image.fromarray(samples)
    converted = _converted(image, profile)
    if converted is None:
        return None
    return int(np.abs(np.asarray(converted).astype(int) - np.asarray(image.convert("RGB"))).max())


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Convert an 8-bit picture, gray, RGB or CMYK, from its profile to sRGB; `name` stands for it in the log.

    Without a profile, and with one that cannot be used, gray and RGB are sRGB, and CMYK is converted by the plain
    formula.
    """
    converted = _converted(image, profile) if profile else None
    if profile and converted is None:
        warn_of_profile(name)
    return image.convert("RGB") if converted is None else converted


def warn_of_profile(name: str) -> None:
    """Log that the profile of a picture, which `name` stands for, is of no use."""
    _logger.warning("the ICC profile of %s cannot be used and is ignored", name)


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
