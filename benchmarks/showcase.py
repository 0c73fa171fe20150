"""Draw the picture that the README begins with: a part of a photograph, as it is, by this codec, and by another one.

    python -m benchmarks.showcase [PICTURE] [--bytes 3350] [--codec AVIF] [--out docs/showcase.png]

The other codec gets the setting whose file is the largest that is no larger than this codec's. If even its smallest
file is larger, it gets that one. Codecs whose files come in few sizes suffer from that, so `--bytes` is best a little
more than one of those sizes. Under each part stand the bytes of its file, and the PSNR of the whole picture that is
decoded from it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import taichi_gs
from benchmarks import peers
from benchmarks.largest_file import PeerFiles
from benchmarks.peers import PEERS, Peer
from benchmarks.provenance import ROOT
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.read import read_image

PART = (395, 85, 300, 300)
"""What is shown of the example photograph: a head with fine lines, and some of its soft background."""

RIVALS = {peer.name: peer for peer in PEERS if peer.option == "quality"}

GAP = 8
LABEL_HEIGHT, TITLE_SIZE, DETAIL_SIZE = 52, 18, 15

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """A picture and the two lines under it."""

    pixels: Pixels
    title: str
    detail: str


def main(argv: list[str] | None = None) -> int:
    """Draw the picture and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.showcase", description="Draw the README's picture.")
    parser.add_argument("picture", nargs="?", type=Path, default=ROOT / "examples" / "photo.png")
    parser.add_argument("--preset", default="default", help="of the encoder [default: default]")
    parser.add_argument("--bytes", type=int, default=3350, help="limit of the file [default: 3350]")
    parser.add_argument("--codec", choices=tuple(RIVALS), default="AVIF", help="the other codec [default: AVIF]")
    parser.add_argument("--part", type=int, nargs=4, default=PART, metavar=("X", "Y", "W", "H"), help="of the picture")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "showcase.png", metavar="FILE.png")
    arguments = parser.parse_args(argv)
    original = as_byte_image(read_image(arguments.picture))
    data = taichi_gs.encode(original, preset=arguments.preset, num_bytes=arguments.bytes)
    peer = RIVALS[arguments.codec]
    setting, other = file_of_peer(peer, original, len(data))
    panels = [
        Panel(original, "original", f"{original.shape[1]} x {original.shape[0]} pixels"),
        _panel("taichi_gs", original, data, taichi_gs.decode(data)),
        _panel(f"{peer.name}, quality {setting}", original, other, peers.decode(other, original.shape[:2])),
    ]
    x, y, width, height = arguments.part
    side_by_side(panels, (x, y, width, height)).save(arguments.out, optimize=True)
    for panel in panels:
        print(f"{panel.title}: {panel.detail}")
    return 0


def file_of_peer(peer: Peer, pixels: Pixels, max_bytes: int) -> tuple[float, bytes]:
    """The setting and the bytes of another codec's largest file of at most `max_bytes`, or of its smallest file.

    Its settings are all whole numbers from the least to the greatest in `peer.settings`.
    """
    settings = tuple(range(int(min(peer.settings)), int(max(peer.settings)) + 1))
    files = PeerFiles(pixels, replace(peer, settings=settings), 1.0)
    setting = files.largest(max_bytes)
    if setting is None:
        setting = settings[0]
    return setting, files.data(setting)


def side_by_side(panels: Sequence[Panel], part: tuple[int, int, int, int]) -> Image.Image:
    """The part (x, y, width, height) of every panel, one beside the other, with the lines under them."""
    x, y, width, height = part
    drawn = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + LABEL_HEIGHT), "white")
    draw = ImageDraw.Draw(drawn)
    title, detail = (ImageFont.load_default(size) for size in (TITLE_SIZE, DETAIL_SIZE))
    for index, panel in enumerate(panels):
        left = index * (width + GAP)
        drawn.paste(Image.fromarray(panel.pixels[y : y + height, x : x + width]), (left, 0))
        middle = left + width / 2
        draw.text((middle, height + 18), panel.title, "black", title, anchor="mm")
        draw.text((middle, height + 39), panel.detail, "#444444", detail, anchor="mm")
    return drawn


def _panel(title: str, original: Pixels, data: bytes, decoded: Pixels) -> Panel:
    return Panel(decoded, title, f"{len(data):,} bytes, {psnr(original, decoded):.2f} dB")


if __name__ == "__main__":
    sys.exit(main())
