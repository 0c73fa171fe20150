"""`tgs view`: .tgs files on a page, in the browser."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from taichi_gs.errors import ImageError
from taichi_gs.files import quoted
from taichi_gs.pictures.suffixes import READ_SUFFIXES

from .console import emit, say, stdout_silenced
from .failures import Failure, OneSentenceCommand, naming
from .options import limits_option, path
from .outputs import check_not_input, check_output
from .plan import TGS_SUFFIX
from .streams import PIPE, name_of, read_input, write_output

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits
    from taichi_gs.viewer.page import Original, PageFile


@click.command(cls=OneSentenceCommand)
@click.argument("sources", metavar="FILE...", nargs=-1, required=True, type=path)
@click.option("--original", metavar="PICTURE", type=path, help="Compare with this picture, by a border to move.")
@click.option(
    "-o",
    "--output",
    metavar="PAGE",
    type=path,
    help="Write the page to this file; - is standard output.  [default: a temporary file]",
)
@click.option("--force", is_flag=True, help="Overwrite a page that exists.")
@click.option("--no-open", is_flag=True, help="Do not open the page.")
@limits_option
def view(
    sources: tuple[str, ...],
    original: str | None,
    output: str | None,
    force: bool,
    no_open: bool,
    limits: Limits | None,
) -> None:
    """Show .tgs files in the browser; - is standard input.

    The page draws the Gaussians anew at every zoom. It shows where they are, and compares them with the pixels enlarged
    the usual way. Several files make a gallery.

    The page is one file with everything in it. It works without a network, and you can send it to someone. With
    --original it holds the picture too, as a rule with its metadata. tgs prints the path of the page.

    \b
    Examples:
      tgs view photo.tgs
      tgs view photo.tgs --original photo.png
      tgs view small/*.tgs -o gallery.html --no-open
    """
    from taichi_gs.viewer.page import make_page

    _check_usage(sources, original, output)
    if output is not None:
        _check_page(output, [*sources, *filter(None, [original])], force=force)
    files = [_read(source, limits) for source in sources]
    picture = None if original is None else _read_original(original, files, limits)
    page = make_page(files, picture, limits)
    target = _temporary(files[0].name) if output is None else output
    write_output(target, page, overwrite=force or output is None)
    if target != PIPE:
        emit(target)
        if not no_open:
            _open(target)


def _check_usage(sources: Sequence[str], original: str | None, output: str | None) -> None:
    if output == "":
        raise click.UsageError("--output is empty; it needs a name.")
    if (*sources, original).count(PIPE) > 1:
        raise click.UsageError("Standard input is one file; give - once.")


def _check_page(output: str, inputs: Sequence[str], *, force: bool) -> None:
    """Refuse, before any work, a page that cannot be written or has the name of another kind of file."""
    suffix = os.path.splitext(output)[1].lower()
    if suffix == TGS_SUFFIX or suffix in READ_SUFFIXES:
        kind = "a .tgs file" if suffix == TGS_SUFFIX else "a picture"
        raise Failure(f"{quoted(output)} is the name of {kind}, and view writes .html files; choose another")
    if output != PIPE:
        for source in inputs:
            check_not_input(source, output)
    check_output(inputs[0], output, force=force)


def _read(source: str, limits: Limits | None) -> PageFile:
    from taichi_gs.decoder.decode import TgsFile
    from taichi_gs.viewer.page import PageFile

    data = read_input(source)
    with naming(name_of(source)):
        TgsFile(data, limits).check()
    name = "standard input" if source == PIPE else os.path.basename(source)
    return PageFile(name.encode("utf-8", "replace").decode("utf-8"), data)


def _read_original(original: str, files: Sequence[PageFile], limits: Limits | None) -> Original:
    from taichi_gs.decoder.decode import TgsFile
    from taichi_gs.format.limits import Limits
    from taichi_gs.viewer.page import original_from_bytes

    most = (limits or Limits()).max_pixels
    picture = original_from_bytes(read_input(original), name_of(original), max_pixels=most)
    for file in files:
        height, width = TgsFile(file.data, limits).header.image_size
        try:
            picture.check_aspect(width, height)
        except ImageError as error:
            raise Failure(f"{quoted(file.name)}: {error}") from error
    return picture


def _temporary(name: str) -> str:
    """A path for a page in a new folder, which stays: the browser reads it after this program has ended."""
    import tempfile

    try:
        folder = tempfile.mkdtemp(prefix="tgs-view-")
    except OSError as error:
        raise Failure(f"cannot make a temporary folder: {error.strerror or error}; name a file with -o") from error
    return os.path.join(folder, os.path.splitext(name)[0] + ".html")


def _open(target: str) -> None:
    import webbrowser

    with stdout_silenced():
        is_open = webbrowser.open(pathlib.Path(target).resolve().as_uri())
    if not is_open:
        say("There is no browser here to open the page with.")
