"""Blending by NumPy: the very pixels of the kernels, and only where it takes less time than starting Taichi."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import checkout_environment
from kernel_inputs import BLENDINGS
from numpy.typing import NDArray
from quantized_pictures import quantized_picture

from taichi_gs.decoder import draw
from taichi_gs.decoder.blend import blend, work_of
from taichi_gs.decoder.projection import Projected, project_gaussians
from taichi_gs.format.bitstream import serialize
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending
from taichi_gs.model.gaussians import Gaussians
from taichi_gs.model.levels import to_levels

PROGRAM = """
import sys, taichi_gs
data = sys.stdin.buffer.read()
for _ in range({times}):
    taichi_gs.decode(data{options})
    print("taichi" in sys.modules)
"""


def random_gaussians(size: tuple[int, int], blending: Blending, seed: int) -> Gaussians:
    """Some reach beyond the picture, some nowhere; some are as thin as can be, some as large as the picture."""
    random, count = np.random.default_rng(seed), 60
    shapes = np.column_stack([random.uniform(-3, 9, count), random.normal(0, 2, (count, 2))])
    amplitudes = random.uniform(0.001, 0.99, count) if blending == "alpha" else np.exp(random.uniform(-6, 11, count))
    return Gaussians(
        means=random.uniform(-20, 20, (count, 2)) + random.uniform(0, 1, (count, 2)) * size[::-1],
        log_covariances=shapes.astype(np.float32),
        colors=random.uniform(-0.5, 1.5, (count, 3)).astype(np.float32),
        amplitudes=amplitudes.astype(np.float32),
        background=np.array([0.2, 0.5, 0.9], np.float32),
        image_size=size,
        blending=blending,
    )


def drawn_by_kernel(part: Projected) -> NDArray[np.float32]:
    return draw._KernelBlender(runtime.kernel_form(runtime.start()))(part)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (37, 50), (5, 300), (190, 201)])
def test_planes_are_those_of_the_kernels_to_the_last_bit(size: tuple[int, int], blending: Blending) -> None:
    for seed in range(3):
        part = project_gaussians(random_gaussians(size, blending, seed)).drawable()
        planes = blend(part)
        if runtime.start() == "cpu":
            np.testing.assert_array_equal(planes, drawn_by_kernel(part))
        else:
            np.testing.assert_allclose(planes, drawn_by_kernel(part), atol=1e-4)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (37, 50), (5, 300), (190, 201)])
def test_levels_of_the_kernel_are_those_of_its_planes(size: tuple[int, int], blending: Blending) -> None:
    if runtime.start() != "cpu":
        pytest.skip("there is no kernel for levels on a GPU")
    for seed in range(3):
        part = project_gaussians(random_gaussians(size, blending, seed)).drawable()
        expected = np.moveaxis(to_levels(drawn_by_kernel(part)), 0, 2)
        assert np.ptp(expected) > 0 or size == (1, 1)
        np.testing.assert_array_equal(draw._KernelBlender("cpu").levels(part), expected)


@pytest.mark.parametrize("channels", [slice(0, 1), slice(0, 3), slice(1, 4), slice(3, 4)])
def test_levels_are_stored_in_the_channels_that_there_are(channels: slice) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)[:15, :20]
    pixels = np.zeros((20, 20, 4), np.uint8)
    draw._store_levels(pixels[2:, :, channels], levels)
    expected = np.zeros_like(pixels)
    expected[2:17, :, channels] = levels[:, :, : channels.stop - channels.start]
    np.testing.assert_array_equal(pixels, expected)


def test_work_is_values_and_gaussians() -> None:
    part = project_gaussians(random_gaussians((40, 50), "normalized", 0)).drawable()
    assert 60 * 3000 < work_of(part) <= 60 * (3000 + 40 * 50)


@pytest.mark.parametrize(
    ("num_gaussians", "options", "times", "starts"),
    [
        (20, "", 2, "False False"),
        (20, ", device='cpu'", 1, "False"),
        (20, ", grain=True", 1, "False"),
        (9000, "", 1, "True"),
        (3000, "", 4, "False False True True"),
    ],
)
def test_taichi_is_started_when_there_is_enough_to_do(
    num_gaussians: int, options: str, times: int, starts: str
) -> None:
    data = serialize(quantized_picture(num_gaussians, has_grain=True))
    program = PROGRAM.format(times=times, options=options)
    done = subprocess.run(
        [sys.executable, "-c", program], input=data, env=checkout_environment(), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == starts.split()
