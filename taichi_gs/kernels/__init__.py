"""Taichi kernels: projection, tiles and blending.

No `from __future__ import annotations` in modules with kernels: Taichi reads the annotations themselves.
"""
