"""Scenes to render in tests, how the package draws them, and how the reference decoder does."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference_decoder
import torch
from numpy.typing import NDArray
from torch import Tensor
from twins import Splats, near_threshold, random_splats

from taichi_gs.fit import render
from taichi_gs.fit import splats as fit_splats
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form
from taichi_gs.model.blending import Blending

Picture = NDArray[np.float64]

BLENDINGS: list[Blending] = ["alpha", "normalized"]

Scene = tuple[tuple[int, int], Splats]
"""The size of a picture and its Gaussians."""

ALPHA_SCENES: dict[str, Scene] = {
    "sizes that tiles do not divide": ((37, 50), random_splats(60, (37, 50))),
    "whole tiles": ((32, 48), random_splats(60, (32, 48), seed=1)),
    "one pixel": ((1, 1), random_splats(5, (1, 1), seed=2)),
    "a narrow picture": ((17, 3), random_splats(12, (17, 3), seed=3)),
    "600 in one tile": ((16, 16), random_splats(600, (16, 16), (0.5, 3), 3, (0.005, 0.3), 2, seed=4)),
    "no Gaussians": ((20, 33), random_splats(0, (20, 33), seed=5)),
    "all off the picture": ((20, 33), random_splats(9, (20, 33), (0.5, 2), seed=6)),
    "smaller than a pixel": ((37, 50), random_splats(300, (37, 50), (0.2, 0.2), 1.2, seed=7)),
    "much larger than the picture": ((37, 50), random_splats(30, (37, 50), (200, 2000), 3, margin=500, seed=8)),
    "100 times longer than wide": ((37, 50), random_splats(40, (37, 50), (3, 10), 100, seed=9)),
    "300 times longer than wide": ((37, 50), random_splats(40, (37, 50), (3, 10), 300, seed=13)),
    "nearly opaque": ((37, 50), random_splats(60, (37, 50), (3, 8), amplitudes=(0.98, 0.99), seed=10)),
    "all invisible": ((20, 33), random_splats(30, (20, 33), (3, 8), amplitudes=(1e-6, 0.99 / 255), seed=11)),
    "barely visible": ((20, 33), random_splats(30, (20, 33), (3, 8), amplitudes=(1.2 / 255, 3 / 255), seed=12)),
}
ALPHA_SCENES["all off the picture"][1].means[:, 0] += 100
LIGHT = random_splats(80, (37, 50), seed=14)
SCENES: dict[Blending, dict[str, Scene]] = {
    "alpha": ALPHA_SCENES,
    # The same with amplitudes that are larger by as much as the cut-off is: they reach as far. And very uneven ones.
    "normalized": {
        **{
            name: (size, splats._replace(amplitudes=splats.amplitudes * 255 / 64))
            for name, (size, splats) in ALPHA_SCENES.items()
        },
        "amplitudes up to e**8": (
            (37, 50),
            LIGHT._replace(amplitudes=torch.linspace(-5, 8, 80, dtype=torch.float64).exp()),
        ),
    },
}
CASES = [(blending, scene) for blending in BLENDINGS for scene in SCENES[blending]]

UNSEEN = ("no Gaussians", "all off the picture", "all invisible")
"""The scenes that show nothing but the background."""


def splats_of(rows: list[list[float]], background: list[float]) -> Splats:
    """Isotropic Gaussians from rows of x, y, scale, red, green, blue, amplitude."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 7)
    shapes = torch.stack([2 * table[:, 2].log(), 0 * table[:, 0], 0 * table[:, 0]], dim=1)
    return Splats(table[:, :2], shapes, table[:, 3:6], table[:, 6], torch.tensor(background, dtype=torch.float64))


def order_of(splats: Splats) -> NDArray[np.int64]:
    return np.random.default_rng(1).permutation(len(splats.means))


def pixel_weights(size: tuple[int, int]) -> Tensor:
    """[H, W] float64, very uneven: from 0.01 to 3."""
    return 3.0 * torch.rand(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(9)) ** 3 + 0.01


def drawable(splats: Splats, order: NDArray[Any] | Tensor | None, blending: Blending) -> fit_splats.Splats:
    """The same tensors for the package."""
    return fit_splats.Splats(*splats, blending, order)


def rendered(
    splats: Splats,
    order: NDArray[Any] | Tensor | None,
    size: tuple[int, int],
    blending: Blending,
    form: Form,
    dtype: torch.dtype = torch.float64,
) -> Picture:
    """The package's picture [H, W, 3]."""
    inputs = Splats(*(t.to(runtime.start(), dtype) for t in splats))
    image = render.Renderer(form).render(drawable(inputs, order, blending), size)
    picture: Picture = image.permute(1, 2, 0).cpu().double().numpy()
    return picture


def reference(splats: Splats, order: NDArray[Any], size: tuple[int, int], blending: Blending = "alpha") -> Picture:
    """The reference decoder's picture [H, W, 3]."""
    rows = (t.numpy()[order] for t in splats[:4])
    return reference_decoder.render(*rows, background=splats.background.numpy(), image_size=size, blending=blending)


def jumps(splats: Splats, size: tuple[int, int], blending: Blending) -> NDArray[np.bool_]:
    """The pixels [H, W] that rounding may change visibly: only an alpha jumps at the cut-off."""
    return near_threshold(splats, size, 1e-6).numpy() if blending == "alpha" else np.zeros(size, np.bool_)


def gradients(splats: Splats, picture: Tensor, grad: Tensor) -> list[Tensor]:
    """Those of the leaves, from that of the picture."""
    picture.backward(grad.to(picture))
    return splats.gradients()
