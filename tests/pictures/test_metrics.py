"""How far two pictures are apart: PSNR, MS-SSIM, SSIMULACRA 2 and bits per pixel."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from taichi_gs.errors import ImageError
from taichi_gs.pictures.metrics import bits_per_pixel, ms_ssim, psnr, ssimulacra2

Picture = NDArray[np.uint8]


def test_psnr_by_hand() -> None:
    a = np.zeros((2, 3, 3), np.uint8)
    assert psnr(a, a + 255) == 0
    assert psnr(a + 1, a) == pytest.approx(10 * math.log10(255**2))
    assert psnr(a, a) == math.inf
    one = a.copy()
    one[0, 0, 0] = 200
    assert psnr(a, one) == psnr(one, a) == pytest.approx(10 * math.log10(18 * 255**2 / 200**2))


def test_ms_ssim_of_a_large_picture_is_the_librarys() -> None:
    import torch
    from pytorch_msssim import ms_ssim as library

    rng = np.random.default_rng(0)
    a = rng.integers(0, 200, (170, 180, 3)).astype(np.uint8)
    b = (a + rng.integers(0, 50, a.shape)).astype(np.uint8)
    tensors = [torch.from_numpy(x.astype(np.float32)).permute(2, 0, 1)[None] for x in (a, b)]
    assert ms_ssim(a, b) == pytest.approx(float(library(*tensors, data_range=255)), abs=1e-7)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (24, 32), (160, 160), (170, 5)])
def test_ms_ssim_of_any_size(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    slightly = np.clip(a.astype(int) + rng.integers(-8, 9, a.shape), 0, 255).astype(np.uint8)
    assert ms_ssim(a, a) == pytest.approx(1)
    assert 0 <= ms_ssim(a, 255 - a) <= ms_ssim(a, slightly) <= 1


@pytest.mark.parametrize("size", [(1, 1), (9, 3), (24, 32), (64, 48)])
def test_ssimulacra2_tells_more_from_less(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(40, 216, (*size, 3)).astype(np.uint8)
    noise = rng.integers(-1, 2, a.shape)
    found = [ssimulacra2(a, (a + strength * noise).astype(np.uint8)) for strength in (0, 2, 10, 40)]
    assert found[0] == pytest.approx(100)
    assert sorted(found, reverse=True, key=lambda score: score or 0) == found
    assert len(set(found)) == 4


def test_ssimulacra2_may_be_missing(monkeypatch: pytest.MonkeyPatch, picture: Picture) -> None:
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    assert ssimulacra2(picture, picture) is None


@pytest.mark.parametrize("measure", [psnr, ms_ssim, ssimulacra2])
def test_pictures_that_cannot_be_compared(measure: object, picture: Picture) -> None:
    assert callable(measure)
    with pytest.raises(ImageError, match="different sizes cannot be compared: 32x24 and 32x23"):
        measure(picture, picture[:-1])
    for other in (picture.astype(np.float32), picture[..., 0], picture[:0]):
        with pytest.raises(ImageError, match="8-bit RGB picture was expected"):
            measure(picture, other)


def test_bits_per_pixel() -> None:
    assert bits_per_pixel(3072, (512, 768)) == 0.0625
