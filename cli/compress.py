"""`tgs compress`: a picture in, a .tgs file out."""

from __future__ import annotations

import json
import math
import os
import time
from typing import Any

import click

from taichi_gs.files import quoted, read_bytes, write_atomic

from .failures import Failure, Shortfall
from .options import device_option, force_option
from .outputs import choose_output
from .progress import progress_bar

PRESET_NAMES = ("fast", "default", "best", "paper")  # those of taichi_gs.PRESETS, without importing it for --help
LOSS_NAMES = ("l2", "l1-ssim")
BLENDING_NAMES = ("normalized", "alpha")

_count = click.IntRange(min=1)
_bits = click.IntRange(1, 12)


@click.command()
@click.argument("source", metavar="INPUT")
@click.option("-o", "--output", metavar="OUT", help="File to write.  [default: INPUT's name with .tgs]")
@click.option("--k", type=_count, help="Size of both codebooks: the smaller, the smaller the file.")
@click.option("--covariance-k", type=_count, help="Size of the codebook of shapes alone.")
@click.option("--color-k", type=_count, help="Size of the codebook of colours alone.")
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
    "--preset", type=click.Choice(PRESET_NAMES), default="default", show_default=True, help="How hard to try."
)
@click.option("--loss", type=click.Choice(LOSS_NAMES), help="What the fit minimises.  [default: the preset's]")
@click.option(
    "--blending", type=click.Choice(BLENDING_NAMES), help="How Gaussians become a picture.  [default: the preset's]"
)
@click.option("--steps", type=_count, help="How many optimisation steps.  [default: the preset's]")
@click.option("--trials", type=_count, help="Keep the best of so many fits.  [default: the preset's]")
@click.option(
    "--position-bits", type=click.IntRange(1, 15), help="Bits of either coordinate.  [default: by rate and distortion]"
)
@click.option(
    "--covariance-bits", type=_bits, help="Bits of each channel of the codebook of shapes.  [default: likewise]"
)
@click.option("--color-bits", type=_bits, help="Bits of each channel of colour in its codebook.  [default: likewise]")
@click.option(
    "--amplitude-bits", type=_bits, help="Bits of the amplitude in the codebook of colours.  [default: likewise]"
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every random choice.  [default: the preset's]")
@device_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor summary.")
def compress(
    source: str,
    output: str | None,
    preset: str,
    device: str,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Compress the picture INPUT into a .tgs file.

    INPUT is a PNG, JPEG, WebP, TIFF or BMP. With --json, `psnr` is measured by decoding the written file; it is null
    where the picture comes back exactly.

    At most one of --bpp, --bytes, --psnr and --num-gaussians can be given. Where --psnr asks for more than can be
    reached, the best file is written, and the exit status is 3.

    \b
    Examples:
      tgs compress photo.png --k 64 -o small.tgs
      tgs compress photo.png --bytes 20000
      tgs compress photo.png --psnr 30
    """
    data = read_bytes(source)
    _refuse_tgs(source, data)
    target = choose_output(source, output, ".tgs", force=force)

    from taichi_gs.codec import encode
    from taichi_gs.errors import QualityError
    from taichi_gs.images import as_byte_image, image_from_bytes

    image = image_from_bytes(data, name=quoted(source))
    started = time.perf_counter()
    with progress_bar(os.path.basename(source), quiet=quiet) as progress:
        chosen = {name: value for name, value in options.items() if value is not None}
        try:
            encoded, shortfall = encode(image, preset=preset, device=device, progress=progress, **chosen), None
        except QualityError as error:
            encoded, shortfall = error.data, Shortfall(str(error))
    seconds = time.perf_counter() - started
    write_atomic(target, encoded, overwrite=force)

    if as_json or not quiet:
        result: dict[str, Any] = {
            "input": source,
            "output": target,
            "preset": preset,
            **_measure(target, as_byte_image(image), device),
            "seconds": round(seconds, 3),
        }
        # Without --k the codebooks have sizes of their own; the larger stands for both.
        result["k"] = options["k"] or max(result["covariance_k"], result["color_k"])
        if as_json:
            click.echo(json.dumps(result, allow_nan=False))
        else:
            click.echo(_summary(result), err=True)
    if shortfall is not None:
        raise shortfall


def _refuse_tgs(source: str, data: bytes) -> None:
    from taichi_gs.bitstream import SIGNATURE

    if data.startswith(SIGNATURE):
        raise Failure(f"{quoted(source)} is a .tgs file already; use tgs decompress to turn it into a picture")


def _measure(target: str, image: Any, device: str) -> dict[str, Any]:
    """Read the written file back: its size, its PSNR against the 8-bit picture, and what is in it."""
    from taichi_gs.codec import decode, info
    from taichi_gs.metrics import bits_per_pixel, psnr

    data = read_bytes(target)
    contents = info(data)
    quality = psnr(image, decode(data, device=device))
    return {
        "width": contents.width,
        "height": contents.height,
        "num_gaussians": contents.num_gaussians,
        "covariance_k": contents.covariance_codewords,
        "color_k": contents.color_codewords,
        "bytes": len(data),
        "bits_per_pixel": bits_per_pixel(len(data), (contents.height, contents.width)),
        "psnr": quality if math.isfinite(quality) else None,
    }


def _summary(result: dict[str, Any]) -> str:
    quality = "lossless" if result["psnr"] is None else f"{result['psnr']:.2f} dB"
    return (
        f"{result['input']} -> {result['output']}: {result['bytes']:,} bytes, {result['bits_per_pixel']:.4f} bpp, "
        f"{quality}, {result['num_gaussians']:,} Gaussians, {result['seconds']:.1f} s"
    )
