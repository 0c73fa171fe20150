"""`Splats`: the parameters that the optimiser moves, and an Adam whose rows can come and go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.optim.adam import adam

from taichi_gs.fit.render import removal_errors, render, squared_error
from taichi_gs.fit.tile_tensors import PairCapacity
from taichi_gs.model.gaussians import MAX_OPACITY, Blending
from taichi_gs.model.quantized import AMPLITUDE_UNIT

ROWS = ("means", "log_covariances", "color_codes")
"""The tensors of `Splats` that have one row a Gaussian."""


@dataclass(frozen=True)
class Splats:
    """N Gaussians as tensors; positions and covariances in pixels of the full-size image.

    Attributes:
        means: [N, 2].
        log_covariances: [N, 3], (m, u, v) as in `gaussians.py`.
        color_codes: [N, 4], Y, Co, Cg and the code of the amplitude.
        background: [3], RGB.
        blending: "alpha" or "normalized".
        order: [N] int64, the permutation that puts them front to back, for "alpha" blending; None for "normalized".
    """

    means: Tensor
    log_covariances: Tensor
    color_codes: Tensor
    background: Tensor
    blending: Blending
    order: Tensor | None = None

    def __len__(self) -> int:
        return len(self.means)

    @property
    def amplitudes(self) -> Tensor:
        """[N], the opacities, or for normalised blending the weights at the means."""
        return amplitudes(self.color_codes[:, 3], self.blending)

    @property
    def colors(self) -> Tensor:
        """[N, 3], RGB."""
        y, co, cg, _ = self.color_codes.unbind(dim=1)
        return torch.stack([y + co - cg, y + cg, y - co - cg], dim=1)

    def only(self, kept: Tensor) -> Splats:
        """The Gaussians of a mask [N] bool, in the same order."""
        rows = {name: getattr(self, name)[kept] for name in ROWS}
        if self.order is None:
            return replace(self, **rows)
        return replace(self, **rows, order=(kept.cumsum(dim=0) - 1)[self.order[kept[self.order]]])

    def render(
        self, full_size: tuple[int, int], image_size: tuple[int, int], capacity: PairCapacity | None = None
    ) -> Tensor:
        """Render [3, height, width] at `image_size` what is described for `full_size`, differentiably."""
        placed = self._placed(full_size, image_size)
        return render(*placed, self.order, image_size, self.blending, capacity=capacity)

    def squared_error(
        self, full_size: tuple[int, int], picture: Tensor, capacity: PairCapacity | None = None
    ) -> Tensor:
        """The sum of squared errors against `picture` [3, height, width], as by `render`, differentiably."""
        placed = self._placed(full_size, (picture.shape[1], picture.shape[2]))
        return squared_error(*placed, self.order, picture, self.blending, capacity=capacity)

    def removal_errors(self, picture: Tensor) -> Tensor:
        """How much removing each Gaussian alone adds [N] to the squared error against `picture` [3, H, W]."""
        size = (picture.shape[1], picture.shape[2])
        return removal_errors(*self._placed(size, size), self.order, picture, self.blending)

    def _placed(
        self, full_size: tuple[int, int], image_size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The renderer's means, log_covariances, colors, amplitudes and background, in pixels of `image_size`."""
        means, log_covariances = self.means, self.log_covariances
        if image_size != full_size:
            # Number by number: a small tensor of them would have to be copied to a GPU at each step.
            scale_y, scale_x = image_size[0] / full_size[0], image_size[1] / full_size[1]
            (x, y), (m, u, v) = means.unbind(dim=1), log_covariances.unbind(dim=1)
            means = torch.stack([x * scale_x, y * scale_y], dim=1)
            log_covariances = torch.stack([m + math.log(scale_x * scale_y), u, v], dim=1)
        return means, log_covariances, self.colors, self.amplitudes, self.background


def amplitudes(codes: Tensor, blending: Blending) -> Tensor:
    """The amplitudes [N] that codes [N] stand for, differentiably; `quantize.amplitudes_of` is the decoder's form."""
    return (AMPLITUDE_UNIT * codes).exp() if blending == "normalized" else MAX_OPACITY * torch.sigmoid(codes)


def area_order(log_covariances: Tensor) -> Tensor:
    """The permutation [N] that puts the Gaussians with the smallest area in front."""
    return torch.argsort(log_covariances.detach()[:, 0], stable=True)


def principal_axes(log_covariances: Tensor) -> tuple[Tensor, Tensor]:
    """The standard deviations [N, 2], longer first, and the unit vectors [N, 2, 2] (axis, xy) of the two axes."""
    m, u, v = log_covariances.unbind(dim=1)
    anisotropy = torch.hypot(u, v)
    angle = 0.5 * torch.atan2(v, u)
    cos, sin = angle.cos(), angle.sin()
    deviations = torch.exp(0.5 * torch.stack([m + anisotropy, m - anisotropy], dim=1))
    return deviations, torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], dim=1)


@dataclass
class _Moments:
    """What Adam keeps of a tensor.

    Attributes:
        mean, square: running means of its gradient and of the gradient's square, shaped like it.
        num_steps: [] float32, on its device.
    """

    mean: Tensor
    square: Tensor
    num_steps: Tensor


class RowAdam:
    """Adam over named tensors, with a learning rate each, that keeps its moments when rows are dropped or added.

    The arithmetic is PyTorch's functional form of it: the class `torch.optim.Adam` imports PyTorch's compiler when the
    first one is made, which takes longer than importing all the rest.
    """

    def __init__(self, tensors: Mapping[str, Tensor], rates: Mapping[str, float]) -> None:
        self._rates = dict(rates)
        self._tensors = {name: tensor.detach().clone().requires_grad_() for name, tensor in tensors.items()}
        self._moments = {
            name: _Moments(torch.zeros_like(t), torch.zeros_like(t), torch.zeros((), device=t.device))
            for name, t in tensors.items()
        }

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def splats(self, blending: Blending) -> Splats:
        """The Gaussians whose fields are the tensors of this optimiser, in the order of their areas."""
        order = area_order(self["log_covariances"]) if blending == "alpha" else None
        return Splats(self["means"], self["log_covariances"], self["color_codes"], self["background"], blending, order)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Take a step with every learning rate multiplied by `factor`, then clear the gradients."""
        for name, tensor in self._tensors.items():
            if tensor.grad is None:
                continue
            moments = self._moments[name]
            adam(
                [tensor],
                [tensor.grad],
                [moments.mean],
                [moments.square],
                [],
                [moments.num_steps],
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._rates[name] * factor,
                weight_decay=0.0,
                eps=1e-15,
                maximize=False,
                fused=True,
            )
            tensor.grad = None

    def momentum(self, name: str) -> Tensor:
        """The running mean of a tensor's gradient, shaped like it; zero before the first step."""
        return self._moments[name].mean

    def assign(self, name: str, values: Tensor) -> None:
        """Overwrite a tensor's values [same shape] and keep its moments."""
        self._tensors[name].data.copy_(values)

    def keep_rows(self, kept: Tensor, names: Sequence[str] = ROWS) -> None:
        """Keep only the rows `kept` [M] of the tensors `names`."""
        self.replace_rows(kept, {name: self[name].detach()[:0] for name in names})

    def replace_rows(self, kept: Tensor, added: Mapping[str, Tensor]) -> None:
        """Keep the rows `kept` [M] of every tensor named in `added`, and append its new rows with zero moments."""
        for name, rows in added.items():
            self._tensors[name] = torch.cat([self._tensors[name].detach()[kept], rows]).requires_grad_()
            old, zeros = self._moments[name], torch.zeros_like(rows)
            mean, square = (torch.cat([moment[kept], zeros]) for moment in (old.mean, old.square))
            self._moments[name] = _Moments(mean, square, old.num_steps)
