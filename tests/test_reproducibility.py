"""The same picture, options and seed make the same file, and it decodes to the same pixels, in every process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from codec_checks import QUICK
from numpy.typing import NDArray

import taichi_gs

Bytes = NDArray[np.uint8]


def test_the_seed_decides_the_file(picture: Bytes) -> None:
    files = [taichi_gs.encode(picture, **QUICK, seed=seed) for seed in (0, 0, 1)]
    assert files[0] == files[1]
    assert files[0] != files[2]
    assert taichi_gs.encode(picture, **QUICK) == files[0], "the seed is 0 if not given"


@pytest.mark.parametrize(
    "options",
    [{"bits_per_pixel": 2.0}, {"blending": "alpha"}, {"preset": "paper", "num_gaussians": 20}],
    ids=["rate", "alpha", "paper"],
)
def test_another_process_makes_the_same_file(
    options: dict[str, Any], tmp_path: Path, python: Callable[..., Any], picture: Bytes
) -> None:
    """Long enough for pruning, reclustering and a byte limit to take part."""
    options = {"preset": "fast", "steps": 80, **options}
    np.save(tmp_path / "picture.npy", picture)
    program = f"""
import numpy as np
import taichi_gs
print(taichi_gs.encode(np.load("picture.npy"), **{options}).hex())
"""
    result = python("-c", program)
    assert (result.stdout.strip(), result.stderr) == (taichi_gs.encode(picture, **options).hex(), "")


def test_decoding_needs_the_file_alone_and_no_torch(encoded: bytes, tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "copy.tgs").write_bytes(encoded)
    program = """
import sys
from pathlib import Path
import taichi_gs
pixels = taichi_gs.decode(Path("copy.tgs").read_bytes())
assert sys.modules.keys().isdisjoint({"torch", "array_api_compat"})
print(pixels.shape, pixels.tobytes().hex())
"""
    result = python("-c", program)
    pixels = taichi_gs.decode(encoded)
    assert (result.stdout.strip(), result.stderr) == (f"{pixels.shape} {pixels.tobytes().hex()}", "")
