"""The browser decoder of `web/`: its own tests, and what it makes of files that this package reads too."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import symbols
from conformance.raw import with_checksum, without_checksum
from conftest import ROOT
from node import NODE, needs_node
from numpy.typing import NDArray

import taichi_gs
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.errors import LimitError, TgsError

WEB = ROOT / "web"
VALID = sorted((ROOT / "tests" / "conformance" / "valid").glob("*.tgs"))
SEVERAL = "flags_8 flags_9 flags_a flags_f alpha_plane gray_alpha subdivided sheared thin lattices_in_fine_grid".split()

pytestmark = needs_node


def node(*arguments: str, given: str = "") -> str:
    assert NODE is not None
    command = [NODE, *arguments]
    done = subprocess.run(command, cwd=WEB, input=given, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


def inspect(paths: list[Path], options: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return what the browser decoder finds in files; see `web/test/helpers/inspect.js`."""
    given = json.dumps([{"path": str(path), "options": options} for path in paths])
    found: list[dict[str, Any]] = json.loads(node("test/helpers/inspect.js", given=given))
    return found


def read(data: bytes) -> dict[str, Any]:
    """Return what this package finds in a file, in the form of `inspect`."""
    try:
        TgsFile(data)  # which has the limits of the browser decoder
        return {"integers": symbols.by_package(data)}
    except TgsError as error:
        return {"error": str(error), "isLimit": isinstance(error, LimitError)}


def as_rgba(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if planes.shape[2] < 3:
        planes = planes[:, :, [0, 0, 0, *range(1, planes.shape[2])]]
    return planes if planes.shape[2] == 4 else np.dstack([planes, np.full(planes.shape[:2], 255, np.uint8)])


def test_its_version_is_that_of_the_package() -> None:
    assert json.loads((WEB / "package.json").read_text(encoding="utf-8"))["version"] == taichi_gs.__version__


def test_its_own_tests() -> None:
    node("--test", *(str(path.relative_to(WEB)) for path in sorted(WEB.glob("test/*.test.js"))))


def test_changed_files_are_read_alike(tmp_path: Path) -> None:
    """Both decoders find the same integers, or refuse the file in the same words."""
    random = np.random.default_rng(0)
    files = []
    for path in [path for path in VALID if path.stat().st_size < 400]:
        body = without_checksum(path.read_bytes())
        for _ in range(6):
            changed = bytearray(body)
            # Not the width and the height: that makes most files too large.
            for place in random.integers(min(7, len(body) - 1), len(body), random.integers(1, 3)):
                changed[place] ^= 1 << random.integers(8)
            files.append(with_checksum(bytes(changed)))
    paths = [tmp_path / f"{number}.tgs" for number in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    num_refused = 0
    for data, found in zip(files, inspect(paths), strict=True):
        expected = read(data)
        num_refused += "error" in expected
        # After a symbol that has come up too often, the package goes on to the end of the payload.
        if "comes up more often" in found.get("error", ""):
            assert "error" in expected
        else:
            assert found == expected
    assert len(files) / 10 < num_refused < len(files) * 9 / 10


@pytest.mark.parametrize(
    "options",
    [{"scale": 0.5}, {"scale": 0.21}, {"scale": 3.0}, {"width": 40, "height": 9}, {"width": 5, "height": 30}],
    ids=["half", "fifth", "three times", "wide", "tall"],
)
@pytest.mark.parametrize("grain", [False, True], ids=["", "grain"])
def test_other_sizes(options: dict[str, Any], grain: bool) -> None:
    paths = [path for path in VALID if path.stem in SEVERAL]
    size = {"size": (options["width"], options["height"])} if "width" in options else options
    for path, found in zip(paths, inspect(paths, options | {"grain": grain}), strict=True):
        expected = as_rgba(taichi_gs.decode(path, grain=grain, **size))
        pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(expected.shape)
        assert np.abs(pixels.astype(int) - expected).max() <= 1, path.stem
