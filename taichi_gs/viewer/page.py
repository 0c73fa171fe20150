"""One page with everything in it: .tgs files, the decoder for them, and what shows them."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from taichi_gs.decoder.decode import TgsFile
from taichi_gs.errors import ImageError
from taichi_gs.files import read_bytes
from taichi_gs.format.limits import Limits
from taichi_gs.pictures.suffixes import MAX_PIXELS

_BROWSER_KINDS = (
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 8, b"WEBP"),
    ("image/avif", 4, b"ftypavif"),
)
"""The pictures that browsers show, each with bytes that it has at some place."""

ASPECT_TOLERANCE = 0.02
"""How far the aspect of an original may be from that of a picture: a smaller copy has rounded sides."""


@dataclass(frozen=True)
class PageFile:
    """A .tgs file and what to call it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Original:
    """A picture that browsers show, as a data URL, and its size."""

    url: str
    width: int
    height: int

    def check_aspect(self, width: int, height: int) -> None:
        """Raise ImageError if a picture of this size cannot be made from the original."""
        if abs(self.width * height / (self.height * width) - 1) > ASPECT_TOLERANCE:
            raise ImageError(
                f"the original has {self.width}x{self.height} pixels and the picture {width}x{height}, "
                "which is another shape"
            )


def original_from_bytes(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Original:
    """Return the original in a picture file: the file itself if browsers show it, or else a PNG file in sRGB.

    Of an animation it is a PNG file of the first frame.

    Raises:
        ImageError: if it is not a whole picture of a kind that is read; `name` stands for it.
    """
    from taichi_gs.pictures.convert import as_byte_image, as_srgb
    from taichi_gs.pictures.picture import Picture
    from taichi_gs.pictures.read import picture_from_bytes
    from taichi_gs.pictures.write import image_to_bytes

    kind = next((kind for kind, place, mark in _BROWSER_KINDS if data[place : place + len(mark)] == mark), None)
    try:
        picture = picture_from_bytes(data, name=name, max_pixels=max_pixels)
    except ImageError:  # which names what is wrong again, unless it was that there are several frames
        picture = picture_from_bytes(data, name=name, max_pixels=max_pixels, first_frame=True)
        kind = None
    if kind is None:
        plain = as_srgb(picture, name).pixels
        if plain.dtype == np.uint16:
            plain = as_byte_image((plain / 65535).astype(np.float32))
        kind, data = "image/png", image_to_bytes(Picture(plain), ".png")
    height, width = picture.pixels.shape[:2]
    return Original(f"data:{kind};base64,{_text(data)}", width, height)


def make_page(files: Sequence[PageFile], original: Original | None = None, limits: Limits | None = None) -> bytes:
    """Return the page, HTML in UTF-8, that shows files. It asks the network for nothing.

    Args:
        files: undamaged ones; see `TgsFile.check`.
        original: what to compare them with.
        limits: of what they may ask for, in the browser as well.
    """
    content = {
        "files": [
            {"name": file.name, "hasGrain": TgsFile(file.data, limits).header.has_grain, "data": _text(file.data)}
            for file in files
        ],
        "original": original and original.url,
        "limits": _limits_in_javascript(limits or Limits()),
    }
    parts = {
        "@TITLE@": html.escape(files[0].name),
        "@STYLE@": _part("viewer.css"),
        # Nothing in there ends the element.
        "@CONTENT@": json.dumps(content).replace("<", "\\u003c"),
        "@DECODER@": _part("decoder.js"),
        "@VIEWER@": _part("viewer.js"),
    }
    pieces = [_part("page.html")]
    for mark, part in parts.items():
        before, _, after = pieces.pop().partition(mark)
        pieces += [before, part, after]
    return "".join(pieces).encode("utf-8")


def _limits_in_javascript(limits: Limits) -> dict[str, Any]:
    """Limits by their names there; one that is not set is left out."""
    return {_camel(name): value for name, value in asdict(limits).items() if value is not None}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _part(name: str) -> str:
    return read_bytes(os.path.join(os.path.dirname(__file__), name)).decode("utf-8")
