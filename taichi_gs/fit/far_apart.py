"""Which Gaussians change together in a search: those whose boxes do not meet.

What a change of one Gaussian is worth is found with all others as they are. Neighbours that both change correct the
same error twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from taichi_gs.fit.parameters import Parameters


@dataclass(frozen=True)
class FarApart:
    """What counts as far apart.

    Attributes:
        reach: half the side of the box that a Gaussian keeps from changing others, in standard deviations.
        block: the side, in pixels, of the squares in which boxes are counted.
    """

    reach: float = 1.5
    block: int = 8

    def chosen(self, drawn: Parameters, rows: Tensor, changes: Tensor, size: tuple[int, int]) -> Tensor:
        """The mask [M] of the Gaussians of `rows` whose boxes do not meet; the least of `changes` [M] come first.

        `size` is the (height, width) of the picture.
        """
        m, u, v = drawn.log_covariances[rows].unbind(dim=1)
        r = torch.hypot(u, v).clamp_min(1e-6)
        slope = r.sinh() / r * u
        variances = m.exp()[:, None] * torch.stack([r.cosh() + slope, r.cosh() - slope], dim=1)
        half_sides, means = self.reach * variances.clamp_min(0.0).sqrt(), drawn.means[rows]
        last = torch.tensor([size[1] - 1, size[0] - 1], device=means.device)
        corners = (torch.minimum((means + side).clamp_min(0.0), last) for side in (-half_sides, half_sides))
        (left, top), (right, bottom) = ((corner / self.block).long().cpu().numpy().T for corner in corners)
        taken = np.zeros((size[0] // self.block + 1, size[1] // self.block + 1), dtype=bool)
        apart = np.zeros(len(rows), dtype=bool)
        for i in changes.argsort(stable=True).tolist():
            box = taken[top[i] : bottom[i] + 1, left[i] : right[i] + 1]
            if not box.any():
                box[:] = apart[i] = True
        return torch.from_numpy(apart).to(rows.device)
