"""`tgs compress`: pictures in, .tgs files out."""

from __future__ import annotations

from typing import Any, get_args

import click

from taichi_gs.encoder.choices import LossName, Preset
from taichi_gs.model.blending import Blending

from .conversion import Compression
from .convert import convert_files
from .options import FileOptions, device_option, file_options

_count = click.IntRange(min=1)
_bits = click.IntRange(1, 12)


@click.command()
@file_options
@click.option("--k", type=_count, help="Size of both codebooks: the smaller, the smaller the file.")
@click.option("--covariance-k", type=_count, help="Size of the covariance codebook.")
@click.option("--color-k", type=_count, help="Size of the color codebook.")
@click.option("--num-gaussians", type=_count, help="How many Gaussians to use.")
@click.option(
    "--bpp",
    "bits_per_pixel",
    type=click.FloatRange(min=0, min_open=True),
    help="Make the best file of no more bits per pixel than this.",
)
@click.option("--bytes", "num_bytes", type=_count, help="Make the best file of no more bytes than this.")
@click.option(
    "--psnr", type=click.FloatRange(min=0, min_open=True), help="Make the smallest file with a PSNR of so many dB."
)
@click.option(
    "--preset", type=click.Choice(get_args(Preset)), default="default", show_default=True, help="How hard to try."
)
@click.option("--loss", type=click.Choice(get_args(LossName)), help="What the fit minimises.  [default: the preset's]")
@click.option(
    "--blending", type=click.Choice(get_args(Blending)), help="How Gaussians become a picture.  [default: the preset's]"
)
@click.option("--steps", type=_count, help="How many optimisation steps.  [default: the preset's]")
@click.option("--restarts", type=_count, help="Keep the best of so many fits.  [default: the preset's]")
@click.option(
    "--position-bits", type=click.IntRange(1, 15), help="Bits of either coordinate.  [default: by rate and distortion]"
)
@click.option(
    "--covariance-bits", type=_bits, help="Bits of each channel of the covariance codebook.  [default: likewise]"
)
@click.option(
    "--color-bits", type=_bits, help="Bits of each channel of colour in the color codebook.  [default: likewise]"
)
@click.option("--amplitude-bits", type=_bits, help="Bits of the amplitude in the color codebook.  [default: likewise]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every random choice.  [default: the preset's]")
@click.option("--first-frame", is_flag=True, help="Take the first frame of an animation, or picture of several.")
@click.option("--keep-metadata", is_flag=True, help="Keep EXIF and XMP, which may tell where a picture was taken.")
@click.option("--srgb", is_flag=True, default=None, help="Convert to sRGB, and save the bytes of an ICC profile.")
@device_option
def compress(
    files: FileOptions, preset: Preset, device: str, first_frame: bool, keep_metadata: bool, **options: Any
) -> None:
    """Compress pictures into .tgs files.

    INPUT is a PNG, JPEG, WebP, TIFF, BMP or GIF, or - for standard input. Several are compressed side by side, each
    beside itself or into the folder of --output-dir. -r takes the pictures in folders, by their suffixes, and rebuilds
    the tree of folders below --output-dir; links to folders are not followed. Paths from --files-from keep their
    folders there, so that long lists do not collide.

    Nothing is overwritten without --force. After an interruption, the same command with --skip-existing does the rest:
    outputs are written whole or not at all. A bad picture does not stop the others; what failed is listed at the end.

    With --json, `psnr` is measured by decoding the file; it is null where the picture comes back exactly. Failures are
    objects with `error`, and where several files can be asked for, the last object holds totals.

    At most one of --bpp, --bytes, --psnr and --num-gaussians can be given. Where --psnr asks for more than can be
    reached, the best file is written, and the exit status is 3. It is 1 if any picture failed.

    \b
    Examples:
      tgs compress photo.png --k 64 -o small.tgs
      tgs compress photo.png --bytes 20000
      tgs compress photo.png --psnr 30
      tgs compress *.jpg --output-dir small --preset fast
      tgs compress holiday -r --output-dir small --skip-existing
      tgs compress --files-from list.txt --shard 3/16 --output-dir small --report part3.jsonl
      tgs compress - -o - < photo.png > photo.tgs
    """
    measured = files.as_json or files.report is not None or not files.quiet
    compression = Compression(preset, device, options, first_frame, keep_metadata, measured)
    convert_files(compression, files, device, announced=True)
