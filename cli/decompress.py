"""`tgs decompress`: a .tgs file in, a picture out."""

from __future__ import annotations

import click

from taichi_gs.files import read_bytes

from .failures import naming
from .options import device_option, force_option
from .outputs import choose_output


@click.command()
@click.argument("source", metavar="FILE")
@click.option("-o", "--output", metavar="OUT", help="Picture to write.  [default: FILE's name with .png]")
@device_option
@force_option
def decompress(source: str, output: str | None, device: str, force: bool) -> None:
    """Turn the .tgs file FILE back into a picture.

    OUT is a PNG, TIFF, BMP or WebP (all exact) or a JPEG (quality 95), as its suffix says.

    \b
    Example:
      tgs decompress photo.tgs -o back.png
    """
    data = read_bytes(source)

    from taichi_gs.codec import decode, info
    from taichi_gs.images import check_image_suffix, write_image

    with naming(source):
        info(data)  # what is no .tgs file is said to be that, whatever else is wrong
        target = choose_output(source, output, ".png", force=force)
        check_image_suffix(target)
        image = decode(data, device=device)
    write_image(target, image, overwrite=force)
