"""`tgs compare`: how far apart two pictures are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from taichi_gs.errors import ImageError, TgsError

from .console import emit
from .failures import EXIT_FAILED, Failure, OneSentenceCommand, naming
from .looking import look_at_all, tell_failure
from .options import limits_option, path
from .streams import PIPE, name_of, read_input

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits
    from taichi_gs.pictures.picture import Picture


@click.command(cls=OneSentenceCommand)
@click.argument("original", metavar="ORIGINAL", type=path)
@click.argument("sources", metavar="FILE...", nargs=-1, required=True, type=path)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each FILE; psnr is null where it is equal."
)
@limits_option
def compare(original: str, sources: tuple[str, ...], as_json: bool, limits: Limits | None) -> None:
    """Measure PSNR, MS-SSIM and SSIMULACRA 2 of pictures against an original.

    ORIGINAL and each FILE are pictures or .tgs files. Of an animation, the first frame counts. One of them may be - for
    standard input. A bad FILE does not stop the others; then the exit status is 1.

    SSIMULACRA 2 is measured if its package is installed (pip install ssimulacra2). If not, it is left out, and --json
    has null for it.

    \b
    Examples:
      tgs compare photo.png photo.tgs
      tgs compare photo.png small.tgs large.tgs --json
    """
    if (original, *sources).count(PIPE) > 1:
        raise click.UsageError("Standard input is one picture; give - once.")
    try:
        picture = _read_picture(original, limits)
    except (TgsError, Failure, MemoryError) as error:
        tell_failure(original, error, as_json=as_json)
        click.get_current_context().exit(EXIT_FAILED)

    def look(source: str) -> dict[str, Any]:
        from taichi_gs.pictures.metrics import comparable_pixels, ms_ssim, psnr, ssimulacra2

        other = _read_picture(source, limits)
        try:
            a, b = comparable_pixels(picture, other)
            quality, similarity, visible = psnr(a, b), ms_ssim(a, b), ssimulacra2(a, b)
        except ImageError as error:
            raise Failure(f"{name_of(source)}: {error}") from error
        finite = quality if math.isfinite(quality) else None
        return {"original": original, "input": source, "psnr": finite, "ms_ssim": similarity, "ssimulacra2": visible}

    def show(found: dict[str, Any]) -> None:
        quality = math.inf if found["psnr"] is None else found["psnr"]
        facts = {"PSNR": f"{quality:.4f} dB", "MS-SSIM": f"{found['ms_ssim']:.6f}"}
        if found["ssimulacra2"] is not None:
            facts["SSIMULACRA 2"] = f"{found['ssimulacra2']:.2f}"
        if len(sources) == 1:
            emit("\n".join(f"{name + ':':14}{value}" for name, value in facts.items()))
        else:
            emit(f"{name_of(found['input'])}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))

    look_at_all(sources, look, show, as_json=as_json)


def _read_picture(source: str, limits: Limits | None) -> Picture:
    """Read a picture or a .tgs file, told apart by content, as sRGB."""
    from taichi_gs.codec import decode_picture
    from taichi_gs.format.bitstream import SIGNATURE
    from taichi_gs.format.limits import Limits
    from taichi_gs.pictures.convert import as_srgb
    from taichi_gs.pictures.read import picture_from_bytes

    data, name = read_input(source), name_of(source)
    if not data.startswith(SIGNATURE):
        most = (limits or Limits()).max_pixels
        return as_srgb(picture_from_bytes(data, name=name, first_frame=True, max_pixels=most), name)
    with naming(name):
        return as_srgb(decode_picture(data, limits=limits), name)
