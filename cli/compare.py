"""`tgs compare`: how far apart two pictures are."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from taichi_gs.files import quoted, read_bytes

from .failures import naming

if TYPE_CHECKING:
    from taichi_gs.images import ByteImage


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; psnr is null where A and B are equal.")
def compare(first: str, second: str, as_json: bool) -> None:
    """Measure PSNR and MS-SSIM between two pictures.

    Either of A and B may be a .tgs file.

    \b
    Example:
      tgs compare photo.png photo.tgs
    """
    a, b = _read_picture(first), _read_picture(second)

    from taichi_gs.metrics import ms_ssim, psnr

    quality, similarity = psnr(a, b), ms_ssim(a, b)
    if as_json:
        finite = quality if math.isfinite(quality) else None
        click.echo(json.dumps({"psnr": finite, "ms_ssim": similarity}, allow_nan=False))
    else:
        click.echo(f"psnr:    {quality:.4f} dB\nms-ssim: {similarity:.6f}")


def _read_picture(path: str) -> ByteImage:
    """Read a picture or a .tgs file, told apart by content, as [H, W, 3] uint8."""
    from taichi_gs.bitstream import SIGNATURE
    from taichi_gs.codec import decode
    from taichi_gs.images import as_byte_image, image_from_bytes

    data = read_bytes(path)
    if not data.startswith(SIGNATURE):
        return as_byte_image(image_from_bytes(data, name=quoted(path)))
    with naming(path):
        return decode(data)
