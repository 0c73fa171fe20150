"""`tgs decompress`: .tgs files in, pictures out."""

from __future__ import annotations

import re
from typing import Any

import click

from .conversion import Decompression
from .convert import convert_files
from .options import FileOptions, device_option, file_options, limits_option
from .streams import PIPE

FORMAT_NAMES = ("png", "tif", "bmp", "webp", "jpg")


def _parse_numbers(pattern: str, value: str | None, example: str) -> tuple[int, ...] | None:
    """The whole numbers that the groups of `pattern` find."""
    if value is None:
        return None
    match = re.fullmatch(pattern, value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not of the form {example}.")
    return tuple(int(number) for number in match.groups())


def _parse_size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    return _parse_numbers("([0-9]{1,9})x([0-9]{1,9})", value, "640x480")


def _parse_region(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    return _parse_numbers(",".join(["([0-9]{1,9})"] * 4), value, "X,Y,WIDTH,HEIGHT")


@click.command()
@file_options
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Kind of picture.  [default: by OUT's suffix, or png]",
)
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), help="Draw at so many times the resolution.")
@click.option("--size", metavar="WxH", callback=_parse_size, help="Draw at this resolution, in pixels.")
@click.option("--region", metavar="X,Y,W,H", callback=_parse_region, help="Draw this part alone, in pixels then.")
@limits_option
@device_option
def decompress(files: FileOptions, format_name: str | None, device: str, **options: Any) -> None:
    """Turn .tgs files back into pictures.

    INPUT is a .tgs file, or - for standard input. Several are decoded side by side, each beside itself or into the
    folder of --output-dir. -r takes the .tgs files in folders and rebuilds the tree of folders below --output-dir;
    links to folders are not followed. Paths from --files-from keep their folders there.

    Pictures are PNG, TIFF, BMP or WebP (all exact) or JPEG (quality 95).

    Gaussians have no resolution: --scale and --size draw them at any, without resampling pixels. --region takes time
    only for the part that it asks for.

    A file that asks for too many pixels, or for too much memory or time, is refused; --limit sets other limits, such as
    --limit pixels=200000000.

    Nothing is overwritten without --force. After an interruption, the same command with --skip-existing does the rest:
    outputs are written whole or not at all. A bad file does not stop the others; what failed is listed at the end, and
    the exit status is 1.

    \b
    Examples:
      tgs decompress photo.tgs -o back.png
      tgs decompress small -r --output-dir pictures --format webp
      tgs decompress photo.tgs --scale 2.5 -o large.png
      tgs decompress photo.tgs --size 6000x4000 --region 2000,1000,800,600 -o part.png
      tgs decompress photo.tgs -o - | display
      tgs decompress - -o back.png < photo.tgs
    """
    suffix = f".{format_name}" if format_name is not None else _suffix(files.output)
    convert_files(Decompression(suffix, device, options), files, device, announced=False)


def _suffix(output: str | None) -> str:
    """The suffix that OUT asks for."""
    if output is None or output == PIPE:
        return ".png"
    from taichi_gs.pictures.write import check_image_suffix

    return check_image_suffix(output)
