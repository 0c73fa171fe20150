"""What is known of picture files before one is read: their suffixes and their size. Importing this costs nothing."""

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

MAX_PIXELS = 89_478_485
"""The largest picture that is read or encoded if nobody says otherwise, the limit that Pillow warns at."""
