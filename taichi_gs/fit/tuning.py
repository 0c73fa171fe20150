"""What a fit is tuned for: how much the error of each pixel counts, and at which resolution.

People see an error where the picture is smooth, and hardly where it is busy. The measures that agree with them divide
the squared error by the local variance in one way or another: SSIM by the variance and a constant, for instance (Wang
et al. 2004).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from taichi_gs.fit.grain import Grain
from taichi_gs.fit.luma import luma_of
from taichi_gs.fit.splats import NO_BLOCKS
from taichi_gs.fit.window_means import window_means


class Weights(Protocol):
    """Weighs the pixels of a picture."""

    def of(self, picture: Tensor) -> Tensor:
        """Return the weights [H, W], positive, 1 on average, of a picture [3, H, W], RGB from 0 to 1."""


@dataclass(frozen=True)
class VisualWeights:
    """Weights (2 v + c)^-e, where v is the variance of luma, in levels of 255, in a window around the pixel.

    Attributes:
        window: its sides, in pixels; odd.
        constant: c, in squared levels: where the variance is far below, all weights are the same.
        exponent: e.
    """

    window: int = 33
    constant: float = 58.5
    exponent: float = 0.52

    def of(self, picture: Tensor) -> Tensor:
        """Return the weights [H, W], 1 on average, of a picture [3, H, W], RGB from 0 to 1."""
        # In place, because planes of large pictures take a lot of memory.
        luma = luma_of(picture).mul_(255.0)
        # Of deviations from the mean: of the levels themselves, rounding would not leave much of a small variance.
        deviation = luma.sub_(luma.mean())
        mean = window_means(deviation, self.window)
        variance = window_means(deviation.square_(), self.window).sub_(mean.square_()).clamp_(min=0.0)
        weights = variance.mul_(2.0).add_(self.constant).pow_(-self.exponent)
        return weights.div_(weights.mean())


@dataclass(frozen=True)
class Tuning:
    """What decides how errors count.

    Attributes:
        weights: of the pixels' squared errors; None counts all alike.
        importance_of_half: a factor on the loss of every other step of the second stage, which looks at the picture at
            half its resolution; with 0, all steps look at all of it.
        importances_of_blocks: of errors that blocks of 4 and of 8 pixels share, see `Renderer.cost`.
        grain: how the strength of texture is measured that the Gaussians leave out; None if the file does not say it.
    """

    weights: Weights | None = None
    importance_of_half: float = 0.0
    importances_of_blocks: tuple[float, float] = NO_BLOCKS
    grain: Grain | None = None


TUNINGS: Mapping[str, Tuning] = {"psnr": Tuning(), "visual": Tuning(VisualWeights(), 1.0, (2.5, 2.0), Grain())}
