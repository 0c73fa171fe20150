"""The page of `tgs view` in Chromium, under one of its usual names or what the environment variable CHROMIUM says."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import CHROMIUM, Tab, chromium
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from taichi_gs.viewer.page import Original, PageFile, make_page, original_from_bytes

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

VALID = ROOT / "tests" / "conformance" / "valid"
TOLERANCE = 2
GRAINY = "grain_gray"

WITH_SLOW_WEBGL = """
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return getContext.call(this, kind, { ...options, failIfMajorPerformanceCaveat: false });
};
"""
"""Have the page draw with WebGL, even in software."""

WITH_DEAD_WEBGL = """
numCalls = 0;
const { prototype } = WebGL2RenderingContext;
for (const name of ["drawArrays", "drawArraysInstanced"]) prototype[name] = () => void numCalls++;
prototype.isFramebuffer = () => false;
"""
"""Have WebGL do nothing any more: its objects are gone, and it does not say so."""

Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, chromium(Path(profile)) as tab:
        yield tab


@pytest.fixture
def open_page(tab: Tab, tmp_path: Path) -> Iterator[Open]:
    """Show files on a page; nothing may go wrong on it."""

    def open_page(
        *names: str,
        original: Original | None = None,
        limits: taichi_gs.Limits | None = None,
        width: int = 900,
        height: int = 700,
    ) -> Tab:
        files = [PageFile(name, (VALID / f"{name}.tgs").read_bytes()) for name in names]
        page = tmp_path / "page.html"
        page.write_bytes(make_page(files, original, limits))
        tab.open(page, width=width, height=height)
        return tab

    yield open_page
    assert tab.complaints() == []


def expected(name: str, **options: object) -> NDArray[np.uint8]:
    """What this package draws, as RGBA."""
    pixels = taichi_gs.decode(VALID / f"{name}.tgs", **options)  # type: ignore[arg-type]
    planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if planes.shape[2] < 3:
        planes = planes[:, :, [0, 0, 0, *range(1, planes.shape[2])]]
    return planes if planes.shape[2] == 4 else np.dstack([planes, np.full(planes.shape[:2], 255, np.uint8)])


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second).max())


def whole_and_region(tab: Tab) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The size at which the picture is drawn, and the part of it that is."""
    width, height, *region = map(int, tab.value("document.getElementById('picture').dataset.drawn").split(","))
    return (width, height), (region[0], region[1], region[2], region[3])


def text(tab: Tab, name: str) -> str:
    found: str = tab.value(f"document.getElementById('{name}').textContent.trim()")
    return found


def is_shown(tab: Tab, name: str) -> bool:
    return bool(tab.value(f"document.getElementById('{name}').checkVisibility()"))


def wheel(tab: Tab, x: float, y: float, times: int) -> None:
    for _ in range(times):
        tab.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    tab.rest()


@pytest.mark.parametrize("name", ["subdivided", "sheared", "flags_f"])
@pytest.mark.parametrize("webgl", [False, True], ids=["javascript", "webgl"])
def test_pixels_are_those_of_the_decoder(tab: Tab, open_page: Open, name: str, webgl: bool) -> None:
    if webgl:
        script = tab.call("Page.addScriptToEvaluateOnNewDocument", source=WITH_SLOW_WEBGL)["identifier"]
    open_page(name)
    if webgl:
        tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    size, region = whole_and_region(tab)
    assert difference(tab.canvas("#picture"), expected(name, size=size, region=region)) <= TOLERANCE
    tab.press("1")
    assert difference(tab.canvas("#picture"), expected(name)) <= TOLERANCE
    assert text(tab, "percent") == "100 %"


def test_a_graphics_processor_that_has_failed_is_noticed_at_once(tab: Tab, open_page: Open) -> None:
    """As Chromium's may do while it starts: nothing is drawn, there is no error, and the context is not lost yet."""
    script = tab.call("Page.addScriptToEvaluateOnNewDocument", source=WITH_SLOW_WEBGL + WITH_DEAD_WEBGL)["identifier"]
    open_page("sheared")
    tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    size, region = whole_and_region(tab)
    assert difference(tab.canvas("#picture"), expected("sheared", size=size, region=region)) <= TOLERANCE
    assert tab.value("numCalls") > 0


def test_what_a_graphics_processor_loses_is_drawn_anew(tab: Tab, open_page: Open) -> None:
    open_page("sheared")
    before = tab.canvas("#picture")
    # What a browser does: the canvas is empty, and then it can be drawn on again.
    tab.value("canvas = document.getElementById('picture'); canvas.width = canvas.width")
    assert not tab.canvas("#picture").any()
    tab.value("canvas.dispatchEvent(new Event('contextrestored'))")
    tab.rest()
    assert difference(tab.canvas("#picture"), before) <= TOLERANCE


def test_the_wheel_zooms_about_the_pointer_and_draws_anew(open_page: Open) -> None:
    tab = open_page("sheared")
    tab.press("p")
    before, after = {}, {}
    for found in (before, after):
        (width, _), (x, _, _, _) = whole_and_region(tab)
        left = tab.value("document.getElementById('picture').getBoundingClientRect().left")
        found["place"] = (300 - left + x) / width
        wheel(tab, 300, 300, 4)
    assert abs(before["place"] - after["place"]) < 0.002
    size, region = whole_and_region(tab)
    assert region[2:] != size
    exact = expected("sheared", size=size, region=region)
    assert difference(tab.canvas("#picture"), exact) <= TOLERANCE
    # The pixels, enlarged, have lost what is smaller than they are.
    enlarged = tab.canvas("#other")
    assert np.abs(enlarged.astype(int) - exact).max() > 10 * TOLERANCE


def test_keys(open_page: Open) -> None:
    tab = open_page("subdivided")
    fitted = whole_and_region(tab)
    tab.press("+")
    larger, _ = whole_and_region(tab)
    assert larger[0] == pytest.approx(2**0.5 * fitted[0][0], rel=0.01)
    tab.press("-")
    assert whole_and_region(tab)[0][0] == pytest.approx(fitted[0][0], abs=1)
    for key in "++++":
        tab.press(key)
    _, first = whole_and_region(tab)
    places = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        tab.press(key)
        places.append(whole_and_region(tab)[1][:2])
    (x, y), (right, same), (same_x, down) = first[:2], places[0], places[1]
    assert (right > x, same, same_x, down > y) == (True, y, right, True)
    assert np.abs(np.subtract(places[3], first[:2])).max() <= 1
    for key in "0+f":
        tab.press(key)
    assert whole_and_region(tab) == fitted
    tab.press("?")
    assert is_shown(tab, "help")
    tab.press("Escape")
    assert not is_shown(tab, "help")


def test_keys_of_one_character_can_be_turned_off(open_page: Open) -> None:
    tab = open_page("subdivided")
    fitted = whole_and_region(tab)
    tab.value("document.getElementById('show-help').click()")
    tab.value("document.getElementById('use-characters').click()")
    tab.press("Escape")
    for key in "++1o?":
        tab.press(key)
    assert whole_and_region(tab) == fitted
    assert not is_shown(tab, "help")
    tab.value("document.getElementById('in').click()")
    zoomed = whole_and_region(tab)
    tab.press("ArrowRight")
    assert zoomed != whole_and_region(tab) != fitted
    tab.value("document.getElementById('use-characters').click()")
    tab.press("f")
    assert whole_and_region(tab) == fitted


def test_dragging_moves_the_picture(open_page: Open) -> None:
    tab = open_page("subdivided")
    for key in "+++":
        tab.press(key)
    _, (x, y, *_) = whole_and_region(tab)
    tab.mouse("mousePressed", 400, 300, button="left", clickCount=1)
    tab.mouse("mouseMoved", 370, 280, button="left")
    tab.mouse("mouseReleased", 370, 280, button="left", clickCount=1)
    tab.rest()
    assert whole_and_region(tab)[1][:2] == (x + 30, y + 20)


def test_two_fingers_zoom(open_page: Open) -> None:
    tab = open_page("subdivided")
    (before, _), _ = whole_and_region(tab)
    for kind, spread in (("touchStart", 50), ("touchMove", 75), ("touchMove", 100)):
        points = [{"x": 400 + side * spread, "y": 300, "id": number} for number, side in enumerate((-1, 1))]
        tab.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    tab.rest()
    assert whole_and_region(tab)[0][0] == pytest.approx(2 * before, rel=0.02)


def test_outlines_stand_where_gaussians_are(open_page: Open) -> None:
    tab = open_page("thin")
    assert not is_shown(tab, "outlines")
    tab.press("o")
    assert is_shown(tab, "outlines")
    # Strokes are opaque, and what is between them is not.
    lines = tab.canvas("#outlines")[:, :, 3] == 255
    assert 0.001 < lines.mean() < 0.3
    assert tab.value("document.getElementById('show-outlines').getAttribute('aria-pressed')") == "true"
    tab.press("o")
    assert not is_shown(tab, "outlines")


def test_grain_is_drawn_where_there_is_some(open_page: Open) -> None:
    tab = open_page(GRAINY)
    assert is_shown(tab, "show-grain")
    tab.press("1")
    tab.press("g")
    assert difference(expected(GRAINY, grain=True), expected(GRAINY)) > 3 * TOLERANCE
    assert difference(tab.canvas("#picture"), expected(GRAINY, grain=True)) <= TOLERANCE
    plain = next(path.stem for path in sorted(VALID.glob("*.tgs")) if not taichi_gs.info(path).has_grain)
    assert not is_shown(open_page(plain), "show-grain")


def test_the_original_is_behind_the_divider(open_page: Open) -> None:
    pixels = expected("subdivided")[:, :, :3]
    original = io.BytesIO()
    Image.fromarray(255 - pixels).save(original, "PNG")
    tab = open_page("subdivided", original=original_from_bytes(original.getvalue(), "the original"))
    tab.press("1")
    assert difference(tab.canvas("#other")[:, :, :3], 255 - pixels) == 0
    value = "Number(document.getElementById('divider').getAttribute('aria-valuenow'))"
    assert abs(tab.value(value) - 50) < 5
    assert text(tab, "tag-other") == "Original"
    tab.press("f")
    tab.value("document.getElementById('divider').focus()")
    for key in ("ArrowRight", "ArrowRight"):
        tab.press(key)
    moved = tab.value(value)
    assert 52 <= moved <= 58
    # The picture is narrower than the stage, and a step is a part of the picture.
    for key, percent in (("Home", 0), ("ArrowRight", 2), ("End", 100), ("ArrowLeft", 98)):
        tab.press(key)
        assert tab.value(value) == percent
    tab.press("p")
    assert text(tab, "tag-other") == "Pixels, enlarged"
    tab.press("p")
    assert not is_shown(tab, "divider")
    tab.press("c")
    assert is_shown(tab, "divider")


def test_a_gallery(open_page: Open) -> None:
    names = ["subdivided", "thin", "alpha_plane"]
    tab = open_page(*names)
    while tab.value("document.querySelectorAll('#gallery canvas').length") < len(names):
        pass
    for name, number in zip([*names, names[0]], [1, 2, 3, 1], strict=True):
        assert text(tab, "name") == name
        assert text(tab, "facts").startswith(f"{number} of 3 ·")
        size, region = whole_and_region(tab)
        assert difference(tab.canvas("#picture"), expected(name, size=size, region=region)) <= TOLERANCE
        tab.press("ArrowRight")
    tab.press("PageUp")
    assert text(tab, "name") == names[0]
    tab.value("document.querySelectorAll('#gallery button')[2].click()")
    tab.rest()
    assert text(tab, "name") == names[2]
    current = "[...document.querySelectorAll('#gallery button')].map((each) => each.ariaCurrent)"
    assert tab.value(current) == [None, None, "true"]


def test_a_swipe_leads_to_another_picture(open_page: Open) -> None:
    tab = open_page("subdivided", "thin", "alpha_plane")
    for way, name in ((-100, "thin"), (-100, "alpha_plane"), (100, "thin"), (20, "thin")):
        tab.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": 400, "y": 200}])
        tab.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": 400 + way, "y": 210}])
        tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        tab.rest()
        assert text(tab, "name") == name


def test_the_caption(open_page: Open) -> None:
    tab = open_page("subdivided")
    info = taichi_gs.info(VALID / "subdivided.tgs")
    facts = [f"{info.bytes:,} bytes", f"{info.width} × {info.height}", f"{info.num_gaussians:,} Gaussians"]
    assert text(tab, "facts").split(" · ")[:3] == facts
    assert float(text(tab, "facts").split(" · ")[3].split()[0]) == pytest.approx(info.bits_per_pixel, rel=0.01)
    assert not is_shown(tab, "gallery")


def test_every_button_has_a_name_and_fits_a_phone(open_page: Open) -> None:
    tab = open_page("subdivided", "thin", width=360, height=640)
    code = """
      [...document.querySelectorAll("button")].filter((each) => each.checkVisibility()).map((each) => {
        const box = each.getBoundingClientRect();
        return [each.ariaLabel || each.textContent.trim(), box.left, box.right, box.width, box.height];
      })
    """
    buttons = tab.value(code)
    assert len(buttons) > 7
    for name, left, right, width, height in buttons:
        assert name
        assert (left >= 0, right <= 360, width >= 40, height >= 40) == (True, True, True, True), name
    assert tab.value("document.documentElement.scrollWidth") == 360


def test_what_cannot_be_drawn_is_said(open_page: Open, tab: Tab, tmp_path: Path) -> None:
    good = (VALID / "thin.tgs").read_bytes()
    page = make_page([PageFile("thin", good), PageFile("other", good)])
    start = page.index(b'"data": "') + len(b'"data": "')
    (tmp_path / "damaged.html").write_bytes(page[:start] + b"AAAA" + page[start + 4 :])
    tab.open(tmp_path / "damaged.html")
    assert text(tab, "message") == "This is not a .tgs file of Gaussians."
    tab.press("PageDown")
    assert not is_shown(tab, "message")


def test_what_takes_too_much_is_drawn_with_fewer_pixels(open_page: Open) -> None:
    tab = open_page("thin", limits=taichi_gs.Limits(max_pairs=100))
    size, region = whole_and_region(tab)
    assert not is_shown(tab, "message")
    assert size[0] < 400
    assert difference(tab.canvas("#picture"), expected("thin", size=size, region=region)) <= TOLERANCE
