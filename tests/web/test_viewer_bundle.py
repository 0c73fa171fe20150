"""The decoder in the pages of `tgs view` is that of `web/`."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

WEB = ROOT / "web"
BUNDLE = ROOT / "taichi_gs" / "viewer" / "decoder.js"
ADVICE = "run `npm install` and `npm run viewer` in web/"


def imported_by(path: Path, found: set[Path]) -> set[Path]:
    """A module of JavaScript and all that it imports, added to what has been found."""
    if path not in found:
        found.add(path)
        for name in re.findall(r'from "(\./[^"]+)"', path.read_text(encoding="utf-8")):
            imported_by(path.parent / name, found)
    return found


def test_no_source_has_changed_since() -> None:
    sources = sorted(imported_by(WEB / "src" / "index.js", set()))
    assert len(sources) > 15
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    assert digest in BUNDLE.read_text(encoding="utf-8").splitlines()[0], ADVICE


def test_it_is_what_the_script_makes() -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("there is no node, or no esbuild in web/node_modules")
    command = [node, "scripts/viewer.js", "--print"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout == BUNDLE.read_text(encoding="utf-8"), ADVICE
