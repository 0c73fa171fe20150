"""`tgs decompress`: .tgs files in, pictures out."""

from __future__ import annotations

import os
import re
from typing import Any

import click

from taichi_gs.encoder.choices import Device
from taichi_gs.files import quoted
from taichi_gs.pictures.suffixes import WRITE_SUFFIXES

from .convert import convert_files
from .failures import OneSentenceCommand
from .options import FileOptions, Number, device_option, file_options, limits_option
from .streams import PIPE

FORMAT_NAMES = tuple(suffix.removeprefix(".") for suffix in WRITE_SUFFIXES)


def _parse_numbers(pattern: str, value: str | None, example: str) -> tuple[int, ...] | None:
    """The whole numbers that the groups of `pattern` find."""
    if value is None:
        return None
    match = re.fullmatch(pattern, value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not of the form {example}.")
    return tuple(int(number) for number in match.groups())


def _parse_size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    return _with_pixels(_parse_numbers("([0-9]{1,9})x([0-9]{1,9})", value, "640x480"), value)


def _parse_region(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    return _with_pixels(_parse_numbers(",".join(["([0-9]{1,9})"] * 4), value, "X,Y,WIDTH,HEIGHT"), value)


def _with_pixels(numbers: tuple[int, ...] | None, value: str | None) -> tuple[int, ...] | None:
    """The numbers, whose last two are width and height."""
    if numbers is not None and min(numbers[-2:]) < 1:
        raise click.BadParameter(f"{value!r} has no pixels.")
    return numbers


@click.command(cls=OneSentenceCommand)
@file_options
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Format of the pictures.  [default: the suffix of OUT, or png]",
)
@click.option("--scale", type=Number(min=0, min_open=True), help="Draw at this multiple of the resolution.")
@click.option("--size", metavar="WxH", callback=_parse_size, help="Draw at this resolution, in pixels.")
@click.option(
    "--region", metavar="X,Y,W,H", callback=_parse_region, help="Draw only this part, in pixels of the scaled picture."
)
@click.option("--grain", is_flag=True, help="Draw noise as strong as the texture that the file leaves out.")
@limits_option
@device_option
def decompress(files: FileOptions, format_name: str | None, device: Device, **options: Any) -> None:
    """Turn .tgs files back into pictures.

    INPUT is a .tgs file, or - for standard input. Several files are decoded at the same time. The output is beside its
    input, or in the folder of --output-dir. With -r, tgs takes the .tgs files in folders, and makes the same folders
    below --output-dir. It does not follow links to folders. Paths from --files-from keep their folders below
    --output-dir.

    The pictures are PNG, TIFF, BMP, WebP, PPM, PGM or PAM files, which are exact, or JPEG or AVIF files of quality 95.

    Gaussians have no resolution. --scale and --size draw them at any size, and no pixels are resampled. --region draws
    one part, and takes time only for that part.

    Small files leave texture out: grass, stone, cloth. A file says how strong it was, unless it was made with --tune
    psnr. --grain draws noise of that strength, which is the same on every machine.

    tgs refuses a file that asks for too many pixels, or for too much memory or time. --limit sets other limits, for
    example --limit pixels=200000000.

    tgs overwrites nothing without --force. It writes a file whole or not at all. After an interruption, the same
    command with --skip-existing does the rest. A bad file does not stop the others. The failures are listed at the
    end, and the exit status is 1. --dry-run lists what would be done.

    \b
    Examples:
      tgs decompress photo.tgs -o back.png
      tgs decompress small -r --output-dir pictures --format webp
      tgs decompress photo.tgs --scale 2.5 -o large.png
      tgs decompress photo.tgs --size 6000x4000 --region 2000,1000,800,600 -o part.png
      tgs decompress photo.tgs --grain -o back.png
      tgs decompress photo.tgs -o - | display
      tgs decompress - -o back.png < photo.tgs
    """
    from .conversion import Decompression

    if options["scale"] is not None and options["size"] is not None:
        raise click.UsageError("--scale and --size exclude each other.")
    convert_files(Decompression(_suffix(files.output, format_name), device, options), files, device)


def _suffix(output: str | None, format_name: str | None) -> str:
    """The suffix that --format or OUT asks for."""
    if output is None or output == PIPE:
        return f".{format_name or 'png'}"
    from taichi_gs.pictures.write import check_image_suffix, is_same_format

    if format_name is None:
        return check_image_suffix(output)
    suffix, own = f".{format_name}", os.path.splitext(output)[1].lower()
    if own in WRITE_SUFFIXES and not is_same_format(own, suffix):
        raise click.UsageError(f"--format {format_name} and the suffix of {quoted(output)} name two formats.")
    return suffix
