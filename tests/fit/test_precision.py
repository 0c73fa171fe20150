"""How finely files round: as they are asked to, as is worth it, and as finely as a limit allows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from small_fits import clustered, config_of, photograph

from taichi_gs.fit.final_search import FinalSearch
from taichi_gs.fit.parameters import CODED, CodebookParameters
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.rounding import Rounding
from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.model.channels import codes_of


def levels_of(rounding: Rounding, coded: CodebookParameters) -> list[float]:
    """How many levels the values of each channel are spread over."""
    return [
        float(np.ptp(values)) / quantizer.step + 1
        for name in CODED
        for values, quantizer in zip(
            coded.codewords[name].detach().cpu().numpy().T, rounding.quantizers[name], strict=True
        )
    ]


def test_bits_that_are_given_are_obeyed() -> None:
    """No channel has more levels than its bits allow, and none could have the next step, a quarter of an octave off."""
    bits = (4, 3, 2), (6, 5, 3, 4)
    config = config_of(30, 8, position_bits=5, covariance_bits=bits[0], color_bits=bits[1])
    stage, coded, _ = clustered(config, 2)
    for limit in (None, 10_000):
        rounding = Precision().choose(stage, coded, limit)
        assert (rounding.grid_size, rounding.subdivision) == ((24, 32), 0)
        for own_bits, levels in zip([*bits[0], *bits[1]], levels_of(rounding, coded), strict=True):
            assert 2**-0.26 * (2**own_bits - 1) < levels - 1 < 2**own_bits - 1 + 1e-3


def test_bits_of_some_channels_can_be_given() -> None:
    config = config_of(30, 8, covariance_bits=(None, 3, None), color_bits=(None, None, None, 1))
    stage, coded, _ = clustered(config, 2)
    rounding = Precision().choose(stage, coded, None)
    assert rounding.subdivision > 0
    levels = levels_of(rounding, coded)
    assert 6 < levels[1] <= 8.001
    assert 1.8 < levels[6] <= 2.001
    assert min(levels[0], levels[3]) >= 4


def test_steps_that_are_too_far_apart_for_a_file_are_brought_together() -> None:
    """Those of other channels are within three octaves of that of m, by their numbers."""
    config = config_of(30, 8, covariance_bits=(1, 12, 1), color_bits=(1, 1, 1, 12))
    stage, coded, _ = clustered(config, 2)
    rounding = Precision().choose(stage, coded, None)
    quantizers = [quantizer for name in CODED for quantizer in rounding.quantizers[name]]
    (first, *others), _ = codes_of(quantizers, config.blending, is_gray=False)
    assert max(others) - first == first - min(others) == 12
    decoded = parse(serialize(rounding.integers(coded)))
    assert (*decoded.covariance_codebook.quantizers, *decoded.color_codebook.quantizers) == tuple(quantizers)


@pytest.mark.parametrize("factor", [1.02, 1.1, 1.3])
def test_rounding_is_as_fine_as_a_limit_allows(factor: float) -> None:
    stage, coded, _ = clustered(config_of(60, 20), 20)
    free = Precision().choose(stage, coded, None)
    max_bytes = math.floor(factor * free.num_bytes(coded))
    limited = Precision().choose(stage, coded, max_bytes)
    assert limited.subdivision >= free.subdivision
    # Steps are quarters of octaves apart.
    assert 0.97 * max_bytes - 4 <= limited.num_bytes(coded) <= max_bytes


def test_a_limit_that_is_too_low_changes_nothing() -> None:
    """Gaussians go then, see `prune.py`; coarser rounding would not be worth it."""
    stage, coded, _ = clustered(config_of(60, 20), 5)
    state = stage.generator.get_state()
    free = Precision().choose(stage, coded, None)
    stage.generator.set_state(state)
    assert Precision().choose(stage, coded, free.num_bytes(coded) - 1) == free


def test_there_is_an_end_to_fineness() -> None:
    stage, coded, _ = clustered(config_of(30, 8), 2)
    state = stage.generator.get_state()
    found = []
    for max_octaves in (0.0, 2.0, 8.0):
        stage.generator.set_state(state)
        rounding = replace(Precision(), max_octaves=max_octaves).choose(stage, coded, 1_000_000)
        found.append(rounding.subdivision)
    # Steps are as long as the square root of λ.
    assert found[1] / found[0] == pytest.approx(2.0, rel=0.1)  # the nearest code of so few
    assert found[2] / found[0] == pytest.approx(16.0, rel=0.1)


def test_the_grid_has_so_many_cells_for_each_gaussian() -> None:
    stage, coded, _ = clustered(config_of(48, 8), 2)
    for cells in (4.0, 16.0):
        rows, columns = Precision(cells_per_gaussian=cells).choose(stage, coded, None).grid_size
        assert rows * columns == pytest.approx(cells * 48, rel=0.1)
        assert rows / columns == pytest.approx(48 / 64, rel=0.1)


def test_rounding_costs_little_of_the_picture() -> None:
    """A file that rounds as is worth it and is searched, against one whose rounding cannot be seen."""
    stage, coded, _ = clustered(config_of(40, 10), 40)
    chosen, finest = (Precision().choose(stage, coded, limit) for limit in (None, 100_000))
    errors = []
    for rounding in (chosen, finest):
        searched = FinalSearch().improve(stage, coded, rounding)
        decoded = reference_decoder.decode(serialize(rounding.integers(searched))) / 255
        errors.append(float(np.square(decoded - photograph()).mean()))
    assert errors[0] < 1.3 * errors[1]
    assert chosen.num_bytes(coded) < 0.8 * finest.num_bytes(coded)
