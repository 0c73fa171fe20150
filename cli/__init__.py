"""The command line `tgs`: one small file a command, thin over the library. It parses, calls and prints.

Results go to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but not as good as
was asked for, 129 hung up, 130 interrupted, 143 terminated. The commands import what they need when they run, so that
`tgs --help` and `tgs info` start at once.

What `compress` and `decompress` share: `plan` decides which input goes to which output, `pool` runs `conversion`s in
processes, `report` tells what came of it; `batch` brings these together, and `single` is for one file alone.
"""

from __future__ import annotations

import atexit
import gc

import click

from taichi_gs import __version__

from .compare import compare
from .compress import compress
from .console import allow_names_of_any_bytes, replace_closed_streams
from .decompress import decompress
from .desktop import desktop
from .doctor import doctor
from .embed import embed
from .failures import OneSentenceGroup
from .info import info
from .signals import raise_terminated
from .view import view


@click.group(cls=OneSentenceGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tgs")
def tgs() -> None:
    """Compress pictures into .tgs files of a few kilobytes, as 2D Gaussians, and back.

    \b
    Examples:
      tgs compress photo.png --k 64
      tgs info photo.tgs
      tgs decompress photo.tgs -o back.png
      tgs compare photo.png back.png
      tgs view photo.tgs
      tgs compress holiday -r --output-dir small
      tgs COMMAND --help

    Results go to standard output. Everything else goes to standard error. The exit status is 0 if all went well, 1 if
    something failed, 2 if the command was wrong, 3 if a file is not as good as --quality or --psnr asks for, 129 after
    SIGHUP, 130 after Ctrl-C, and 143 after SIGTERM.

    \b
    The Tab key completes commands, options and files if you add one of these lines to
      ~/.bashrc:                            eval "$(_TGS_COMPLETE=bash_source tgs)"
      ~/.zshrc:                             eval "$(_TGS_COMPLETE=zsh_source tgs)"
      ~/.config/fish/completions/tgs.fish:  _TGS_COMPLETE=fish_source tgs | source
    """


for command in (compress, decompress, info, compare, view, embed, doctor, desktop):
    tgs.add_command(command)


def main() -> None:
    """Run the command line and exit: the installed program `tgs`."""
    # Python ends with a search for garbage through all that was imported, which takes a tenth of a second with Taichi.
    atexit.register(gc.freeze)
    replace_closed_streams()
    allow_names_of_any_bytes()
    raise_terminated()
    tgs(prog_name="tgs")
