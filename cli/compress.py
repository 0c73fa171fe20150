"""`tgs compress`: pictures in, .tgs files out."""

from __future__ import annotations

from typing import Any, get_args

import click

from taichi_gs.encoder.choices import (
    MAX_BUDGET,
    MAX_K,
    MAX_QUALITY,
    MAX_RESTARTS,
    MAX_STEPS,
    MIN_BYTES,
    MIN_STEPS,
    PREVIEW_BYTES,
    Device,
    LossName,
    Preset,
    Tune,
)
from taichi_gs.files import MAX_FILE_BYTES
from taichi_gs.model.blending import Blending
from taichi_gs.pictures.suffixes import MAX_PIXELS

from .convert import convert_files
from .failures import OneSentenceCommand
from .options import FileOptions, Number, WholeNumber, device_option, file_options

_codewords = WholeNumber(1, MAX_K)
_bits = WholeNumber(1, 12)


@click.command(cls=OneSentenceCommand)
@file_options
@click.option("--k", type=_codewords, help="Codewords in each of the two codebooks.")
@click.option("--covariance-k", type=_codewords, help="Codewords in the covariance codebook.")
@click.option("--color-k", type=_codewords, help="Codewords in the color codebook.")
@click.option("--num-gaussians", type=WholeNumber(1, MAX_BUDGET), help="Use at most this many Gaussians.")
@click.option(
    "--bpp",
    "bits_per_pixel",
    type=Number(min=0, min_open=True),
    help="Make the best file with at most this many bits per pixel.",
)
@click.option(
    "--bytes",
    "num_bytes",
    type=WholeNumber(MIN_BYTES, MAX_FILE_BYTES),
    help="Make the best file with at most this many bytes.",
)
@click.option(
    "--quality",
    type=Number(0, MAX_QUALITY, min_open=True),
    help="Make the smallest file that looks this good: 30 is a preview, 50 a thumbnail, 75 good.",
)
@click.option("--psnr", type=Number(min=0, min_open=True), help="Make the smallest file with this PSNR, in dB.")
@click.option(
    "--preset", type=click.Choice(get_args(Preset)), default="default", show_default=True, help="How hard to try."
)
@click.option("--loss", type=click.Choice(get_args(LossName)), help="What the fit minimises.  [default: the preset's]")
@click.option(
    "--tune",
    type=click.Choice(get_args(Tune)),
    help="Weigh errors by how visible they are, or all alike.  [default: the preset's]",
)
@click.option(
    "--blending", type=click.Choice(get_args(Blending)), help="How Gaussians become a picture.  [default: the preset's]"
)
@click.option(
    "--steps", type=WholeNumber(MIN_STEPS, MAX_STEPS), help="Number of optimisation steps.  [default: the preset's]"
)
@click.option(
    "--restarts",
    type=WholeNumber(1, MAX_RESTARTS),
    help="Fit this many times, and keep the best file.  [default: the preset's]",
)
@click.option(
    "--position-bits",
    type=WholeNumber(1, 15),
    help="Bits of the coordinate along the longer side.  [default: by rate and distortion]",
)
@click.option(
    "--covariance-bits",
    type=_bits,
    help="Bits of each channel of the covariance codebook.  [default: by rate and distortion]",
)
@click.option(
    "--color-bits",
    type=_bits,
    help="Bits of each channel of colour in the color codebook.  [default: by rate and distortion]",
)
@click.option(
    "--amplitude-bits",
    type=_bits,
    help="Bits of the amplitude in the color codebook.  [default: by rate and distortion]",
)
@click.option("--seed", type=WholeNumber(0, 2**32 - 1), help="Seed of every random choice.  [default: the preset's]")
@click.option(
    "--first-frame", is_flag=True, help="Take the first frame of an animation, or the first of several pictures."
)
@click.option("--keep-suffix", is_flag=True, help="Write photo.jpg.tgs for photo.jpg, instead of photo.tgs.")
@click.option("--keep-metadata", is_flag=True, help="Keep EXIF and XMP. They may tell where a picture was taken.")
@click.option(
    "--max-pixels",
    type=WholeNumber(min=1),
    default=MAX_PIXELS,
    show_default=True,
    help="Refuse pictures with more pixels than this.",
)
@click.option("--srgb", is_flag=True, default=None, help="Convert to sRGB. This saves the bytes of an ICC profile.")
@click.option(
    "--preview",
    is_flag=True,
    default=None,
    help="Make a placeholder for a page, in sRGB, without transparency and profile. It has "
    f"{PREVIEW_BYTES} bytes at most, unless you ask for another size or quality.",
)
@device_option
def compress(
    files: FileOptions, preset: Preset, device: Device, first_frame: bool, keep_metadata: bool, **options: Any
) -> None:
    """Compress pictures into .tgs files.

    INPUT is a picture file, or - for standard input; tgs doctor lists the formats. Several pictures are compressed at
    the same time. The output is beside its input, or in the folder of --output-dir. With -r, tgs takes the pictures in
    folders, and makes the same folders below --output-dir. It does not follow links to folders, and counts the files of
    other types. Paths from --files-from keep their folders below --output-dir. Two pictures whose names differ in the
    suffix alone need --keep-suffix.

    tgs overwrites nothing without --force. It writes a file whole or not at all. After an interruption, the same
    command with --skip-existing does the rest. A bad picture does not stop the others. The failures are listed at the
    end. --dry-run lists what would be done.

    With --json, `psnr` is measured on the decoded file. It is null if the picture comes back exactly. A failure is an
    object with `error`. If there may be several files, the last object has the totals.

    Give only one of --bpp, --bytes, --quality, --psnr and --num-gaussians. A quality is measured by MS-SSIM, and means
    about the same for every picture. If no file is as good as --quality or --psnr asks for, tgs writes the best file,
    and the exit status is 3. The exit status is 1 if any picture failed.

    \b
    Examples:
      tgs compress photo.png --k 64 -o small.tgs
      tgs compress photo.png --bytes 20000
      tgs compress photo.png --quality 60
      tgs compress photo.png --preview -o preview.tgs
      tgs compress *.jpg --output-dir small --preset fast
      tgs compress holiday -r --output-dir small --skip-existing
      tgs compress --files-from list.txt --shard 3/16 --output-dir small --report part3.jsonl
      tgs compress - -o - < photo.png > photo.tgs
    """
    from taichi_gs.codec import check_options

    from .conversion import Compression

    if keep_metadata and options["preview"]:
        raise click.UsageError("--preview and --keep-metadata exclude each other: a preview has no metadata.")
    measured = files.as_json or files.report is not None or not files.quiet
    check_options({"preset": preset} | {name: value for name, value in options.items() if value is not None})
    compression = Compression(preset, device, options, first_frame, keep_metadata, measured)
    convert_files(compression, files, device)
