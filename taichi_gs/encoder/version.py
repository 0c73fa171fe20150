"""The version of what the encoder writes. It is not the version of the file format, which `docs/format.md` has."""

from __future__ import annotations

ENCODER_VERSION = 4
"""Raise this with every change that makes the encoder write other bytes for some picture and options.

Results files say with which version they were made. A test then names those that documents quote and that are older.
"""

ALPHA_BLENDING_VERSION = 2
"""The first version that writes what the present one writes with alpha blending, as the preset `paper` has it, for
pictures of less than 4 megapixels.

Raise this too, with every change that concerns them.
"""
