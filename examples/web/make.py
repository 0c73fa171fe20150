"""Make the demonstration: a page of photographs, each in previews of 300 bytes and of 1 KB beside other placeholders.

    python -m examples.web.make FOLDER -o site [--count 24] [--preset NAME]
    python -m http.server -d site

Run it in a checkout, after `pip install '.[benchmarks]'`. The page is a folder of files, for any web server. It has all
that it needs, and asks no other server for anything. The first photographs of FOLDER are taken, in the order of their
names. What is to be seen on them, for people who cannot see it, is their file's name, or what FOLDER/alt.tsv says. That
file has a line for each of them: the file's name, a tab, and the text.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import get_args

from benchmarks.provenance import ROOT
from benchmarks.tables import ResultsError
from examples.web.page import PARTS, Entry, make_page
from examples.web.versions import photograph
from taichi_gs.encoder.choices import Preset
from taichi_gs.errors import FileError, TgsError
from taichi_gs.files import quoted
from taichi_gs.pictures.suffixes import READ_SUFFIXES

ALT_FILE = "alt.tsv"
MAX_SIDE = 1600
"""Pixels of a full picture, across and down."""


def main(argv: list[str] | None = None) -> int:
    """Make the page and return the exit status."""
    arguments = _parser().parse_args(argv)
    output: Path = arguments.output
    try:
        paths = _photographs(arguments.folder, arguments.count)
        alts = _alts(arguments.folder)
        if output.exists():
            raise FileError(f"{quoted(output)} exists already: remove it, or choose another folder")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as folder:
            site = Path(folder, "site")
            _write_site(site, paths, alts, arguments.preset)
            site.rename(output)
    except (TgsError, ResultsError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{quoted(output)} cannot be written: {error.strerror}")
    print(f"{output}: to see it, run python -m http.server -d {output} and open http://localhost:8000")
    return 0


def _write_site(site: Path, paths: list[Path], alts: dict[str, str], preset: Preset) -> None:
    pictures = site / "pictures"
    pictures.mkdir(parents=True)
    entries = []
    for number, path in enumerate(paths, 1):
        one = photograph(path, MAX_SIDE, preset)
        url = f"pictures/{number:02}.avif"
        (site / url).write_bytes(one.full)
        entries.append(Entry(one, alts.get(path.name) or _alt_of_name(path), url))
        print(f"{number} of {len(paths)}: {path.name}", flush=True)
    (site / "index.html").write_text(make_page(entries), encoding="utf-8")
    shutil.copyfile(PARTS / "page.js", site / "page.js")
    shutil.copytree(ROOT / "web" / "src", site / "taichi-gs")


def _photographs(folder: Path, count: int) -> list[Path]:
    """The first photographs of a folder."""
    if not folder.is_dir():
        raise FileError(f"there is no folder {quoted(folder)}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in READ_SUFFIXES and path.is_file())
    if not paths:
        raise FileError(f"there are no pictures in {quoted(folder)}")
    return paths[:count]


def _alts(folder: Path) -> dict[str, str]:
    """What is to be seen on photographs, by the names of their files."""
    path = folder / ALT_FILE
    if not path.exists():
        return {}
    alts = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FileError(f"{quoted(path)} is not text in UTF-8") from error
    for number, line in enumerate(lines, 1):
        name, tab, text = line.partition("\t")
        if line.strip() and not (tab and text.strip()):
            raise FileError(f"line {number} of {quoted(path)} is not a file's name, a tab and a text")
        alts[name] = text.strip()
    return alts


def _alt_of_name(path: Path) -> str:
    text = " ".join(path.stem.replace("_", " ").replace("-", " ").split()) or path.stem
    return text[0].upper() + text[1:]


def _fail(message: str) -> int:
    print(f"make: error: {message}", file=sys.stderr)
    return 1


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it must be a whole number from 1, not {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.web.make", description="Make the demonstration.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of photographs")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", required=True, help="a new folder, for the page")
    parser.add_argument("--count", type=_count, default=24, help="how many photographs to take [default: 24]")
    parser.add_argument(
        "--preset", choices=get_args(Preset), default="default", help="of the encoder [default: default]"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
