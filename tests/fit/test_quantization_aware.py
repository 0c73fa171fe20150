"""The last two stages of a fit: what they train, what they are bound to, and that the picture gets better."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_decoder
import torch
from small_fits import clustered, config_of, photograph
from torch import Tensor

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.codeword_training import CodewordTraining
from taichi_gs.fit.final_search import FinalSearch
from taichi_gs.fit.parameters import CODED, CodebookParameters, Parameters
from taichi_gs.fit.position_search import PositionSearch
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.prune import Pruning
from taichi_gs.fit.quantization_aware import QuantizationAware
from taichi_gs.fit.resolution import Resolution
from taichi_gs.fit.stage import Stage
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.quantized import QuantizedGaussians

UNSEARCHED = FinalSearch(PositionSearch(rounds=0), codewords=None, sweeps=0)
"""What a file has is what the last step had."""


def state_before(train_steps: int = 0, **options: Any) -> tuple[Stage, CodebookParameters, Adam, list[float]]:
    """What the last stage takes, and the list of squared errors that its steps will have."""
    stage, coded, adam = clustered(config_of(**options), train_steps)
    errors: list[float] = []

    def listen(drawn: Parameters, squared_error: Tensor, resolution: Resolution) -> None:
        assert resolution is stage.objective.full
        errors.append(float(squared_error))

    return replace(stage, listener=listen), coded, adam, errors


def psnr_of(quantized: QuantizedGaussians) -> float:
    """By the reference decoder, in 8 bits."""
    levels = np.floor(255 * photograph().astype(np.float64) + 0.5)
    pixels = reference_decoder.decode(serialize(quantized)).astype(float)
    return 10 * math.log10(255**2 / np.mean((pixels - levels) ** 2))


def test_training_codewords_improves_the_picture_and_keeps_indices() -> None:
    stage, coded, _, errors = state_before()
    before = {name: indices.clone() for name, indices in coded.indices.items()}
    coded, adam = CodewordTraining(searches=()).run(stage, coded, 60)
    assert len(errors) == 60
    assert np.mean(errors[-5:]) < 0.8 * np.mean(errors[:5])
    for name in CODED:
        assert torch.equal(coded.indices[name], before[name])
        assert adam.momentum(name).any()


def test_quantization_aware_training_improves_what_a_decoder_sees() -> None:
    """Against the same rounding without a step of training."""
    results = []
    for steps in (0, 60):
        stage, coded, adam, errors = state_before()
        results.append(
            psnr_of(QuantizationAware(searches=(0.5,), final_search=UNSEARCHED).run(stage, coded, adam, steps))
        )
        assert len(errors) == steps
    assert results[1] > results[0] + 0.8
    # What is drawn in training is rounded too: its error is that of the file.
    assert 10 * math.log10(photograph().size / min(errors[-5:])) == pytest.approx(results[1], abs=0.2)


def test_the_best_of_the_last_steps_is_kept() -> None:
    """With so high a rate that the picture goes up and down."""
    stage, coded, adam, errors = state_before()
    settings = QuantizationAware(searches=(), rate_factor=8.0, final_rate=1.0, final_search=UNSEARCHED)
    quantized = settings.run(stage, coded, adam, 40)
    assert np.std(errors[-30:]) > 0.05 * np.mean(errors[-30:])
    assert 10 * math.log10(photograph().size / min(errors[-30:])) == pytest.approx(psnr_of(quantized), abs=0.4)


def test_lattices_follow_the_codewords_that_a_search_chooses() -> None:
    """Without training, so that nothing but the search, in the step 4 of 9, changes what is drawn."""
    found = []
    for lattices_every in (1, 100):
        stage, coded, adam, errors = state_before()
        settings = QuantizationAware(rate_factor=0.0, lattices_every=lattices_every, searches=(0.5,))
        replace(settings, pruning=Pruning(size_checks=())).run(stage, coded, adam, 9)
        found.append(errors)
    assert found[0] == found[1]
    assert len(set(found[0])) == 2
    assert found[0][3] > found[0][4]


def test_bits_and_codebooks_are_what_was_asked_for() -> None:
    bits: dict[str, Any] = {"position_bits": 5, "covariance_bits": (4,) * 3, "color_bits": (4,) * 4}
    stage, coded, adam, _ = state_before(2, num_gaussians=60, k=12, **bits)
    quantized = QuantizationAware(searches=()).run(stage, coded, adam, 0)
    assert (quantized.grid_size, quantized.subdivision) == ((24, 32), 0)
    codebooks = (quantized.covariance_codebook, quantized.color_codebook)
    spreads = [spread for codebook in codebooks for spread in np.ptp(codebook.symbols, axis=0)]
    assert all(2**-0.25 * 15 - 2 < spread < 2**0.25 * 15 + 2 for spread in spreads)
    assert max(len(codebook) for codebook in codebooks) <= 12


@pytest.mark.parametrize("steps", [0, 1, 30])
def test_the_limit_holds_when_the_last_steps_make_the_file_larger(steps: int) -> None:
    """Where the size is not looked at before the end."""
    stage, coded, adam, _ = state_before(num_gaussians=60, max_bytes=140)
    settings = QuantizationAware(pruning=Pruning(size_checks=()))
    quantized = settings.run(stage, coded, adam, steps)
    assert 0.9 * 140 < len(serialize(quantized)) <= 140


def test_gaussians_go_while_there_are_steps_to_make_good_for_them() -> None:
    """Where the size is looked at in the beginning, and where it is in the middle of the stage."""
    counts = []
    for checks in ((0.0,), (0.5,)):
        stage, coded, adam, _ = state_before(num_gaussians=60, k=20, max_bytes=170)
        seen = []

        def listen(*_: Any, adam: Adam = adam, seen: Any = seen) -> None:
            seen.append(len(adam.momentum("means")))

        settings = QuantizationAware(pruning=Pruning(size_checks=checks))
        quantized = settings.run(replace(stage, listener=listen), coded, adam, 20)
        assert len(quantized) <= seen[-1]
        counts.append(seen)
    assert len(set(counts[0])) == 1
    assert counts[0][0] < 60
    assert set(counts[1][:10]) == {60}
    assert max(counts[1][10:]) < 60


@pytest.mark.parametrize("below", [0.3, 2.0])
def test_what_a_psnr_does_not_need_goes_in_the_end(below: float) -> None:
    stage, coded, adam, _ = state_before()
    whole = QuantizationAware().run(stage, coded, adam, 10)
    wanted = psnr_of(whole) - below
    stage, coded, adam, _ = state_before(min_psnr=wanted)
    spared = QuantizationAware().run(stage, coded, adam, 10)
    assert len(spared) < len(whole) == 40
    assert wanted - 0.005 <= psnr_of(spared) < wanted + 1.0


def test_without_steps_the_file_is_that_of_the_parameters_as_they_are() -> None:
    stage, coded, adam, _ = state_before()
    state = stage.generator.get_state()
    quantized = QuantizationAware(searches=(), final_search=UNSEARCHED).run(stage, coded, adam, 0)
    stage.generator.set_state(state)
    expected = Precision().choose(stage, coded, None).integers(coded)
    assert serialize(quantized) == serialize(expected)
