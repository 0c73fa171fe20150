"""What files are expected to cost, and how many Gaussians and codewords follow from a limit or from a number."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from small_fits import config_of, fitted, photograph

from taichi_gs import Limits
from taichi_gs.encoder.choices import MIN_BYTES
from taichi_gs.encoder.rate_model import Budget, CodebookSizes, RateModel
from taichi_gs.format.bitstream import num_bytes_of

MODEL = RateModel()


def budget_of(
    num_bytes: int,
    num_pixels: int = 100_000,
    sizes: CodebookSizes | None = None,
    position_bits: int | None = None,
    *,
    is_gray: bool = False,
) -> Budget:
    return MODEL.budget_for_bytes(num_bytes, num_pixels, sizes or CodebookSizes(), position_bits, is_gray=is_gray)


# From bytes


def test_more_bytes_have_more_gaussians() -> None:
    budgets = [budget_of(size) for size in (MIN_BYTES, 150, 200, 400, 1000, 3000, 10_000, 100_000)]
    assert all(one.num_gaussians < other.num_gaussians for one, other in pairwise(budgets))
    assert all(one.color_k <= other.color_k for one, other in pairwise(budgets))
    assert budgets[0].num_gaussians >= 1


@pytest.mark.parametrize("is_gray", [False, True])
@pytest.mark.parametrize("position_bits", [None, 10])
@pytest.mark.parametrize("num_bytes", [MIN_BYTES, 500, 20_000])
def test_a_budget_is_the_largest_that_the_bytes_are_expected_to_hold(
    num_bytes: int, position_bits: int | None, is_gray: bool
) -> None:
    sizes = CodebookSizes(scale=0.75)
    budget = budget_of(num_bytes, 100_000, sizes, position_bits, is_gray=is_gray)
    more = MODEL.budget_for_count(budget.num_gaussians + 1, sizes)
    expected = [MODEL.expected_bytes(one, 100_000, position_bits, is_gray=is_gray) for one in (budget, more)]
    assert expected[0] <= num_bytes < expected[1]


def test_budgets_spend_about_their_bytes() -> None:
    """A position costs some ten bits, the two indices some nine, and codebooks and header a little a Gaussian."""
    for num_bytes in (2000, 3000, 10_000):
        budget = budget_of(num_bytes, 100_000, CodebookSizes(32, 64), 10)
        assert 18 < 8 * num_bytes / budget.num_gaussians < 35
        assert (budget.covariance_k, budget.color_k) == (32, min(64, budget.num_gaussians))


def test_a_real_file_costs_about_as_much() -> None:
    """Of so few steps, and a picture that is no photograph."""
    for is_gray in (False, True):
        picture = photograph().mean(axis=2, keepdims=True).repeat(3, axis=2) if is_gray else photograph()
        quantized = fitted(picture, config_of(60, 15, steps=40, is_gray=is_gray))
        expected = MODEL.expected_bytes(Budget(60, 15, 15), picture[:, :, 0].size, None, is_gray=is_gray)
        assert 0.7 * expected < num_bytes_of(quantized) < 1.3 * expected


@pytest.mark.parametrize("num_bytes", [MIN_BYTES, 300, 1000, 10_000])
def test_a_gray_file_has_room_for_more_gaussians(num_bytes: int) -> None:
    """What stands before its Gaussians is two bytes shorter: as much as one or two of them, whatever the size."""
    assert MODEL.header_bits - MODEL.gray_header_bits == 16
    more = [
        budget_of(size, is_gray=True).num_gaussians - budget_of(size).num_gaussians
        for size in range(num_bytes, num_bytes + 8)
    ]
    assert 0 <= min(more) <= max(more) <= 2
    assert sum(more) >= 2


def test_what_costs_more_leaves_fewer_gaussians() -> None:
    def count(covariance_k: int, color_k: int, position_bits: int) -> int:
        return budget_of(3000, sizes=CodebookSizes(covariance_k, color_k), position_bits=position_bits).num_gaussians

    assert count(64, 64, 8) > count(64, 64, 12) > count(64, 256, 12) > count(256, 256, 12)


def test_there_is_a_gaussian_for_each_pixel_at_most() -> None:
    assert budget_of(3000, num_pixels=50).num_gaussians == 50
    assert budget_of(1, num_pixels=50).num_gaussians == 1


# Expected bytes


def test_expected_bytes_by_hand() -> None:
    """Eight Gaussians on 1024 pixels are four doublings above one on 512."""
    model = RateModel(
        header_bits=100,
        gray_header_bits=60,
        position_bits=9.0,
        position_bits_per_doubling=0.5,
        index_efficiency=0.5,
        codeword_bits=35,
    )
    budget = Budget(8, 4, 16)
    # Indices of 2 and 4 bits at half price; codebooks of 4 * 3 and 16 * 4 numbers, of 5 bits each.
    rest = 8 * 0.5 * 6 + 5 * (12 + 64)
    doublings = 2
    for is_gray, header in ((False, 100), (True, 60)):
        expected = (header + 8 * (9 + 0.5 * doublings) + rest) / 8
        assert model.expected_bytes(budget, 1024, None, is_gray=is_gray) == pytest.approx(expected)
    # Of two coordinates of 6 bits each their order tells log2 8! bits, by Stirling about 8 (3 - 1.44).
    expected = (100 + 8 * (12 - 3 + 1.44) + rest) / 8
    assert model.expected_bytes(budget, 1024, 6) == pytest.approx(expected)
    least = replace(model, min_position_bits=20.0)
    assert least.expected_bytes(budget, 1024, None) == pytest.approx((100 + 8 * 20 + rest) / 8)


def test_gaussians_that_are_close_together_are_expected_to_need_more_precise_positions() -> None:
    budget = MODEL.budget_for_count(1000, CodebookSizes(64, 64))
    expected = [MODEL.expected_bytes(budget, pixels, None) for pixels in (10_000, 100_000, 1_000_000, 100_000_000)]
    assert expected == sorted(expected, reverse=True)
    bits = np.diff(expected[:2])[0] * 8 / 1000
    assert -4 < bits < -1  # a step of half the length in either direction is a bit more
    assert MODEL.expected_bytes(budget, 10_000, 12) == MODEL.expected_bytes(budget, 1_000_000, 12)


def test_no_budget_has_more_gaussians_than_a_picture_may_have() -> None:
    """Whether they follow from bytes or from the size of the picture, decoders accept the file."""
    pixels = 10**9
    most = Limits().max_gaussians
    assert MODEL.budget_for_count(pixels, CodebookSizes()).num_gaussians == most
    assert budget_of(10**8, pixels, CodebookSizes()).num_gaussians == most


# Codebooks


@pytest.mark.parametrize("n", [1, 2, 7, 100, 5000])
def test_codebooks_are_no_larger_than_the_picture(n: int) -> None:
    """Whatever is asked for, a codeword has four Gaussians or more, if there are not fewer than 16."""
    usual = MODEL.budget_for_count(n, CodebookSizes())
    assert 1 <= usual.covariance_k <= n
    assert 1 <= usual.color_k <= n
    assert MODEL.budget_for_count(n, CodebookSizes(300, 2)) == Budget(n, min(300, max(round(n / 4), 4), n), min(2, n))


def test_codebooks_of_few_gaussians_are_larger_for_them() -> None:
    """Below a number of Gaussians, codewords fall by a power of it, without a jump."""
    model = RateModel(
        gaussians_per_covariance=1,
        gaussians_per_color=2,
        few_gaussians=1000,
        few_covariance_exponent=0.5,
        few_color_exponent=0.75,
        min_codewords=1,
    )
    for n, covariance_k, color_k in ((2000, 2000, 1000), (1000, 1000, 500), (250, 500, 177), (10, 100, 16)):
        assert model.budget_for_count(n, CodebookSizes()) == Budget(n, min(covariance_k, n), min(color_k, n))


def test_codebooks_grow_with_the_number_of_gaussians() -> None:
    model = RateModel(
        gaussians_per_covariance=4, gaussians_per_color=10, few_gaussians=1, min_codewords=8, max_codewords=500
    )
    for n, covariance_k, color_k in ((20, 8, 8), (100, 25, 10), (1000, 250, 100), (4000, 500, 400)):
        assert model.budget_for_count(n, CodebookSizes()) == Budget(n, covariance_k, color_k)
    # A factor is for those that follow from the number, and not for those that are given.
    assert model.budget_for_count(1000, CodebookSizes(scale=1.2)) == Budget(1000, 300, 120)
    assert model.budget_for_count(1000, CodebookSizes(covariance_k=77, scale=0.5)) == Budget(1000, 77, 50)
