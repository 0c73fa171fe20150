"""`tgs compare`: how far apart two pictures are."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from .failures import naming
from .options import limits_option, path
from .streams import name_of, read_input

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits
    from taichi_gs.pictures.picture import Picture


@click.command()
@click.argument("first", metavar="A", type=path)
@click.argument("second", metavar="B", type=path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; psnr is null where A and B are equal.")
@limits_option
def compare(first: str, second: str, as_json: bool, limits: Limits | None) -> None:
    """Measure PSNR and MS-SSIM between two pictures.

    A and B are pictures or .tgs files. One of them may be - for standard input.

    \b
    Example:
      tgs compare photo.png photo.tgs
    """
    first_picture, second_picture = _read_picture(first, limits), _read_picture(second, limits)

    from taichi_gs.pictures.metrics import comparable_pixels, ms_ssim, psnr

    a, b = comparable_pixels(first_picture, second_picture)
    quality, similarity = psnr(a, b), ms_ssim(a, b)
    if as_json:
        finite = quality if math.isfinite(quality) else None
        click.echo(json.dumps({"psnr": finite, "ms_ssim": similarity}, allow_nan=False))
    else:
        click.echo(f"psnr:    {quality:.4f} dB\nms-ssim: {similarity:.6f}")


def _read_picture(source: str, limits: Limits | None) -> Picture:
    """Read a picture or a .tgs file, told apart by content, as sRGB."""
    from taichi_gs.codec import decode_picture
    from taichi_gs.format.bitstream import SIGNATURE
    from taichi_gs.pictures.convert import as_srgb
    from taichi_gs.pictures.read import picture_from_bytes

    data, name = read_input(source), name_of(source)
    if not data.startswith(SIGNATURE):
        return as_srgb(picture_from_bytes(data, name=name), name)
    with naming(name):
        return as_srgb(decode_picture(data, limits=limits), name)
