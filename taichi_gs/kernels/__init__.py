"""Taichi kernels: projection, tiles and blending. No `from __future__ import annotations` here: Taichi reads annotations."""
