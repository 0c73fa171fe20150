"""What files are expected to cost, and so how many Gaussians and codewords a picture gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from taichi_gs.encoder.choices import MAX_BUDGET
from taichi_gs.model.quantized import COLOR_CHANNELS, COVARIANCE_CHANNELS


@dataclass(frozen=True)
class CodebookSizes:
    """What is asked of the codebooks.

    Attributes:
        covariance_k: the most codewords of the covariance codebook; None follows from the number of Gaussians.
        color_k: the most codewords of the color codebook; likewise.
        scale: a factor on those that follow.
    """

    covariance_k: int | None = None
    color_k: int | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Budget:
    """The number of Gaussians, and of codewords in the covariance codebook and in the color codebook."""

    num_gaussians: int
    covariance_k: int
    color_k: int


@dataclass(frozen=True)
class RateModel:
    """Expected sizes of files, from which budgets follow.

    Most values describe files that the encoder makes of photographs without a limit. They are means over 15 files, of
    three photographs with one Gaussian for 58 to 970 pixels and the preset "fast", each part of them coded by itself.
    Bits of positions and of codewords are those with which photographs come out best within a limit: there the fit
    removes Gaussians that are too many, and rounds more finely where they are too few.

    Attributes:
        max_gaussians: the most of a picture, those of its alpha plane included.
        pixels_per_gaussian: without a limit: about 0.08 bits per pixel with codebooks of 64.
        gaussians_per_covariance, gaussians_per_color: for each codeword. Covariances differ more than colours do, and
            what rounds them shows more.
        few_gaussians: below that, the number of codewords falls more slowly than that of Gaussians, by a power of it.
        few_covariance_exponent, few_color_exponent: these powers.
        min_codewords, max_codewords: of codebooks whose sizes follow from the number of Gaussians.
        codebook_scales: factors on the sizes of both codebooks. Which is the best differs from picture to picture, and
            restarts take turns.
        header_bits: with the checksum, and with the background and the steps, which are in the payload.
        gray_header_bits: likewise, of a gray picture.
        position_bits: of one Gaussian for 512 pixels, where rate and distortion choose the lattices.
        position_bits_per_doubling: how many more if there are twice as many: the less error there is, the more precise
            they have to be.
        min_position_bits: the least. At low rates it does less harm that some Gaussians have to go late than that there
            are too few.
        index_efficiency: entropy of the indices over log2 K.
        codeword_bits: of one entry of both codebooks together.
        spare_of_growth: with density "gradient", so many times the bytes: nothing else removes Gaussians that are of
            little use.
    """

    max_gaussians: int = MAX_BUDGET
    pixels_per_gaussian: int = 312
    gaussians_per_covariance: float = 4.0
    gaussians_per_color: float = 12.5
    few_gaussians: int = 870
    few_covariance_exponent: float = 0.88
    few_color_exponent: float = 0.75
    min_codewords: int = 4
    max_codewords: int = 2048
    codebook_scales: tuple[float, ...] = (1.0, 1.35, 0.75)
    header_bits: float = 8 * 22
    gray_header_bits: float = 8 * 20
    position_bits: float = 8.0
    position_bits_per_doubling: float = 0.8
    min_position_bits: float = 7.5
    index_efficiency: float = 0.977
    codeword_bits: float = 31.0
    spare_of_growth: float = 1.08

    def budget_for_count(self, num_gaussians: int, sizes: CodebookSizes) -> Budget:
        """The budget with a given number of Gaussians, or with as many as there may be."""
        num_gaussians = min(num_gaussians, self.max_gaussians)
        fewness = max(self.few_gaussians / max(num_gaussians, 1), 1.0)
        usual = (
            num_gaussians / self.gaussians_per_covariance * fewness ** (1.0 - self.few_covariance_exponent),
            num_gaussians / self.gaussians_per_color * fewness ** (1.0 - self.few_color_exponent),
        )
        # A codeword for fewer Gaussians than that costs more than it gains, even where so many are asked for.
        most = max(round(num_gaussians / self.gaussians_per_covariance), self.min_codewords)
        covariance_k, color_k = (
            min(self._usual_k(sizes.scale * own) if k is None else min(k, most), num_gaussians)
            for k, own in zip((sizes.covariance_k, sizes.color_k), usual, strict=True)
        )
        return Budget(num_gaussians, covariance_k, color_k)

    def budget_for_bytes(
        self, num_bytes: int, num_pixels: int, sizes: CodebookSizes, position_bits: int | None, *, is_gray: bool
    ) -> Budget:
        """The largest budget whose file is expected to have at most `num_bytes`, with one Gaussian a pixel at most."""
        low, high = 1, min(8 * num_bytes, num_pixels, self.max_gaussians)  # one a pixel shows everything
        while low < high:  # by bisection: the expected size grows with the number of Gaussians
            middle = (low + high + 1) // 2
            budget = self.budget_for_count(middle, sizes)
            if self.expected_bytes(budget, num_pixels, position_bits, is_gray=is_gray) <= num_bytes:
                low = middle
            else:
                high = middle - 1
        return self.budget_for_count(low, sizes)

    def expected_bytes(
        self, budget: Budget, num_pixels: int, position_bits: int | None, *, is_gray: bool = False
    ) -> float:
        """The size of a file with this budget, without chunks.

        Args:
            budget: of its Gaussians.
            num_pixels: of the picture.
            position_bits: of the coordinate along the longer side; None if rate and distortion choose the lattices.
            is_gray: whether the picture has no colours.
        """
        n = budget.num_gaussians
        if position_bits is None:
            doublings = math.log2(512 * n / num_pixels)
            position = max(self.position_bits + self.position_bits_per_doubling * doublings, self.min_position_bits)
        else:  # a set of N: log2 of the number of cells of a square each, less what their order would have told
            position = 2.0 * position_bits - math.log2(n) + 1.44
        indices = self.index_efficiency * math.log2(budget.covariance_k * budget.color_k)
        numbers = COVARIANCE_CHANNELS * budget.covariance_k + COLOR_CHANNELS * budget.color_k
        codebooks = self.codeword_bits * numbers / (COVARIANCE_CHANNELS + COLOR_CHANNELS)
        header = self.gray_header_bits if is_gray else self.header_bits
        return (header + n * (position + indices) + codebooks) / 8

    def _usual_k(self, codewords: float) -> int:
        return min(max(round(codewords), self.min_codewords), self.max_codewords)


UNSEARCHED = RateModel(position_bits=9.6, min_position_bits=8.0, codeword_bits=36.0)
"""Where what is rounded is not searched afterwards, in alpha blending, it is rounded more finely."""
