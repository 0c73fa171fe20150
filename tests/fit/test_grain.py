"""How strong the texture is that is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from taichi_gs.fit.grain import Grain
from taichi_gs.model.grain import LEVELS


def codes(errors: torch.Tensor, masks: torch.Tensor) -> list[int]:
    """The codes of codewords that have the pixels of `masks` [K, H, W], where `errors` [H, W] of luma are left out."""
    grain = Grain()
    roughness = grain.roughness(errors.expand(3, -1, -1) / 255.0)
    return grain.codes((masks * roughness).sum(dim=(1, 2)), masks.sum(dim=(1, 2))).tolist()


def halves(size: int = 128) -> torch.Tensor:
    masks = torch.zeros(2, size, size)
    masks[0, :, : size // 2], masks[1, :, size // 2 :] = 1.0, 1.0
    return masks


def test_noise_has_about_half_its_deviation() -> None:
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((128, 128))).float()
    weak, strong = codes(noise * torch.tensor([4.0] * 64 + [12.0] * 64), halves())
    assert LEVELS[weak] == pytest.approx(2.0, rel=0.2)
    assert LEVELS[strong] == pytest.approx(6.0, rel=0.2)


def test_what_is_wrong_alike_is_no_texture() -> None:
    wrong = torch.full((128, 128), 20.0)
    slope = torch.arange(128.0).repeat(128, 1)
    assert codes(wrong + slope, halves()) == [0, 0]


def test_a_lost_line_is_hardly_texture() -> None:
    line = torch.zeros(128, 128)
    line[:, 20], line[:, 100] = 80.0, 80.0
    assert codes(line, halves()) == [0, 0]


def test_a_codeword_without_pixels_has_no_grain() -> None:
    assert codes(torch.full((16, 16), 9.0), torch.zeros(1, 16, 16)) == [0]
