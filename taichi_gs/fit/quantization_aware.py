"""The last stage of a fit: quantisation-aware training.

Positions and codewords are rounded as the file will round them, with straight-through gradients, so that what is drawn
is what a decoder will see. Meanwhile Gaussians go until the file fits its limit in bytes. From step to step what rounds
to another level may change the picture much, and of the last steps the best is kept. What it has rounded to is searched
in the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from taichi_gs.fit.adam import Adam, decay
from taichi_gs.fit.codeword_search import CodewordSearch
from taichi_gs.fit.codeword_training import train_step
from taichi_gs.fit.final_search import FinalSearch
from taichi_gs.fit.parameters import COLORS, CodebookParameters
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.prune import Pruning, rows_for_psnr, rows_within_size
from taichi_gs.fit.rounding import Rounding
from taichi_gs.fit.stage import Stage
from taichi_gs.model.quantized import QuantizedGaussians


@dataclass(frozen=True)
class QuantizationAware:
    """How the last stage runs.

    Attributes:
        rate_factor: on the learning rates.
        final_rate: the factor on them that is left at the end of the stage.
        lattices_every: steps from one finding of the lattices to the next, if no Gaussian has another codeword or goes.
            They follow the codewords, which hardly change in so few steps, and their integers are found on the host,
            whatever the device.
        searches: the fractions of the stage after which other codewords are tried.
        search: how they are.
        num_compared: the last steps, of which the best is kept.
        final_search: what is tried after them.
        psnr_searches: where a PSNR is wanted, the others are searched so often, and more are dropped.
        precision: how finely is rounded.
        pruning: which Gaussians go.
    """

    rate_factor: float = 0.6
    final_rate: float = 0.05
    lattices_every: int = 10
    searches: tuple[float, ...] = (0.3, 0.7)
    search: CodewordSearch = field(default_factory=CodewordSearch)
    num_compared: int = 32
    final_search: FinalSearch = field(default_factory=FinalSearch)
    psnr_searches: int = 3
    precision: Precision = field(default_factory=Precision)
    pruning: Pruning = field(default_factory=Pruning)

    def run(self, stage: Stage, parameters: CodebookParameters, adam: Adam, steps: int) -> QuantizedGaussians:
        """Train what the file will hold, and return it."""
        pruning, config = self.pruning, stage.config
        rounding = self.precision.choose(stage, parameters, config.max_bytes)
        size_checks = {int(part * steps) for part in pruning.size_checks}
        searches = {int(part * steps) for part in self.searches}
        last: list[tuple[Tensor, CodebookParameters]] = []
        for step in range(steps):
            if step in searches:
                parameters = self.search.improve(stage, parameters, rounding.codewords(parameters).rounded)
            if step in size_checks:
                kept = _rows_within_size(stage, parameters, rounding)
                if len(kept) < len(parameters):
                    last.clear()  # what has had too many is no measure
                adam.keep_rows(["means"], kept)
                parameters = parameters.with_rows(kept)
            if step in size_checks | searches or step % self.lattices_every == 0:
                lattice = rounding.lattice(parameters)
            factor = self.rate_factor * decay(step / steps, final=self.final_rate)
            before = parameters.copied() if step >= steps - self.num_compared else None
            error = train_step(stage, parameters, adam, rounding.rounded(parameters, lattice), factor)
            if before is not None:
                last.append((error, before))
        parameters = self.final_search.improve(stage, _best(stage, rounding, parameters, last), rounding)
        if rounding.grain is not None:
            drawn, words = rounding.rounded(parameters), parameters.codewords[COLORS]
            grain = stage.objective.grain_codes(drawn, parameters.indices[COLORS], len(words))
            rounding = replace(rounding, grain=grain)
        parameters = parameters.with_rows(_rows_within_size(stage, parameters, rounding))
        if config.min_psnr is not None:
            parameters = self._dropped_for_psnr(stage, parameters, rounding, config.min_psnr)
        return rounding.integers(parameters)

    def _dropped_for_psnr(
        self, stage: Stage, parameters: CodebookParameters, rounding: Rounding, min_psnr: float
    ) -> CodebookParameters:
        """Drop Gaussians as long as that leaves `min_psnr` dB, those included that a search makes good for."""

        def dropped(parameters: CodebookParameters) -> CodebookParameters:
            single_tries = self.pruning.single_tries
            return parameters.with_rows(rows_for_psnr(parameters, rounding, stage.objective, min_psnr, single_tries))

        parameters = dropped(parameters)
        for _ in range(self.psnr_searches):
            searched = self.final_search.improve(stage, parameters, rounding)
            # By weighted errors it is better, which need not be so by its PSNR.
            if searched is parameters or not stage.objective.has_psnr(rounding.rounded(searched), min_psnr):
                break
            fewer = dropped(searched)
            if len(fewer) == len(parameters):
                break
            parameters = fewer
        return parameters


def _rows_within_size(stage: Stage, parameters: CodebookParameters, rounding: Rounding) -> Tensor:
    """The rows [M] of the Gaussians that are left when the file is within its limit; all of them if it has none."""
    max_bytes = stage.config.max_bytes
    if max_bytes is None:
        return torch.arange(len(parameters), device=parameters.means.device)
    return rows_within_size(parameters, rounding, stage.objective, max_bytes)


def _best(
    stage: Stage,
    rounding: Rounding,
    parameters: CodebookParameters,
    others: Iterable[tuple[Tensor, CodebookParameters]],
) -> CodebookParameters:
    """Of parameters and others, which had these squared errors, those that have the least error."""
    error = stage.objective.squared_error(rounding.rounded(parameters))
    errors, candidates = [error], [parameters]
    for other_error, other in others:
        errors.append(other_error)
        candidates.append(other)
    return candidates[int(torch.stack(errors).argmin())]
