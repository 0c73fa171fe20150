"""The rows of a tile's strips that Gaussians reach, by comparing every pixel in double precision."""

import numpy as np
import pytest
from numpy.typing import NDArray

from taichi_gs.kernels.blend import NUM_PIXELS
from taichi_gs.kernels.half_tiles import NUM_HALVES, first_pixel, make_find_rows, pixel_at
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.model.blending import CUTOFFS, Blending

NUM_CASES = 20_000

pytestmark = pytest.mark.usefixtures("device")


def random_cases() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Conics [n, 4] up to 300 times longer than wide, and the first pixel's centre [n, 2] seen from their means."""
    rng = np.random.default_rng(0)
    sigmas = np.exp(rng.uniform(np.log(0.3), np.log(30), NUM_CASES))[:, None] * [[1, 1]]
    sigmas[:, 0] *= np.exp(rng.uniform(0, np.log(300), NUM_CASES))
    angles = rng.uniform(0, np.pi, NUM_CASES)
    axes = np.stack([np.stack([np.cos(angles), np.sin(angles)], 1), np.stack([-np.sin(angles), np.cos(angles)], 1)], 1)
    inverses = np.einsum("nki,nk,nkj->nij", axes, sigmas**-2, axes) * (np.log2(np.e) / 2)
    factors = np.linalg.cholesky(inverses).transpose(0, 2, 1)
    conics = np.stack([factors[:, 0, 0], factors[:, 0, 1], factors[:, 1, 1], rng.uniform(-5, 4, NUM_CASES)], axis=1)
    # Somewhere on the long axis, give or take two tiles.
    along = rng.uniform(-3, 3, NUM_CASES) * sigmas[:, 0]
    corners = -along[:, None] * axes[:, 0] + rng.uniform(-32, 16, (NUM_CASES, 2))
    return conics.astype(np.float32), corners.astype(np.float32)


def found_rows(conics: NDArray[np.float32], corners: NDArray[np.float32], blending: Blending) -> NDArray[np.int32]:
    """What the kernels' function finds: [n, NUM_HALVES, 2], a row and a number of double rows."""
    find_rows = make_find_rows(ti.f32, blending)
    array2 = ti.types.ndarray(dtype=ti.f32, ndim=2)

    @ti.kernel
    def find(conics: array2, corners: array2, found: ti.types.ndarray(dtype=ti.i32, ndim=2)):  # type: ignore
        for i in range(conics.shape[0]):
            rows = find_rows(conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3], corners[i, 0], corners[i, 1])
            for k in ti.static(range(2 * NUM_HALVES)):
                found[i, k] = rows[k]

    found = np.full((len(conics), 2 * NUM_HALVES), -1, np.int32)
    find(conics, corners, found)
    return found.reshape(len(conics), NUM_HALVES, 2)


def surplus(conics: NDArray[np.float32], corners: NDArray[np.float32], blending: Blending) -> NDArray[np.float64]:
    """The base-two exponents less the cut-off's [n, NUM_HALVES, rows, HALF_WIDTH], in double precision."""
    a, b, c, log2_amplitude = conics.astype(np.float64).T[:, :, None, None]
    dx = corners[:, 0, None, None].astype(np.float64) + np.arange(TILE)
    dy = corners[:, 1, None, None].astype(np.float64) + np.arange(TILE)[:, None]
    power = log2_amplitude - (a * dx + b * dy) ** 2 - (c * dy) ** 2 - np.log2(CUTOFFS[blending])
    return power.reshape(-1, TILE, NUM_HALVES, HALF_WIDTH).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_rows_are_those_that_gaussians_reach(blending: Blending) -> None:
    conics, corners = random_cases()
    found, power = found_rows(conics, corners, blending), surplus(conics, corners, blending)
    start, end = found[..., 0], found[..., 0] + 2 * found[..., 1]
    some = found[..., 1] > 0
    assert start[some].min() == 0
    assert end[some].max() == TILE
    rows = np.arange(TILE)
    inside = (rows >= start[..., None]) & (rows < end[..., None])
    # None that counts is left out.
    reached = (power > 1e-3).any(axis=3)
    assert reached.any(axis=2).sum() > 5000
    assert not (reached & ~inside).any()
    # Not many more than there are: two rows at a time, and ellipses that pass between the centres of pixels.
    assert inside.sum() < 1.25 * reached.sum() + 2 * some.sum()
    assert inside.sum() < 0.7 * NUM_HALVES * TILE * len(conics)


def test_far_and_extreme_gaussians_stay_in_the_tile() -> None:
    rng = np.random.default_rng(1)
    conics = np.exp(rng.uniform(-30, 5, (NUM_CASES, 4))).astype(np.float32)
    conics[:, 1] *= rng.choice([-1, 0, 1], NUM_CASES)
    conics[:, 3] = rng.uniform(-10, 16, NUM_CASES)
    corners = (rng.choice([-1, 1], (NUM_CASES, 2)) * np.exp(rng.uniform(-3, 12, (NUM_CASES, 2)))).astype(np.float32)
    found = found_rows(conics, corners, "normalized")
    start, num = found[..., 0][found[..., 1] > 0], found[..., 1][found[..., 1] > 0]
    assert (start.min(), (start + 2 * num).max()) == (0, TILE)


def test_places_of_pixels() -> None:
    @ti.kernel
    def list_places(places: ti.types.ndarray(dtype=ti.i32, ndim=2), firsts: ti.types.ndarray(dtype=ti.i32, ndim=2)):  # type: ignore
        for y, x in places:
            places[y, x] = pixel_at(y, x)
        for strip, y in firsts:
            firsts[strip, y] = first_pixel(strip, y)

    places, firsts = np.full((TILE, TILE), -1, np.int32), np.full((NUM_HALVES, TILE), -1, np.int32)
    list_places(places, firsts)
    assert sorted(places.ravel()) == list(range(NUM_PIXELS))
    for strip in range(NUM_HALVES):
        expected = firsts[strip][:, None] + np.arange(HALF_WIDTH)
        np.testing.assert_array_equal(places[:, strip * HALF_WIDTH : (strip + 1) * HALF_WIDTH], expected)
