"""The wheel has all that the program needs, and says of itself only what a package index can show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from conftest import ROOT

import taichi_gs

DATA = [path.relative_to(ROOT).as_posix() for path in (ROOT / "taichi_gs").rglob("*") if path.suffix != ".py"]


def has_setuptools() -> bool:
    try:
        return int(version("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout, built without a network."""
    if not has_setuptools():
        pytest.skip("there is no setuptools 77 or newer here; .ci/run builds the wheel all the same")
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "DESCRIPTION.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("cli", "taichi_gs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def test_every_file_is_in_it(wheel: zipfile.ZipFile) -> None:
    code = [path.relative_to(ROOT).as_posix() for path in (ROOT / "taichi_gs").rglob("*.py")]
    commands = [f"taichi_gs/cli/{path.name}" for path in (ROOT / "cli").glob("*.py")]
    data = [name for name in DATA if "__pycache__" not in name and (ROOT / name).is_file()]
    assert len(data) == 8
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {*code, *commands, *data}


def test_what_it_says_of_itself(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("taichi-gs", taichi_gs.__version__)
    assert "py3-none-any" in Path(wheel.filename or "").name
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "tgs = taichi_gs.cli:main" in wheel.read(name).decode()


def test_the_description_needs_no_other_file(metadata: Message) -> None:
    """A package index shows it alone: relative links and pictures would lead nowhere."""
    description = (ROOT / "DESCRIPTION.md").read_text(encoding="utf-8")
    assert metadata["Description-Content-Type"] == "text/markdown"
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode("utf-8").strip() == description.strip()
    targets = re.findall(r"\]\(([^)\s]+)|(?:src|href)=[\"']?([^\"'\s>]+)", description)
    assert [target for pair in targets for target in pair if target and not target.startswith("https://")] == []
