"""Other positions for Gaussians, found by trying the points of their lattices on the picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from taichi_gs.fit.far_apart import FarApart
from taichi_gs.fit.parameters import CodebookParameters
from taichi_gs.fit.rounding import Rounding
from taichi_gs.fit.splats import Screening
from taichi_gs.fit.stage import Stage
from taichi_gs.fit.tensors import raw


@dataclass(frozen=True)
class PositionSearch:
    """How points of lattices are tried.

    Attributes:
        rounds: in each, Gaussians that are far apart move to one of the eight points around; all that gain by it are
            tried again in the next, from where they are then.
        num_kept: of large Gaussians' points so many are looked at in all rows of pixels, see `Screening`.
        min_rows: how many rows are looked at before, likewise.
        far_apart: which ones move together.
    """

    rounds: int = 4
    num_kept: int = 3
    min_rows: int = 8
    far_apart: FarApart = field(default_factory=FarApart)

    def improve(self, stage: Stage, parameters: CodebookParameters, rounding: Rounding) -> CodebookParameters:
        """Return Gaussians of less error on points of their lattices; all else is shared.

        Args:
            stage: what they are judged by.
            parameters: the Gaussians, of normalised blending.
            rounding: what rounds them.
        """
        codewords = rounding.codewords(parameters)
        lattice = codewords.lattice(parameters)
        means = torch.as_tensor(lattice.rounded(raw(parameters.means)))
        rows = torch.arange(len(means), device=means.device)
        for _ in range(self.rounds):
            drawn = parameters.expanded(means, codewords.values)
            tried = torch.as_tensor(lattice.of_rows(raw(rows)).neighbours(raw(means[rows])))
            count = tried.shape[1]
            others: dict[str, Any] = {name: t[rows].repeat_interleave(count, dim=0) for name, t in drawn.rows.items()}
            candidates = replace(drawn, **others | {"means": tried.flatten(0, 1)})
            screening = Screening(tried.new_zeros(tried.shape[:2]), self.num_kept, self.min_rows)
            least = stage.objective.replacement_errors(drawn, rows, candidates, screening).min(dim=1)
            gaining = (least.values < 0.0).nonzero().squeeze(1)
            if not len(gaining):
                break
            rows, best = rows[gaining], tried[gaining, least.indices[gaining]]
            apart = self.far_apart.chosen(drawn, rows, least.values[gaining], stage.objective.size)
            means = means.index_put((rows[apart],), best[apart])
        return replace(parameters, means=means)
