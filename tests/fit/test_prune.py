"""Which Gaussians go: those that the picture misses least, until a number, a size or a quality is reached."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import reference_decoder
import torch
from numpy.typing import NDArray
from small_fits import SIZE, clustered, config_of, photograph

from taichi_gs.fit.objective import Objective
from taichi_gs.fit.parameters import CodebookParameters
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.prune import most_useful, rows_for_psnr, rows_within_size
from taichi_gs.fit.rounding import Rounding
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.blending import Blending
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.quantized import QuantizedGaussians

Rows = list[tuple[int, ...]]


def whole_fit(blending: Blending = "normalized", n: int = 60) -> tuple[CodebookParameters, Rounding, Objective]:
    stage, coded, _ = clustered(config_of(n, 20, blending=blending), 20)
    return coded, Precision().choose(stage, coded, None), stage.objective


def rows_of(quantized: QuantizedGaussians) -> Rows:
    """All that a file says of each Gaussian; one that stands for several alike is named several times."""
    shapes = quantized.covariance_codebook.symbols[quantized.covariance_indices]
    colors = quantized.color_codebook.symbols[quantized.color_indices]
    rows = np.concatenate([quantized.cells, quantized.offsets, shapes, colors], axis=1)
    return list(map(tuple, rows.tolist()))


def psnr_of(data: bytes) -> float:
    """By the reference decoder, in 8 bits."""
    levels = np.floor(255 * photograph().astype(np.float64) + 0.5)
    return 10 * math.log10(255**2 / np.mean((reference_decoder.decode(data).astype(float) - levels) ** 2))


def test_the_most_useful_by_hand() -> None:
    errors = torch.tensor([3.0, -1.0, 0.0, 9.0, 3.0, 0.5])
    for count, rows in ((6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5]), (5, [0, 2, 3, 4, 5]), (3, [0, 3, 4])):
        assert most_useful(errors, count).tolist() == rows
    assert most_useful(errors, 2).tolist() == [0, 3], "of equals the first stays"
    assert most_useful(errors, 1).tolist() == [3]


# To a size


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("saved", [4, 20, 60])
def test_under_a_limit_the_least_useful_go(blending: Blending, saved: int) -> None:
    """What is left are Gaussians of the larger file as they are, those that the picture would miss most."""
    coded, rounding, objective = whole_fit(blending)
    whole = rounding.integers(coded)
    max_bytes = len(serialize(whole)) - saved
    rows = rows_within_size(coded, rounding, objective, max_bytes)
    assert rows.tolist() == sorted(set(rows.tolist()))
    limited = rounding.integers(coded.with_rows(rows))
    assert len(serialize(limited)) <= max_bytes
    assert 0 < len(limited) < len(whole)

    # Both files hold the same Gaussians but for the removed ones: cells, offsets and codewords.
    kept, all_of_them = Counter(rows_of(limited)), Counter(rows_of(whole))
    assert kept <= all_of_them
    picture = photograph().astype(np.float64)
    gaussians = dequantize_gaussians(whole)
    columns = [getattr(gaussians, name) for name in ("means", "log_covariances", "colors", "amplitudes")]

    def squared_error(rows: NDArray[np.integer]) -> float:
        arrays = (column[rows] for column in columns)
        drawn = reference_decoder.render(*arrays, gaussians.background, SIZE, blending)
        return float(np.square(drawn - picture).sum())

    n = len(whole)
    errors = np.array([squared_error(np.delete(np.arange(n), i)) for i in range(n)]) - squared_error(np.arange(n))
    # `dequantize_gaussians` has them front to back.
    front_to_back = [rows_of(whole)[i] for i in whole.blending_order()]
    is_kept = []
    for row in front_to_back:
        is_kept.append(kept[row] > 0)
        kept[row] -= 1
    assert errors[is_kept].min() >= errors[~np.array(is_kept)].max() - 1e-3


def test_no_more_go_than_the_limit_demands() -> None:
    """One more Gaussian costs some bytes; a file consists of words."""
    coded, rounding, objective = whole_fit()
    whole = rounding.num_bytes(coded)
    for max_bytes in (whole - 1, whole - 30, round(0.6 * whole)):
        rows = rows_within_size(coded, rounding, objective, max_bytes)
        assert max_bytes - 12 <= rounding.num_bytes(coded.with_rows(rows)) <= max_bytes


def test_a_limit_that_leaves_room_and_one_that_cannot_be_met() -> None:
    coded, rounding, objective = whole_fit()
    enough = rounding.num_bytes(coded)
    assert rows_within_size(coded, rounding, objective, enough).tolist() == list(range(60))
    (row,) = rows_within_size(coded, rounding, objective, 1).tolist()
    assert row == int(objective.removal_errors(rounding.rounded(coded)).argmax())


# To a quality


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("spared", [0.3, 3.0])
def test_a_psnr_is_kept_with_fewer(blending: Blending, spared: float) -> None:
    coded, rounding, objective = whole_fit(blending)
    min_psnr = psnr_of(serialize(rounding.integers(coded))) - spared
    counts = []
    for single_tries in (0, 1, 1000):
        rows = rows_for_psnr(coded, rounding, objective, min_psnr, single_tries)
        assert rows.tolist() == sorted(set(rows.tolist()))
        # A decoder may round single pixels in another way.
        assert psnr_of(serialize(rounding.integers(coded.with_rows(rows)))) >= min_psnr - 0.005
        counts.append(len(rows))
    assert 60 > counts[1] >= counts[2] > 0
    # Without tries nothing goes.
    assert counts[0] == 60


def test_all_are_left_where_the_psnr_is_out_of_reach() -> None:
    coded, rounding, objective = whole_fit(n=20)
    best = psnr_of(serialize(rounding.integers(coded)))
    assert rows_for_psnr(coded, rounding, objective, best + 0.1, 16).tolist() == list(range(20))


@pytest.mark.parametrize("n", [1, 2, 23])
def test_one_is_left_where_any_psnr_will_do(n: int) -> None:
    coded, rounding, objective = whole_fit(n=n)
    assert len(rows_for_psnr(coded, rounding, objective, 1.0, 16)) == 1
