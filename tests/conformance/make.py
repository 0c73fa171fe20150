"""Compare the conformance set with what this program would make of it, or, if told so, make anew what differs.

    python tests/conformance/make.py
    python tests/conformance/make.py --overwrite-expected

Expected integers and pixels come from the reference decoder; the errors of `bad/` stand in `invalid.py`, written down
by hand. Pixels that differ by 1 count as equal.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parents[1]), str(FOLDER.parent)]

import reference_decoder  # noqa: E402
from conformance import symbols  # noqa: E402
from conformance.invalid import damaged_files  # noqa: E402
from conformance.valid_files import valid_files  # noqa: E402

PARTS = ("valid", "bad")
MAX_DIFFERENCE = 1

GRAIN = "_grain"
"""What the names of pictures end with that are drawn with their grain."""


def main(argv: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Run the program on a copy of the set, or on the set itself, and return its exit status."""
    parser = argparse.ArgumentParser(description="Compare the conformance set with what would be made anew.")
    parser.add_argument("--overwrite-expected", action="store_true", help="make anew what differs")
    is_to_write = parser.parse_args(argv).overwrite_expected
    made = made_files()
    differing = [name for name, content in made.items() if not _is_equal(folder / name, content)]
    present = (path.relative_to(folder).as_posix() for part in PARTS for path in sorted((folder / part).iterdir()))
    unknown = [name for name in present if name not in made]
    for name in differing:
        print(f"{name} differs")
        if is_to_write:
            (folder / name).write_bytes(made[name])
    for name in unknown:
        print(f"{name} does not belong here")
        if is_to_write:
            (folder / name).unlink()
    print(f"{len(made)} files: {len(differing)} different, {len(unknown)} beside them")
    return 0 if is_to_write or not (differing or unknown) else 1


@cache
def made_files() -> dict[str, bytes]:
    """Return all that this program makes, by its path in the set."""
    files: dict[str, bytes] = {}
    cases = valid_files()
    for case in cases:
        integers = symbols.by_reference(case.data)
        files[f"valid/{case.name}.tgs"] = case.data
        files[f"valid/{case.name}.json"] = symbols.to_json(integers).encode()
        files[f"valid/{case.name}.png"] = _png(reference_decoder.decode(case.data))
        if "grain" in integers:
            files[f"valid/{case.name}{GRAIN}.png"] = _png(reference_decoder.decode(case.data, with_grain=True))
    files["valid/contents.tsv"] = _table(("file", "contents"), ((case.name, case.about) for case in cases))
    damaged = damaged_files()
    files |= {f"bad/{damage.name}.tgs": damage.data for damage in damaged}
    rows = ((damage.name, damage.error, damage.found_by, damage.sentence) for damage in damaged)
    files["bad/errors.tsv"] = _table(("file", "error", "found_by", "sentence"), rows)
    return files


def pixels_of(png: Path | bytes) -> NDArray[np.uint8]:
    """Return the pixels of a PNG file, or of its bytes."""
    with Image.open(io.BytesIO(png) if isinstance(png, bytes) else png) as image:
        return np.asarray(image)


def _is_equal(path: Path, content: bytes) -> bool:
    if not path.exists():
        return False
    if path.suffix != ".png":
        return path.read_bytes() == content
    found, made = pixels_of(path).astype(int), pixels_of(content)
    return found.shape == made.shape and bool(np.abs(found - made).max() <= MAX_DIFFERENCE)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in (columns, *rows)).encode()


if __name__ == "__main__":
    sys.exit(main())
