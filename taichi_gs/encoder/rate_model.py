"""How many Gaussians and codewords a picture gets: from its size, or from the bytes that its file may have.

The constants describe files that the encoder makes of photographs without a limit: means over 15 files, of three
photographs with one Gaussian for 58 to 970 pixels and the preset "fast", each part of them coded by itself; positions
are of six photographs and the preset "default". Within a byte limit the fit removes Gaussians that are too many, and
rounds more finely where they are too few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PIXELS_PER_GAUSSIAN = 312
"""Without a target: about 0.08 bits per pixel with codebooks of 64."""

GAUSSIANS_PER_COVARIANCE, GAUSSIANS_PER_COLOR = 4.0, 12.5
"""For each codeword. Shapes differ more than colours do, and what rounds them shows more."""

CODEBOOK_SCALES = (1.0, 1.35, 0.75)
"""Factors on the sizes of both codebooks: which is the best differs from picture to picture, and trials take turns."""

MIN_CODEWORDS, MAX_CODEWORDS = 8, 2048

HEADER_BITS = 8 * 65
"""With the checksum and the filling of the payload's last word."""

POSITION_BITS, POSITION_BITS_PER_DOUBLING, MIN_POSITION_BITS = 9.6, 0.8, 8.0
"""Of one Gaussian for 512 pixels, where rate and distortion choose the lattices; how many more if there are twice as
many, because the less error there is, the more precise they have to be; and the least. At low rates they really have
two bits more: there it does less harm that some Gaussians have to go late than that there are too few."""

INDEX_EFFICIENCY = 0.977
"""Entropy of the indices over log2 K."""

CODEWORD_BITS = 36.0
"""Of one entry of both codebooks together."""

SPARE_OF_GROWTH = 1.08
"""With density "gradient", so many times the bytes: nothing else removes Gaussians that are of little use."""

MAX_GAUSSIANS = 1_000_000

MIN_BYTES = 120
"""No target below this can be met: it is the size of a file with a handful of Gaussians."""


@dataclass(frozen=True)
class Budget:
    """The number of Gaussians and the sizes of the codebooks of covariances and of colours."""

    num_gaussians: int
    covariance_k: int
    color_k: int


def budget_for_count(
    num_gaussians: int,
    covariance_k: int | None,
    color_k: int | None,
    codebook_scale: float = 1.0,
) -> Budget:
    """The budget with a given number of Gaussians, from which codebook sizes that are None follow."""
    sizes = []
    for size, per_codeword in ((covariance_k, GAUSSIANS_PER_COVARIANCE), (color_k, GAUSSIANS_PER_COLOR)):
        usual = min(max(round(codebook_scale * num_gaussians / per_codeword), MIN_CODEWORDS), MAX_CODEWORDS)
        sizes.append(min(usual if size is None else size, num_gaussians))
    return Budget(num_gaussians, *sizes)


def budget_for_bytes(
    num_bytes: int,
    num_pixels: int,
    covariance_k: int | None,
    color_k: int | None,
    position_bits: int | None,
    codebook_scale: float = 1.0,
) -> Budget:
    """The largest budget whose file is expected to have at most `num_bytes`, with one Gaussian a pixel at most."""
    low, high = 1, min(8 * num_bytes, num_pixels, MAX_GAUSSIANS)  # one a pixel shows everything
    while low < high:  # by bisection: the expected size grows with the number of Gaussians
        middle = (low + high + 1) // 2
        budget = budget_for_count(middle, covariance_k, color_k, codebook_scale)
        if expected_bytes(budget, num_pixels, position_bits) <= num_bytes:
            low = middle
        else:
            high = middle - 1
    return budget_for_count(low, covariance_k, color_k, codebook_scale)


def expected_bytes(budget: Budget, num_pixels: int, position_bits: int | None) -> float:
    """The size of a file with this budget."""
    n = budget.num_gaussians
    if position_bits is None:
        position = max(POSITION_BITS + POSITION_BITS_PER_DOUBLING * math.log2(512 * n / num_pixels), MIN_POSITION_BITS)
    else:  # a set of N: log2 of the number of cells each, less what their order would have told
        position = 2.0 * position_bits - math.log2(n) + 1.44
    indices = INDEX_EFFICIENCY * math.log2(budget.covariance_k * budget.color_k)
    codebooks = CODEWORD_BITS * (3 * budget.covariance_k + 4 * budget.color_k) / 7
    return (HEADER_BITS + n * (position + indices) + codebooks) / 8
