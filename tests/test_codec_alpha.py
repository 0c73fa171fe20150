"""Pictures with alpha through the codec: what is kept, what counts, and what it may cost."""

from __future__ import annotations

import numpy as np
import pytest
from codec_checks import QUICK, largest_difference, squared_error
from numpy.typing import NDArray

import taichi_gs
from taichi_gs import Progress, QualityError
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.picture import comparable_rgb

Bytes = NDArray[np.uint8]


def with_alpha(pixels: Bytes) -> Bytes:
    """The picture cut out by an ellipse with a soft border."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    distance = np.hypot((x - 15.5) / 13, (y - 11.5) / 10)
    return np.dstack([pixels, (255 * (4 - 4 * distance).clip(0, 1)).astype(np.uint8)])


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_kept(picture: Bytes, channels: int) -> None:
    pixels = with_alpha(picture[:, :, :channels])
    data = taichi_gs.encode(pixels, preset="fast", steps=60, num_bytes=500)
    assert len(data) <= 500
    assert largest_difference(data) <= 1
    info, decoded = taichi_gs.info(data), taichi_gs.decode(data)
    assert info.mode == ("LA" if channels == 1 else "RGBA")
    assert 120 <= info.alpha_bytes <= 0.35 * 500
    assert decoded.shape == pixels.shape
    assert squared_error(decoded[..., -1], pixels[..., -1]) < 20**2
    assert psnr(comparable_rgb(decoded), comparable_rgb(pixels)) > 20


def test_opaque_alpha_is_dropped(picture: Bytes) -> None:
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    assert taichi_gs.encode(opaque, **QUICK) == taichi_gs.encode(picture, **QUICK)
    assert taichi_gs.info(taichi_gs.encode(opaque / 255 * [1, 1, 1, 0.999], **QUICK)).mode == "RGB"
    opaque[3, 4, 3] = 254
    assert taichi_gs.info(taichi_gs.encode(opaque, **QUICK)).mode == "RGBA"


def test_what_cannot_be_seen_does_not_count(picture: Bytes) -> None:
    pixels = with_alpha(picture)
    noisy = pixels.copy()
    invisible = pixels[..., 3] == 0
    noisy[invisible, :3] = np.random.default_rng(0).integers(0, 256, (invisible.sum(), 3))
    assert taichi_gs.encode(noisy, **QUICK) == taichi_gs.encode(pixels, **QUICK)


def test_nothing_visible_at_all(picture: Bytes) -> None:
    clear = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
    assert taichi_gs.decode(taichi_gs.encode(clear, **QUICK))[..., 3].max() == 0


def test_a_psnr_with_alpha_holds_over_black_and_white(picture: Bytes) -> None:
    pixels = with_alpha(picture)
    data = taichi_gs.encode(pixels, preset="fast", steps=60, psnr=22.0)
    assert psnr(comparable_rgb(taichi_gs.decode(data)), comparable_rgb(pixels)) >= 22.0
    with pytest.raises(QualityError) as caught:
        taichi_gs.encode(pixels, preset="fast", steps=10, psnr=70.0)
    assert str(caught.value).startswith("the best that this preset reaches is ")
    assert taichi_gs.decode(caught.value.data).shape == pixels.shape


def test_steps_count_on_over_alpha_and_colors(picture: Bytes) -> None:
    reports: list[Progress] = []
    taichi_gs.encode(with_alpha(picture), progress=reports.append, **QUICK)
    assert [report.step for report in reports] == list(range(1, 21))
    assert {report.num_steps for report in reports} == {20}


def test_hard_edges_get_more_of_the_bytes(picture: Bytes) -> None:
    x = np.broadcast_to(np.arange(32), (24, 32))
    sizes = []
    for mask in ((x > 15) * 255, x * 8):
        pixels = np.dstack([picture, mask.astype(np.uint8)])
        sizes.append(taichi_gs.info(taichi_gs.encode(pixels, preset="fast", steps=10, num_bytes=600)).alpha_bytes)
    assert sizes[0] > sizes[1]
