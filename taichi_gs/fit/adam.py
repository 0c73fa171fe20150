"""Adam over named tensors whose rows can come and go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LearningRates:
    """Adam's steps for each kind of parameter, in its own units.

    Attributes:
        means: in mean distances between Gaussians.
        log_covariances: of m, u and v.
        color_codes: of Y, Co, Cg and the amplitude code.
        background: of RGB, 0 to 1.
    """

    means: float = 0.06
    log_covariances: float = 0.14
    color_codes: float = 0.015
    background: float = 0.003

    def by_name(self, spacing: float) -> dict[str, float]:
        """Return the rates by the name of the tensor, for Gaussians that are `spacing` pixels apart."""
        return {
            "means": self.means * spacing,
            "log_covariances": self.log_covariances,
            "color_codes": self.color_codes,
            "background": self.background,
        }


def decay(progress: float, start: float = 0.0, final: float = 0.1) -> float:
    """A factor on learning rates: 1 up to `start`, then a half cosine down to `final`; `progress` runs from 0 to 1."""
    phase = max(0.0, (progress - start) / (1.0 - start))
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * phase))


@dataclass
class _Moments:
    """What Adam keeps of a tensor.

    Attributes:
        mean, square: running means of its gradient and of the gradient's square, shaped like it.
    """

    mean: Tensor
    square: Tensor


class Adam:
    """The moments of named tensors (Kingma and Ba 2015), which are kept when rows are dropped or added.

    The arithmetic is the operation of PyTorch that `torch.optim.Adam(fused=True)` ends in. The class imports PyTorch's
    compiler when the first one is made, which takes longer than importing all the rest, and all that is around the
    operation takes three times as long as itself where Gaussians are few.
    """

    def __init__(self, tensors: Mapping[str, Tensor], rates: Mapping[str, float]) -> None:
        self._rates = dict(rates)
        self._moments = {name: _Moments(torch.zeros_like(t), torch.zeros_like(t)) for name, t in tensors.items()}
        # PyTorch's operation takes a float32 on the device of the tensors, which all took as many steps.
        self._num_steps = torch.zeros((), device=next(iter(tensors.values())).device)

    def step(self, tensors: Mapping[str, Tensor], gradients: Mapping[str, Tensor], factor: float) -> None:
        """Move all tensors in place by their gradients, every learning rate multiplied by `factor`."""
        self._num_steps += 1
        for name, gradient in gradients.items():
            moments = self._moments[name]
            torch._fused_adam_(
                [tensors[name]],
                [gradient.contiguous()],  # it goes through memory as it lies
                [moments.mean],
                [moments.square],
                [],
                [self._num_steps],
                lr=self._rates[name] * factor,
                beta1=0.9,
                beta2=0.999,
                weight_decay=0.0,
                eps=1e-15,
                amsgrad=False,
                maximize=False,
            )

    def momentum(self, name: str) -> Tensor:
        """The running mean of a tensor's gradient, shaped like it; zero before the first step."""
        return self._moments[name].mean

    def keep_rows(self, names: Iterable[str], kept: Tensor, num_added: int = 0) -> None:
        """Keep the rows `kept` [M] of the moments of tensors, and append rows of zeros."""
        for name in names:
            old = self._moments[name]
            zeros = old.mean.new_zeros(num_added, *old.mean.shape[1:])
            mean, square = (torch.cat([moment[kept], zeros]) for moment in (old.mean, old.square))
            self._moments[name] = _Moments(mean, square)
