"""`tgs desktop` installs what a desktop needs, for the user alone, and takes nothing away but that."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from command_line import below, error_of, run
from conftest import ROOT, checkout_environment
from PIL import Image

import taichi_gs
from taichi_gs.format.bitstream import SIGNATURE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tgs desktop is for Linux only")

DATA = ROOT / "taichi_gs" / "desktop"
XML = "share/mime/packages/taichi-gs.xml"
THUMBNAILER = "share/thumbnailers/taichi-gs.thumbnailer"
STICKERS = """<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"><mime-type type="application/x-tgsticker">
<sub-class-of type="application/gzip"/><glob pattern="*.tgs"/></mime-type></mime-info>
"""


def needs(program: str, package: str) -> pytest.MarkDecorator:
    reason = f"there is no {program}; install {package} to run this test"
    return pytest.mark.skipif(shutil.which(program) is None, reason=reason)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and a program tgs in a folder whose name wants quoting."""
    home, programs = tmp_path / "home", tmp_path / "it's 100% \\ here"
    home.mkdir()
    programs.mkdir()
    command = f'cd {shlex.quote(str(ROOT))} && exec {shlex.quote(sys.executable)} -m cli "$@"'
    (programs / "tgs").write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    (programs / "tgs").chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda name, scheme: str(programs))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "share"))
    return home


@pytest.fixture
def without_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def type_of(path: Path) -> str:
    """The type that GIO, which GNOME's and Xfce's file managers ask, gives to a file."""
    shown = subprocess.run(
        ["gio", "info", "-a", "standard::content-type", path], capture_output=True, text=True, check=True
    )
    return shown.stdout.rpartition("content-type:")[2].strip()


@pytest.mark.usefixtures("without_database")
def test_install_and_uninstall(home: Path) -> None:
    result = run("desktop", "install")
    assert result.exit_code == 0, result.output
    assert below(home) == sorted([".magic", XML, THUMBNAILER])
    assert result.stdout.splitlines() == [f"wrote '{home / name}'" for name in (XML, THUMBNAILER, ".magic")]
    assert "install shared-mime-info" in result.stderr
    assert run("desktop", "install").stdout == result.stdout, "what is from taichi_gs is renewed"
    result = run("desktop", "uninstall")
    assert result.exit_code == 0
    assert below(home) == []
    assert result.stdout.splitlines() == [f"removed '{home / name}'" for name in (XML, THUMBNAILER, ".magic")]
    result = run("desktop", "uninstall")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There is nothing to remove.\n")


@pytest.mark.usefixtures("without_database")
@pytest.mark.parametrize("value", [None, "", "relative"])
def test_the_default_folder(home: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("XDG_DATA_HOME")
    else:
        monkeypatch.setenv("XDG_DATA_HOME", value)
    assert run("desktop", "install").exit_code == 0
    assert (home / ".local" / XML).exists()


@pytest.mark.usefixtures("without_database")
def test_what_others_have_written_is_left(home: Path) -> None:
    (home / ".magic").write_text("0 string mine mine\n", encoding="utf-8")
    (home / THUMBNAILER).mkdir(parents=True)
    result = run("desktop", "install")
    assert result.exit_code == 1
    error = result.stderr.splitlines()[-1]
    assert error.startswith("tgs: error: left ")
    for path in (home / ".magic", home / THUMBNAILER, DATA):
        assert repr(str(path)) in error
    assert result.stdout == f"wrote '{home / XML}'\n"
    assert run("desktop", "uninstall").stdout == f"removed '{home / XML}'\n"
    assert (home / ".magic").read_text(encoding="utf-8") == "0 string mine mine\n"
    assert (home / THUMBNAILER).is_dir()


def test_errors_are_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "share").write_bytes(b"a file")
    assert error_of(run("desktop", "install")).startswith("cannot make the folder ")
    monkeypatch.setattr(sysconfig, "get_path", lambda name, scheme: "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no program tgs" in error_of(run("desktop", "install"))
    monkeypatch.setattr(sys, "platform", "win32")
    for command in ("install", "uninstall"):
        assert error_of(run("desktop", command)) == "tgs desktop is for Linux only"


def test_a_database_that_fails(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "update-mime-database"
    program.write_text("#!/bin/sh\necho first >&2\necho out of order >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("desktop", "install")
    assert (result.exit_code, result.stderr) == (1, "tgs: error: update-mime-database failed: out of order\n")


def test_the_signature_is_that_of_the_format(encoded: bytes) -> None:
    assert encoded.startswith(SIGNATURE)
    escaped = SIGNATURE.decode("latin-1").encode("unicode_escape").decode()
    for name in ("taichi-gs.xml", "taichi-gs.magic"):
        assert escaped in (DATA / name).read_text(encoding="utf-8")


@needs("file", "file")
def test_file_knows_the_format(home: Path, encoded: bytes) -> None:
    (home / "photo").write_bytes(encoded)
    run("desktop", "install")

    def told(*options: str) -> str:
        shown = subprocess.run(
            ["file", "--brief", *options, home / "photo"], capture_output=True, text=True, check=True
        )
        assert shown.stderr == ""
        return shown.stdout.strip()

    assert told("-m", str(DATA / "taichi-gs.magic")) == f"taichi_gs image, version {encoded[3] >> 4}"
    assert told() == f"taichi_gs image, version {encoded[3] >> 4}", "file reads ~/.magic"
    assert told("--mime-type") == "image/x-taichi-gs"


@needs("update-mime-database", "shared-mime-info")
def test_the_database_takes_the_type(home: Path) -> None:
    result = run("desktop", "install")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith(f"updated '{home / 'share/mime'}'\n")
    assert "50:image/x-taichi-gs:*.tgs" in (home / "share/mime/globs2").read_text(encoding="utf-8").splitlines()
    assert b"[60:image/x-taichi-gs]\n" in (home / "share/mime/magic").read_bytes()
    assert run("desktop", "uninstall").exit_code == 0
    assert b"taichi" not in (home / "share/mime/mime.cache").read_bytes()


@needs("update-mime-database", "shared-mime-info")
@needs("gio", "libglib2.0-bin")
def test_the_content_decides_between_a_picture_and_a_sticker(home: Path, encoded: bytes) -> None:
    (home / "share/mime/packages").mkdir(parents=True)
    (home / "share/mime/packages/stickers.xml").write_text(STICKERS, encoding="utf-8")
    run("desktop", "install")
    for name, content in (("photo.tgs", encoded), ("photo", encoded), ("sticker.tgs", b"\x1f\x8b\x08" + bytes(20))):
        (home / name).write_bytes(content)
    assert type_of(home / "photo.tgs") == type_of(home / "photo") == "image/x-taichi-gs"
    assert type_of(home / "sticker.tgs") == "application/x-tgsticker"


def test_the_thumbnailers_command_draws(home: Path, encoded: bytes) -> None:
    (home / "a photo.tgs").write_bytes(encoded)
    run("desktop", "install")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(home / THUMBNAILER, encoding="utf-8")
    entry = parser["Thumbnailer Entry"]
    assert entry["MimeType"] == "image/x-taichi-gs;"
    assert os.access(entry["TryExec"].replace("\\\\", "\\"), os.X_OK)
    fields = {"%i": str(home / "a photo.tgs"), "%o": str(home / "out"), "%s": "16"}
    words = [fields.get(word, word.replace("%%", "%")) for word in shlex.split(entry["Exec"].replace("\\\\", "\\"))]
    done = subprocess.run(words, cwd="/", env=checkout_environment(), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    with Image.open(home / "out") as image:
        assert (image.format, image.size, image.mode) == ("PNG", (16, 12), "RGB")


@pytest.mark.parametrize(("side", "size"), [(1, (1, 1)), (10, (10, 8)), (32, (32, 24)), (1024, (32, 24))])
def test_a_thumbnail_is_never_larger_than_the_picture(
    tmp_path: Path, encoded: bytes, side: int, size: tuple[int, int]
) -> None:
    source, output = tmp_path / "photo.tgs", tmp_path / "thumbnail.png"
    source.write_bytes(encoded)
    output.write_bytes(b"a file that the file manager has made")
    assert run("desktop", "thumbnail", source, output, side).exit_code == 0
    with Image.open(output) as image:
        assert image.size == size
        assert np.array_equal(np.asarray(image), taichi_gs.decode(encoded, size=size))


def test_no_thumbnail_of_a_sticker(tmp_path: Path) -> None:
    (tmp_path / "sticker.tgs").write_bytes(b"\x1f\x8b\x08" + bytes(200))
    result = run("desktop", "thumbnail", tmp_path / "sticker.tgs", tmp_path / "out.png", 128)
    assert "sticker.tgs" in error_of(result)
    assert below(tmp_path) == ["sticker.tgs"]
    assert run("desktop", "thumbnail", tmp_path / "sticker.tgs", tmp_path / "out.png", 0).exit_code == 2
