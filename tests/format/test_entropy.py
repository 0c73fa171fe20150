"""Symbols survive coding exactly, and cost what theory says they cost."""

from __future__ import annotations

import math
from collections.abc import Callable
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
from taichi_gs.format.probabilities import beta_binomial_model, categorical_model

IntArray = NDArray[np.int64]
Cloud = tuple[IntArray, tuple[int, int]]
Sequence = tuple[IntArray, int]

SIDES = st.one_of(st.integers(1, 9), st.integers(1, 700), st.sampled_from([63, 64, 65, 65534, 65535]))


def log2_binomial(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)


def on_a_line(symbols: IntArray) -> IntArray:
    return np.stack([np.zeros_like(symbols), symbols], axis=1)


def encode(encoder: SymbolEncoder, method: str, symbols: IntArray, size: Any) -> None:
    """Code cells as "points", symbols without their order as a "multiset", or symbols in order as a "sequence"."""
    encoder.points([(symbols, size) if method == "points" else (on_a_line(symbols), (1, size))])
    if method == "sequence":
        encoder.order(symbols, size)


def decode(decoder: SymbolDecoder, method: str, num_symbols: int, size: Any) -> IntArray:
    (cells,) = decoder.points([(num_symbols, size if method == "points" else (1, size))])
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
    # The information in the symbols, and the last word of the coder.
    assert 8 * len(data) <= np.log2(num_levels).sum() + 64


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
    multisets = [(x, size) if x.ndim == 2 else (on_a_line(x), (1, size)) for x, size in parts]
    encoder = SymbolEncoder()
    encoder.points(multisets)
    data = encoder.finish()
    sizes = [(len(cells), grid_size) for cells, grid_size in multisets]
    decoder = SymbolDecoder(data)
    found = decoder.points(sizes)
    decoder.finish()
    reference = reference_decoder.RangeDecoder(data)
    expected = reference_decoder.decode_points(reference, *((n, *grid_size) for n, grid_size in sizes))
    reference.finish()
    assert len(found) == len(expected) == len(multisets)
    for cells, own, others in zip(found, expected, (cells for cells, _ in multisets), strict=True):
        np.testing.assert_array_equal(cells, in_raster_order(others))
        np.testing.assert_array_equal(cells, np.array(own).reshape(-1, 2))


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


@pytest.mark.parametrize(("denominator", "concentration"), [(63, 4**7), (2, 1)])
def test_the_largest_table_codes_its_ends(denominator: int, concentration: int) -> None:
    model = beta_binomial_model(255, denominator, concentration)
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


def test_bytes_that_are_not_words_are_refused() -> None:
    with pytest.raises(BitstreamError, match="multiple of four"):
        SymbolDecoder(b"12345")


@pytest.mark.parametrize("change", [lambda data: data + bytes(4), lambda data: data + b"1234", lambda data: data[:-4]])
def test_surplus_and_missing_words_are_noticed(change: Callable[[bytes], bytes]) -> None:
    for seed in range(20):
        data = coded("sequence", np.random.default_rng(seed).permutation(64), 64)
        with pytest.raises(BitstreamError):
            decoded("sequence", change(data), 64, 64)


@given(st.binary(max_size=100).map(lambda words: 4 * words), clouds())
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


@given(st.lists(st.lists(st.sampled_from([1, 2, 1000, 2**30]), min_size=2, max_size=5), max_size=12), st.randoms())
@settings(deadline=None, max_examples=300)
def test_the_range_coder_is_the_specified_one(tables: list[list[int]], random: Any) -> None:
    # Improbable symbols at the end make for the rare cases: carries, and a last word of zero.
    symbols = [random.randrange(len(table)) for table in tables]
    encoder = SymbolEncoder()
    for symbol, table in zip(symbols, tables, strict=True):
        encoder.encode(np.array([symbol]), categorical_model(np.array(table)))
    decoder = reference_decoder.RangeDecoder(encoder.finish())
    assert [decoder.decode(reference_decoder.weighted(table)) for table in tables] == symbols
    decoder.finish()
