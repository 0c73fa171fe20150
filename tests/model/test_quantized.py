"""The canonical order loses nothing, depends on nothing that carries no information, and is stable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantized_pictures import PICTURES, assert_same, quantized_picture

from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


def as_multiset(quantized: QuantizedGaussians) -> list[list[int]]:
    """The Gaussians as sorted rows of cell, offset, codewords and grain, free of any numbering."""
    covariances = quantized.covariance_codebook.symbols[quantized.covariance_indices]
    colors = quantized.color_codebook.symbols[quantized.color_indices]
    columns = [quantized.cells, quantized.offsets, covariances, colors]
    if quantized.grain is not None:
        columns.append(quantized.grain[quantized.color_indices, None])
    rows: list[list[int]] = np.concatenate(columns, axis=1).tolist()
    return sorted(rows)


def shuffled(quantized: QuantizedGaussians, seed: int) -> QuantizedGaussians:
    """The same picture with its Gaussians and its codewords in another order."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(quantized))
    shapes, colors = quantized.covariance_codebook, quantized.color_codebook
    shape_order, color_order = generator.permutation(len(shapes)), generator.permutation(len(colors))
    return replace(
        quantized,
        cells=quantized.cells[order],
        offsets=quantized.offsets[order],
        covariance_codebook=QuantizedCodebook(shapes.symbols[shape_order], shapes.quantizers),
        covariance_indices=np.argsort(shape_order)[quantized.covariance_indices[order]],
        color_codebook=QuantizedCodebook(colors.symbols[color_order], colors.quantizers),
        color_indices=np.argsort(color_order)[quantized.color_indices[order]],
        grain=None if quantized.grain is None else quantized.grain[color_order],
    )


@given(PICTURES)
@settings(deadline=None)
def test_canonical_keeps_the_picture(quantized: QuantizedGaussians) -> None:
    canonical = quantized.canonical()
    assert as_multiset(canonical) == as_multiset(quantized)
    for name in ("image_size", "blending", "grid_size", "subdivision"):
        assert getattr(canonical, name) == getattr(quantized, name)
    np.testing.assert_array_equal(canonical.background, quantized.background)


@given(PICTURES)
@settings(deadline=None)
def test_canonical_is_sorted_and_without_waste(quantized: QuantizedGaussians) -> None:
    canonical = quantized.canonical()
    indices = (canonical.covariance_indices, canonical.color_indices)
    rows = np.column_stack([canonical.cells, *indices, canonical.offsets[:, ::-1]]).tolist()
    assert rows == sorted(rows)
    colors = canonical.color_codebook.symbols
    for symbols, indices in (
        (canonical.covariance_codebook.symbols, canonical.covariance_indices),
        (colors if canonical.grain is None else np.column_stack([colors, canonical.grain]), canonical.color_indices),
    ):
        codewords = [tuple(codeword) for codeword in symbols.tolist()]
        assert codewords == sorted(set(codewords))
        assert np.unique(indices).tolist() == list(range(len(codewords)))


@given(PICTURES)
@settings(deadline=None)
def test_canonical_is_idempotent(quantized: QuantizedGaussians) -> None:
    assert_same(quantized.canonical().canonical(), quantized.canonical())


@given(PICTURES, st.integers(0, 2**32))
@settings(deadline=None)
def test_canonical_does_not_depend_on_order_or_numbering(quantized: QuantizedGaussians, seed: int) -> None:
    assert_same(shuffled(quantized, seed).canonical(), quantized.canonical())


@given(PICTURES)
@settings(deadline=None)
def test_blending_order_is_front_to_back(quantized: QuantizedGaussians) -> None:
    canonical = quantized.canonical()
    order = canonical.blending_order()
    assert sorted(order.tolist()) == list(range(len(canonical)))
    keys = np.column_stack([canonical.covariance_indices, canonical.cells, canonical.color_indices])[order].tolist()
    assert keys == sorted(keys)
    areas = canonical.covariance_codebook.symbols[canonical.covariance_indices[order], 0]
    assert (np.diff(areas) >= 0).all()


def test_shapes_must_agree() -> None:
    picture = quantized_picture()
    with pytest.raises(ValueError, match="disagree"):
        replace(picture, color_indices=picture.color_indices[1:])
    with pytest.raises(ValueError, match="disagree"):
        replace(picture, cells=picture.cells[:, :1])
    for offsets in (picture.offsets[1:], picture.offsets[:, :1]):
        with pytest.raises(ValueError, match="disagree"):
            replace(picture, offsets=offsets)
    with pytest.raises(ValueError, match="quantisers"):
        QuantizedCodebook(np.zeros((2, 3), dtype=np.int64), (UniformQuantizer(0.0, 1.0, 1),))


def test_each_color_has_one_strength_of_grain() -> None:
    with pytest.raises(ValueError, match="one strength of grain"):
        replace(quantized_picture(), grain=np.zeros(7, dtype=np.int64))


def test_a_blending_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="unknown blending 'additive'"):
        replace(quantized_picture(), blending="additive")  # type: ignore[arg-type]
