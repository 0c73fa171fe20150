"""Which Gaussians go: to a number, to a size of the file, or to a quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from taichi_gs.fit.objective import Objective
from taichi_gs.fit.parameters import CodebookParameters
from taichi_gs.fit.rounding import Rounding


@dataclass(frozen=True)
class Pruning:
    """How the last stage removes Gaussians.

    Attributes:
        size_checks: the fractions of the stage at which the size is looked at, and not only at its end: Gaussians that
            are removed then are not made good for.
        single_tries: where a PSNR is wanted and no more Gaussians can go together, so many are tried one by one.
    """

    size_checks: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 0.9)
    single_tries: int = 16


def most_useful(removal_errors: Tensor, count: int) -> Tensor:
    """The rows of the `count` Gaussians whose removal would hurt most, ascending."""
    return removal_errors.argsort(descending=True, stable=True)[:count].sort().values


def rows_within_size(
    parameters: CodebookParameters, rounding: Rounding, objective: Objective, max_bytes: int
) -> Tensor:
    """The rows [M], ascending, that are left when the least useful Gaussians go until the file has `max_bytes` at most.

    The file is meant without chunks. At least one row is left.
    """
    rows = torch.arange(len(parameters), device=parameters.means.device)
    usefulness: Tensor | None = None
    while len(rows) > 1:
        num_bytes = rounding.num_bytes(parameters.with_rows(rows))
        excess = num_bytes - max_bytes
        if excess <= 0:
            break
        if usefulness is None:
            usefulness = objective.removal_errors(rounding.rounded(parameters))
        # A little less than the excess's share of the Gaussians, so as not to remove too many; then look again.
        count = max(1, int(0.9 * excess / num_bytes * len(rows)))
        kept = most_useful(usefulness, max(1, len(rows) - count))
        rows, usefulness = rows[kept], usefulness[kept]
    return rows


def rows_for_psnr(
    parameters: CodebookParameters, rounding: Rounding, objective: Objective, min_psnr: float, single_tries: int
) -> Tensor:
    """The rows [M], ascending, that are left when as many Gaussians go as the PSNR of the 8-bit picture allows.

    The least useful go first, in portions, halved where one is too many. In the end a few are tried one by one,
    because with few Gaussians each one counts. All are left if the picture has less than `min_psnr` dB anyway.
    """
    drawn = rounding.rounded(parameters)
    if not objective.has_psnr(drawn, min_psnr):
        return torch.arange(len(parameters), device=parameters.means.device)
    ranking = objective.removal_errors(drawn).argsort(stable=True)
    kept = _remove_while(lambda kept: objective.has_psnr(drawn.masked(kept), min_psnr), ranking, single_tries)
    return kept.nonzero().squeeze(1)


def _remove_while(is_good: Callable[[Tensor], bool], ranking: Tensor, single_tries: int) -> Tensor:
    """The mask [N] of what is left when rows go in the order of `ranking` [N] and what is left stays good."""
    kept = torch.ones(len(ranking), dtype=torch.bool, device=ranking.device)
    tried, portion, singles = 0, max(1, len(ranking) // 2), single_tries
    while tried < len(ranking) and singles > 0:
        candidate = kept.clone()
        candidate[ranking[tried : tried + portion]] = False
        if candidate.any() and is_good(candidate):
            kept, tried = candidate, tried + portion
        elif portion > 1:
            portion //= 2
        else:
            tried, singles = tried + 1, singles - 1
    return kept
