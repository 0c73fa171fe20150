"""Pictures in HTML: a .tgs file inside the page, as the element `<tgs-image>` of the npm package taichi-gs.

from taichi_gs.integrations.html import embed

page = embed("preview.tgs", alt="A dog on a beach", full="dog.avif")
"""

from __future__ import annotations

import base64
import html

from taichi_gs.codec import Source, file_bytes, info
from taichi_gs.errors import OptionError
from taichi_gs.format.limits import Limits

DEFAULT_SCRIPT = "/taichi-gs/element.js"
"""Where the element lies if nothing else is said: the files of `web/src` are in the folder taichi-gs of the site."""


def embed(
    source: Source,
    *,
    alt: str,
    full: str | None = None,
    script: str | None = DEFAULT_SCRIPT,
    limits: Limits | None = None,
) -> str:
    """Return the HTML of one picture, which holds the whole .tgs file as a data URI.

    The browser keeps the picture's place from the first moment on, and draws the file. It loads `full` when the picture
    comes near the part of the page that is seen, and then fades to it. Without JavaScript, it shows `full` alone.

    Args:
        source: the path, the bytes, or an open file, of a .tgs file.
        alt: what is to be seen, for people who cannot see it; "" if the picture only decorates the page.
        full: the URL of the full picture, if there is one.
        script: the URL of element.js, on the site of the page; None leaves the script out, for pages that have it
            already.
        limits: of what the file may ask for.

    Raises:
        FileError: if the file cannot be read.
        BitstreamError, LimitError: if it is not a whole, undamaged .tgs file within the limits.
        OptionError: if alt, full or script is no text, or a URL is empty.
    """
    _check("alt", alt, "text")
    for name, url in (("full", full), ("script", script)):
        if url is not None:
            _check(name, url, "a URL")
    data = file_bytes(source)
    header = info(data, limits=limits)
    size = {"width": str(header.width), "height": str(header.height)}
    uri = f"data:image/x-taichi-gs;base64,{base64.b64encode(data).decode()}"
    # An element that is not defined yet has only the place that this style gives it.
    place = f"display:inline-block;width:{header.width}px;max-width:100%;aspect-ratio:{header.width}/{header.height}"
    lines = []
    if script is not None:
        lines.append(f"{_tag('script', type='module', src=script)}</script>")
    if full is None:
        lines.append(f"{_tag('tgs-image', src=uri, alt=alt, **size, style=place)}</tgs-image>")
    else:
        image = _tag("img", src=full, alt=alt, **size, style="display:block;width:100%;height:auto")
        lines.append(_tag("tgs-image", src=uri, full=full, alt=alt, **size, style=place))
        lines.append(f"  <noscript>{image}</noscript>")
        lines.append("</tgs-image>")
    return "\n".join(lines)


def _check(name: str, value: object, kind: str) -> None:
    """Refuse what cannot stand in an attribute; raises OptionError."""
    if not isinstance(value, str) or (kind == "a URL" and not value.strip()):
        raise OptionError(f"{name} must be {kind}, not {value!r}")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
        raise OptionError(f"{name} must be {kind} that HTML can hold, not {value!r}")


def _tag(name: str, **attributes: str) -> str:
    """Return a start tag, whose attributes are escaped."""
    parts = [name, *(f'{key}="{html.escape(value)}"' for key, value in attributes.items())]
    return f"<{' '.join(parts)}>"
