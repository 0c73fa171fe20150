"""Codewords of other symbols, found by trying those next to their own on the picture.

Another symbol changes all Gaussians that have the codeword. What it does to each of them alone is found first, for all
symbols together. Those that promise something by the sum of it are then tried.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from taichi_gs.fit.parameters import CODED, CodebookParameters
from taichi_gs.fit.rounding import RoundedCodewords, Rounding
from taichi_gs.fit.stage import Stage


@dataclass(frozen=True)
class SymbolSearch:
    """How symbols are tried.

    Attributes:
        max_tries: of one codebook. Where more codewords promise something, several change together.
    """

    max_tries: int = 16

    def improve(self, stage: Stage, parameters: CodebookParameters, rounding: Rounding) -> CodebookParameters:
        """Return Gaussians with codewords of less error, in each of which one symbol may differ; all else is shared.

        Args:
            stage: what they are judged by.
            parameters: the Gaussians, of normalised blending.
            rounding: what rounds them.
        """
        for name in CODED:
            words = self._improve(stage, parameters, rounding.codewords(parameters), name)
            parameters = replace(parameters, codewords=parameters.codewords | {name: words})
        return parameters

    def _improve(self, stage: Stage, parameters: CodebookParameters, codewords: RoundedCodewords, name: str) -> Tensor:
        """The codewords [K, D] of a name in CODED."""
        moved = _moved(codewords, name)
        least = _changes(stage, parameters, codewords, name, moved).min(dim=1)
        order = least.values.argsort(stable=True)
        promising = order[least.values[order] < 0.0]
        symbols = torch.as_tensor(codewords.symbols[name])
        error = stage.objective.squared_error(codewords.rounded(parameters))
        for words in torch.tensor_split(promising, max(min(len(promising), self.max_tries), 1)):
            others = symbols.index_put((words,), moved[words, least.indices[words]])
            tried = codewords.with_symbols(name, others)
            found = stage.objective.squared_error(tried.rounded(parameters))
            if found < error:
                symbols, codewords, error = others, tried, found
        return codewords.values[name]


def _moved(codewords: RoundedCodewords, name: str) -> Tensor:
    """The symbols [K, 2 D, D] of codewords with a symbol more or less in one channel, or as they are at its ends."""
    symbols = torch.as_tensor(codewords.symbols[name])
    step = torch.eye(symbols.shape[1], dtype=symbols.dtype, device=symbols.device)
    last = symbols.new_tensor([quantizer.num_levels - 1 for quantizer in codewords.rounding.quantizers[name]])
    return (symbols[:, None] + torch.cat([step, -step])).clamp_min(0).minimum(last)


def _changes(
    stage: Stage, parameters: CodebookParameters, codewords: RoundedCodewords, name: str, moved: Tensor
) -> Tensor:
    """What each of the symbols `moved` [K, S, D] adds [K, S] to the error, summed over Gaussians that change alone."""
    drawn = codewords.rounded(parameters)
    tried = [codewords.with_symbols(name, others).rounded(parameters).rows for others in moved.unbind(dim=1)]
    rows: dict[str, Any] = {key: torch.stack([each[key] for each in tried], dim=1).flatten(0, 1) for key in drawn.rows}
    every = torch.arange(len(parameters), device=moved.device)
    errors = stage.objective.replacement_errors(drawn, every, replace(drawn, **rows))
    return errors.new_zeros(moved.shape[:2]).index_add_(0, parameters.indices[name], errors)
