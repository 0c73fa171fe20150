"""Which grids and which subdivisions of their cells a file can have."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taichi_gs.model.lattice import MAX_SUBDIVISION_CODE, rows_of, subdivision_code_of, subdivision_of

SIDES = st.one_of(st.integers(1, 100), st.integers(1, 65535))
CODES = range(MAX_SUBDIVISION_CODE + 1)


@given(SIDES, st.tuples(SIDES, SIDES))
@example(3, (1, 2))
@example(1, (1, 3))
@settings(deadline=None)
def test_cells_are_as_square_as_whole_rows_let_them_be(columns: int, image_size: tuple[int, int]) -> None:
    height, width = image_size
    nearest = math.floor(Fraction(columns * height, width) + Fraction(1, 2))
    assert rows_of(columns, image_size) == min(max(nearest, 1), 65535)


def test_rows_by_hand() -> None:
    assert rows_of(174, (512, 768)) == 116
    assert rows_of(5, (18, 21)) == 4
    assert (rows_of(1, (1, 65535)), rows_of(1, (65535, 1)), rows_of(2, (65535, 1))) == (1, 65535, 65535)
    assert (rows_of(3, (1, 2)), rows_of(1, (1, 2))) == (2, 1)
    # Sides of nothing are refused elsewhere.
    assert (rows_of(5, (3, 0)), rows_of(5, (0, 3)), rows_of(0, (3, 3))) == (1, 1, 1)


def test_subdivisions_are_eighths_of_octaves() -> None:
    """The whole numbers below 2^(e / 8), whose mantissas are rounded to nine bits."""
    assert subdivision_of(0) == 0
    assert [subdivision_of(code) for code in (1, 9, 17, 121)] == [1, 2, 4, 2**15]
    for code in CODES[1:]:
        exact = 2 ** ((code - 1) / 8)
        assert exact * (1 - 2e-3) - 1 < subdivision_of(code) <= exact * (1 + 2e-3)
        # Exactly what the document says.
        mantissa = round(2 ** (8 + (code - 1) % 8 / 8))
        assert subdivision_of(code) == math.floor(Fraction(mantissa * 2 ** ((code - 1) // 8), 256))
    subdivisions = [subdivision_of(code) for code in CODES]
    assert subdivisions == sorted(subdivisions)
    assert subdivisions[-1] == 60160


def test_codes_of_subdivisions_that_there_are() -> None:
    for code in CODES:
        found = subdivision_code_of(subdivision_of(code))
        assert subdivision_of(found) == subdivision_of(code)
        assert found == min(other for other in CODES if subdivision_of(other) == subdivision_of(code))


@given(st.one_of(st.floats(1e-6, 70), st.floats(1, 1e6), st.integers(1, 70000)))
@settings(deadline=None)
def test_codes_of_other_subdivisions(subdivision: float) -> None:
    code = subdivision_code_of(subdivision)
    assert code > 0
    nearest = min(abs(subdivision_of(other) - subdivision) for other in CODES[1:])
    assert abs(subdivision_of(code) - subdivision) == nearest
    assert all(abs(subdivision_of(other) - subdivision) > nearest for other in range(1, code))


@pytest.mark.parametrize("subdivision", [0, 0.0])
def test_only_nothing_is_not_subdivided(subdivision: float) -> None:
    assert subdivision_code_of(subdivision) == 0
