"""What `encode` can be asked for: rates, sizes, and that every other wish is refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import taichi_gs
from taichi_gs import OptionError, Progress
from taichi_gs.format import bitstream

QUICK: dict[str, Any] = {"preset": "fast", "steps": 10, "num_gaussians": 12, "k": 5}

Bytes = NDArray[np.uint8]


# Rates


@pytest.mark.parametrize("num_bytes", [64, 65, 120, 250, 420])
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_bits_per_pixel_is_a_limit(num_bytes: int, preset: str, picture: Bytes) -> None:
    rate = 8 * num_bytes / (40 * 48)
    data = taichi_gs.encode(np.tile(picture, (2, 2, 1))[:40, :48], preset=preset, steps=10, bits_per_pixel=rate)
    assert len(data) <= num_bytes
    assert taichi_gs.info(data).bits_per_pixel <= rate


@pytest.mark.parametrize(("num_bytes", "blending"), [(200, "normalized"), (400, "alpha"), (800, "normalized")])
def test_no_more_than_a_twentieth_of_a_limit_is_left(num_bytes: int, blending: str, picture: Bytes) -> None:
    large = np.tile(picture, (4, 4, 1)) // 2 + np.repeat(np.repeat(picture, 4, axis=0), 4, axis=1) // 2
    rate = 8 * num_bytes / (96 * 128)
    data = taichi_gs.encode(large, preset="fast", steps=20, bits_per_pixel=rate, blending=blending)
    assert 0.95 * num_bytes <= len(data) <= num_bytes


def test_a_higher_rate_is_used(picture: Bytes) -> None:
    files = [taichi_gs.encode(picture, preset="paper", steps=20, bits_per_pixel=rate) for rate in (1.5, 3.0, 6.0)]
    assert 1.3 * len(files[0]) < len(files[1]) < len(files[2]) / 1.3
    errors = [np.mean((taichi_gs.decode(data).astype(float) - picture) ** 2) for data in files]
    assert errors[0] > errors[1] > errors[2]


def test_too_few_bits_per_pixel(picture: Bytes) -> None:
    """63 bytes are too few, and the message names a rate that is enough."""
    pixels = picture.shape[0] * picture.shape[1]
    with pytest.raises(OptionError, match=r"at least 64 bytes, here 0\.6") as caught:
        taichi_gs.encode(picture, preset="fast", steps=10, bits_per_pixel=8 * 63.9 / pixels)
    least = float(str(caught.value).removesuffix(" bits per pixel").split()[-1])
    assert 8 * len(taichi_gs.encode(picture, preset="fast", steps=10, bits_per_pixel=least)) / pixels <= least


@pytest.mark.parametrize("rate", [2000.0, 1e308])
def test_more_bits_than_pixels_can_use(rate: float, picture: Bytes) -> None:
    data = taichi_gs.encode(picture[:8, :9], preset="fast", steps=10, bits_per_pixel=rate)
    assert taichi_gs.info(data).num_gaussians <= 72


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "slow"}, "unknown preset 'slow': choose one of fast, default, best, paper"),
        ({"preset": []}, "unknown preset"),
        ({"tune": "ear"}, "unknown tune 'ear': choose visual or psnr"),
        ({"loss": "l3"}, "unknown loss 'l3': choose l2 or l1 or l1-ssim"),
        ({"tune": "visual", "loss": "l1"}, "tune visual and loss l1 exclude each other"),
        ({"tune": "visual", "loss": "l1-ssim"}, "tune visual and loss l1-ssim exclude each other"),
        ({"qualty": 5}, "unknown option 'qualty': did you mean quality?"),
        ({"steps": 9}, "steps must be a whole number from 10"),
        ({"steps": 10_000_001}, "steps"),
        ({"steps": 20.0}, "steps"),
        ({"steps": None}, "steps"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": None}, "seed"),
        ({"num_gaussians": 0}, "num_gaussians"),
        ({"num_gaussians": 400_001}, "num_gaussians"),
        ({"num_gaussians": "many"}, "num_gaussians"),
        ({"k": 0}, "covariance_k"),
        ({"k": 4097}, "covariance_k"),
        ({"covariance_k": 0}, "covariance_k"),
        ({"color_k": 4097}, "color_k"),
        ({"k": 8, "covariance_k": 4, "color_k": 0}, "color_k"),
        ({"position_bits": 0}, "position_bits"),
        ({"position_bits": 16}, "position_bits"),
        ({"covariance_bits": 0}, "covariance_bits"),
        ({"color_bits": 13}, "color_bits"),
        ({"amplitude_bits": -1}, "amplitude_bits"),
        ({"loss": "l3"}, "unknown loss 'l3'"),
        ({"loss": None}, "unknown loss"),
        ({"density": "everywhere"}, "unknown density 'everywhere': choose prune or gradient"),
        ({"density": "error"}, "unknown density 'error'"),
        ({"blending": "additive"}, "unknown blending 'additive': choose alpha or normalized"),
        ({"blending": None}, "unknown blending"),
        ({"opacity_bits": 8}, "unknown option 'opacity_bits'"),
        ({"bits_per_pixel": 0}, "bits_per_pixel must be a positive number"),
        ({"bits_per_pixel": -0.5}, "bits_per_pixel"),
        ({"bits_per_pixel": float("nan")}, "bits_per_pixel"),
        ({"bits_per_pixel": float("inf")}, "bits_per_pixel"),
        ({"bits_per_pixel": "0.5"}, "bits_per_pixel"),
        ({"bits_per_pixel": 3.0, "num_gaussians": 12}, "exclude each other"),
        ({"device": "abacus"}, "unknown device 'abacus'"),
        ({"rate_model": None}, "rate_model must be a RateModel, not None"),
        ({"hyperparameters": 5}, "hyperparameters must be Hyperparameters, not 5"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str, picture: Bytes) -> None:
    with pytest.raises(OptionError, match=message):
        taichi_gs.encode(picture, **options)


@pytest.mark.parametrize(
    ("options", "num_gaussians", "most"),
    [
        ({"num_gaussians": 1}, 1, (1, 1)),
        ({"num_gaussians": 12, "k": 1}, 12, (1, 1)),
        ({"num_gaussians": 12, "k": 100}, 12, (4, 4)),
        ({"num_gaussians": 12, "k": 4, "color_k": 2}, 12, (4, 2)),
        ({"num_gaussians": 12, "k": 2, "covariance_k": 6}, 12, (6, 2)),
        ({"num_gaussians": 12, "covariance_k": 3, "color_k": 5, "k": 1}, 12, (3, 5)),
    ],
)
def test_sizes_of_the_codebooks(
    options: dict[str, int], num_gaussians: int, most: tuple[int, int], picture: Bytes
) -> None:
    """`k` sets both, and the separate options override it; a codebook shrinks where codewords go unused."""
    data = taichi_gs.encode(
        picture, preset="fast", steps=10, covariance_bits=10, color_bits=10, amplitude_bits=10, **options
    )
    info = taichi_gs.info(data)
    assert info.num_gaussians == num_gaussians
    assert most[0] // 2 <= info.covariance_k <= most[0]
    assert most[1] // 2 <= info.color_k <= most[1]


def test_options_reach_the_file(picture: Bytes) -> None:
    bits = {"position_bits": 7, "covariance_bits": 5, "color_bits": 6, "amplitude_bits": 4}
    coded = bitstream.parse(taichi_gs.encode(picture, **QUICK, **bits))
    assert (coded.grid_size, coded.subdivision, coded.blending) == ((96, 128), 0, "normalized")
    # Steps are quarters of octaves apart, and training moves codewords a little.
    spreads = [*np.ptp(coded.covariance_codebook.symbols, axis=0), *np.ptp(coded.color_codebook.symbols, axis=0)]
    for own_bits, spread in zip([5, 5, 5, 6, 6, 6, 4], spreads, strict=True):
        assert 0.7 * 2**own_bits < spread < 1.2 * 2**own_bits
    paper = bitstream.parse_header(taichi_gs.encode(picture, **{**QUICK, "preset": "paper"}))
    assert (paper.grid_size, paper.subdivision, paper.blending) == ((768, 1024), 0, "alpha")
    alpha = bitstream.parse_header(taichi_gs.encode(picture, **QUICK, blending="alpha"))
    assert alpha.blending == "alpha"
    assert alpha.subdivision > 0


@pytest.mark.parametrize("density", ["prune", "gradient"])
def test_both_densities_obey_the_budget(density: str, picture: Bytes) -> None:
    data = taichi_gs.encode(picture, **{**QUICK, "steps": 20}, density=density)  # clones and splits take a few
    assert taichi_gs.info(data).num_gaussians == 12


def test_numbers_may_be_numpys(picture: Bytes) -> None:
    options = {**QUICK, "steps": np.int64(10), "num_gaussians": np.int32(12), "seed": np.uint8(0), "k": np.int16(5)}
    assert taichi_gs.encode(picture, **options) == taichi_gs.encode(picture, **QUICK)
    assert len(taichi_gs.encode(picture, preset="fast", steps=10, bits_per_pixel=np.float32(2))) <= 192


def test_progress_is_reported_after_every_step(picture: Bytes) -> None:
    reports: list[Progress] = []
    data = taichi_gs.encode(picture, **{**QUICK, "steps": 23}, progress=reports.append)
    assert [report.step for report in reports] == list(range(1, 24))
    assert {report.num_steps for report in reports} == {23}
    assert all(isinstance(report.psnr, float) and 0 < report.psnr < 100 for report in reports)
    assert taichi_gs.encode(picture, **{**QUICK, "steps": 23}) == data


def test_an_error_in_progress_stops_the_encoder(picture: Bytes) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taichi_gs.encode(picture, **QUICK, progress=stop)
    assert taichi_gs.decode(taichi_gs.encode(picture, **QUICK)).shape == picture.shape
