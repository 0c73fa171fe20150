"""What is tried when training has ended: against drawing every neighbour of what is rounded, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
import torch
from small_fits import clustered, config_of, photograph

from taichi_gs.fit.final_search import FinalSearch
from taichi_gs.fit.parameters import CODED, CodebookParameters
from taichi_gs.fit.position_search import PositionSearch
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.rounding import Rounding
from taichi_gs.fit.stage import Stage
from taichi_gs.fit.symbol_search import SymbolSearch
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.dequantize import dequantize

Search = Callable[[Stage, CodebookParameters, Rounding], CodebookParameters]


def rounded_fit(
    num_gaussians: int = 12, k: int = 4, *, is_gray: bool = False
) -> tuple[Stage, CodebookParameters, Rounding]:
    stage, coded, _ = clustered(config_of(num_gaussians, k, is_gray=is_gray), 20)
    return stage, coded, Precision().choose(stage, coded, None)


def error_of(stage: Stage, parameters: CodebookParameters, rounding: Rounding) -> float:
    return float(stage.objective.squared_error(rounding.rounded(parameters)))


def file_error(parameters: CodebookParameters, rounding: Rounding) -> float:
    """By the reference decoder."""
    pixels = reference_decoder.decode(serialize(rounding.integers(parameters))) / 255
    return float(np.square(pixels - photograph()).sum())


@pytest.mark.parametrize(
    "search",
    [PositionSearch().improve, SymbolSearch().improve, FinalSearch().improve],
    ids=["positions", "symbols", "all"],
)
def test_a_search_lowers_the_error_of_the_file(search: Search) -> None:
    stage, coded, rounding = rounded_fit(40, 10)
    found = search(stage, coded, rounding)
    assert file_error(found, rounding) < 0.98 * file_error(coded, rounding)


def test_in_the_end_no_point_around_a_position_is_better() -> None:
    """Each of the eight points around each position, tried by drawing the picture."""
    stage, coded, rounding = rounded_fit()
    found = coded
    for _ in range(10):
        found = PositionSearch(rounds=20, num_kept=8).improve(stage, found, rounding)
    best = error_of(stage, found, rounding)
    around = rounding.lattice(found).neighbours(found.means.cpu().numpy())
    for row in range(len(found)):
        for point in torch.from_numpy(around[row]):
            moved = replace(found, means=found.means.index_put((torch.tensor([row]),), point.to(found.means)))
            assert error_of(stage, moved, rounding) > best * (1 - 1e-5)


def test_positions_alone_change() -> None:
    stage, coded, rounding = rounded_fit()
    found = PositionSearch().improve(stage, coded, rounding)
    assert not torch.equal(found.means, coded.means)
    assert found.codewords is coded.codewords
    assert found.indices is coded.indices


@pytest.mark.parametrize("max_tries", [1, 3, 100])
def test_symbols_are_those_next_to_a_codewords_own(max_tries: int) -> None:
    stage, coded, rounding = rounded_fit(40, 10)
    before = error_of(stage, coded, rounding)
    found = SymbolSearch(max_tries).improve(stage, coded, rounding)
    assert error_of(stage, found, rounding) <= before
    assert (found.means is coded.means, found.indices is coded.indices) == (True, True)
    for name in CODED:
        own, other = (np.asarray(rounding.codewords(each).symbols[name]) for each in (coded, found))
        assert np.abs(own - other).sum(axis=1).max() <= 1
        np.testing.assert_array_equal(found.codewords[name].cpu().numpy(), dequantize(other, rounding.quantizers[name]))


def test_symbols_that_are_taken_one_by_one_leave_none_that_is_better() -> None:
    """Of few codewords, every symbol tried by drawing the picture."""
    stage, coded, rounding = rounded_fit()
    found = coded
    for _ in range(30):
        found = SymbolSearch(100).improve(stage, found, rounding)
    best = error_of(stage, found, rounding)
    better = 0
    for name in CODED:
        steps = [quantizer.step for quantizer in rounding.quantizers[name]]
        for word, channel in np.ndindex(*found.codewords[name].shape):
            for step in (-steps[channel], steps[channel]):
                words = found.codewords[name].clone()
                words[word, channel] += step
                other = replace(found, codewords=found.codewords | {name: words})
                better += error_of(stage, other, rounding) < best * (1 - 1e-4)
    # Neighbours with one codeword correct the same error, and each alone promises too much or too little.
    tried = sum(2 * words.numel() for words in found.codewords.values())
    assert better <= 0.1 * tried


def test_gray_stays_gray() -> None:
    stage, coded, rounding = rounded_fit(is_gray=True)
    found = FinalSearch().improve(stage, coded, rounding)
    assert not rounding.rounded(found).color_codes[:, 1:3].any()


def test_other_blending_is_not_searched() -> None:
    stage, coded, _ = clustered(config_of(12, 4, blending="alpha"))
    rounding = Precision().choose(stage, coded, None)
    assert FinalSearch().improve(stage, coded, rounding) is coded
