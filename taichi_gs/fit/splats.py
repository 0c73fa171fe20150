"""Gaussians as they are drawn, and what is found out about them beside a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from taichi_gs.model.blending import Blending

NO_BLOCKS = (0.0, 0.0)
"""Importances of blocks with which only the errors of single pixels count."""


@dataclass(frozen=True)
class Splats:
    """N Gaussians as they are drawn; see `model/gaussians.py` for the conventions.

    All tensors share one dtype, float32 or float64, and one device.

    Attributes:
        means: [N, 2], in pixels of the picture that is drawn.
        log_covariances: [N, 3].
        colors: [N, 3].
        amplitudes: [N]; in (0, 0.99] if the blending is "alpha", in (0, 65536] if it is "normalized".
        background: [3].
        blending: "alpha" or "normalized".
        order: [N] integers, the permutation that puts the Gaussians front to back, for "alpha" blending, best on their
            device; None, if they are in that order, or for "normalized" blending, which knows no front.
    """

    means: Tensor
    log_covariances: Tensor
    colors: Tensor
    amplitudes: Tensor
    background: Tensor
    blending: Blending
    order: np.ndarray | Tensor | None = None

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The five differentiable inputs, contiguous."""
        inputs = (self.means, self.log_covariances, self.colors, self.amplitudes, self.background)
        means, log_covariances, colors, amplitudes, background = (t.contiguous() for t in inputs)
        return means, log_covariances, colors, amplitudes, background


class Screening(NamedTuple):
    """How some candidates are chosen from all, by some rows of pixels alone.

    Attributes:
        penalties: [M, K], of candidates; those of the least change and penalty are kept.
        num_kept: so many for each Gaussian.
        min_rows: of pixels, from 1. Fewer than twice as many are all looked at, of all candidates.
    """

    penalties: Tensor
    num_kept: int
    min_rows: int


class Candidates(NamedTuple):
    """What may stand in the place of some Gaussians.

    Attributes:
        rows: [M] integers, which Gaussians.
        splats: M K Gaussians, K for each of `rows` in turn. Their background and their order mean nothing.
        screening: if given, not all of them have to be looked at closely.
    """

    rows: Tensor
    splats: Splats
    screening: Screening | None = None


class SplatGradients(NamedTuple):
    """Gradients by the tensors of `Splats`, or by the parameters that they follow from, see `ChainRule`.

    Attributes:
        means: [N, 2].
        log_covariances: [N, 3].
        appearance: [N, 4], those by colors and amplitudes side by side, or by color codes.
        background: [3].
    """

    means: Tensor
    log_covariances: Tensor
    appearance: Tensor
    background: Tensor

    @classmethod
    def of_rows(cls, rows: Tensor, background: Tensor) -> SplatGradients:
        """Those of which all but the last stand side by side, [N, 9]."""
        return cls(rows[:, :2], rows[:, 2:5], rows[:, 5:], background)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Those by each of `Splats.tensors`, in its shape."""
        means, log_covariances, appearance, background = self
        return means, log_covariances, appearance[:, :3], appearance[:, 3], background


class Cost(NamedTuple):
    """What `Renderer.cost` finds.

    Attributes:
        cost: the squared error with what blocks of pixels add to it, a tensor of no dimensions.
        squared_error: likewise.
        gradients: of the cost, by splats or, if that was asked for, by parameters.
    """

    cost: Tensor
    squared_error: Tensor
    gradients: SplatGradients
