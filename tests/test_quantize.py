"""Uniform quantisers, grid cells, lattices and bit allocation; what integers mean, against the reference decoder."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference_decoder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from quantized_pictures import PICTURES, quantized_picture

from taichi_gs.bitstream import serialize
from taichi_gs.gaussians import Blending
from taichi_gs.quantize import (
    MAX_BITS,
    Lattice,
    amplitudes_of,
    bits_for_distortion,
    dequantize,
    dequantize_codebook,
    dequantize_gaussians,
    fit_quantizer,
    lattice_of,
    lattice_of_picture,
    quantize,
    rgb_from_ycocg,
)
from taichi_gs.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer

Values = NDArray[np.float32]

VALUES = st.one_of(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-30, 30, width=32)),
    # Many values in a tiny range somewhere, down to steps that float16 cannot hold.
    st.builds(
        lambda center, reach, steps: (center + reach * np.array(steps) / 1000).astype(np.float32),
        st.floats(-29, 29),
        st.sampled_from([1e-9, 1e-6, 1e-3, 0.1]),
        st.lists(st.integers(-1000, 1000), min_size=1, max_size=30),
    ),
)


def is_float16(value: float) -> bool:
    return value == float(np.float16(value)) and math.isfinite(value)


@given(VALUES, st.integers(1, MAX_BITS))
@example(np.array([-30, 30], np.float32), 1)
@example(np.array([29.999998, 30], np.float32), MAX_BITS)
@example(np.array([-1e-9, 1e-9], np.float32), MAX_BITS)
@settings(deadline=None)
def test_quantizer_covers_its_values(values: Values, bits: int) -> None:
    quantizer = fit_quantizer(values, bits)
    assert is_float16(quantizer.minimum)
    assert is_float16(quantizer.step)
    if len(np.unique(values)) == 1:
        assert (quantizer.step, quantizer.bits) == (0, 0)
        assert abs(quantizer.minimum - values[0]) <= 2**-11 * abs(float(values[0])) + 2**-25
        return
    assert quantizer.bits == bits
    last = quantizer.minimum + quantizer.step * (2**bits - 1)
    assert quantizer.minimum <= values.min()
    assert values.max() <= last
    # And no further than rounding to float16 demands.
    spread = float(values.max()) - float(values.min())
    slack = 2**-10 * np.abs(values).max() + 2**-24
    assert quantizer.minimum >= values.min() - slack
    assert quantizer.step <= (spread + slack) / (2**bits - 1) * (1 + 2**-10) + 2**-24


@given(VALUES, st.integers(1, MAX_BITS))
@settings(deadline=None)
def test_quantising_is_off_by_half_a_step_at_most(values: Values, bits: int) -> None:
    quantizer = fit_quantizer(values, bits)
    symbols = quantize(values, quantizer)
    assert symbols.dtype == np.int64
    assert symbols.min() >= 0
    assert symbols.max() < 2**quantizer.bits
    decoded = dequantize(symbols, quantizer)
    assert decoded.dtype == np.float32
    error = np.abs(decoded.astype(np.float64) - values).max()
    rounding = 4e-6 if quantizer.bits else 2**-11 * float(np.abs(values).max()) + 2**-25
    assert error <= quantizer.step / 2 + rounding


@given(
    st.builds(
        UniformQuantizer, st.sampled_from([-29.5, -0.0078125, 0.0, 7.0]), st.sampled_from([0.5, 2**-9]), st.just(7)
    )
)
@settings(deadline=None)
def test_every_symbol_comes_back(quantizer: UniformQuantizer) -> None:
    symbols = np.arange(quantizer.num_levels)
    assert quantizer.num_levels == 128
    values = dequantize(symbols, quantizer)
    np.testing.assert_array_equal(values, [quantizer.minimum + quantizer.step * q for q in range(128)])
    np.testing.assert_array_equal(quantize(values, quantizer), symbols)


def test_values_outside_go_to_the_ends() -> None:
    quantizer = UniformQuantizer(-1.0, 0.5, 2)
    assert quantize(np.array([-9.0, -1.2, -0.8, -0.7, 0.4, 0.6, 9.0]), quantizer).tolist() == [0, 0, 0, 1, 3, 3, 3]


def test_quantizers_of_nothing_and_of_no_bits() -> None:
    assert fit_quantizer(np.zeros(0, np.float32), 8) == UniformQuantizer(0.0, 0.0, 0)
    quantizer = fit_quantizer(np.array([1, 2, 30], np.float32), 0)
    assert quantizer == UniformQuantizer(2.0, 0.0, 0)
    symbols = quantize(np.array([1.0, 2.0, 30.0]), quantizer)
    assert symbols.tolist() == [0, 0, 0]
    assert dequantize(symbols, quantizer).tolist() == [2, 2, 2]


@given(
    spread=st.floats(1e-3, 30),
    curvature=st.floats(1e-3, 1e6),
    bit_price=st.floats(1e-6, 1e3),
    count=st.integers(1, 5000),
)
@settings(deadline=None)
def test_bits_are_about_the_cheapest(spread: float, curvature: float, bit_price: float, count: int) -> None:
    values = np.array([0, spread, spread / 3])

    def cost(bits: int) -> float:
        """Squared error of uniformly distributed values plus the price of the bits."""
        step = spread / max(2**bits - 1, 1)
        return curvature * step**2 / 12 + bit_price * count * bits

    best = min(range(MAX_BITS + 1), key=cost)
    assert abs(bits_for_distortion(values, curvature, bit_price, count) - best) <= 1


def test_bits_where_there_is_nothing_to_choose() -> None:
    assert bits_for_distortion(np.zeros(0), 1.0, 1.0, 1) == 0
    assert bits_for_distortion(np.full(9, 0.3), 1.0, 1.0, 9) == 0
    assert bits_for_distortion(np.arange(9.0), 0.0, 1.0, 9) == 0
    assert bits_for_distortion(np.arange(9.0), 1e30, 1.0, 9) == MAX_BITS


SIDES = st.one_of(st.integers(1, 100), st.sampled_from([4096, 65535]))


def undivided(num_gaussians: int, grid_size: tuple[int, int], image_size: tuple[int, int]) -> Lattice:
    """Lattices of one point, the centre of the cell."""
    sizes = {"grid_size": grid_size, "image_size": image_size}
    return lattice_of_picture(quantized_picture(num_gaussians, blending="normalized", subdivision=0, **sizes))


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


# Lattices.


def codebooks_of(covariances: list[Any], codes: list[float]) -> tuple[QuantizedCodebook, QuantizedCodebook]:
    """Codebooks with these values, multiples of 2^-6 up to 32: covariances [K, 3] and amplitude codes [K]."""

    def codebook(values: NDArray[Any]) -> QuantizedCodebook:
        quantizers = (UniformQuantizer(-32.0, 2.0**-6, 12),) * values.shape[1]
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
    covariance_codebook, color_codebook = codebooks_of(covariances, codes)
    indices = np.arange(len(codes))
    sizes = (grid_size, image_size)
    return lattice_of(covariance_codebook, indices, color_codebook, indices, *sizes, subdivision, blending)


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


HOSTILE = [list(codeword) for codeword in product([-32, -7.5, 0, 31.984375], [-8, -0.25, 7.984375], [-8, 0, 7.984375])]


@pytest.mark.parametrize("subdivision", [1, 777, 65535])
@pytest.mark.parametrize(
    ("grid_size", "image_size"), [((8, 12), (200, 300)), ((65535, 1), (1, 65535)), ((1, 9), (7, 1))]
)
def test_lattices_of_all_a_file_can_hold_are_the_references(
    subdivision: int, grid_size: tuple[int, int], image_size: tuple[int, int]
) -> None:
    generator = np.random.default_rng(subdivision)
    covariances = HOSTILE + (np.rint(64 * generator.uniform(-8, 8, (100, 3))) / 64).tolist()
    codes: list[float] = generator.choice([-2, -1.984375, 0, 0.875, 2], len(covariances)).tolist()
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
@settings(deadline=None, max_examples=30)
def test_the_nearest_place_on_a_lattice(seed: int) -> None:
    """The nearest vertical line first, then the nearest point on it, by comparing all of them."""
    lattice = random_lattice(12, 6, seed)
    means = np.random.default_rng(seed).uniform([-6, -8], [39, 48], (12, 2)).astype(np.float32)
    cells, offsets = lattice.nearest(means)
    positions = lattice.positions(cells, offsets).astype(np.float64)
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
        step = np.array([11.0, 8.0]) / lattice.levels[:, ::-1]
        assert (np.abs(positions - np.clip([x, y], 0, [33, 40])) <= step).all()


def test_lattices_of_nothing() -> None:
    for subdivision in (0, 9):
        lattice = lattice_of_picture(quantized_picture(num_gaussians=0, subdivision=subdivision))
        assert (lattice.levels.shape, lattice.shears.shape) == ((0, 2), (0,))
        cells, offsets = lattice.nearest(np.empty((0, 2), np.float32))
        assert lattice.positions(cells, offsets).shape == (0, 2)


# What integers stand for.


def test_rgb_from_ycocg_by_hand() -> None:
    colors = rgb_from_ycocg(np.array([[0.5, 0, 0], [0.5, 0.25, 0], [0.5, 0, 0.125]], np.float32))
    assert colors.tolist() == [[0.5, 0.5, 0.5], [0.75, 0.5, 0.25], [0.375, 0.625, 0.375]]


def test_amplitudes_by_hand() -> None:
    codes = np.array([0.0, math.log(3.0), -2.0], np.float32)
    np.testing.assert_allclose(amplitudes_of(codes, "normalized"), [1.0, 81.0, math.exp(-8)], rtol=1e-6)
    np.testing.assert_allclose(amplitudes_of(codes, "alpha"), [0.495, 0.7425, 0.99 / (1 + math.exp(2))], rtol=1e-6)


def test_dequantize_codebook_by_hand() -> None:
    quantizers = (UniformQuantizer(-1.0, 0.5, 2), UniformQuantizer(3.0, 0.0, 0))
    codebook = QuantizedCodebook(np.array([[0, 0], [3, 0], [1, 0]]), quantizers)
    assert dequantize_codebook(codebook).tolist() == [[-1, 3], [0.5, 3], [-0.5, 3]]


def reference_gaussians(quantized: QuantizedGaussians, monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[Any]]:
    """What the reference decoder hands to its renderer."""
    handed: dict[str, NDArray[Any]] = {}

    def render(**inputs: Any) -> NDArray[np.float64]:
        handed.update(inputs)
        return np.zeros((1, 1, 3))

    monkeypatch.setattr(reference_decoder, "render", render)
    reference_decoder.decode(serialize(quantized))
    return handed


@given(PICTURES.filter(len))
@settings(deadline=None, max_examples=25)
def test_gaussians_are_those_of_the_reference_decoder(quantized: QuantizedGaussians) -> None:
    canonical = quantized.canonical()
    gaussians = dequantize_gaussians(canonical)
    with pytest.MonkeyPatch.context() as monkeypatch:
        expected = reference_gaussians(canonical, monkeypatch)
    for name in ("image_size", "blending"):
        assert getattr(gaussians, name) == expected.pop(name) == getattr(quantized, name)
    assert sorted(expected) == ["amplitudes", "background", "colors", "log_covariances", "means"]
    for name, array in expected.items():
        found = getattr(gaussians, name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, array, rtol=3e-7, atol=3e-7, err_msg=name)
