"""Symbols survive coding exactly, and cost what theory says they cost."""

from __future__ import annotations

import math
from typing import Any

import constriction
import numpy as np
import pytest
import reference_decoder
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from taichi_gs.errors import BitstreamError
from taichi_gs.format.entropy import SymbolDecoder, SymbolEncoder
from taichi_gs.format.grids import Grid
from taichi_gs.format.probabilities import beta_binomial_model, categorical_model

IntArray = NDArray[np.int64]
Cloud = tuple[IntArray, tuple[int, int]]
Sequence = tuple[IntArray, int]

SIDES = st.one_of(st.integers(1, 9), st.integers(1, 700), st.sampled_from([63, 64, 65, 65534, 65535]))


def log2_binomial(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)


def on_a_line(symbols: IntArray) -> IntArray:
    return np.stack([np.zeros_like(symbols), symbols], axis=1)


def line(num_levels: int) -> Grid:
    return Grid.uniform(1, num_levels)


def encode(encoder: SymbolEncoder, method: str, symbols: IntArray, size: Any) -> None:
    """Code cells as "points", symbols without their order as a "multiset", or symbols in order as a "sequence"."""
    encoder.points([(symbols, Grid.uniform(*size)) if method == "points" else (on_a_line(symbols), line(size))])
    if method == "sequence":
        encoder.order(symbols, size)


def decode(decoder: SymbolDecoder, method: str, num_symbols: int, size: Any) -> IntArray:
    (cells,) = decoder.points([(num_symbols, Grid.uniform(*size) if method == "points" else line(size))])
    symbols = cells if method == "points" else cells[:, 1]
    return decoder.order(np.bincount(symbols, minlength=size)) if method == "sequence" else symbols


def coded(method: str, symbols: IntArray, size: Any) -> bytes:
    encoder = SymbolEncoder()
    if method == "uniform":
        encoder.uniform(symbols, size)
    else:
        encode(encoder, method, symbols, size)
    return encoder.finish()


def decoded(method: str, data: bytes, num_symbols: int, size: Any) -> IntArray:
    decoder = SymbolDecoder(data)
    symbols = decode(decoder, method, num_symbols, size)
    decoder.finish()
    return symbols


def in_raster_order(cells: IntArray) -> IntArray:
    return cells[np.lexsort((cells[:, 1], cells[:, 0]))]


@st.composite
def clouds(draw: st.DrawFn) -> Cloud:
    """A grid and points on it: few or many, spread or heaped, with cells taken more than once."""
    rows, columns = draw(SIDES), draw(SIDES)
    num_points = draw(st.one_of(st.integers(0, 20), st.integers(0, 3000)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.0, 0.01, 1.0]))
    cells = generator.random((num_points, 2)) * spread * [rows, columns]
    return cells.astype(np.int64), (rows, columns)


@given(clouds())
@settings(deadline=None, max_examples=60)
def test_points_round_trip(cloud: Cloud) -> None:
    cells, grid_size = cloud
    data = coded("points", cells, grid_size)
    np.testing.assert_array_equal(decoded("points", data, len(cells), grid_size), in_raster_order(cells))


@given(clouds())
@settings(deadline=None, max_examples=20)
def test_the_order_of_points_is_not_coded(cloud: Cloud) -> None:
    cells, grid_size = cloud
    assert coded("points", cells, grid_size) == coded("points", cells[::-1], grid_size)


SEQUENCES = st.integers(1, 300).flatmap(
    lambda num_levels: st.tuples(
        st.one_of(
            hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, num_levels - 1)),
            hnp.arrays(np.int64, st.integers(0, 2000), elements=st.integers(0, num_levels - 1), fill=st.just(0)),
        ),
        st.just(num_levels),
    )
)


@given(SEQUENCES)
@settings(deadline=None, max_examples=60)
def test_sequence_round_trip(sequence: Sequence) -> None:
    symbols, num_levels = sequence
    data = coded("sequence", symbols, num_levels)
    np.testing.assert_array_equal(decoded("sequence", data, len(symbols), num_levels), symbols)


@given(SEQUENCES)
@settings(deadline=None, max_examples=30)
def test_multiset_round_trip(sequence: Sequence) -> None:
    symbols, num_levels = sequence
    data = coded("multiset", symbols, num_levels)
    np.testing.assert_array_equal(decoded("multiset", data, len(symbols), num_levels), np.sort(symbols))


LEVELS = hnp.arrays(np.int64, st.integers(0, 300), elements=st.one_of(st.integers(1, 9), st.sampled_from([4095, 4096])))


def symbols_below(num_levels: IntArray, seed: int) -> IntArray:
    """Symbols of those levels, the highest of which are as common as all the others."""
    generator = np.random.default_rng(seed)
    symbols: IntArray = np.where(
        generator.random(len(num_levels)) < 0.5, num_levels - 1, generator.integers(num_levels)
    )
    return symbols


@given(LEVELS, st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_uniform_round_trip(num_levels: IntArray, seed: int) -> None:
    symbols = symbols_below(num_levels, seed)
    data = coded("uniform", symbols, num_levels)
    decoder = SymbolDecoder(data)
    found = decoder.uniform(num_levels)
    decoder.finish()
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, symbols)
    # The information in the symbols, and the rest of the last byte.
    assert 8 * len(data) <= np.log2(num_levels).sum() + 16


@given(LEVELS, st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_uniform_is_the_specified_one(num_levels: IntArray, seed: int) -> None:
    symbols = symbols_below(num_levels, seed)
    decoder = reference_decoder.RangeDecoder(coded("uniform", symbols, num_levels))
    found = [decoder.decode(reference_decoder.uniform(n)) if n > 1 else 0 for n in num_levels.tolist()]
    assert found == symbols.tolist()
    decoder.finish()


@pytest.mark.parametrize("symbols", [[0, 0, 4], [0, 1, 0], [-1, 0, 0]])
def test_uniform_refuses_symbols_outside_their_levels(symbols: list[int]) -> None:
    with pytest.raises(ValueError, match="outside its levels"):
        coded("uniform", np.array(symbols), np.array([2, 1, 4]))


@given(st.lists(st.one_of(SEQUENCES, clouds()), max_size=6))
@settings(deadline=None, max_examples=20)
def test_one_stream_holds_them_all(parts: list[tuple[IntArray, Any]]) -> None:
    encoder = SymbolEncoder()
    for symbols, size in parts:
        encode(encoder, "points" if symbols.ndim == 2 else "sequence", symbols, size)
    decoder = SymbolDecoder(encoder.finish())
    for symbols, size in parts:
        if symbols.ndim == 2:
            np.testing.assert_array_equal(decode(decoder, "points", len(symbols), size), in_raster_order(symbols))
        else:
            np.testing.assert_array_equal(decode(decoder, "sequence", len(symbols), size), symbols)
    decoder.finish()


@given(st.lists(st.one_of(SEQUENCES, clouds()), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_multisets_side_by_side(parts: list[tuple[IntArray, Any]]) -> None:
    assert_points_survive(
        [(x, Grid.uniform(*size)) if x.ndim == 2 else (on_a_line(x), line(size)) for x, size in parts]
    )


def assert_points_survive(multisets: list[tuple[IntArray, Grid]]) -> None:
    """Assert that both decoders read what is coded, and that nothing is left."""
    encoder = SymbolEncoder()
    encoder.points(multisets)
    data = encoder.finish()
    decoder = SymbolDecoder(data)
    found = decoder.points([(len(cells), grid) for cells, grid in multisets])
    decoder.finish()
    reference = reference_decoder.RangeDecoder(data)
    told = [(len(cells), grid.rows.tolist(), grid.columns.tolist()) for cells, grid in multisets]
    expected = reference_decoder.decode_points(reference, *told)
    reference.finish()
    assert len(found) == len(expected) == len(multisets)
    for cells, own, (others, _) in zip(found, expected, multisets, strict=True):
        np.testing.assert_array_equal(cells, in_raster_order(others))
        np.testing.assert_array_equal(cells, np.array(own).reshape(-1, 2))


WEIGHTS = st.lists(st.one_of(st.integers(1, 9), st.sampled_from([1, 1000, 2**20])), min_size=1, max_size=40)


@st.composite
def weighted_clouds(draw: st.DrawFn) -> tuple[IntArray, Grid]:
    """A grid with weights along its sides, and points anywhere in it, also where hardly any are expected."""
    rows, columns = (np.cumsum([0, *draw(WEIGHTS)]) for _ in range(2))
    grid = Grid(rows, columns)
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return generator.integers(0, grid.size, (draw(st.integers(0, 300)), 2)), grid


@given(st.lists(weighted_clouds(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_grids_with_weights(multisets: list[tuple[IntArray, Grid]]) -> None:
    assert_points_survive(multisets)


def test_points_where_the_weights_are_cost_less() -> None:
    weights = np.cumsum([0, *([1] * 60), *([500] * 4)])
    grid, cells = Grid(weights, weights), np.random.default_rng(1).integers(60, 64, (40, 2))

    def cost(cells: IntArray, grid: Grid) -> int:
        encoder = SymbolEncoder()
        encoder.points([(cells, grid)])
        return len(encoder.finish())

    assert cost(cells, grid) < 0.6 * cost(cells, Grid.uniform(64, 64))
    assert cost(63 - cells, grid) > 2 * cost(cells, grid)


def test_a_box_is_cut_where_half_of_its_weight_is() -> None:
    """By hand: of the weights 1, 1, 6 and 8 the half is 8, so that three columns are on the left, with a share of 8."""
    grid = Grid(np.array([0, 1]), np.array([0, 1, 2, 8, 16]))
    encoder = SymbolEncoder()
    encoder.points([(np.array([[0, 2]]), grid)])
    by_hand = SymbolEncoder()
    by_hand.encode(np.array([1]), beta_binomial_model(1, 8, 1))
    # The columns 0 to 2 have the weight 8, half of which is 4: two columns on the left, with a quarter of the weight.
    by_hand.encode(np.array([0]), beta_binomial_model(1, 4, 1))
    assert encoder.finish() == by_hand.finish() != b""


@given(WEIGHTS, st.integers(0, 300), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_weighted_symbols(weights: list[int], num_symbols: int, seed: int) -> None:
    symbols = np.random.default_rng(seed).integers(0, len(weights), num_symbols)
    encoder = SymbolEncoder()
    encoder.weighted(symbols, np.array(weights))
    data = encoder.finish()
    decoder = SymbolDecoder(data)
    np.testing.assert_array_equal(decoder.weighted(num_symbols, np.array(weights)), symbols)
    decoder.finish()
    reference = reference_decoder.RangeDecoder(data)
    assert [reference.decode(reference_decoder.weighted(weights)) for _ in range(num_symbols)] == symbols.tolist()
    reference.finish()
    bits = np.log2(sum(weights) / np.array(weights))[symbols].sum()
    # It may be less by any amount: zero bytes at the end are left out, and some symbols leave nothing else.
    assert 8 * len(data) - bits <= 32 + 0.01 * bits


@pytest.mark.parametrize("symbol", [-1, 3])
def test_weighted_symbols_out_of_range_are_refused(symbol: int) -> None:
    with pytest.raises(ValueError, match="outside its levels"):
        SymbolEncoder().weighted(np.array([symbol]), np.array([5, 6, 7]))


@pytest.mark.parametrize(
    ("method", "symbols", "size"),
    [
        ("points", np.zeros((0, 2), dtype=np.int64), (65535, 65535)),
        ("points", np.zeros((5000, 2), dtype=np.int64), (1, 1)),
        ("multiset", np.zeros(0, dtype=np.int64), 0),
        ("sequence", np.zeros(0, dtype=np.int64), 0),
        ("sequence", np.zeros(5000, dtype=np.int64), 1),
    ],
)
def test_what_is_certain_costs_nothing(method: str, symbols: IntArray, size: Any) -> None:
    assert coded(method, symbols, size) == b""
    np.testing.assert_array_equal(decoded(method, b"", len(symbols), size), symbols)


@pytest.mark.parametrize("num_symbols", [0, 5000])
def test_one_level_costs_nothing(num_symbols: int) -> None:
    symbols, num_levels = np.zeros(num_symbols, dtype=np.int64), np.ones(num_symbols, dtype=np.int64)
    assert coded("uniform", symbols, num_levels) == b""
    np.testing.assert_array_equal(SymbolDecoder(b"").uniform(num_levels), symbols)


@pytest.mark.parametrize("num_points", [100, 1000, 30000])
@pytest.mark.parametrize("grid_size", [(683, 1024), (511, 767), (65535, 65535)])
def test_even_points_cost_their_entropy(num_points: int, grid_size: tuple[int, int]) -> None:
    cells = np.random.default_rng(1).integers(0, grid_size, (num_points, 2))
    ideal = log2_binomial(grid_size[0] * grid_size[1] + num_points - 1, num_points)
    assert 8 * len(coded("points", cells, grid_size)) <= 1.02 * ideal + 64


def test_clustered_points_cost_less() -> None:
    generator = np.random.default_rng(1)
    cells = np.clip(generator.normal([300, 500], 40, (1000, 2)), 0, 682).astype(np.int64)
    ideal_if_even = log2_binomial(683 * 1024 + 999, 1000)
    assert 8 * len(coded("points", cells, (683, 1024))) < 0.8 * ideal_if_even


@pytest.mark.parametrize(("num_symbols", "num_levels"), [(1000, 64), (1000, 256), (20000, 256)])
def test_a_sequence_costs_its_entropy(num_symbols: int, num_levels: int) -> None:
    generator = np.random.default_rng(1)
    symbols = generator.choice(num_levels, num_symbols, p=generator.dirichlet(np.ones(num_levels)))
    counts = np.bincount(symbols, minlength=num_levels)
    arrangement = (math.lgamma(num_symbols + 1) - sum(math.lgamma(n + 1) for n in counts)) / math.log(2)
    histogram = log2_binomial(num_symbols + num_levels - 1, num_symbols)
    assert 8 * len(coded("sequence", symbols, num_levels)) <= 1.02 * (arrangement + histogram) + 64


def test_tables_reach_the_coder_unrounded() -> None:
    # constriction rescales what it is given; a table that sums up as `_categorical_model` makes it must stay as it is.
    weights = np.array([1, 2**38, 3, 0x1234567], dtype=np.int64)
    sums = [0, *np.cumsum(weights).tolist()]
    edges = [i + partial * (2**24 - 4) // sums[-1] for i, partial in enumerate(sums)]
    encoder = constriction.stream.queue.RangeEncoder()
    for symbol in range(4):
        lower, size = encoder.pos()[1]
        encoder.encode(np.array([symbol], dtype=np.int32), categorical_model(weights))
        scale = size // 2**24
        expected = scale * (edges[symbol + 1] - edges[symbol])
        shift = 32 if expected < 2**32 else 0
        assert encoder.pos()[1] == (((lower + scale * edges[symbol]) << shift) % 2**64, expected << shift)


@pytest.mark.parametrize(("share", "concentration"), [(1, 4**7), (15, 1), (8, 1), (6, 4)])
def test_the_largest_table_codes_its_ends(share: int, concentration: int) -> None:
    model = beta_binomial_model(255, share, concentration)
    symbols = np.array([0, 255, 127], dtype=np.int32)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(symbols, model)
    decoder = constriction.stream.queue.RangeDecoder(encoder.get_compressed())
    np.testing.assert_array_equal(decoder.decode(model, len(symbols)), symbols)


@pytest.mark.parametrize("symbols", [[-1], [0, 4], [4]])
@pytest.mark.parametrize("method", ["multiset", "sequence"])
def test_symbols_out_of_range_are_refused(method: str, symbols: list[int]) -> None:
    with pytest.raises(ValueError, match="outside the grid"):
        coded(method, np.array(symbols), 4)


@given(st.binary(max_size=400), clouds())
@settings(deadline=None, max_examples=60)
def test_any_bytes_decode_to_something_or_raise(data: bytes, cloud: Cloud) -> None:
    cells, (rows, columns) = cloud
    try:
        decoder = SymbolDecoder(data)
        points = decode(decoder, "points", len(cells), (rows, columns))
        symbols = decode(decoder, "sequence", len(cells), columns)
        others = decoder.uniform(symbols + 1)
    except BitstreamError:
        return
    assert ((others >= 0) & (others <= symbols)).all()
    assert points.shape == cells.shape
    assert ((points >= 0) & (points < [rows, columns])).all()
    assert ((symbols >= 0) & (symbols < columns)).all()
