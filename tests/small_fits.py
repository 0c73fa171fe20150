"""Small fits for tests: pictures, Gaussians, what is asked for, and the stages of a fit one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import twins
from numpy.typing import NDArray
from torch import Tensor

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.codeword_training import CodewordTraining
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.fit import Hyperparameters, fit, make_objective
from taichi_gs.fit.parameters import CodebookParameters, Parameters
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.stage import Listener, Stage
from taichi_gs.fit.tuning import Tuning
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending
from taichi_gs.model.quantized import QuantizedGaussians

SIZE = (48, 64)


def photograph(size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """Smooth gradients on both sides of a slanted edge [H, W, 3]."""
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.stack([0.3 + 0.4 * x / width, 0.5 + 0.3 * np.sin(3 * y / height), 0.6 - 0.4 * x * y / x.size], axis=2)
    right = x - 0.6 * width + 0.4 * (y - 0.5 * height) > 0
    picture[right] = 0.85 - 0.3 * picture[right][:, ::-1]
    return picture.astype(np.float32)


def tensor_of(picture: NDArray[np.float32]) -> Tensor:
    """[3, H, W], where kernels run."""
    return torch.from_numpy(picture.transpose(2, 0, 1).copy()).to(runtime.start())


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    """A picture [3, H, W] of random pixels, where kernels run."""
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)).to(runtime.start())


def psnr(picture: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return -10 * math.log10(float(np.mean((picture - other) ** 2)))


# Gaussians


def random_parameters(n: int, size: tuple[int, int], blending: Blending = "alpha") -> Parameters:
    """Random Gaussians, in no order."""
    twin = twins.random_splats(n, size, scales=(1.5, 4.0), margin=0.0, seed=2)
    generator = torch.Generator().manual_seed(3)
    spread = torch.tensor([0.5, 0.3, 0.3, 1.0 if blending == "alpha" else 0.3])
    codes = torch.randn(n, 4, generator=generator, dtype=torch.float64) * spread
    tensors = (twin.means, twin.log_covariances, codes, twin.background)
    return Parameters(*(t.float().to(runtime.start()) for t in tensors), blending)


def in_order(parameters: Parameters, order: Sequence[int] | NDArray[np.integer]) -> Parameters:
    """The same Gaussians in another blending order."""
    tensor = torch.tensor(np.asarray(order), dtype=torch.int64, device=parameters.means.device)
    return replace(parameters, order=tensor)


def doubles_of(parameters: Parameters) -> list[Tensor]:
    """Leaves in float64 for `twin_of`."""
    tensors = (parameters.means, parameters.log_covariances, parameters.color_codes, parameters.background)
    return [t.detach().cpu().double().requires_grad_() for t in tensors]


def twin_of(leaves: Sequence[Tensor], blending: Blending) -> twins.Splats:
    """What means, log_covariances, color_codes and background stand for."""
    means, log_covariances, codes, background = leaves
    y, co, cg, z = codes.unbind(dim=1)
    colors = torch.stack([y + co - cg, y + cg, y - co - cg], dim=1)
    amplitudes = 0.99 * torch.sigmoid(z) if blending == "alpha" else torch.exp(4 * z)
    return twins.Splats(means, log_covariances, colors, amplitudes, background)


# Fits


def config_of(num_gaussians: int = 40, k: int = 10, **options: Any) -> FitConfig:
    how: dict[str, Any] = {"blending": "normalized", "loss": "l2", "tune": "psnr", "density": "prune"}
    defaults = how | {"steps": 20, "seed": 0}
    return FitConfig(num_gaussians=num_gaussians, covariance_k=k, color_k=k, **(defaults | options))


@dataclass(frozen=True)
class _Given:
    """Weights [H, W] that do not follow from the picture."""

    tensor: Tensor

    def of(self, picture: Tensor) -> Tensor:
        return self.tensor.to(picture)


def weighted_by(weights: Tensor | None) -> Tuning:
    """Errors count by weights [H, W], or all alike."""
    return Tuning(None if weights is None else _Given(weights))


def renderer() -> Renderer:
    return Renderer(runtime.kernel_form(runtime.start()))


def nothing(*_: object) -> None:
    """Listen to nothing."""


def stage_of(
    picture: Tensor,
    config: FitConfig,
    listener: Listener = nothing,
    hyperparameters: Hyperparameters | None = None,
    seed: int = 0,
) -> Stage:
    """What a stage of a fit to [3, H, W] needs."""
    chosen = hyperparameters or Hyperparameters()
    objective = make_objective(picture, config, renderer(), chosen)
    generator = torch.Generator().manual_seed(seed)
    return Stage(objective, config, chosen.rates, chosen.bounds, chosen.lagrangian, generator, listener)


def clustered(config: FitConfig, train_steps: int = 0) -> tuple[Stage, CodebookParameters, Adam]:
    """Gaussians of the photograph after few steps of the first two stages, and some of the third, without searches."""
    chosen = Hyperparameters()
    stage = stage_of(tensor_of(photograph()), config, seed=config.seed)
    parameters, adam = chosen.unconstrained.run(stage, 8)
    coded = chosen.clustering.run(stage, parameters, adam, 8)
    return stage, *CodewordTraining(searches=()).run(stage, coded, train_steps)


def fitted(
    picture: NDArray[np.float32],
    config: FitConfig,
    progress: Callable[[int, float], None] = nothing,
    hyperparameters: Hyperparameters | None = None,
) -> QuantizedGaussians:
    """A whole fit to [H, W, 3]."""
    objective = make_objective(tensor_of(picture), config, renderer(), hyperparameters)
    return runtime.call(fit, objective, config, progress, hyperparameters)
