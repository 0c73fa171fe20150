"""Draw parts of photographs beside another codec at equal bytes: where this codec is ahead, and where it is behind.

    python -m benchmarks.crops FOLDER [--bpp 0.125] [--codec AVIF] [--jobs N] [--out docs/crops.png]

Nobody chooses the parts. The other codec makes its largest file within the rate, and this one a file that is no larger.
Both are compared with the original in windows of SIDE pixels, by the structural similarity of luma (Wang et al. 2004).
Shown are the windows, one a picture, in which this codec is ahead by most, and those in which it is behind by most.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import taichi_gs
from benchmarks import peers
from benchmarks.processes import map_in_processes
from benchmarks.provenance import ROOT
from benchmarks.showcase import GAP, RIVALS, Pixels, file_of_peer
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.read import read_image

SIDE, STRIDE = 200, 20
"""Of a window, and from one to the next, in pixels."""

SHOWN = 4
"""Windows of either kind."""

WINDOW = 8
"""Of the similarity, in pixels."""

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
LUMA = (0.299, 0.587, 0.114)

TITLE_HEIGHT, FONT_SIZE = 26, 14


@dataclass(frozen=True)
class Task:
    """A picture to compare, the rate, and the other codec's name."""

    path: Path
    bits_per_pixel: float
    codec: str


@dataclass(frozen=True)
class Window:
    """A part of a picture.

    Attributes:
        name: of the picture.
        lead: mean similarity of this codec's part to the original less the other codec's.
        sizes: of the files, in bytes.
        parts: the original, this codec's, and the other codec's [SIDE, SIDE, 3].
    """

    name: str
    lead: float
    sizes: tuple[int, int]
    parts: tuple[Pixels, Pixels, Pixels]


def main(argv: list[str] | None = None) -> int:
    """Draw the picture and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crops", description="Draw parts beside another codec.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of PNG files")
    parser.add_argument("--bpp", type=float, default=0.125, help="bits per pixel [default: 0.125]")
    parser.add_argument("--codec", choices=tuple(RIVALS), default="AVIF", help="the other codec [default: AVIF]")
    parser.add_argument("--jobs", type=int, default=1, help="pictures in work at a time [default: 1]")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "crops.png", metavar="FILE.png")
    arguments = parser.parse_args(argv)
    tasks = [Task(path, arguments.bpp, arguments.codec) for path in sorted(arguments.folder.glob("*.png"))]
    if not tasks:
        print(f"crops: error: there are no PNG files in {arguments.folder}", file=sys.stderr)
        return 1
    pairs = list(map_in_processes(best_and_worst, tasks, arguments.jobs))
    ahead = sorted((best for best, _ in pairs), key=lambda window: -window.lead)[:SHOWN]
    behind = sorted((worst for _, worst in pairs), key=lambda window: window.lead)[:SHOWN]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    page(ahead, behind, arguments.codec).save(arguments.out, optimize=True)
    for window in (*ahead, *behind):
        print(f"{window.name}: similarity {window.lead:+.3f}, {window.sizes[0]:,} and {window.sizes[1]:,} bytes")
    return 0


def best_and_worst(task: Task) -> tuple[Window, Window]:
    """The windows of a picture in which this codec is ahead by most, and behind by most."""
    original = as_byte_image(read_image(task.path))
    num_pixels = original.shape[0] * original.shape[1]
    _, other = file_of_peer(RIVALS[task.codec], original, int(task.bits_per_pixel * num_pixels / 8))
    theirs = peers.decode(other, original.shape[:2])
    data = taichi_gs.encode(original, num_bytes=len(other))
    ours = taichi_gs.decode(data)
    leads = similarity(original, ours) - similarity(original, theirs)
    rows, columns = (range(0, max(side - SIDE, 0) + 1, STRIDE) for side in original.shape[:2])
    corners = [(y, x) for y in rows for x in columns]

    def lead(corner: tuple[int, int]) -> float:
        y, x = (place // WINDOW for place in corner)
        count = SIDE // WINDOW
        return float(leads[y : y + count, x : x + count].mean())

    def window(corner: tuple[int, int]) -> Window:
        y, x = corner
        original_part, our_part, their_part = (
            pixels[y : y + SIDE, x : x + SIDE] for pixels in (original, ours, theirs)
        )
        parts = (original_part, our_part, their_part)
        return Window(task.path.stem, lead(corner), (len(data), len(other)), parts)

    return window(max(corners, key=lead)), window(min(corners, key=lead))


def similarity(a: Pixels, b: Pixels) -> NDArray[np.float64]:
    """The structural similarity of luma in blocks of WINDOW pixels [H // WINDOW, W // WINDOW]."""
    height, width = (side // WINDOW for side in a.shape[:2])

    def blocks(pixels: Pixels) -> NDArray[np.float64]:
        luma: NDArray[np.float64] = pixels[: height * WINDOW, : width * WINDOW].astype(np.float64) @ np.array(LUMA)
        return luma.reshape(height, WINDOW, width, WINDOW)

    x, y = blocks(a), blocks(b)
    mean_x, mean_y = x.mean(axis=(1, 3)), y.mean(axis=(1, 3))
    covariance = (x * y).mean(axis=(1, 3)) - mean_x * mean_y
    means = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    result: NDArray[np.float64] = means * (2 * covariance + C2) / (x.var(axis=(1, 3)) + y.var(axis=(1, 3)) + C2)
    return result


def page(ahead: list[Window], behind: list[Window], codec: str) -> Image.Image:
    """The windows, one a row: the original, this codec, the other one; those that are ahead on the left."""
    block = 3 * (SIDE + GAP)
    height = TITLE_HEIGHT + max(len(ahead), len(behind)) * (SIDE + TITLE_HEIGHT)
    drawn = Image.new("RGB", (2 * block + 2 * GAP, height), "white")
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(FONT_SIZE)
    for side, windows in enumerate((ahead, behind)):
        left = side * (block + 3 * GAP)
        for column, title in enumerate(("original", "taichi_gs", codec)):
            middle = left + column * (SIDE + GAP) + SIDE / 2
            draw.text((middle, TITLE_HEIGHT / 2), title, "black", font, anchor="mm")
        for row, window in enumerate(windows):
            top = TITLE_HEIGHT + row * (SIDE + TITLE_HEIGHT)
            for column, part in enumerate(window.parts):
                drawn.paste(Image.fromarray(part), (left + column * (SIDE + GAP), top))
            label = f"{window.name}: {window.sizes[0]:,} bytes, and {window.sizes[1]:,}"
            middle = left + 1.5 * SIDE + GAP
            draw.text((middle, top + SIDE + TITLE_HEIGHT / 2), label, "#444444", font, anchor="mm")
    return drawn


if __name__ == "__main__":
    sys.exit(main())
