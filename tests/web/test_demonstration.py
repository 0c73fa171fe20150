"""The demonstration of `examples/web`: what is written, and the page in Chromium if there is one."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, Tab, chromium
from conftest import ROOT, synthetic_picture
from node import install_from_registry
from PIL import Image

import taichi_gs
from examples.web import make
from examples.web.versions import LARGE, SMALL

WEB = ROOT / "web"
ALT = 'A "little" picture & its <edges>'

OBSERVE_SHIFTS = """
globalThis.shift = 0;
const add = (list) => list.getEntries().forEach((entry) => (shift += entry.hadRecentInput ? 0 : entry.value));
new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
"""
UNTIL = """
new Promise((resolve, reject) => {
  const end = performance.now() + 20000;
  const look = () => {
    if (%s) resolve();
    else if (performance.now() > end) reject(new Error("in vain"));
    else setTimeout(look, 20);
  };
  look();
})
"""
ALL_ARE_DRAWN = "[...document.querySelectorAll('tgs-image')].every((each) => each.shadowRoot?.querySelector('canvas'))"
# A picture, on lime that it covers.
BETWEEN_PIXELS = """
const picture = document.querySelector("article:last-of-type tgs-image");
document.body.replaceChildren(...Array.from({ length: 60 }, (_, i) => {
  const place = document.createElement("div");
  place.style.cssText = `position: absolute; overflow: hidden; background: lime; width: ${30 + 0.031 * i}px;
    height: ${40 + (0.217 * i) % 1}px; left: ${(i % 8) * 40.137 + 5}px; top: ${Math.floor(i / 8) * 60.0713 + 5}px`;
  const copy = picture.cloneNode();
  copy.style.cssText = "position: absolute; inset: 0; width: 100%; height: 100%; max-width: none";
  place.append(copy);
  return place;
}));
"""
FULL_IS_SHOWN = "document.querySelector('#stage > .shown').shadowRoot.querySelector('img')?.naturalWidth > 0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of the example photograph, and of a gray one that is tall and transparent at its edges."""
    folder = tmp_path_factory.mktemp("photographs")
    shutil.copyfile(ROOT / "examples" / "photo.png", folder / "two_red-birds.png")
    gray = Image.fromarray(synthetic_picture()).convert("L").rotate(90, expand=True)
    gray.putalpha(Image.fromarray(np.full((32, 24), 200, np.uint8)))
    gray.save(folder / "a.png")
    (folder / "alt.tsv").write_text(f"a.png\t{ALT}\n\n", encoding="utf-8")
    site = folder.parent / "deep" / "site"
    assert make.main([str(folder), "-o", str(site), "--preset", "fast"]) == 0
    assert [path.name for path in site.parent.iterdir()] == ["site"]
    return site


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=site)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, chromium(Path(profile)) as tab:
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=OBSERVE_SHIFTS)
        yield tab


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def tab(browser: Tab, server: str, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The page; nothing may go wrong on it, and nothing may move."""
    width, height = request.param
    browser.visit(server, width=width, height=height)
    browser.value(UNTIL % ALL_ARE_DRAWN)
    yield browser
    assert browser.value("shift") == 0
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints(server) == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The rules of axe-core, from `npm install` in web/ or else from the registry."""
    script = Path("node_modules", "axe-core", "axe.min.js")
    if not (WEB / script).exists():
        wanted = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["devDependencies"]["axe-core"]
        folder = tmp_path_factory.mktemp("axe")
        install_from_registry(f"axe-core@{wanted}", folder=folder)
        return (folder / script).read_text(encoding="utf-8")
    return (WEB / script).read_text(encoding="utf-8")


def chosen(tab: Tab) -> str:
    """The version that the large view shows, by its label."""
    shown = tab.value(
        "[...document.querySelectorAll('#stage > *')].map((each) => each.checkVisibility({visibilityProperty: true}))"
    )
    labels = tab.value("[...document.querySelectorAll('#choices label')].map((each) => each.innerText)")
    checked = tab.value("[...document.querySelectorAll('#choices input')].map((each) => each.checked)")
    assert checked == shown
    assert checked.count(True) == 1
    return " ".join(labels[checked.index(True)].split())


def test_what_is_written(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    gray, photo = page.split("<article")[1:]
    assert 'alt="A &quot;little&quot; picture &amp; its &lt;edges&gt;"' in gray
    assert ">Two red birds</a>" in photo
    sizes = []
    for size, uri in re.findall(r'data-size="([^"]+)" .*(?:src="|url\()(data:[^")]+)', photo):
        kind, _, text = uri.partition(";base64,")
        data = base64.b64decode(text)
        if "taichi" in kind:
            assert taichi_gs.info(data).width == 768
        else:
            Image.open(io.BytesIO(data)).load()
        sizes.append((kind, len(data), size))
    for (gaussians, num_bytes, size), (webp, num_other, other), most in zip(
        sizes[:2], sizes[2:4], (SMALL, LARGE), strict=True
    ):
        assert (gaussians, webp) == ("data:image/x-taichi-gs", "data:image/webp")
        assert (size, other) == (f"{num_bytes:,} bytes", f"{num_other:,} bytes")
        assert 0.9 * most < min(num_bytes, num_other)
        assert max(num_bytes, num_other) <= most
    assert [size for _, _, size in sizes[4:]] == ["21 bytes", "28 bytes"]
    with Image.open(site / "pictures" / "02.avif") as full:
        assert (full.size, full.mode) == ((768, 512), "RGB")
    needed = [name for name in re.findall(r'(?:src|href)="([^"#]+)"', page) if not name.startswith("data:")]
    assert all((site / name).is_file() for name in needed)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "there is no folder"),
        ({}, "there are no pictures in"),
        ({"a.png": b"nothing"}, "a.png"),
        ({"a.png": b"", "alt.tsv": b"a.png A dog\n"}, "line 1 of"),
        ({"a.png": b"", "alt.tsv": b"a.png\t\xff\n"}, "is not text in UTF-8"),
    ],
)
def test_wrong_input(
    files: dict[str, bytes] | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photographs"
    if files is not None:
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
    assert make.main([str(folder), "-o", str(tmp_path / "site")]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert set(tmp_path.iterdir()) <= {folder}


def test_a_folder_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert make.main([str(tmp_path), "-o", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_sizes_can_be_chosen(tab: Tab) -> None:
    code = """
      [...document.querySelectorAll("article:last-of-type figcaption")].map((each) => each.innerText)
    """
    visible = """
      [...document.querySelectorAll(".frame > *")].filter((each) => each.checkVisibility({ visibilityProperty: true }))
        .map((each) => each.dataset.size)
    """
    small = tab.value(code)
    tab.value("document.getElementById('small').focus()")
    tab.type("ArrowRight")
    large = tab.value(code)
    assert small != large
    assert small[2:] == large[2:]
    tab.value(UNTIL % f"{visible}.length === 8".replace("\n", " "))
    assert tab.value(visible)[4:] == [" ".join(text.split()[1:]) for text in large]


def test_a_click_shows_the_full_picture_and_what_it_is_compared_with(tab: Tab) -> None:
    tab.value("document.querySelectorAll('article')[1].querySelector('figure:nth-child(2) .frame').click()")
    tab.value(UNTIL % FULL_IS_SHOWN)
    assert chosen(tab).startswith("Photograph")
    box = tab.value(
        "(({ width, height }) => [width, height])(document.getElementById('stage').getBoundingClientRect())"
    )
    assert box[0] / box[1] == pytest.approx(768 / 512, rel=0.01)
    tab.value("document.getElementById('stage').click()")
    assert chosen(tab).startswith("WebP 300")
    for name in ("Gaussians 1,0", "WebP 1,0", "ThumbHash 21", "BlurHash 28", "Photograph", "Gaussians "):
        tab.type("ArrowRight")
        assert chosen(tab).startswith(name)
    assert tab.value("document.querySelector('dialog').scrollWidth <= innerWidth")


def test_keys_alone_do(tab: Tab) -> None:
    tab.value("document.querySelector('article a').focus()")
    tab.type("Enter")
    tab.value(UNTIL % FULL_IS_SHOWN)
    title = "document.getElementById('title').innerText"
    assert tab.value(title) == ALT
    for key in ("PageDown", "PageUp", "PageUp"):
        tab.type(key)
    assert tab.value(title) == "Two red birds"
    assert tab.value("document.getElementById('place').innerText") == "2 of 2"
    tab.value(UNTIL % FULL_IS_SHOWN)
    tab.type("Escape")
    tab.value(UNTIL % "!document.querySelector('dialog').open && document.activeElement.innerText === 'Two red birds'")


def test_an_element_covers_its_place(tab: Tab) -> None:
    """Where elements stand between pixels, nothing is seen of what is below them."""
    tab.value(BETWEEN_PIXELS)
    tab.value(UNTIL % ALL_ARE_DRAWN)
    tab.value("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    pixels = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB")).astype(int)
    assert (pixels.max(axis=2) < 200).sum() > 1000
    assert not (pixels[:, :, 1] - pixels[:, :, [0, 2]].max(axis=2) > 120).any()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(tab: Tab, axe: str, scheme: str) -> None:
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}  # colours do not take time then
    tab.call(
        "Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in features.items()]
    )
    tab.value(f"{axe}; 0")
    for before in ("", "document.querySelector('.frame').click()"):
        tab.value(before)
        found = tab.value("axe.run().then(({ violations }) => JSON.stringify(violations))")
        assert json.loads(found) == []
