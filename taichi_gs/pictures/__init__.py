"""Pixels in and out: picture files, colour, transparency and metrics."""
