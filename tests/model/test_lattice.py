"""Cells and lattices: where Gaussians may stand, against the reference decoder."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference_decoder
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from quantized_pictures import quantized_picture

from taichi_gs.model.blending import Blending
from taichi_gs.model.lattice import (
    MAX_SUBDIVISION_CODE,
    Lattice,
    lattice_of,
    lattice_of_picture,
    subdivision_of,
)
from taichi_gs.model.quantized import CodedVectors, QuantizedCodebook, UniformQuantizer

SIDES = st.one_of(st.integers(1, 100), st.sampled_from([4096, 65535]))


def undivided(num_gaussians: int, grid_size: tuple[int, int], image_size: tuple[int, int]) -> Lattice:
    """Lattices of one point, the centre of the cell."""
    picture = quantized_picture(num_gaussians, blending="normalized", subdivision=0)
    return lattice_of_picture(replace(picture, grid_size=grid_size, image_size=image_size))


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_cells_and_centers_are_inverse(grid: tuple[int, int], image: tuple[int, int], seed: int) -> None:
    cells = np.random.default_rng(seed).integers(0, grid, (50, 2))
    cells[:4] = [[0, 0], [grid[0] - 1, 0], [0, grid[1] - 1], [grid[0] - 1, grid[1] - 1]]
    lattice = undivided(50, grid, image)
    centers = lattice.positions(cells, np.zeros_like(cells))
    assert centers.dtype == np.float32
    expected = [
        [(column + 0.5) * image[1] / grid[1], (row + 0.5) * image[0] / grid[0]] for row, column in cells.tolist()
    ]
    np.testing.assert_allclose(centers, expected, rtol=1e-7)
    found, offsets = lattice.nearest(centers)
    np.testing.assert_array_equal(found, cells)
    assert not offsets.any()


def test_cells_of_positions_at_and_beyond_the_border() -> None:
    grid, image = (4, 10), (8, 5)
    for mean, cell in (
        ((0, 0), [0, 0]),
        ((5, 8), [3, 9]),
        ((-3, -0.01), [0, 0]),
        ((99, 99), [3, 9]),
        ((0.49, 1.99), [0, 0]),
        ((0.51, 2.01), [1, 1]),
        ((2.5, 4), [2, 5]),
    ):
        cells, offsets = undivided(1, grid, image).nearest(np.array([mean], np.float32))
        assert (cells.tolist(), offsets.tolist()) == ([cell], [[0, 0]])


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_position_is_at_most_half_a_cell_off(grid: tuple[int, int], image: tuple[int, int], seed: int) -> None:
    means = np.random.default_rng(seed).uniform(0, image[::-1], (50, 2)).astype(np.float32)
    lattice = undivided(50, grid, image)
    decoded = lattice.positions(*lattice.nearest(means))
    half = 0.5 * np.array(image[::-1]) / grid[::-1]
    assert (np.abs(decoded - means) <= half + 1e-6 * np.array(image[::-1])).all()


def codebooks_of(covariances: list[Any], codes: list[float]) -> tuple[QuantizedCodebook, QuantizedCodebook]:
    """Codebooks with these values, multiples of 2^-6 up to 32: covariances [K, 3] and amplitude codes [K]."""

    def codebook(values: NDArray[Any]) -> QuantizedCodebook:
        quantizers = (UniformQuantizer(-32.0, 2.0**-6, 1 << 12),) * values.shape[1]
        return QuantizedCodebook(np.rint((values + 32) * 64).astype(np.int64), quantizers)

    return codebook(np.array(covariances, dtype=float)), codebook(np.array([[0, 0, 0, code] for code in codes]))


def lattice_of_codewords(
    covariances: list[Any],
    codes: list[float],
    subdivision: int,
    blending: Blending = "normalized",
    grid_size: tuple[int, int] = (8, 12),
    image_size: tuple[int, int] = (200, 300),
) -> Lattice:
    """The lattices of one Gaussian for each of those codewords, as many covariances as codes."""
    coded = (CodedVectors(codebook, np.arange(len(codes))) for codebook in codebooks_of(covariances, codes))
    return lattice_of(*coded, grid_size, image_size, subdivision, blending)


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_lattices_are_what_they_mean(blending: Blending) -> None:
    """Levels and shears against the formulas in floating point."""
    generator = np.random.default_rng(5)
    (rows, columns), (height, width), subdivision = (13, 12), (200, 300), 1000
    covariances = np.rint(64 * generator.uniform([-2, -2, -2], [9, 2, 2], (400, 3))) / 64
    codes = np.rint(64 * generator.uniform(-2, 2, 400)) / 64
    lattice = lattice_of_codewords(
        covariances.tolist(), codes.tolist(), subdivision, blending, (rows, columns), (height, width)
    )
    for (m, u, v), z, levels, shear in zip(covariances, codes, lattice.levels, lattice.shears, strict=True):
        values, vectors = np.linalg.eigh(np.array([[u, v], [v, -u]]))
        (xx, xy), _ = vectors @ np.diag(np.exp(values)) @ vectors.T
        density = subdivision / 16 * np.exp(-3 / 8 * m + (z if blending == "normalized" else 0))
        expected = np.array([density * np.sqrt(xx), density / np.sqrt(xx)]).clip(1, 4096)
        assert (np.abs(levels - expected) <= 0.5 + 1e-3 * expected).all()
        assert abs(shear - 256 * xy / xx * (width / columns) / (height / rows)) <= 0.501
    assert len(np.unique(lattice.levels)) > 100


HOSTILE = [list(codeword) for codeword in product([-16, -7.5, 0, 31.5], [-8, -0.25, 8], [-8, 0, 8])]


@pytest.mark.parametrize("subdivision", [1, 777, subdivision_of(MAX_SUBDIVISION_CODE)])
@pytest.mark.parametrize(
    ("grid_size", "image_size"), [((8, 12), (200, 300)), ((65535, 1), (1, 65535)), ((1, 9), (7, 1))]
)
def test_lattices_of_all_a_file_can_hold_are_the_references(
    subdivision: int, grid_size: tuple[int, int], image_size: tuple[int, int]
) -> None:
    generator = np.random.default_rng(subdivision)
    covariances = HOSTILE + (np.rint(64 * generator.uniform(-8, 8, (100, 3))) / 64).tolist()
    codes: list[float] = generator.choice([-1, -0.984375, 0, 0.875, 2], len(covariances)).tolist()
    lattice = lattice_of_codewords(covariances, codes, subdivision, "normalized", grid_size, image_size)
    symbols = {"image_size": image_size, "grid_size": grid_size, "blending": "normalized", "subdivision": subdivision}
    symbols |= {"covariance_codewords": covariances, "color_codewords": [(0, 0, 0, code) for code in codes]}
    expected = [reference_decoder.lattice(symbols, index, index) for index in range(len(codes))]
    assert list(zip(*lattice.levels.T[::-1].tolist(), lattice.shears.tolist(), strict=True)) == expected


def random_lattice(num_gaussians: int, most: int, seed: int) -> Lattice:
    """Lattices of up to `most` levels over five rows and three columns of cells."""
    generator = np.random.default_rng(seed)
    levels = generator.integers(1, most + 1, (num_gaussians, 2))
    return Lattice((5, 3), (40, 33), levels, generator.integers(-1500, 1500, num_gaussians))


def reference_positions(lattice: Lattice, gaussian: int) -> dict[tuple[int, int, int, int], tuple[float, float]]:
    """The reference decoder's (x, y) of all places (row, column, offset row, offset column) of a Gaussian."""
    (n_y, n_x), shear = lattice.levels[gaussian].tolist(), int(lattice.shears[gaussian])
    symbols: dict[str, Any] = {"image_size": lattice.image_size, "grid_size": lattice.grid_size}
    positions = {}
    for row, column, j, i in product(*map(range, (*lattice.grid_size, n_y, n_x))):
        one = {"cells": [(row, column)], "offsets": [(j, i)], "lattices": [(n_x, n_y, shear)]}
        positions[row, column, j, i] = reference_decoder.position(symbols | one, 0)
    return positions


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_positions_on_lattices(seed: int) -> None:
    lattice = random_lattice(3, 6, seed)
    for gaussian in range(3):
        found = reference_positions(lattice, gaussian)
        places, expected = np.array(list(found)), np.array(list(found.values()))
        only = [gaussian] * len(places)
        copies = replace(lattice, levels=lattice.levels[only], shears=lattice.shears[only])
        positions = copies.positions(places[:, :2], places[:, 2:])
        assert positions.dtype == np.float32
        np.testing.assert_allclose(positions, expected, rtol=2e-7)
        # Every place is another one, in the cell that it says, and comes back.
        assert len(np.unique(expected, axis=0)) == len(expected)
        np.testing.assert_array_equal(expected // [11, 8], places[:, 1::-1])
        cells, offsets = copies.nearest(expected)
        np.testing.assert_array_equal(np.concatenate([cells, offsets], axis=1), places)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_steps_lead_to_the_next_places(seed: int) -> None:
    """To the next line within a cell and to the next point of a line, whose distances leave no other places."""
    lattice = random_lattice(3, 6, seed)
    steps = lattice.steps()
    assert (steps.shape, steps.dtype) == ((3, 2, 2), np.float32)
    for gaussian, (to_line, to_point) in enumerate(steps.astype(np.float64)):
        levels_y, levels_x = lattice.levels[gaussian]
        np.testing.assert_allclose(abs(np.linalg.det([to_line, to_point])), 11 * 8 / (levels_x * levels_y), rtol=1e-5)
        found = reference_positions(lattice, gaussian)
        points = np.array(list(found.values()))
        last = np.array([offset == levels_x - 1 for _, _, _, offset in found])
        for step, starts in ((to_line, points[~last]), (to_point, points)):
            ends = starts + step
            inside = (ends[:, 1] > 0.01) & (ends[:, 1] < 39.99)
            distances = np.abs(ends[inside, None] - points).max(axis=2).min(axis=1)
            assert (distances < 1e-4).all()


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_neighbours_are_the_places_around(seed: int) -> None:
    """A step or none along both directions, to the nearest place of the reference decoder's, as arrays and tensors."""
    lattice = random_lattice(3, 6, seed)
    generator = np.random.default_rng(seed)
    places = [np.array(list(reference_positions(lattice, gaussian).values())) for gaussian in range(3)]
    means = np.array([generator.choice(points) for points in places], dtype=np.float32)
    found = lattice.neighbours(means)
    assert (found.shape, found.dtype) == ((3, 8, 2), np.float32)
    for points, mean, around, (to_line, to_point) in zip(places, means, found, lattice.steps(), strict=True):
        ends = [mean + a * to_line + b * to_point for a, b in product((-1, 0, 1), repeat=2) if (a, b) != (0, 0)]
        for place, (x, y) in zip(around, ends, strict=True):
            assert np.abs(points - place).max(axis=1).min() < 1e-4
            if 0.01 < x < 32.99 and 0.01 < y < 39.99 and np.abs(points - (x, y)).max(axis=1).min() < 1e-3:
                np.testing.assert_allclose(place, (x, y), atol=1e-3)
    tensors = replace(lattice, levels=torch.from_numpy(lattice.levels), shears=torch.from_numpy(lattice.shears))
    np.testing.assert_array_equal(tensors.neighbours(torch.from_numpy(means)).numpy(), found)
    np.testing.assert_array_equal(tensors.of_rows(torch.tensor([2, 0])).levels.numpy(), lattice.levels[[2, 0]])


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_the_nearest_place_on_a_lattice(seed: int) -> None:
    """The nearest vertical line first, then the nearest point on it, by comparing all of them."""
    lattice = random_lattice(12, 6, seed)
    means = np.random.default_rng(seed).uniform([-6, -8], [39, 48], (12, 2)).astype(np.float32)
    cells, offsets = lattice.nearest(means)
    positions = lattice.positions(cells, offsets).astype(np.float64)
    np.testing.assert_array_equal(lattice.rounded(means), positions)
    for gaussian, (mean, position) in enumerate(zip(means.astype(np.float64), positions, strict=True)):
        points = np.array(list(reference_positions(lattice, gaussian).values()))
        distances = np.abs(points - mean)
        nearest_line = distances[:, 0] <= distances[:, 0].min() + 1e-9
        assert abs(position[0] - mean[0]) <= distances[:, 0].min() + 1e-5
        assert abs(position[1] - mean[1]) <= distances[nearest_line, 1].min() + 1e-5


def test_the_nearest_places_of_means_far_outside() -> None:
    lattice = replace(random_lattice(4, 6, 0), shears=np.array([0, 400, -400, 1 << 15]))
    for x, y in product([-1e30, 5.0, 1e30], [-1e30, 20.0, 1e30]):
        cells, offsets = lattice.nearest(np.array([[x, y]] * 4))
        assert ((cells >= 0) & (cells < lattice.grid_size) & (offsets >= 0) & (offsets < lattice.levels)).all()
        positions = lattice.positions(cells, offsets)
        np.testing.assert_array_equal(lattice.rounded(np.array([[x, y]] * 4)), positions)
        step = np.array([11.0, 8.0]) / lattice.levels[:, ::-1]
        assert (np.abs(positions - np.clip([x, y], 0, [33, 40])) <= step).all()


def test_lattices_of_nothing() -> None:
    for subdivision in (0, 9):
        lattice = lattice_of_picture(quantized_picture(num_gaussians=0, subdivision=subdivision))
        assert (lattice.levels.shape, lattice.shears.shape) == ((0, 2), (0,))
        cells, offsets = lattice.nearest(np.empty((0, 2), np.float32))
        assert lattice.positions(cells, offsets).shape == (0, 2)


@pytest.mark.parametrize("seed", range(5))
def test_tensors_are_treated_as_arrays_are(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lattice = replace(random_lattice(2000, 4096, seed), image_size=(4000, 3000), grid_size=(65535, 700))
    means = generator.uniform([-20, -20], [3020, 4020], (2000, 2)).astype(np.float32)
    means[:4] = [[-1e30, 1e30], [0, 0], [3000, 4000], [1e30, -1e30]]
    tensors = replace(lattice, levels=torch.from_numpy(lattice.levels), shears=torch.from_numpy(lattice.shears))
    places, others = lattice.nearest(means), tensors.nearest(torch.from_numpy(means))
    results = (*places, lattice.positions(*places), lattice.rounded(means), lattice.steps())
    found = (*others, tensors.positions(*others), tensors.rounded(torch.from_numpy(means)), tensors.steps())
    for array, tensor in zip(results, found, strict=True):
        assert isinstance(tensor, torch.Tensor)
        assert tensor.numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensor.numpy(), array)
