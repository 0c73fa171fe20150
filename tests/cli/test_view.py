"""Pages that show .tgs files: what is in them, where they go, and when none is written."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Python, error_of, run
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was told to open."""
    addresses: list[str] = []

    def open_address(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_address)
    return addresses


def content_of(page: str | bytes) -> dict[str, Any]:
    text = page if isinstance(page, str) else page.decode("utf-8")
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def files_of(page: str | bytes) -> dict[str, bytes]:
    return {file["name"]: base64.b64decode(file["data"]) for file in content_of(page)["files"]}


def test_a_page_is_written_and_opened(photo_folder: Path, encoded: bytes, opened: list[str]) -> None:
    Path("a.tgs").write_bytes(encoded)
    result = run("view", "a.tgs", "-o", "page.html")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "page.html\n", "")
    assert files_of(Path("page.html").read_bytes()) == {"a.tgs": encoded}
    assert content_of(Path("page.html").read_bytes())["original"] is None
    assert opened == [(photo_folder / "page.html").as_uri()]


def test_a_page_without_a_name_is_temporary(
    photo_folder: Path, encoded: bytes, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(photo_folder))
    Path("a b.tgs").write_bytes(encoded)
    result = run("view", "a b.tgs")
    page = Path(result.stdout.rstrip("\n"))
    assert (page.name, page.parent.parent) == ("a b.html", photo_folder)
    assert files_of(page.read_bytes()) == {"a b.tgs": encoded}
    assert opened == [page.as_uri()]


def test_a_page_is_not_opened_if_nobody_wants_it(photo_folder: Path, encoded: bytes, opened: list[str]) -> None:
    Path("a.tgs").write_bytes(encoded)
    assert run("view", "a.tgs", "-o", "page.html", "--no-open").stdout == "page.html\n"
    assert opened == []


def test_there_may_be_no_browser(photo_folder: Path, encoded: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    Path("a.tgs").write_bytes(encoded)
    result = run("view", "a.tgs", "-o", "page.html")
    assert (result.exit_code, result.stdout) == (0, "page.html\n")
    assert result.stderr == "There is no browser here to open the page with.\n"


def test_a_browser_says_nothing_on_standard_output(photo_folder: Path, encoded: bytes, python: Python) -> None:
    Path("a.tgs").write_bytes(encoded)
    program = "import os, sys; os.environ['BROWSER'] = 'echo chatter %s'; from cli import main; main()"
    result = python("-c", program, "view", "a.tgs", "-o", "page.html")
    assert (result.returncode, result.stdout, result.stderr) == (0, "page.html\n", "")


def test_the_first_frame_of_an_animation_is_the_original(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "blue")]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    assert run("view", "a.tgs", "--original", "two.gif", "-o", "page.html", "--no-open").exit_code == 0
    kind, _, data = content_of(Path("page.html").read_bytes())["original"].partition(";base64,")
    assert kind == "data:image/png"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_page_on_standard_output(photo_folder: Path, encoded: bytes, opened: list[str]) -> None:
    Path("a.tgs").write_bytes(encoded)
    result = run("view", "-", "a.tgs", "-o", "-", input=encoded)
    assert files_of(result.stdout) == {"standard input": encoded, "a.tgs": encoded}
    assert result.stdout.endswith("</html>\n")
    assert opened == []


def test_names_cannot_break_the_page(photo_folder: Path, encoded: bytes) -> None:
    name = "<!--<script>@DECODER@&.tgs"
    Path(name).write_bytes(encoded)
    page = run("view", name, "-o", "-").stdout
    assert files_of(page) == {name: encoded}
    assert "<title>&lt;!--&lt;script&gt;@DECODER@&amp;.tgs</title>" in page
    assert page.count("<script") == page.count("</script>") == 3


def test_an_existing_page_needs_force(photo_folder: Path, encoded: bytes, opened: list[str]) -> None:
    Path("a.tgs").write_bytes(encoded)
    Path("page.html").write_bytes(b"mine")
    sentence = "'page.html' already exists; use --force to overwrite it"
    assert error_of(run("view", "a.tgs", "-o", "page.html")) == sentence
    assert (Path("page.html").read_bytes(), opened) == (b"mine", [])
    assert run("view", "a.tgs", "-o", "page.html", "--force").exit_code == 0
    assert files_of(Path("page.html").read_bytes()) == {"a.tgs": encoded}


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("b.tgs", "'b.tgs' is the name of a .tgs file, and view writes .html files; choose another"),
        ("b.PNG", "'b.PNG' is the name of a picture, and view writes .html files; choose another"),
        ("missing/page.html", "cannot write 'missing/page.html': there is no folder "),
        ("./a", "the output './a' is the input itself"),
    ],
)
def test_pages_that_are_not_written(photo_folder: Path, encoded: bytes, output: str, sentence: str) -> None:
    Path("a").write_bytes(encoded)
    assert error_of(run("view", "a", "-o", output, "--force")).startswith(sentence)
    assert sorted(os.listdir()) == ["a", "photo.png"]


def test_a_bad_file_makes_no_page(photo_folder: Path, encoded: bytes, opened: list[str]) -> None:
    Path("a.tgs").write_bytes(encoded)
    damaged = bytearray(encoded)
    damaged[len(damaged) // 2] ^= 1
    Path("damaged.tgs").write_bytes(damaged)
    for bad in ("damaged.tgs", "photo.png", "missing.tgs"):
        assert f"{bad!r}: " in error_of(run("view", "a.tgs", bad, "-o", "page.html"))
    assert "'a.tgs': " in error_of(run("view", "a.tgs", "--limit", "pixels=10", "-o", "page.html"))
    assert sorted(os.listdir()) == ["a.tgs", "damaged.tgs", "photo.png"]
    assert opened == []


def test_limits_go_with_the_page(photo_folder: Path, encoded: bytes) -> None:
    Path("a.tgs").write_bytes(encoded)
    limits = content_of(run("view", "a.tgs", "-o", "-", "--limit", "chunk_bytes=123").stdout)["limits"]
    assert (limits["maxChunkBytes"], limits["maxPixels"]) == (123, 89_478_485)
    assert "maxPairs" not in limits


def original_in(page: str) -> tuple[str, bytes]:
    kind, _, data = content_of(page)["original"].removeprefix("data:").partition(";base64,")
    return kind, base64.b64decode(data)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif"])
def test_an_original_that_browsers_show_is_there_as_it_is(
    photo_folder: Path, encoded: bytes, picture: NDArray[np.uint8], suffix: str
) -> None:
    Path("a.tgs").write_bytes(encoded)
    Image.fromarray(picture).save(f"original.{suffix}")
    page = run("view", "a.tgs", "--original", f"original.{suffix}", "-o", "-").stdout
    kind = f"image/{suffix.replace('jpg', 'jpeg')}"
    assert original_in(page) == (kind, Path(f"original.{suffix}").read_bytes())


@pytest.mark.parametrize("bits", [8, 16])
def test_another_original_becomes_png(
    photo_folder: Path, encoded: bytes, picture: NDArray[np.uint8], bits: int
) -> None:
    Path("a.tgs").write_bytes(encoded)
    samples = picture if bits == 8 else picture.astype(">u2") * 257
    height, width = picture.shape[:2]
    Path("original.ppm").write_bytes(b"P6 %d %d %d\n" % (width, height, 2**bits - 1) + samples.tobytes())
    page = run("view", "a.tgs", "--original", "original.ppm", "-o", "-").stdout
    kind, data = original_in(page)
    assert kind == "image/png"
    Path("embedded.png").write_bytes(data)
    with Image.open("embedded.png") as embedded:
        assert np.array_equal(np.asarray(embedded), picture)


def test_an_original_has_the_shape_of_the_picture(
    photo_folder: Path, encoded: bytes, picture: NDArray[np.uint8]
) -> None:
    Path("a.tgs").write_bytes(encoded)
    Image.fromarray(picture).resize((64, 48)).save("larger.png")
    assert run("view", "a.tgs", "--original", "larger.png", "-o", "-").exit_code == 0
    Image.fromarray(picture).rotate(90, expand=True).save("turned.png")
    sentence = error_of(run("view", "a.tgs", "--original", "turned.png", "-o", "page.html"))
    assert sentence == ("'a.tgs': the original has 24x32 pixels and the picture 32x24, which is another shape")
    assert not Path("page.html").exists()


def test_wrong_usage(photo_folder: Path, encoded: bytes) -> None:
    for arguments in (["view"], ["view", "-", "-"], ["view", "-", "--original", "-"], ["view", "a.tgs", "-o", ""]):
        assert run(*arguments).exit_code == 2
