"""On the CPU, pixels are the same to the bit: in every run and process, for any number of threads, from any cache.

Pixels of files that earlier versions wrote are the conformance set's business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from quantized_pictures import gray_picture, quantized_picture

from taichi_gs.decoder.parts import SAMPLES_PER_PART
from taichi_gs.format.bitstream import serialize

SMALL = (50, 70)
LARGE = (1040, 1030)
"""(height, width) of more tiles than a processor has threads, and at twice the size of more samples than a band has."""

SCALES = (1, 0.4, 2)

PROGRAM = f"""
import hashlib
import sys
from pathlib import Path

import taichi_gs
from taichi_gs.kernels import runtime

runtime.start("cpu")
import taichi as ti

print(ti.cfg.cpu_max_num_threads, file=sys.stderr)
for path in sorted(Path().glob("*.tgs")):
    for scale in {SCALES}:
        for _ in range(2):
            pixels = taichi_gs.decode(path, scale=scale)
            print(path.name, scale, pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest())
"""
"""Draw every file at every scale twice, a line for each; the number of threads goes to stderr."""

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "one thread": {"TI_CPU_MAX_NUM_THREADS": "1"},
    "two threads": {"TI_CPU_MAX_NUM_THREADS": "2"},
    "four threads": {"TI_CPU_MAX_NUM_THREADS": "4"},
    "cold cache": {"XDG_CACHE_HOME": "cache"},
    "warm cache": {"XDG_CACHE_HOME": "cache"},
}
"""How many threads Taichi has, and where it keeps compiled kernels."""


def stored_pictures() -> dict[str, bytes]:
    """A file of every kind of picture, by name."""
    colors: dict[str, Any] = {"image_size": SMALL, "subdivision": 41}
    large: dict[str, Any] = {"image_size": LARGE, "num_gaussians": 120}
    alpha = serialize(gray_picture(num_gaussians=90, image_size=SMALL, seed=1))
    return {
        "alpha-blending.tgs": serialize(quantized_picture(300, blending="alpha", **colors)),
        "empty.tgs": serialize(quantized_picture(0, image_size=SMALL)),
        "gray.tgs": serialize(gray_picture(num_gaussians=200, image_size=(33, 47))),
        "gray-alpha-blending.tgs": serialize(gray_picture(num_gaussians=200, image_size=(33, 47), blending="alpha")),
        "large.tgs": serialize(quantized_picture(blending="normalized", **large)),
        "large-alpha-blending.tgs": serialize(quantized_picture(blending="alpha", **large)),
        "normalized.tgs": serialize(quantized_picture(300, blending="normalized", **colors)),
        "transparent.tgs": serialize(quantized_picture(300, blending="normalized", **colors), {b"ALPH": alpha}),
    }


def test_pixels_are_the_same_to_the_bit(
    tmp_path: Path, python: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert max(SCALES) ** 2 * LARGE[0] * LARGE[1] > SAMPLES_PER_PART
    files = stored_pictures()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    lines: dict[str, list[str]] = {}
    for environment, variables in ENVIRONMENTS.items():
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, str(tmp_path / value) if name == "XDG_CACHE_HOME" else value)
            result = python("-c", PROGRAM)
        num_threads = variables.get("TI_CPU_MAX_NUM_THREADS", result.stderr.strip())
        assert (result.returncode, result.stderr.strip()) == (0, num_threads), environment
        lines[environment] = result.stdout.splitlines()
        assert lines[environment] == lines["one thread"], environment
    once, again = lines["one thread"][::2], lines["one thread"][1::2]
    assert once == again
    assert len(set(once)) == len(files) * len(SCALES), "every picture is another"
