"""Other codewords for Gaussians, found by trying them on the picture.

K-means judges a codeword by the curvature of the error at one Gaussian's own values. While codewords are trained, those
judgements grow old, and codewords lie further apart than the errors are parabolas. So codewords near to its own are
drawn in a Gaussian's place, all its neighbours as they are, and the exact error and the index's bits decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from taichi_gs.fit.far_apart import FarApart
from taichi_gs.fit.kmeans import index_bits
from taichi_gs.fit.parameters import CODED, CodebookParameters, Parameters
from taichi_gs.fit.splats import Screening
from taichi_gs.fit.stage import Stage

WORDS_AT_A_TIME = 1024
"""Codewords whose distances to all others are in memory together."""


@dataclass(frozen=True)
class CodewordSearch:
    """How codewords are tried.

    Attributes:
        num_candidates: the codewords that are tried, those nearest to a Gaussian's own; MAX_CANDIDATES at most.
        num_kept: of large Gaussians' candidates so many are looked at in all rows of pixels, those that are the best
            by some rows.
        min_rows: how many rows these are at least, from 1; fewer than twice as many are all looked at, of all
            candidates.
        rounds: in each, Gaussians that are far apart change; the others are tried again, as their neighbours are now.
            Few are left after the first.
        far_apart: which ones change together.
    """

    num_candidates: int = 8
    rounds: int = 3
    num_kept: int = 3
    min_rows: int = 8
    far_apart: FarApart = field(default_factory=FarApart)

    def improve(
        self, stage: Stage, parameters: CodebookParameters, draw: Callable[[CodebookParameters], Parameters]
    ) -> CodebookParameters:
        """Return Gaussians with codewords of less error and fewer bits, weighed by λ; all else is shared.

        Args:
            stage: what they are judged by.
            parameters: the Gaussians, of normalised blending: in any other nothing is changed.
            draw: makes of them what a decoder will see, or what comes near to it.
        """
        if parameters.blending != "normalized":
            return parameters
        bit_weight = stage.weight_of_a_bit(stage.objective.squared_error(draw(parameters)), len(parameters))
        for name in CODED:
            parameters = self._improve(stage, parameters, draw, name, bit_weight)
        return parameters

    def _improve(
        self,
        stage: Stage,
        parameters: CodebookParameters,
        draw: Callable[[CodebookParameters], Parameters],
        name: str,
        bit_weight: float,
    ) -> CodebookParameters:
        count = min(self.num_candidates, len(parameters.codewords[name]) - 1)
        if count == 0:
            return parameters
        drawn, own = draw(parameters), parameters.indices[name]
        words = _words_as_drawn(drawn, parameters, name)
        tried = _nearest(words, count)[own]
        rows = torch.arange(len(own), device=own.device)
        for number in range(self.rounds):
            if number > 0:
                drawn = draw(parameters)
            bits = index_bits(own, len(words))
            rest: dict[str, Any] = {
                key: t[rows].repeat_interleave(tried.shape[1], dim=0) for key, t in drawn.rows.items()
            }
            candidates = replace(drawn, **rest | {name: words[tried.flatten()]})
            penalties = bit_weight * (bits[tried] - bits[own[rows]][:, None])
            screening = Screening(penalties, min(self.num_kept, tried.shape[1]), self.min_rows)
            changes = stage.objective.replacement_errors(drawn, rows, candidates, screening) + penalties
            least = changes.min(dim=1)
            gaining = (least.values < 0.0).nonzero().squeeze(1)
            if not len(gaining):
                break
            rows, best = rows[gaining], tried[gaining, least.indices[gaining]]
            apart = self.far_apart.chosen(drawn, rows, least.values[gaining], stage.objective.size)
            own = own.index_put((rows[apart],), best[apart])
            parameters = replace(parameters, indices=parameters.indices | {name: own})
            rows, tried = rows[~apart], best[~apart, None]
            if not len(rows):
                break
        return parameters


def _words_as_drawn(drawn: Parameters, parameters: CodebookParameters, name: str) -> Tensor:
    """The codewords [K, D], rounded as those that are drawn are."""
    return parameters.codewords[name].index_put((parameters.indices[name],), drawn.rows[name])


def _nearest(words: Tensor, count: int) -> Tensor:
    """The `count` nearest other words [K, count] of each of words [K, D], in units of their channels' deviations."""
    scaled = words / words.std(dim=0).clamp_min(1e-6) if len(words) > 1 else words
    found = []
    for first in range(0, len(words), WORDS_AT_A_TIME):
        distances = torch.cdist(scaled[first : first + WORDS_AT_A_TIME], scaled)
        distances.diagonal(first).fill_(torch.inf)
        found.append(distances.topk(count, dim=1, largest=False).indices)
    return torch.cat(found)
