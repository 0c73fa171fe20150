"""The fit as a whole, and its last stages: byte limits, what a file will hold, and that the picture gets better."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference_decoder
import torch
from numpy.typing import NDArray
from quantized_pictures import assert_same
from torch import Tensor

from taichi_gs.encoder.rate_model import MIN_BYTES, budget_for_bytes, budget_for_count, expected_bytes
from taichi_gs.fit.clustering import VECTORS, pull
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.fit import fit
from taichi_gs.fit.objective import Target
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.quantization_aware import ClusteredFit
from taichi_gs.fit.unconstrained import fit_free, num_free
from taichi_gs.format.bitstream import serialize
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.quantized import QuantizedGaussians

SIZE = (48, 64)


def photograph(size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """Smooth gradients on both sides of a slanted edge [H, W, 3]."""
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.stack([0.3 + 0.4 * x / width, 0.5 + 0.3 * np.sin(3 * y / height), 0.6 - 0.4 * x * y / x.size], axis=2)
    right = x - 0.6 * width + 0.4 * (y - 0.5 * height) > 0
    picture[right] = 0.85 - 0.3 * picture[right][:, ::-1]
    return picture.astype(np.float32)


def tensor_of(picture: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).copy()).to(runtime.start())


def psnr(picture: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return -10 * math.log10(float(np.mean((picture - other) ** 2)))


def channel_bits(bits: int) -> dict[str, tuple[int | None, ...]]:
    return {"log_covariances": (bits,) * 3, "color_codes": (bits,) * 4}


def config_of(num_gaussians: int = 40, k: int = 10, **options: Any) -> FitConfig:
    precision = {name: options.pop(name) for name in ("position_bits", "channel_bits", "max_bytes") if name in options}
    defaults: dict[str, Any] = {"blending": "normalized", "loss": "l2", "steps": 20, "density": "prune", "seed": 0}
    return FitConfig(num_gaussians, Precision(dict.fromkeys(VECTORS, k), **precision), **(defaults | options))


def nothing(*_: object, coarse: bool = True) -> None:
    pass


# Budgets


def test_more_bytes_have_more_gaussians() -> None:
    sizes = [MIN_BYTES, 150, 200, 400, 1000, 3000, 10_000, 100_000]
    budgets = [budget_for_bytes(size, 100_000, None, None, None) for size in sizes]
    assert all(one.num_gaussians < other.num_gaussians for one, other in pairwise(budgets))
    assert all(one.color_k <= other.color_k for one, other in pairwise(budgets))
    assert budgets[0].num_gaussians >= 1


def test_budgets_spend_about_their_bytes() -> None:
    """A position costs some ten bits, the two indices some nine, and codebooks and header a little a Gaussian."""
    for num_bytes in (2000, 3000, 10_000):
        budget = budget_for_bytes(num_bytes, 100_000, 32, 64, 10)
        bits = 8 * num_bytes / budget.num_gaussians
        assert 18 < bits < 35
        assert (budget.covariance_k, budget.color_k) == (32, min(64, budget.num_gaussians))


def test_gaussians_that_are_close_together_are_expected_to_need_more_precise_positions() -> None:
    budget = budget_for_count(1000, 64, 64)
    sizes = [expected_bytes(budget, num_pixels, None) for num_pixels in (10_000, 100_000, 1_000_000, 100_000_000)]
    assert sizes == sorted(sizes, reverse=True)
    bits = np.diff(sizes[:2])[0] * 8 / 1000
    assert -4 < bits < -1  # a step of half the length in either direction is a bit more
    assert expected_bytes(budget, 10_000, 12) == expected_bytes(budget, 1_000_000, 12)


def test_what_costs_more_leaves_fewer_gaussians() -> None:
    def count(*arguments: int | None) -> int:
        return budget_for_bytes(3000, 100_000, *arguments).num_gaussians

    assert count(64, 64, 8) > count(64, 64, 12) > count(64, 256, 12) > count(256, 256, 12)
    assert budget_for_bytes(3000, 50, None, None, None).num_gaussians == 50


@pytest.mark.parametrize("n", [1, 2, 7, 100, 5000])
def test_codebooks_are_no_larger_than_the_picture(n: int) -> None:
    budget = budget_for_count(n, None, None)
    assert 1 <= budget.covariance_k <= n
    assert 1 <= budget.color_k <= n
    assert (budget_for_count(n, 300, 2).covariance_k, budget_for_count(n, 300, 2).color_k) == (min(300, n), min(2, n))


def test_the_price_of_a_bit() -> None:
    """By hand: 10 bits a position, 3 and 4 an index, 6 each of 8 * 3 and 16 * 4 numbers; a quarter of the slope."""
    precision = Precision({"log_covariances": 8, "color_codes": 16})
    assert precision.bit_price(100.0, 50) == pytest.approx(0.25 * 100 / (50 * (10 + 3 + 4) + 6 * (24 + 64)))


# The last stages


def clustered_fit(num_gaussians: int, k: int, **options: Any) -> tuple[ClusteredFit, Target]:
    """Gaussians in the state before `settle`, after few steps."""
    config = config_of(num_gaussians, k, **options)
    generator = torch.Generator().manual_seed(config.seed)
    target = Target(tensor_of(photograph()), config.loss, num_free(config, SIZE[0] * SIZE[1]))
    adam = fit_free(target, config, 8, generator, nothing)
    clusters = pull(adam, target, config, 8, generator, nothing)
    return ClusteredFit(adam, clusters, target, config, generator), target


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize(
    ("num_gaussians", "k", "precision"),
    [
        (40, 10, {}),
        (60, 20, {"max_bytes": 300}),
        (30, 10, {"position_bits": 6, "channel_bits": channel_bits(8)}),
        (60, 8, {"position_bits": 10, "channel_bits": channel_bits(10), "max_bytes": 200}),
        (60, 60, {"position_bits": 3, "channel_bits": channel_bits(2)}),
    ],
)
def test_what_training_sees_is_what_a_decoder_sees(
    num_gaussians: int, k: int, precision: dict[str, Any], blending: Blending, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered, target = clustered_fit(num_gaussians, k, blending=blending, **precision)
    clustered.settle(5, nothing)
    rounding = clustered._choose_rounding()
    monkeypatch.setattr(clustered, "_choose_rounding", lambda: rounding)
    quantized = clustered.refine(8, nothing)
    splats = clustered._view(rounding)
    image = target.render(splats, coarse=False).detach().cpu().numpy().transpose(1, 2, 0)
    expected = reference_decoder.decode(serialize(quantized))
    assert float(np.abs(255 * image.clip(0, 1) - expected).max()) < 1.51  # half a level is the decoder's rounding

    # The positions in training are those of the file.
    symbols = reference_decoder.decode_symbols(serialize(quantized))
    positions = np.array([reference_decoder.position(symbols, gaussian) for gaussian in range(len(quantized))])
    means = splats.means.detach().cpu().numpy()
    assert means.shape == positions.shape
    distances = np.abs(means[:, None] - positions).max(axis=2)
    assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 1e-4
    # Without a fixed number of bits they stand on lattices in the cells.
    assert (quantized.subdivision > 0) == ("position_bits" not in precision)
    assert bool(quantized.offsets.any()) == (quantized.subdivision > 0)


def test_refining_obeys_the_bits_it_is_given() -> None:
    clustered, _ = clustered_fit(30, 8, position_bits=5, channel_bits=channel_bits(4))
    clustered.settle(2, nothing)
    quantized = clustered.refine(2, nothing)
    assert (quantized.grid_size, quantized.subdivision) == ((32, 32), 0)
    codebooks = (quantized.covariance_codebook, quantized.color_codebook)
    assert {quantizer.bits for codebook in codebooks for quantizer in codebook.quantizers} <= {0, 4}
    assert max(len(codebook) for codebook in codebooks) <= 8


def test_settling_improves_the_picture() -> None:
    clustered, target = clustered_fit(40, 10)
    history: list[float] = []
    clustered.settle(60, lambda error, *, coarse: history.append(target.psnr(error, coarse)))
    assert len(history) == 60
    assert np.mean(history[-5:]) > np.mean(history[:5]) + 1.0


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("saved", [4, 20, 60])
def test_under_a_limit_the_least_useful_go(blending: Blending, saved: int) -> None:
    """What is left are Gaussians of the larger file as they are, those that the picture would miss most."""
    whole = quantized_after(20, blending)
    limited = quantized_after(20, blending, max_bytes=len(serialize(whole)) - saved)
    assert len(serialize(limited)) <= len(serialize(whole)) - saved
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


def quantized_after(steps: int, blending: Blending, **precision: Any) -> QuantizedGaussians:
    """What `refine` makes, without a step of training, of the same fit each time."""
    clustered, _ = clustered_fit(60, 20, blending=blending, **precision)
    clustered.settle(steps, nothing)
    return clustered.refine(0, nothing).canonical()


def rows_of(quantized: QuantizedGaussians) -> list[tuple[int, ...]]:
    """All that a file says of each Gaussian; one that stands for several alike is named several times."""
    shapes = quantized.covariance_codebook.symbols[quantized.covariance_indices]
    colors = quantized.color_codebook.symbols[quantized.color_indices]
    rows = np.concatenate([quantized.cells, quantized.offsets, shapes, colors], axis=1)
    return list(map(tuple, rows.tolist()))


# The whole


@pytest.mark.parametrize("max_bytes", [MIN_BYTES, 133, 200, 500])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_file_never_exceeds_its_limit(max_bytes: int, seed: int) -> None:
    budget = budget_for_bytes(max_bytes, math.prod(SIZE), None, None, None)
    # Far more than can fit.
    config = config_of(3 * budget.num_gaussians + 10, budget.color_k, max_bytes=max_bytes, seed=seed)
    quantized = fit(tensor_of(photograph()), config, nothing)
    data = serialize(quantized)
    assert len(data) <= max_bytes
    assert len(data) >= 0.95 * max_bytes
    assert 1 <= len(quantized) < config.num_gaussians
    assert_same(quantized, quantized.canonical())


def test_the_limit_holds_when_the_last_steps_make_the_file_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taichi_gs.fit.quantization_aware.SIZE_MARGIN", 1.5)
    quantized = fit(tensor_of(photograph()), config_of(60, max_bytes=140), nothing)
    assert len(serialize(quantized)) <= 140


def test_a_limit_that_leaves_room_removes_nothing_and_is_spent_on_precision() -> None:
    free, limited = (
        fit(tensor_of(photograph()), config_of(**options), nothing) for options in ({}, {"max_bytes": 10_000})
    )
    assert len(free) == len(limited) == 40
    assert len(serialize(free)) < len(serialize(limited)) <= 10_000
    assert limited.subdivision > 4 * free.subdivision
    for name in ("covariance_codebook", "color_codebook"):
        bits = [[quantizer.bits for quantizer in getattr(one, name).quantizers] for one in (free, limited)]
        assert all(few < many for few, many in zip(*bits, strict=True))
    drawn = [reference_decoder.decode(serialize(quantized)) / 255 for quantized in (free, limited)]
    assert psnr(drawn[0], photograph()) < psnr(drawn[1], photograph()) + 0.1  # training is chaotic


@pytest.mark.parametrize("factor", [1.02, 1.1, 1.3])
def test_rounding_is_as_fine_as_a_limit_allows(factor: float) -> None:
    free = quantized_after(20, "normalized")
    max_bytes = math.floor(factor * len(serialize(free)))
    limited = quantized_after(20, "normalized", max_bytes=max_bytes)
    assert len(limited) == len(free)
    assert limited.subdivision > free.subdivision
    # Files consist of words, and the bits of a channel are whole.
    assert 0.97 * max_bytes - 4 <= len(serialize(limited)) <= max_bytes


def test_numbers_of_bits_that_are_given_stay_where_a_limit_leaves_room() -> None:
    config = config_of(position_bits=6, channel_bits=channel_bits(5), max_bytes=10_000)
    quantized = fit(tensor_of(photograph()), config, nothing)
    assert (quantized.grid_size, quantized.subdivision) == ((64, 64), 0)
    codebooks = (quantized.covariance_codebook, quantized.color_codebook)
    assert {quantizer.bits for codebook in codebooks for quantizer in codebook.quantizers} == {5}


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("loss", ["l2", "l1-ssim"])
@pytest.mark.parametrize("density", ["prune", "gradient"])
def test_fitting_improves_on_the_mean_colour(blending: Blending, loss: str, density: str) -> None:
    picture = photograph()
    config = config_of(blending=blending, loss=loss, density=density, steps=60)
    quantized = fit(tensor_of(picture), config, nothing)
    assert quantized.blending == blending
    flat = np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape)
    assert psnr(reference_decoder.decode(serialize(quantized)) / 255, picture) > psnr(flat, picture) + 9
    assert 30 <= len(quantized) <= 40


def test_more_steps_are_better() -> None:
    picture = photograph()
    files = [serialize(fit(tensor_of(picture), config_of(steps=steps), nothing)) for steps in (10, 100)]
    short, long = (psnr(reference_decoder.decode(data) / 255, picture) for data in files)
    assert long > short + 3


@pytest.mark.parametrize("steps", [10, 11, 37])
def test_every_step_is_reported(steps: int) -> None:
    reports: list[tuple[int, float]] = []
    report: Callable[[int, float], None] = lambda step, value: reports.append((step, value))  # noqa: E731
    fit(tensor_of(photograph((16, 20))), config_of(9, 4, steps=steps), report)
    assert [step for step, _ in reports] == list(range(1, steps + 1))
    assert all(math.isfinite(value) for _, value in reports)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("density", ["prune", "gradient"])
@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_constant_pictures(value: float, density: str, blending: Blending) -> None:
    picture = np.full((20, 30, 3), value, dtype=np.float32)
    quantized = fit(tensor_of(picture), config_of(9, 4, density=density, blending=blending), nothing)
    assert np.abs(reference_decoder.decode(serialize(quantized)) / 255 - picture).max() < 12 / 255


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_all_of_the_budget_is_used_however_few_the_steps(n: int) -> None:
    assert len(fit(tensor_of(photograph()), config_of(n, min(n, 4), steps=10), nothing)) == n
