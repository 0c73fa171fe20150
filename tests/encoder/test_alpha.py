"""How pictures with alpha are coded: what the alpha plane gets, and that attempts which end early say so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from numpy.typing import NDArray
from small_fits import photograph

from taichi_gs.decoder.draw import draw_integers
from taichi_gs.encoder.alpha import AlphaCoding, Layers
from taichi_gs.encoder.fitter import Fitter
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.encoder.rate_model import RateModel
from taichi_gs.format.bitstream import num_bytes_of, serialize
from taichi_gs.kernels import runtime
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import ms_ssim
from taichi_gs.pictures.picture import comparable_rgb

Planes = NDArray[np.float32]

CONFIG = EncoderConfig(steps=30, num_gaussians=40)

COLORS = photograph((24, 32))


def ellipse(softness: float = 4.0) -> Planes:
    """Alpha [24, 32] that is 1 within an ellipse, with a border that is the narrower, the larger the number."""
    y, x = np.mgrid[:24, :32]
    distance = np.hypot((x - 15.5) / 13, (y - 11.5) / 10)
    alpha: Planes = (softness * (1 - distance)).clip(0, 1).astype(np.float32)
    return alpha


def coded(
    coding: AlphaCoding,
    config: EncoderConfig,
    alpha: Planes | None = None,
    max_bytes: int | None = None,
    listener: Callable[[int, int, float], None] = lambda *progress: None,
) -> Layers:
    fitter = Fitter(runtime.start(), listener)
    return coding.run(fitter, COLORS, ellipse() if alpha is None else alpha, config, max_bytes)


def decoded_psnr(layers: Layers, alpha: Planes) -> float:
    """Over black and over white, by the reference decoder, each rounded to 8 bits."""

    def shown(colors: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        over_black = colors * alpha[:, :, None] / 255
        return np.concatenate([over_black, over_black + (255 - alpha)[:, :, None]])

    pixels = [reference_decoder.decode(serialize(layer)).astype(float) for layer in (layers.colors, layers.alpha)]
    levels = [np.floor(255 * planes.astype(np.float64) + 0.5) for planes in (COLORS, alpha)]
    error = np.square(shown(pixels[0], pixels[1]) - shown(levels[0], levels[1])).mean()
    return 10 * math.log10(255**2 / float(error))


# Shares


def test_picture_and_alpha_plane_share_what_decoders_accept() -> None:
    config = replace(CONFIG, rate_model=RateModel(max_gaussians=30))
    for layers in (coded(AlphaCoding(), config), coded(AlphaCoding(hard_share=0.9), config, ellipse(99.0))):
        assert 0 < len(layers.colors) <= 15
        assert 0 < len(layers.alpha) <= 15


def test_the_share_of_an_alpha_plane_by_hand() -> None:
    """Steps of 1 weigh most; half of them count as hard."""
    coding = AlphaCoding(soft_share=0.1, hard_share=0.5, hard_steps=0.5)
    cut = np.zeros((6, 8), np.float32)
    cut[:, 4:] = 1
    ramp = np.broadcast_to(np.linspace(0, 1, 11, dtype=np.float32), (6, 11))
    assert coding.share(cut) == pytest.approx(0.5)
    assert coding.share(ramp) == pytest.approx(0.1 + 0.4 * 0.1 / 0.5, abs=1e-6)
    assert coding.share(np.full((6, 8), 0.3, np.float32)) == pytest.approx(0.1)
    # A step of 0.75 and one of 0.25: their mean, weighted by themselves, is 0.625.
    assert replace(coding, hard_steps=1.25).share(np.array([[0, 0.75, 1]], np.float32)) == pytest.approx(0.3)


@pytest.mark.parametrize("share", [0.15, 0.6])
def test_alpha_has_its_share_and_colours_have_the_rest(share: float) -> None:
    coding = AlphaCoding(soft_share=share, hard_share=share, sufficient_psnr=100.0)
    layers = coded(coding, replace(CONFIG, num_gaussians=None), max_bytes=1000)
    sizes = [num_bytes_of(layer) for layer in (layers.alpha, layers.colors)]
    assert 0.8 * share * 1000 <= sizes[0] <= share * 1000
    assert 0.9 * (1000 - sizes[0]) <= sizes[1] <= 1000 - sizes[0]
    layers = coded(coding, CONFIG)
    assert (len(layers.alpha), len(layers.colors)) == (int(share * 40), 40)
    assert layers.alpha.is_gray
    assert not layers.colors.is_gray
    assert layers.shortfall is None


def test_the_number_for_alpha_follows_from_the_picture_where_none_is_given() -> None:
    """24 x 32 pixels are two Gaussians, and of a share of one at least one."""
    layers = coded(AlphaCoding(), replace(CONFIG, num_gaussians=None))
    assert (len(layers.alpha), len(layers.colors)) == (1, 2)


def test_what_a_simple_mask_does_not_need_is_given_back() -> None:
    """Colours have it then."""
    config = replace(CONFIG, num_gaussians=None, steps=60)
    greedy, modest = (
        coded(AlphaCoding(soft_share=0.5, hard_share=0.5, sufficient_psnr=psnr), config, ellipse(1.0), 2000)
        for psnr in (100.0, 25.0)
    )
    assert num_bytes_of(modest.alpha) < 0.8 * num_bytes_of(greedy.alpha)
    assert num_bytes_of(modest.colors) > num_bytes_of(greedy.colors)
    pixels = reference_decoder.decode(serialize(modest.alpha)).astype(float)
    assert 10 * math.log10(255**2 / np.square(pixels - 255 * ellipse(1.0)).mean()) > 24.9


# PSNR


def test_colours_are_fitted_until_the_picture_has_its_psnr() -> None:
    """A goal that is too low at first is raised from attempt to attempt."""
    config = EncoderConfig(steps=60, psnr=22.0)
    for margin in (0.5, -6.0):
        layers = coded(AlphaCoding(color_margin=margin), config)
        assert layers.shortfall is None
        assert decoded_psnr(layers, ellipse()) >= 21.9  # whole levels are rounded once more where they are compared


def test_colours_are_fitted_until_the_picture_has_its_quality() -> None:
    layers = coded(AlphaCoding(), EncoderConfig(steps=60, quality=55.0))
    assert layers.shortfall is None
    pictures = [comparable_rgb(as_byte_image(np.dstack([COLORS, ellipse()])))]
    pictures.append(comparable_rgb(draw_integers(layers.colors, layers.alpha, device=runtime.start())))
    assert -50 * math.log10(1 - ms_ssim(*pictures)) >= 55.0


def test_attempts_that_end_before_the_best_is_known_do_not_claim_it() -> None:
    layers = coded(AlphaCoding(color_margin=-6.0, max_fits=1), EncoderConfig(steps=60, psnr=28.0))
    reached = decoded_psnr(layers, ellipse())
    assert reached < 28.0
    assert layers.shortfall is not None
    start, end = "what the last of 1 attempts reached is ", " dB, not 28"
    assert layers.shortfall.startswith(start)
    assert layers.shortfall.endswith(end)
    assert float(layers.shortfall[len(start) : -len(end)]) == pytest.approx(reached, abs=0.1)


def test_what_cannot_be_reached_is_the_best() -> None:
    layers = coded(AlphaCoding(), EncoderConfig(steps=10, psnr=70.0))
    assert layers.shortfall is not None
    assert layers.shortfall.startswith("the best that this preset reaches is ")


def test_colours_that_are_exact_cannot_make_up_for_alpha() -> None:
    black = np.zeros((64, 64, 3), np.float32)
    noise = np.random.default_rng(0).random((64, 64), np.float32)
    fitter = Fitter(runtime.start(), lambda *progress: None)
    layers = AlphaCoding().run(fitter, black, noise, EncoderConfig(steps=10, psnr=40.0), None)
    assert (reference_decoder.decode(serialize(layers.colors)) == 0).all()
    assert layers.shortfall is not None
    assert layers.shortfall.startswith("the best that this preset reaches is ")


# Steps


@pytest.mark.parametrize("restarts", [1, 3])
def test_steps_count_on_and_are_known_from_the_start(restarts: int) -> None:
    """One fit of alpha, and all restarts of the colours."""
    reports: list[tuple[int, int]] = []
    config = replace(CONFIG, steps=10, restarts=restarts)
    coded(AlphaCoding(), config, listener=lambda step, num_steps, psnr: reports.append((step, num_steps)))
    total = 10 * (1 + restarts)
    assert reports == [(step, total) for step in range(1, total + 1)]
