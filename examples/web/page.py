"""The page as HTML, which shows photographs and their versions."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from pathlib import Path
from string import Template

from examples.web.versions import BLURHASH_COUNTS, HASH_SIDE, LARGE, SMALL, Photograph, Version

PARTS = Path(__file__).parent

SIZE_CLASSES = ("small", "large")
"""Of what is shown when the one or the other size is chosen."""


@dataclass(frozen=True)
class Entry:
    """A photograph of the page.

    Attributes:
        alt: what is to be seen, for people who cannot see it. It is the heading too.
        url: of the full picture.
    """

    photograph: Photograph
    alt: str
    url: str


def make_page(entries: list[Entry]) -> str:
    """Return the HTML of the page."""
    across, down = BLURHASH_COUNTS
    return Template((PARTS / "page.html").read_text(encoding="utf-8")).substitute(
        style=(PARTS / "page.css").read_text(encoding="utf-8"),
        photographs="\n".join(map(_article, entries)),
        small=SMALL,
        large=f"{LARGE:,}",
        hash_side=HASH_SIDE,
        blurhash=f"{across} × {down}",
    )


def _article(entry: Entry) -> str:
    height, width = entry.photograph.size
    alt = html.escape(entry.alt)
    # The first of each pair is Gaussians, the second WebP.
    figures = [_figure(versions, entry) for versions in zip(*entry.photograph.pairs, strict=True)]
    figures += [_figure((version,), entry) for version in entry.photograph.hashes]
    size = f"{_size(len(entry.photograph.full))}"
    return "\n".join(
        [
            f'<article style="--width: {width}; --height: {height}">',
            f'  <h2><a href="{html.escape(entry.url)}" data-size="{size}">{alt}</a></h2>',
            '  <div class="versions">',
            *figures,
            "  </div>",
            "</article>",
        ]
    )


def _figure(versions: tuple[Version, ...], entry: Entry) -> str:
    """A version in one size or in both, one upon the other."""
    classes = SIZE_CLASSES if len(versions) > 1 else ("",)
    pictures = [_picture(*each, entry) for each in zip(versions, classes, strict=True)]
    sizes = [
        f"<span{_class(name)}>{_size(version.num_bytes)}</span>"
        for version, name in zip(versions, classes, strict=True)
    ]
    return "\n".join(
        [
            "    <figure>",
            '      <div class="frame">',
            *(f"        {picture}" for picture in pictures),
            "      </div>",
            f"      <figcaption>{versions[0].name} {''.join(sizes)}</figcaption>",
            "    </figure>",
        ]
    )


def _picture(version: Version, name: str, entry: Entry) -> str:
    height, width = entry.photograph.size
    uri = f"data:{version.kind};base64,{base64.b64encode(version.data).decode()}"
    alt = html.escape(entry.alt)
    attributes = f'{_class(name)} data-name="{version.name}" data-size="{_size(version.num_bytes)}"'
    if version.kind == "image/x-taichi-gs":
        return f'<tgs-image{attributes} src="{uri}" width="{width}" height="{height}" alt="{alt}"></tgs-image>'
    # A background, as placeholders usually are: it has few pixels, and covers the place of the photograph.
    return f'<div{attributes} role="img" aria-label="{alt}" style="background-image: url({uri})"></div>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _size(num_bytes: int) -> str:
    """A number of bytes, exact where there are few."""
    return f"{num_bytes:,} bytes" if num_bytes < 10000 else f"{num_bytes / 1000:,.0f} KB"
