"""Bytes to pixels, without PyTorch."""
