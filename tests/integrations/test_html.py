"""HTML for one picture: what a parser finds in it."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import taichi_gs
from taichi_gs.integrations.html import DEFAULT_SCRIPT, embed

VALID = ROOT / "tests" / "conformance" / "valid"
WIDE = (VALID / "wide.tgs").read_bytes()
NASTY = "\"'><script>alert(1)</script> & &amp; <!-- ü 画\n"


class Tags(HTMLParser):
    """The start tags of a page, each with its attributes and the tags around it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self._open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.found.append((tag, dict(attrs), tuple(self._open)))
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def content_of(uri: str | None) -> bytes:
    head, _, content = (uri or "").partition(",")
    assert head == "data:image/x-taichi-gs;base64"
    return base64.b64decode(content, validate=True)


def test_everything() -> None:
    tags = Tags(embed(WIDE, alt=NASTY, full=f"a?b&c={NASTY}", script=f"/s.js?{NASTY}"))
    size = {"width": str(taichi_gs.info(WIDE).width), "height": str(taichi_gs.info(WIDE).height)}
    (script, element, noscript, image) = tags.found
    assert script == ("script", {"type": "module", "src": f"/s.js?{NASTY}"}, ())
    name, attributes, around = element
    assert (name, around) == ("tgs-image", ())
    assert content_of(attributes["src"]) == WIDE
    assert attributes.items() >= {"alt": NASTY, "full": f"a?b&c={NASTY}", **size}.items()
    assert f"aspect-ratio:{size['width']}/{size['height']}" in str(attributes["style"])
    assert noscript == ("noscript", {}, ("tgs-image",))
    name, attributes, around = image
    assert (name, around) == ("img", ("tgs-image", "noscript"))
    assert attributes.items() >= {"src": f"a?b&c={NASTY}", "alt": NASTY, **size}.items()
    assert tags.text.strip() == ""


def test_the_least() -> None:
    (name, attributes, _), *rest = Tags(embed(WIDE, alt="", script=None)).found
    assert (name, attributes["alt"], rest) == ("tgs-image", "", [])
    assert "full" not in attributes


@pytest.mark.parametrize("path", sorted(VALID.glob("*.tgs"))[::20], ids=lambda path: path.stem)
def test_every_way_to_give_a_file(path: Path) -> None:
    data = path.read_bytes()
    text = embed(path, alt="")
    assert text == embed(data, alt="") == embed(str(path), alt="") == embed(io.BytesIO(data), alt="")
    script, element = Tags(text).found
    assert script[1]["src"] == DEFAULT_SCRIPT
    assert content_of(element[1]["src"]) == data


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"alt": None}, "alt must be text, not None"),
        ({"alt": "", "full": 5}, "full must be a URL, not 5"),
        ({"alt": "", "full": " "}, "full must be a URL, not ' '"),
        ({"alt": "", "script": ""}, "script must be a URL, not ''"),
        ({"alt": "a\0"}, r"alt must be text that HTML can hold, not 'a\x00'"),
        ({"alt": "\udc80"}, r"alt must be text that HTML can hold, not '\udc80'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(taichi_gs.OptionError) as raised:
        embed(WIDE, **options)
    assert str(raised.value) == sentence


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(taichi_gs.BitstreamError, match="checksum"):
        embed(WIDE[:-1], alt="")
    with pytest.raises(taichi_gs.FileError, match="cannot read"):
        embed(tmp_path / "no.tgs", alt="")
    with pytest.raises(taichi_gs.LimitError):
        embed(WIDE, alt="", limits=taichi_gs.Limits(max_pixels=10))
