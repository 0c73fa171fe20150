"""`tgs desktop`: the file type, its magic and its thumbnails, for the user's own desktop on Linux."""

from __future__ import annotations

import os
import sys

import click

from taichi_gs.files import make_folder, quoted, read_bytes, write_atomic

from .console import emit, reason_of, say
from .failures import Failure, OneSentenceCommand, naming
from .options import WholeNumber, path
from .streams import name_of, read_input

_MARK = b"tgs desktop install"
"""What every file holds that this command has written, and no other file does."""


@click.group()
def desktop() -> None:
    """Let the desktop know .tgs files; for Linux.

    \b
    Example:
      tgs desktop install
    """


@desktop.command(cls=OneSentenceCommand)
def install() -> None:
    """Install the file type, thumbnails, and a rule for file(1).

    Everything is for the current user only. `tgs` writes these files, and says so:

    \b
      $XDG_DATA_HOME/mime/packages/taichi-gs.xml          the type image/x-taichi-gs
      $XDG_DATA_HOME/thumbnailers/taichi-gs.thumbnailer   how to draw a thumbnail
      ~/.magic                                            the rule for file(1)

    XDG_DATA_HOME is ~/.local/share if it is not set. A file that is not from taichi_gs is left as it is, and then the
    exit status is 1.
    """
    _check_system()
    program, targets = _find_program(), _targets()
    foreign = [target for target in targets.values() if _is_foreign(target)]
    for name, target in targets.items():
        if target not in foreign:
            make_folder(os.path.dirname(target))
            write_atomic(target, _contents(name, program), overwrite=True)
            emit(f"wrote {quoted(target)}")
    if targets["taichi-gs.xml"] not in foreign:
        _update_types(targets["taichi-gs.xml"])
    if foreign:
        raise Failure(
            f"left {', '.join(map(quoted, foreign))} as before, not being from taichi_gs; "
            f"what belongs there is in the folder {quoted(_data_folder())}"
        )


@desktop.command(cls=OneSentenceCommand)
def uninstall() -> None:
    """Remove what install has written, and nothing else."""
    _check_system()
    targets = _targets()
    removed = [target for target in targets.values() if os.path.lexists(target) and not _is_foreign(target)]
    for target in removed:
        try:
            os.unlink(target)
        except OSError as error:
            raise Failure(f"cannot remove {quoted(target)}: {reason_of(error)}") from error
        emit(f"removed {quoted(target)}")
    if targets["taichi-gs.xml"] in removed:
        _update_types(targets["taichi-gs.xml"])
    if not removed:
        say("There is nothing to remove.")


@desktop.command(cls=OneSentenceCommand, hidden=True)
@click.argument("source", metavar="INPUT", type=path)
@click.argument("output", metavar="OUTPUT", type=path)
@click.argument("side", metavar="SIZE", type=WholeNumber(1, 65535))
def thumbnail(source: str, output: str, side: int) -> None:
    """Draw INPUT into the PNG file OUTPUT, at most SIZE pixels wide and high; for file managers.

    The picture is in sRGB, without metadata, and never larger than INPUT. OUTPUT is overwritten.
    """
    from taichi_gs import Picture, decode_picture, info
    from taichi_gs.pictures.convert import as_srgb
    from taichi_gs.pictures.write import image_to_bytes

    with naming(name_of(source)):
        data = read_input(source)
        contents = info(data)
        factor = min(1.0, side / max(contents.width, contents.height))
        size = max(1, round(factor * contents.width)), max(1, round(factor * contents.height))
        picture = decode_picture(data, size=size, device="cpu")
    plain = as_srgb(Picture(picture.pixels, icc_profile=picture.icc_profile))
    write_atomic(output, image_to_bytes(plain, ".png"), overwrite=True)


def _check_system() -> None:
    if sys.platform != "linux":
        raise Failure("tgs desktop is for Linux only")


def _targets() -> dict[str, str]:
    """Where the user's copy of each data file goes."""
    home = os.path.expanduser("~")
    share = os.environ.get("XDG_DATA_HOME", "")
    # A relative path there is to be ignored, says the specification of base directories.
    if not os.path.isabs(share):
        share = os.path.join(home, ".local", "share")
    return {
        "taichi-gs.xml": os.path.join(share, "mime", "packages", "taichi-gs.xml"),
        "taichi-gs.thumbnailer": os.path.join(share, "thumbnailers", "taichi-gs.thumbnailer"),
        "taichi-gs.magic": os.path.join(home, ".magic"),
    }


def _is_foreign(target: str) -> bool:
    """Whether something has this name that `tgs desktop install` did not write."""
    return os.path.lexists(target) and not (os.path.isfile(target) and _MARK in read_bytes(target))


def _data_folder() -> str:
    import taichi_gs

    return os.path.join(os.path.dirname(taichi_gs.__file__), "desktop")


def _contents(name: str, program: str) -> bytes:
    """A data file of the package, with the program in the thumbnailer's commands."""
    import shlex

    # In such files \ begins an escape, and % a field such as %i.
    path = program.replace("\\", "\\\\")
    command = shlex.quote(program).replace("\\", "\\\\").replace("%", "%%")
    data = read_bytes(os.path.join(_data_folder(), name))
    return data.replace(b"@PATH@", os.fsencode(path)).replace(b"@COMMAND@", os.fsencode(command))


def _find_program() -> str:
    """The path of the installed tgs: a file manager knows neither the current folder nor an active environment."""
    import shutil
    import sysconfig

    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    folders = [sysconfig.get_path("scripts", scheme) for scheme in schemes]
    program = shutil.which("tgs", path=os.pathsep.join(folders)) or shutil.which("tgs")
    if program is None:
        raise Failure("there is no program tgs for file managers to run; install taichi_gs with pip, pipx or uv first")
    return os.path.abspath(program)


def _update_types(target: str) -> None:
    """Let the desktop's database know that a description of types has come or gone."""
    import shutil
    import subprocess

    program = shutil.which("update-mime-database")
    if program is None:
        say("There is no update-mime-database; install shared-mime-info, and run this command again.")
        return
    folder = os.path.dirname(os.path.dirname(target))
    result = subprocess.run(
        [program, folder], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode != 0:
        reasons = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        raise Failure(f"update-mime-database failed: {reasons[-1]}")
    emit(f"updated {quoted(folder)}")
