"""The lists of Gaussians by tile, by NumPy and by PyTorch, against going through every Gaussian and every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from taichi_gs.fit import tile_tensors as device_tiles
from taichi_gs.fit.tile_tensors import COUNT_EVERY, MIN_CAPACITY, PairCapacity
from taichi_gs.kernels import tiles
from taichi_gs.kernels.tiles import TileLists, num_tiles

TILE = 16

Floats = NDArray[np.float32] | NDArray[np.float64]


def list_tiles(
    means: Floats, extents: Floats, order: NDArray[np.int64] | None, size: tuple[int, int], form: str
) -> TileLists:
    """The lists in one of their two forms, as arrays."""
    if form == "numpy":
        return tiles.list_tiles(means, extents, order, size)
    ranked = None if order is None else torch.from_numpy(order)
    lists = device_tiles.list_tiles(torch.from_numpy(means), torch.from_numpy(extents), ranked, size)
    assert lists._fields == TileLists._fields
    return TileLists(*(tensor.numpy() for tensor in lists))


@pytest.fixture(params=["numpy", "torch"])
def form(request: pytest.FixtureRequest) -> str:
    form: str = request.param
    return form


def random_boxes(num_gaussians: int, size: tuple[int, int], largest: float, seed: int) -> list[NDArray[np.float64]]:
    """Means up to 40 pixels off the picture and extents; some between pixel centres, some invisible, all float64."""
    generator = np.random.default_rng(seed)
    height, width = size
    means = generator.uniform(-40, [width + 40, height + 40], (num_gaussians, 2))
    extents = generator.uniform(0, largest, (num_gaussians, 2)) * generator.choice([0.001, 0.1, 1], (num_gaussians, 1))
    extents *= generator.choice([1, 1, 1, -1], (num_gaussians, 1))
    # Boxes whose sides go exactly through pixel centres, and some that end exactly between two tiles.
    exact = generator.random(num_gaussians) < 0.3
    means[exact] = np.round(2 * means[exact]) / 2
    extents[exact] = np.round(2 * extents[exact]) / 2
    return [means, extents]


def tiles_by_pixel(mean: NDArray[np.float64], extent: NDArray[np.float64], size: tuple[int, int]) -> set[int]:
    """The tiles with a pixel centre in [mean - extent, mean + extent], one pixel after the other."""
    rows, columns = -(-size[0] // TILE), -(-size[1] // TILE)
    y, x = np.mgrid[: rows * TILE, : columns * TILE] + 0.5
    low, high = mean - extent, mean + extent
    inside = (low[0] <= x) & (x <= high[0]) & (low[1] <= y) & (y <= high[1])
    row, column = np.nonzero(inside)
    return set((row // TILE * columns + column // TILE).tolist())


def check(lists: TileLists, means: NDArray[np.float64], extents: NDArray[np.float64], size: tuple[int, int]) -> None:
    num_pairs, n = len(lists.tile_indices), len(means)
    offsets = lists.tile_offsets
    assert len(offsets) == (-(-size[0] // TILE)) * (-(-size[1] // TILE)) + 1
    assert (offsets[0], offsets[-1]) == (0, num_pairs)
    assert (np.diff(offsets) >= 0).all()
    tile_of_pair = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))

    tiles: list[set[int]] = [set() for _ in range(n)]
    for tile, i in zip(tile_of_pair.tolist(), lists.tile_indices.tolist(), strict=True):
        assert tile not in tiles[i]
        tiles[i].add(tile)
    assert tiles == [tiles_by_pixel(*box, size) for box in zip(means, extents, strict=True)]

    ranks = np.argsort(lists.order)[lists.tile_indices]
    assert (np.diff(ranks)[np.diff(tile_of_pair) == 0] > 0).all()

    assert (lists.rank_offsets[0], lists.rank_offsets[-1], len(lists.rank_offsets)) == (0, num_pairs, n + 1)
    assert sorted(lists.rank_pairs.tolist()) == list(range(num_pairs))
    rank_of_pair = np.repeat(np.arange(n), np.diff(lists.rank_offsets))
    np.testing.assert_array_equal(lists.tile_indices[lists.rank_pairs], lists.order[rank_of_pair])
    assert {array.dtype for array in lists} == {np.dtype(np.int32)}


@given(
    num_gaussians=st.integers(0, 40),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    largest=st.sampled_from([1.0, 10.0, 100.0, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)
@example(0, (1, 1), 1.0, 0)
@example(40, (16, 16), 10.0, 0)
@example(40, (32, 17), 10.0, 0)
@settings(deadline=None, max_examples=60)
def test_lists_are_those_of_every_pixel(num_gaussians: int, size: tuple[int, int], largest: float, seed: int) -> None:
    means, extents = random_boxes(num_gaussians, size, largest, seed)
    order = np.random.default_rng(seed).permutation(num_gaussians)
    lists = list_tiles(means, extents, order, size, "numpy")
    np.testing.assert_array_equal(lists.order, order)
    check(lists, means, extents, size)
    for array, other in zip(lists, list_tiles(means, extents, order, size, "torch"), strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("seed", range(3))
def test_both_forms_make_the_same_lists_of_single_precision_boxes(seed: int) -> None:
    size = (150, 1200)
    means, extents = (array.astype(np.float32) for array in random_boxes(3000, size, 100, seed))
    order = np.random.default_rng(seed).permutation(len(means))
    lists = [list_tiles(means, extents, order, size, form) for form in ("numpy", "torch")]
    assert len(lists[0].tile_indices) > len(means)
    for array, other in zip(*lists, strict=True):
        np.testing.assert_array_equal(array, other)


def test_without_an_order_gaussians_keep_theirs(form: str) -> None:
    size = (50, 70)
    means, extents = random_boxes(40, size, 10, seed=0)
    lists = list_tiles(means, extents, None, size, form)
    check(lists, means, extents, size)
    for array, other in zip(lists, list_tiles(means, extents, np.arange(40), size, form), strict=True):
        np.testing.assert_array_equal(array, other)


def reserved_lists(
    means: Floats, extents: Floats, order: NDArray[np.int64], size: tuple[int, int], capacity: PairCapacity
) -> TileLists:
    boxes = (torch.from_numpy(array) for array in (means, extents, order))
    return TileLists(*(tensor.numpy() for tensor in device_tiles.list_tiles(*boxes, size, capacity)))


@given(num_gaussians=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_lists_with_room_to_spare(num_gaussians: int, seed: int) -> None:
    """The pairs are the same, and what comes after them is within their range. So few have room for all tiles."""
    size, capacity, room = (60, 75), PairCapacity(), 20 * num_gaussians
    means, extents = random_boxes(num_gaussians, size, 30, seed)
    order = np.random.default_rng(seed).permutation(num_gaussians)
    for factor in (1.0, 1000.0, 0.5, 0.0):
        exact = tiles.list_tiles(means, factor * extents, order, size)
        found = reserved_lists(means, factor * extents, order, size, capacity)
        assert len(found.tile_indices) == len(found.rank_pairs) == room
        assert ((found.tile_indices >= 0) & (found.tile_indices < num_gaussians)).all()
        for name, array in found._asdict().items():
            expected = getattr(exact, name)
            np.testing.assert_array_equal(array[: len(expected)], expected, err_msg=name)
        assert sorted(found.rank_pairs) == list(range(room))


def test_the_last_gaussians_are_missing_where_there_is_no_room() -> None:
    size, capacity, num_gaussians = (200, 300), PairCapacity(), 2000
    means, extents = random_boxes(num_gaussians, size, 20, seed=0)
    order = np.random.default_rng(0).permutation(num_gaussians)
    room = 4 * len(tiles.list_tiles(means, extents, order, size).tile_indices)
    assert room > MIN_CAPACITY
    for _ in range(COUNT_EVERY):
        found = reserved_lists(means, extents, order, size, capacity)
        assert len(found.tile_indices) == room
        extents = extents * 10
    exact = tiles.list_tiles(means, extents / 10, order, size)
    assert len(exact.tile_indices) > room
    assert found.tile_offsets[-1] == found.rank_offsets[-1] == room
    first = np.flatnonzero(exact.rank_offsets > room)[0] - 1
    present = np.zeros(num_gaussians, bool)
    present[order[:first]] = True
    kept = exact.tile_indices[present[exact.tile_indices]]
    np.testing.assert_array_equal(found.tile_indices[present[found.tile_indices]], kept)
    assert len(reserved_lists(means, extents, order, size, capacity).tile_indices) > room


def test_other_gaussians_are_counted_anew() -> None:
    size, capacity = (60, 75), PairCapacity()
    for num_gaussians in (40, 30, 30, 35):
        means, extents = random_boxes(num_gaussians, size, 10, seed=num_gaussians)
        found = reserved_lists(means, extents, np.arange(num_gaussians), size, capacity)
        assert len(found.tile_indices) == 20 * num_gaussians


@pytest.mark.parametrize(
    ("mean", "extent", "expected"),
    [
        ((8, 8), (1, 1), [0]),
        ((16, 8), (0.4, 1), []),  # between the last centre of a tile and the first of the next
        ((16, 8), (0.5, 1), [0, 1]),
        ((16, 16), (0.5, 0.5), [0, 1, 3, 4]),
        ((8, 8), (7.5, 7.5), [0]),
        ((8, 8), (8.5, 7.5), [0, 1]),
        ((24, 24), (1e9, 1e9), [0, 1, 2, 3, 4, 5]),
        ((24, 24), (np.inf, 1), [3, 4, 5]),
        ((24, 24), (-1, -1), []),
        ((-5, 8), (5.49, 1), []),
        ((-5, 8), (5.5, 1), [0]),
        ((8, 60), (1, 1), []),
    ],
)
def test_tiles_by_hand(mean: tuple[float, float], extent: tuple[float, float], expected: list[int], form: str) -> None:
    means, extents = np.array([mean], np.float32), np.array([extent], np.float32)
    lists = list_tiles(means, extents, np.array([0]), (30, 48), form)
    assert np.flatnonzero(np.diff(lists.tile_offsets)).tolist() == expected


@pytest.mark.parametrize("size", [(4096, 4096), (4112, 4096)])
def test_more_tiles_than_16_bits_count(size: tuple[int, int], form: str) -> None:
    rows, columns = num_tiles(size)
    assert (rows * columns <= 1 << 16) == (size == (4096, 4096))
    corners = np.array([[0.5, 0.5], [size[1] - 0.5, size[0] - 0.5], [0.5, size[0] - 0.5]], np.float32)
    lists = list_tiles(corners, np.ones((3, 2), np.float32), np.array([2, 1, 0]), size, form)
    assert np.flatnonzero(np.diff(lists.tile_offsets)).tolist() == [0, rows * columns - columns, rows * columns - 1]
    assert lists.tile_indices.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("size", "expected"), [((1, 1), (1, 1)), ((16, 16), (1, 1)), ((17, 3), (2, 1)), ((512, 768), (32, 48))]
)
def test_number_of_tiles(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert num_tiles(size) == expected
