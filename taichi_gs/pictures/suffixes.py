"""How files of pictures are called. Importing this costs nothing."""

from __future__ import annotations

READ_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".pam"),
        *(".heic", ".heif", ".hif", ".jxl"),  # with the extra `formats`
    }
)
"""Of the pictures that `read.py` reads; in folders, files of other names are left alone."""

WRITE_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg", ".avif", ".ppm", ".pgm", ".pam")
"""Of the pictures that `write.py` writes."""
