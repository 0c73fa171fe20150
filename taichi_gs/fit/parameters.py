"""What a fit trains: `Parameters`, with values of their own, and `CodebookParameters`, whose values are codewords.

Both are plain containers. What an optimiser remembers of them is in `adam.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from taichi_gs.fit.chain_rule import change_of_size, rgb_matrix
from taichi_gs.fit.splats import SplatGradients, Splats
from taichi_gs.model.blending import Blending
from taichi_gs.model.channels import channels_of
from taichi_gs.model.dequantize import amplitudes_of
from taichi_gs.model.quantized import AMPLITUDE_CHANNEL, BACKGROUND_UNIT, COVARIANCE_CHANNELS

ROWS = ("means", "log_covariances", "color_codes")
"""The tensors of `Parameters` that have one row a Gaussian."""

COLORS = "color_codes"

CODED = ("log_covariances", COLORS)
"""Those among them that have a codebook: the covariance codebook and the color codebook."""


@dataclass(frozen=True)
class Parameters:
    """N Gaussians as tensors; means and covariances in pixels of the full picture.

    Attributes:
        means: [N, 2], (x, y).
        log_covariances: [N, 3], (m, u, v) as in `model/gaussians.py`.
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
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are trained, by name."""
        return {**self.rows, "background": self.background}

    @property
    def rows(self) -> dict[str, Tensor]:
        """The tensors with one row a Gaussian, by name in ROWS."""
        return {name: getattr(self, name) for name in ROWS}

    @property
    def amplitudes(self) -> Tensor:
        """[N], the opacities, or for normalised blending the weights at the means."""
        amplitudes: Tensor = amplitudes_of(self.color_codes[:, AMPLITUDE_CHANNEL], self.blending)
        return amplitudes

    @property
    def colors(self) -> Tensor:
        """[N, 3], RGB."""
        codes = self.color_codes  # all of them: to take three of the four columns takes longer than the product
        return codes @ rgb_matrix(codes.device, codes.dtype)

    def leaves(self) -> Parameters:
        """Return copies that collect gradients."""
        tensors: dict[str, Any] = {name: t.detach().clone().requires_grad_() for name, t in self.tensors.items()}
        return replace(self, **tensors)

    def ordered(self) -> Parameters:
        """Return the same Gaussians in the blending order of their areas, small ones in front, if they need one."""
        return replace(self, order=area_order(self.log_covariances)) if self.blending == "alpha" else self

    def with_rows(self, kept: Tensor, added: Mapping[str, Tensor] | None = None) -> Parameters:
        """Return the rows `kept` [M] and, after them, the rows `added` by name in ROWS."""
        rows: dict[str, Any] = {name: t[kept] for name, t in self.rows.items()}
        if added is not None:
            rows = {name: torch.cat([t, added[name]]) for name, t in rows.items()}
        return replace(self, **rows)

    def masked(self, kept: Tensor) -> Parameters:
        """Return the Gaussians of a mask [N] bool, in the same order."""
        rows: dict[str, Any] = {name: t[kept] for name, t in self.rows.items()}
        if self.order is None:
            return replace(self, **rows)
        return replace(self, **rows, order=(kept.cumsum(dim=0) - 1)[self.order[kept[self.order]]])

    def splats(self, full_size: tuple[int, int], image_size: tuple[int, int]) -> Splats:
        """Return what is drawn, differentiably: these Gaussians of a picture of `full_size` at `image_size`."""
        means, log_covariances = self.means, self.log_covariances
        if image_size != full_size:
            scales, shift = change_of_size(full_size, image_size, means.device, means.dtype)
            means, log_covariances = means * scales, log_covariances + shift
        return Splats(means, log_covariances, self.colors, self.amplitudes, self.background, self.blending, self.order)

    @staticmethod
    def named(gradients: SplatGradients) -> dict[str, Tensor]:
        """Return gradients by parameters by the names of `tensors`."""
        return dict(zip((*ROWS, "background"), gradients, strict=True))


@dataclass(frozen=True)
class CodebookParameters:
    """N Gaussians whose covariances and colours are codewords.

    Attributes:
        means: [N, 2], (x, y) in pixels of the full picture.
        codewords: [K, D] by name in CODED, each with a K of its own.
        indices: [N] int64 by name in CODED, the codeword of each Gaussian.
        background: [3], RGB.
        blending: "alpha" or "normalized".
    """

    means: Tensor
    codewords: dict[str, Tensor]
    indices: dict[str, Tensor]
    background: Tensor
    blending: Blending

    def __len__(self) -> int:
        return len(self.means)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are trained, by name."""
        return {"means": self.means, "background": self.background, **self.codewords}

    def with_rows(self, kept: Tensor) -> CodebookParameters:
        """Return the Gaussians `kept` [M]."""
        return replace(self, means=self.means[kept], indices={name: own[kept] for name, own in self.indices.items()})

    def copied(self) -> CodebookParameters:
        """Return the same Gaussians, in tensors that no step changes."""
        codewords = {name: words.clone() for name, words in self.codewords.items()}
        return replace(self, means=self.means.clone(), codewords=codewords, background=self.background.clone())

    def used_codewords(self, name: str) -> Tensor:
        """The rows [M], ascending, of the codewords of a name in CODED that some Gaussian has."""
        return torch.bincount(self.indices[name], minlength=len(self.codewords[name])).nonzero().squeeze(1)

    def with_codewords(self, name: str, kept: Tensor) -> CodebookParameters:
        """Return the same Gaussians with the codewords `kept` [M] alone, ascending; no other is used."""
        own = self.codewords[name][kept]
        indices = torch.searchsorted(kept, self.indices[name])
        return replace(self, codewords=self.codewords | {name: own}, indices=self.indices | {name: indices})

    def expanded(self, means: Tensor | None = None, codewords: dict[str, Tensor] | None = None) -> Parameters:
        """Return each Gaussian with values of its own, in no order.

        The background is rounded as a file rounds it. `means` and `codewords` may stand in place of these parameters'.
        """
        vectors = {name: words[self.indices[name]] for name, words in (codewords or self.codewords).items()}
        background = background_levels(self.background) / 255.0
        return Parameters(
            self.means if means is None else means, **vectors, background=background, blending=self.blending
        )

    def gradients(self, by_expanded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return gradients by these tensors, by name, from those by the tensors of `expanded`.

        They go straight through all rounding (the straight-through estimator, Bengio et al. 2013).
        """
        own = {name: torch.zeros_like(words) for name, words in self.codewords.items()}
        for name, total in own.items():
            total.index_add_(0, self.indices[name], by_expanded[name])
        return {**by_expanded, **own}


@dataclass(frozen=True)
class Bounds:
    """What parameters are kept within: what is worth drawing, and what a file can hold.

    Attributes:
        min_log_area: of m; such a Gaussian is about a third of a pixel thick.
        max_log_area: of m.
        max_anisotropy: of u and v; the axes are at most e^6 to e^8.5 : 1.
    """

    min_log_area: float = -2.5
    max_log_area: float = 24.0
    max_anisotropy: float = 6.0

    def clamp(self, tensors: Mapping[str, Tensor], blending: Blending, image_size: tuple[int, int]) -> None:
        """Clamp the tensors of parameters in place.

        A mean that left the picture would be rounded to its edge in the end, and all at once show a colour that nothing
        had fitted.
        """
        for name, (low, high) in _limits(self, blending, image_size, tensors["means"].device).items():
            torch.clamp(tensors[name], low, high, out=tensors[name])


@functools.lru_cache
def _limits(
    bounds: Bounds, blending: Blending, image_size: tuple[int, int], device: torch.device
) -> dict[str, tuple[Tensor, Tensor]]:
    """The lowest and the highest numbers of each column, by name in ROWS; kept as those of `change_of_size` are."""
    height, width = image_size
    anisotropy, channels = bounds.max_anisotropy, channels_of(blending)[COVARIANCE_CHANNELS:]
    limits = {
        "means": ([0.0, 0.0], [width, height]),
        "log_covariances": (
            [bounds.min_log_area, -anisotropy, -anisotropy],
            [bounds.max_log_area, anisotropy, anisotropy],
        ),
        COLORS: ([channel.low for channel in channels], [channel.high for channel in channels]),
    }
    return {
        name: (
            torch.tensor(low, dtype=torch.float32, device=device),
            torch.tensor(high, dtype=torch.float32, device=device),
        )
        for name, (low, high) in limits.items()
    }


def area_order(log_covariances: Tensor) -> Tensor:
    """The permutation [N] that puts the Gaussians with the smallest area in front."""
    return torch.argsort(log_covariances[:, 0], stable=True)


def background_levels(background: Tensor) -> Tensor:
    """The background [3] in levels of 0 to 255, as a file holds it."""
    return BACKGROUND_UNIT * torch.round(255.0 / BACKGROUND_UNIT * background.clamp(0.0, 1.0))


def principal_axes(log_covariances: Tensor) -> tuple[Tensor, Tensor]:
    """The standard deviations [N, 2], longer first, and the unit vectors [N, 2, 2] (axis, xy) of the two axes."""
    m, u, v = log_covariances.unbind(dim=1)
    anisotropy = torch.hypot(u, v)
    angle = 0.5 * torch.atan2(v, u)
    cos, sin = angle.cos(), angle.sin()
    deviations = torch.exp(0.5 * torch.stack([m + anisotropy, m - anisotropy], dim=1))
    return deviations, torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], dim=1)
