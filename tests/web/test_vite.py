"""The npm package as its users have it: packed, installed in a project of Vite, built, and seen in Chromium."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, Tab, chromium
from conftest import ROOT, synthetic_picture
from node import NODE, NPM, install_from_registry, needs_node, npm
from PIL import Image

import taichi_gs

TEMPLATE = Path(__file__).parent / "vite_project"

pytestmark = [
    needs_node,
    pytest.mark.skipif(NPM is None, reason="there is no npm"),
    pytest.mark.skipif(sys.platform == "win32", reason="the command of the project is a script of the shell"),
]

VITE = ["node_modules/vite/bin/vite.js"]
TSC = ["node_modules/typescript/bin/tsc"]

TGS = """#!/bin/sh
echo "$@" >> tgs.log
PYTHONPATH='{root}' exec '{python}' -m cli "$@"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the packed package, and a command `tgs` that is this checkout's and keeps a log."""
    folder = tmp_path_factory.mktemp("vite") / "project"
    shutil.copytree(TEMPLATE, folder)
    (packed,) = json.loads(npm("pack", "--json", "--pack-destination", str(folder), folder=ROOT / "web").stdout)
    wanted = json.loads((TEMPLATE / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    install_from_registry(f"./{packed['filename']}", probe=f"vite@{wanted['vite']}", folder=folder)
    command = folder / "tgs"
    command.write_text(TGS.format(root=ROOT, python=sys.executable), encoding="utf-8")
    command.chmod(0o755)
    Image.fromarray(synthetic_picture()).save(folder / "photo.png")
    return folder


@pytest.fixture(scope="module")
def built(project: Path) -> Path:
    """The project, built."""
    build(project)
    return project


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def build(project: Path, *, fails: bool = False) -> str:
    assert NODE is not None
    command = [NODE, *VITE, "build"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def pictures_compressed(project: Path) -> int:
    return (project / "tgs.log").read_text(encoding="utf-8").count("compress ")


@contextlib.contextmanager
def served(project: Path, *command: str) -> Iterator[str]:
    """The address of the project, of what is built or of its sources."""
    assert NODE is not None
    server = subprocess.Popen(
        [NODE, *VITE, *command, "--host", "127.0.0.1", "--port", "0"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = ""
        # Terminals make the number bold.
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", re.sub(r"\x1b\[[\d;]*m", "", said))):
            line = server.stdout.readline()
            assert line, said
            said += line
        yield found[0]
    finally:
        server.kill()
        server.wait(30)


def until(tab: Tab, condition: str) -> Any:
    """Wait until an expression of JavaScript is true, and return what it is."""
    for _ in range(600):
        if value := tab.value(condition):
            return value
        time.sleep(0.05)
    raise AssertionError((condition, tab.value("globalThis.found"), tab.complaints()))


def check_page(tab: Tab, address: str) -> str:
    """Open the page; it shows what the package decodes. Return the preview."""
    tab.events.clear()
    tab.call("Page.navigate", url=address)
    until(tab, "document.querySelector('tgs-image')?.shadowRoot?.querySelector('canvas')?.width > 1")
    found = tab.value("globalThis.found")
    source: str = found["preview"]["src"]
    height, width = synthetic_picture().shape[:2]
    assert (found["preview"]["width"], found["preview"]["height"]) == (width, height)
    assert (found["decodedSize"], found["isSame"], found.get("failure")) == ([width, height], True, None)
    data = base64.b64decode(source.removeprefix("data:image/x-taichi-gs;base64,"), validate=True)
    assert len(data) <= 120
    expression = "document.querySelector('tgs-image').shadowRoot.querySelector('canvas')"
    drawn = tab.canvas_of(expression)
    expected = taichi_gs.decode(data, size=(drawn.shape[1], drawn.shape[0]))
    assert np.abs(drawn[:, :, :3].astype(int) - expected).max() <= 1
    assert [event for event in tab.events if event.get("method") == "Runtime.exceptionThrown"] == []
    return source


def test_what_is_packed(project: Path) -> None:
    installed = project / "node_modules" / "taichi-gs"
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    sources = {path.relative_to(ROOT / "web").as_posix() for path in (ROOT / "web" / "src").iterdir()}
    assert sources < names
    assert not any("test" in name or "script" in name for name in names)
    assert {"vite/plugin.js", "vite/plugin.d.ts", "vite/client.d.ts", "index.d.ts", "LICENSE", "README.md"} < names


def test_types(project: Path) -> None:
    assert NODE is not None
    done = subprocess.run([NODE, *TSC], cwd=project, capture_output=True, text=True, timeout=120, check=False)
    # Vite's own types need those of Node, which the project does not have.
    complaints = [line for line in done.stdout.splitlines() if not re.match(" |node_modules/(?!taichi-gs)", line)]
    assert (complaints, done.stderr) == ([], "")


def test_a_built_page_shows_the_preview(built: Path, tab: Tab) -> None:
    with served(built, "preview") as address:
        check_page(tab, address)


def test_a_built_page_needs_nothing_else(built: Path) -> None:
    """The worker is a file of its own, and the picture itself is not in the page."""
    assets = sorted(path.name for path in (built / "dist" / "assets").iterdir())
    assert [re.sub(r"-[\w-]{8}\.", ".", name) for name in assets] == ["index.js", "worker.js"]
    assert sum(path.stat().st_size for path in (built / "dist").rglob("*.js")) < 100_000


def test_a_preview_is_made_once(built: Path) -> None:
    assert pictures_compressed(built) == 1
    build(built)
    assert pictures_compressed(built) == 1
    kept = [path.suffix for path in (built / "node_modules" / ".vite" / "taichi-gs").iterdir()]
    assert kept == [".tgs"]


def test_the_server_follows_a_change(built: Path, tab: Tab) -> None:
    photo = built / "photo.png"
    before = photo.read_bytes()
    try:
        with served(built) as address:
            source = check_page(tab, address)
            Image.fromarray(255 - synthetic_picture()).save(photo)
            until(tab, f"globalThis.found && found.preview.src !== {json.dumps(source)}")
    finally:
        photo.write_bytes(before)


def test_a_failure_is_a_sentence(built: Path) -> None:
    photo = built / "photo.png"
    before = photo.read_bytes()
    try:
        photo.write_bytes(b"no picture")
        assert f"'{photo}' is not a picture that can be read" in build(built, fails=True)
    finally:
        photo.write_bytes(before)
