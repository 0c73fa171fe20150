"""One file or many: which of the two was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taichi_gs.encoder.choices import Device

from .options import FileOptions

if TYPE_CHECKING:
    from .conversion import Conversion


def convert_files(conversion: Conversion, files: FileOptions, device: Device) -> None:
    """Convert what `files` asks for."""
    if files.is_single:
        from .single import convert_single

        convert_single(conversion, files)
    else:
        from .batch import convert_batch

        convert_batch(conversion, files, device)
