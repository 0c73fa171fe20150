"""The fit as a whole: limits are kept, pictures get better, gray stays gray, and every step is reported."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference_decoder
import torch
from numpy.typing import NDArray
from quantized_pictures import assert_same
from small_fits import config_of, fitted, photograph, psnr

from taichi_gs.fit import objective
from taichi_gs.fit.adam import Adam
from taichi_gs.fit.clustering import Clustering
from taichi_gs.fit.codeword_search import CodewordSearch
from taichi_gs.fit.fit import Hyperparameters, Schedule
from taichi_gs.fit.parameters import CodebookParameters, Parameters
from taichi_gs.fit.pytorch_threads import one_pytorch_thread
from taichi_gs.fit.quantization_aware import QuantizationAware
from taichi_gs.fit.stage import Stage
from taichi_gs.fit.symbol_search import SymbolSearch
from taichi_gs.fit.unconstrained import Unconstrained
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.blending import Blending
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians


def gray_photograph() -> NDArray[np.float32]:
    """The luminance of the photograph [H, W, 3], red, green and blue alike."""
    return np.repeat(photograph().mean(axis=2, keepdims=True), 3, axis=2)


def decoded(quantized: QuantizedGaussians) -> NDArray[np.float64]:
    """What the reference decoder draws, [H, W, 3] or [H, W], 0 to 1."""
    return reference_decoder.decode(serialize(quantized)) / 255


def codebooks_of(quantized: QuantizedGaussians) -> tuple[QuantizedCodebook, QuantizedCodebook]:
    return quantized.covariance_codebook, quantized.color_codebook


def steps_of(quantized: QuantizedGaussians) -> list[float]:
    return [quantizer.step for codebook in codebooks_of(quantized) for quantizer in codebook.quantizers]


# Limits


@pytest.mark.parametrize("is_gray", [False, True])
@pytest.mark.parametrize(("max_bytes", "far_more"), [(120, 60), (133, 70), (200, 140), (500, 440)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_file_never_exceeds_its_limit(max_bytes: int, far_more: int, seed: int, is_gray: bool) -> None:
    picture = gray_photograph() if is_gray else photograph()
    quantized = fitted(picture, config_of(far_more, 8, max_bytes=max_bytes, seed=seed, is_gray=is_gray))
    assert 0.95 * max_bytes <= len(serialize(quantized)) <= max_bytes
    assert 1 <= len(quantized) < far_more
    assert_same(quantized, quantized.canonical())


def test_a_limit_that_leaves_room_removes_nothing_and_is_spent_on_precision() -> None:
    free, limited = (fitted(photograph(), config_of(steps=100, **options)) for options in ({}, {"max_bytes": 10_000}))
    assert len(free) == len(limited) == 40
    assert len(serialize(free)) < len(serialize(limited)) <= 10_000
    assert limited.subdivision > 4 * free.subdivision
    assert all(fine < coarse for fine, coarse in zip(steps_of(limited), steps_of(free), strict=True))
    errors = [psnr(decoded(quantized), photograph()) for quantized in (free, limited)]
    assert errors[0] < errors[1] + 0.1  # training is chaotic


def test_numbers_of_bits_that_are_given_stay_where_a_limit_leaves_room() -> None:
    bits: dict[str, Any] = {"position_bits": 6, "covariance_bits": (5,) * 3, "color_bits": (5,) * 4}
    limits: list[dict[str, Any]] = [{}, {"max_bytes": 10_000}]
    free, limited = (fitted(photograph(), config_of(**bits, **limit)) for limit in limits)
    assert (limited.grid_size, limited.subdivision) == ((48, 64), 0)
    assert steps_of(limited) == steps_of(free)
    # 5 bits are 32 levels. Steps are quarters of octaves apart, and training moves codewords afterwards.
    spreads = [spread for codebook in codebooks_of(limited) for spread in np.ptp(codebook.symbols, axis=0)]
    assert all(20 < spread < 48 for spread in spreads)


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_all_of_the_budget_is_used_however_few_the_steps(n: int) -> None:
    assert len(fitted(photograph(), config_of(n, min(n, 4), steps=10))) == n


# Pictures


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("loss", ["l2", "l1", "l1-ssim"])
@pytest.mark.parametrize("density", ["prune", "gradient"])
def test_fitting_improves_on_the_mean_colour(blending: Blending, loss: str, density: str) -> None:
    picture = photograph()
    quantized = fitted(picture, config_of(blending=blending, loss=loss, density=density, steps=60))
    assert quantized.blending == blending
    flat = np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape)
    assert psnr(decoded(quantized), picture) > psnr(flat, picture) + 9
    assert 30 <= len(quantized) <= 40


def test_more_steps_are_better() -> None:
    short, long = (psnr(decoded(fitted(photograph(), config_of(steps=steps))), photograph()) for steps in (10, 100))
    assert long > short + 3


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("density", ["prune", "gradient"])
@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_constant_pictures(value: float, density: str, blending: Blending) -> None:
    picture = np.full((20, 30, 3), value, dtype=np.float32)
    quantized = fitted(picture, config_of(9, 4, density=density, blending=blending))
    assert np.abs(decoded(quantized) - picture).max() < 12 / 255


# Gray


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("density", ["prune", "gradient"])
def test_a_gray_picture_has_no_colours(blending: Blending, density: str) -> None:
    """Exactly: Co and Cg are 0, and so red, green and blue of Gaussians and background are one number."""
    picture = gray_photograph()
    quantized = fitted(picture, config_of(is_gray=True, blending=blending, density=density, steps=60))
    assert quantized.is_gray
    assert not reference_decoder.decode_symbols(serialize(quantized))["color_values"][:, 1:3].any()
    colors = dequantize_gaussians(quantized).colors
    np.testing.assert_array_equal(colors, colors[:, :1].repeat(3, axis=1))
    assert len(set(quantized.background.tolist())) == 1
    flat = np.full(picture.shape, picture.mean())
    assert psnr(decoded(quantized), picture[:, :, 0]) > psnr(flat, picture) + 9


def test_gray_gaussians_fit_the_gray_of_a_picture_in_colour() -> None:
    """Its colours leave no trace in what is fitted."""
    quantized = fitted(photograph(), config_of(is_gray=True, steps=60))
    luminance = gray_photograph()[:, :, 0]
    assert psnr(decoded(quantized), luminance) > psnr(np.full(luminance.shape, luminance.mean()), luminance) + 6


# Progress


@pytest.mark.parametrize("steps", [10, 11, 37])
def test_every_step_is_reported(steps: int) -> None:
    reports: list[tuple[int, float]] = []
    fitted(photograph((16, 20)), config_of(9, 4, steps=steps), lambda *report: reports.append(report))
    assert [step for step, _ in reports] == list(range(1, steps + 1))
    assert all(math.isfinite(value) for _, value in reports)


@pytest.mark.parametrize("every", [1, 7])
def test_the_psnr_is_measured_now_and_then_and_in_the_last_step(every: int) -> None:
    values: list[float] = []
    chosen = Hyperparameters(schedule=Schedule(psnr_every=every))
    quantized = fitted(photograph(), config_of(steps=40), lambda step, value: values.append(value), chosen)
    changes = [step for step, (one, other) in enumerate(pairwise(values), 1) if one != other]
    assert changes == [step for step in range(1, 40) if step % every == 0 or step == 39]
    # Of the last step, whose learning rates are low, as it is before it is searched and rounded to 8 bits.
    assert values[0] + 3 < values[-1] < psnr(decoded(quantized), photograph()) + 0.3


@pytest.mark.parametrize(
    ("schedule", "steps", "expected"),
    [
        (Schedule(), 40, [8, 18, 8]),
        (Schedule(unconstrained=0.5, clustering=0.25, codeword_training=0.2), 100, [50, 25, 5]),
        (Schedule(unconstrained=0.0, clustering=0.0, codeword_training=0.0), 20, [1, 1, 17]),  # each has a step
    ],
)
def test_stages_have_their_shares_of_the_steps(schedule: Schedule, steps: int, expected: list[int]) -> None:
    """The first two, and the last, which has what the third one leaves."""
    given: list[int] = []

    class First(Unconstrained):
        def run(self, stage: Stage, steps: int) -> tuple[Parameters, Adam]:
            given.append(steps)
            return super().run(stage, steps)

    class Second(Clustering):
        def run(self, stage: Stage, parameters: Parameters, adam: Adam, steps: int) -> CodebookParameters:
            given.append(steps)
            return super().run(stage, parameters, adam, steps)

    class Last(QuantizationAware):
        def run(self, stage: Stage, parameters: CodebookParameters, adam: Adam, steps: int) -> QuantizedGaussians:
            given.append(steps)
            return super().run(stage, parameters, adam, steps)

    chosen = Hyperparameters(schedule, unconstrained=First(), clustering=Second(), quantization_aware=Last())
    fitted(photograph((16, 20)), config_of(9, 4, steps=steps), hyperparameters=chosen)
    assert given == expected


def test_pytorchs_threads_are_given_back_by_several_callers() -> None:
    """The second comes while the first is inside, and goes after it."""
    turn = [threading.Event() for _ in range(3)]
    found: dict[str, int] = {}

    def first() -> None:
        with one_pytorch_thread():
            turn[0].set()
            turn[1].wait(60)
        turn[2].set()

    def second() -> None:
        turn[0].wait(60)
        with one_pytorch_thread():
            turn[1].set()
            turn[2].wait(60)
            found["inside"] = torch.get_num_threads()
        found["after"] = torch.get_num_threads()

    def third() -> None:
        found["new"] = torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        callers = [threading.Thread(target=caller) for caller in (first, second)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        other = threading.Thread(target=third)
        other.start()
        other.join(60)
    finally:
        torch.set_num_threads(before)
    assert found == {"inside": 1, "after": 3, "new": 3}


def test_pytorchs_threads_are_given_back_by_the_outer_block() -> None:
    before = torch.get_num_threads()
    with one_pytorch_thread():
        with one_pytorch_thread():
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("fails", [False, True])
def test_pytorchs_threads_are_given_back(fails: bool) -> None:
    before, during = torch.get_num_threads(), []

    def progress(step: int, value: float) -> None:
        during.append(torch.get_num_threads())
        if fails:
            raise KeyboardInterrupt

    try:
        fitted(photograph((16, 20)), config_of(9, 4, steps=10), progress)
    except KeyboardInterrupt:
        assert len(during) == 1
    assert set(during) == {1}
    assert torch.get_num_threads() == before


def test_a_listener_can_train_a_network_of_its_own() -> None:
    gradients = []

    def progress(step: int, value: float) -> None:
        weight = torch.ones(2, requires_grad=True)
        (3.0 * weight).sum().backward()
        gradients.append(weight.grad)

    fitted(photograph((16, 20)), config_of(9, 4, steps=10), progress)
    assert len(gradients) == 10
    assert all(torch.equal(gradient, torch.full((2,), 3.0)) for gradient in gradients)


@pytest.mark.parametrize(("steps", "num_searches"), [(40, 1), (300, 2)])
def test_short_fits_search_symbols_less(monkeypatch: pytest.MonkeyPatch, steps: int, num_searches: int) -> None:
    searches, improve = [], SymbolSearch.improve

    def counted(search: SymbolSearch, *arguments: Any) -> CodebookParameters:
        searches.append(search.max_tries)
        return improve(search, *arguments)

    monkeypatch.setattr(SymbolSearch, "improve", counted)
    fitted(photograph(), config_of(40, 8, steps=steps))
    assert len(searches) == num_searches


@pytest.mark.parametrize(("large_pixels", "num_searches"), [(48 * 64 + 1, 6), (48 * 64, 3)])
def test_large_pictures_search_less(monkeypatch: pytest.MonkeyPatch, large_pixels: int, num_searches: int) -> None:
    searches, improve = [], CodewordSearch.improve

    def counted(search: CodewordSearch, *arguments: Any) -> CodebookParameters:
        searches.append(search.rounds)
        return improve(search, *arguments)

    monkeypatch.setattr(CodewordSearch, "improve", counted)
    monkeypatch.setattr(objective, "LARGE_PIXELS", large_pixels)
    quantized = fitted(photograph(), config_of(40, 8, steps=40))
    assert len(searches) == num_searches
    assert psnr(decoded(quantized), photograph()) > 25.0
