"""`Objective`: what "error" means in a fit. All stages ask it, and nothing else compares Gaussians with the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from taichi_gs.fit.chain_rule import ChainRule
from taichi_gs.fit.free_memory import give_back_freed_memory
from taichi_gs.fit.losses import LOSSES
from taichi_gs.fit.parameters import Parameters
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.resolution import Resolution
from taichi_gs.fit.splats import NO_BLOCKS, Candidates, Screening
from taichi_gs.fit.tuning import Tuning
from taichi_gs.fit.workspace import Workspace
from taichi_gs.model.levels import to_levels

LARGE_PIXELS = 1 << 22
"""Of pictures whose planes take more memory than a process has anyway, and a step more than a tenth of a second."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """How an objective measures.

    Attributes:
        min_spacing: pixels between neighbouring Gaussians of the budget, on average, that a resolution leaves below the
            picture's own: it shows all they can. Where they are as far apart, there is no grain.
        min_choosing_spacing: likewise, while Gaussians are chosen and attracted to codewords.
        min_coarse_spacing: likewise, between the first Gaussians, for the first steps.
        min_coarse_side: of reduced pictures, in pixels.
        min_half_side: of half the picture, in pixels, for steps to look at it.
        num_probes: backward passes for a curvature; its relative deviation is about sqrt(2 / num_probes).
        curvature_floor: added to each curvature, in units of the channel's mean, so that vectors that hardly matter do
            not run away.
    """

    min_spacing: float = 26.0
    min_choosing_spacing: float = 13.0
    min_coarse_spacing: float = 3.0
    min_coarse_side: int = 32
    min_half_side: int = 32
    num_probes: int = 4
    curvature_floor: float = 0.1


class GaussianCounts(NamedTuple):
    """How many Gaussians a fit has, from which follows how much of a picture they can show.

    Attributes:
        first: in the first stage.
        budget: at most that many are left in the end; None if the whole picture is to be looked at, however few.
    """

    first: int
    budget: int | None = None


class Objective:
    """A picture, what a difference from it costs, and everything that follows from that cost.

    The cost is the loss that is minimised and, wherever errors are counted, the squared error of each pixel times its
    weight: in what Gaussians are worth, in curvatures and so in codebooks and in precision, and in λ.

    Attributes:
        size: (H, W) of the picture.
        full: the picture, averaged over blocks where few Gaussians cannot show more. Its steps, and those of
            `choosing`, also count errors that blocks of pixels share.
        coarse: the picture averaged over blocks of a power of two, for the first steps; may be `full`.
        choosing: resolutions that take turns afterwards, until codewords are trained: `full` or, with few Gaussians,
            half of it, and if the tuning has it, half of that.
    """

    def __init__(
        self,
        picture: Tensor,
        loss: str,
        counts: GaussianCounts,
        renderer: Renderer,
        tuning: Tuning | None = None,
        settings: ObjectiveSettings | None = None,
    ) -> None:
        """Weigh the errors against a picture.

        Args:
            picture: [3, H, W], RGB from 0 to 1.
            loss: a name in LOSSES.
            counts: how many Gaussians there are; resolutions follow from them.
            renderer: draws Gaussians.
            tuning: how errors count; all alike if None.
            settings: how it measures.
        """
        tuning = tuning or Tuning()
        self._settings = settings or ObjectiveSettings()
        self._loss, self._renderer, self._num_steps = LOSSES[loss], renderer, 0
        self.size: tuple[int, int] = (picture.shape[1], picture.shape[2])
        self._picture, self._is_weighted = picture, tuning.weights is not None
        spacing = 0.0 if counts.budget is None else self.spacing(counts.budget)
        factor = self._factor(spacing, self._settings.min_spacing, self.size)
        # Between Gaussians so large, noise would look like dirt, and its strengths cost bytes.
        self._grain = tuning.grain if spacing < self._settings.min_spacing else None
        seen = picture if factor == 1 else _averaged(picture, factor)
        weights = torch.ones_like(seen[0]) if tuning.weights is None else tuning.weights.of(seen)
        blocks = tuning.importances_of_blocks
        self.full = Resolution(seen, weights, self.size, renderer, importances_of_blocks=blocks)
        self._averages: dict[int, tuple[Tensor, Tensor, float]] = {}
        first_spacing = self.spacing(counts.first) / factor
        self.coarse = self._reduced(self._factor(first_spacing, self._settings.min_coarse_spacing, self.full.size))
        finest = 2 if spacing / (2 * factor) >= self._settings.min_choosing_spacing else 1
        turns = [(finest, 1.0), (2 * finest, tuning.importance_of_half)]
        smallest = min(self.full.size) // self._settings.min_half_side
        self.choosing = tuple(
            self._reduced(own, importance, blocks) for own, importance in turns if importance > 0.0 and own <= smallest
        ) or (self.full,)

    def _reduced(
        self, factor: int, importance: float = 1.0, importances_of_blocks: tuple[float, float] = NO_BLOCKS
    ) -> Resolution:
        """The picture that is looked at, averaged over blocks."""
        if factor == 1:
            return self.full
        if factor not in self._averages:
            self._averages[factor] = self._average(factor)
        picture, weights, hidden = self._averages[factor]
        workspace = Workspace(self.full.workspace)
        return Resolution(
            picture, weights, self.size, self._renderer, hidden, importance, importances_of_blocks, workspace
        )

    def _average(self, factor: int) -> tuple[Tensor, Tensor, float]:
        """The picture and the weights averaged over blocks, and what that hides; see `Resolution`."""
        full = self.full
        picture, weights = (_averaged(planes, factor) for planes in (full.picture, full.weights[None]))
        hidden = 0.0
        for fine, reduced in zip(full.picture, picture, strict=True):  # one plane at a time, for the sake of memory
            blocks = functional.interpolate(reduced[None, None], size=full.size, mode="nearest")[0, 0]
            errors = blocks.sub_(fine).square_().mul_(full.weights)
            hidden += float(errors.sum(dtype=torch.float64))
        return picture, weights[0], hidden

    def _factor(self, spacing: float, min_spacing: float, size: tuple[int, int]) -> int:
        """The power of two by which a picture can be reduced so that a spacing in its pixels stays large enough."""
        factor, smallest = 1, min(size) // self._settings.min_coarse_side
        while spacing / (2 * factor) >= min_spacing and 2 * factor <= smallest:
            factor *= 2
        return factor

    def spacing(self, num_gaussians: int) -> float:
        """The mean distance between so many Gaussians, in pixels."""
        return math.sqrt(math.prod(self.size) / max(num_gaussians, 1))

    def resolution_of(self, step: int) -> Resolution:
        """The resolution that a step looks at while Gaussians are chosen and attracted to codewords.

        The picture and half of it take turns. Errors that are as wide as a few pixels are what people see and what
        MS-SSIM counts, and half the picture has a quarter of the pixels. Afterwards all steps look at the full picture:
        on half of it, fine Gaussians are not drawn as the mean of what they are.
        """
        return self.choosing[step % len(self.choosing)]

    @property
    def is_large(self) -> bool:
        """Whether the picture that is looked at has LARGE_PIXELS or more."""
        return math.prod(self.full.size) >= LARGE_PIXELS

    def free_memory(self) -> None:
        """Give back what steps keep for the next ones: those to come have fewer Gaussians."""
        self.full.workspace.clear()
        give_back_freed_memory(is_large=math.prod(self.size) >= LARGE_PIXELS)

    def _measuring(self) -> Workspace:
        """Memory to draw in what has to be right on a GPU too: there pairs are counted anew."""
        return Workspace(self.full.workspace)

    def differentiate(self, parameters: Parameters, resolution: Resolution) -> tuple[Tensor, dict[str, Tensor]]:
        """Compare what is drawn of `parameters` with the picture at a resolution: once in every step of a fit.

        Returns the sum of weighted squared errors over pixels and channels, whatever the loss, and the loss's gradients
        by name in `Parameters.tensors`.
        """
        self._num_steps += 1
        return self._loss(parameters, resolution, self._num_steps - 1)

    def squared_error(self, parameters: Parameters) -> Tensor:
        """The sum of weighted squared errors of the full picture."""
        splats = parameters.splats(self.size, self.full.size)
        return self._renderer.cost(
            splats, self.full.picture, self.full.weights, workspace=self._measuring()
        ).squared_error

    def decoded_error(self, squared_error: Tensor, resolution: Resolution) -> float:
        """The squared error of `full` when it is decoded, about, from that of a resolution before rounding.

        At least what rounding to 8 bits makes of a perfect picture: below that, nothing is worth a bit.
        """
        error, full = float(squared_error), self.full
        # Pixels of a block are drawn as one colour, nearly: what they differ from their mean is added to its error.
        error = full.picture.numel() / resolution.picture.numel() * error + resolution.hidden_error
        return max(error, full.picture.numel() / (12.0 * 255.0**2))

    def removal_errors(self, parameters: Parameters) -> Tensor:
        """How much removing each Gaussian alone would add [N] to the weighted squared error of the full picture."""
        splats = parameters.splats(self.size, self.full.size)
        return self._renderer.removal_errors(splats, self.full.picture, self.full.weights, self._measuring())

    def replacement_errors(
        self, parameters: Parameters, rows: Tensor, candidates: Parameters, screening: Screening | None = None
    ) -> Tensor:
        """How much each of K candidates for each Gaussian of `rows` [M] adds [M, K] to that same error in its place.

        It is infinite for those that a screening left out.
        """
        splats, others = (p.splats(self.size, self.full.size) for p in (parameters, candidates))
        compared = self.full.picture, self.full.weights, self._measuring()
        return self._renderer.replacement_errors(splats, Candidates(rows, others, screening), *compared)

    def grain_codes(self, parameters: Parameters, codewords: Tensor, num_codewords: int) -> Tensor | None:
        """The strength codes [num_codewords] of the texture that is left out, if the tuning has grain.

        Args:
            parameters: the Gaussians.
            codewords: [N] int64, that of each one's colour.
            num_codewords: of colours.
        """
        if self._grain is None:
            return None
        full, splats = self.full, parameters.splats(self.size, self.full.size)
        workspace = self._measuring()
        error = self._renderer.render(splats, full.size, workspace).neg_().add_(full.picture)
        roughness = self._grain.roughness(error)
        # By a Gaussian's colour, a pixel has as its derivative the part that the Gaussian has in it. With half of the
        # usual weight, the squared error has that derivative times what the pixel differs by: in red its roughness, in
        # green 1.
        image = error.neg_().add_(full.picture)
        image[0].sub_(roughness)
        image[1].sub_(1.0)
        halves = roughness.fill_(0.5)  # in place, as all here, for the sake of large pictures
        sums = self._renderer.cost(splats, image, halves, workspace=workspace).gradients.appearance
        sums = torch.zeros_like(sums[:1]).repeat(num_codewords, 1).index_add_(0, codewords, sums)
        return self._grain.codes(sums[:, 0], sums[:, 1])

    def psnr(self, parameters: Parameters, resolution: Resolution, squared_error: Tensor | None = None) -> float:
        """The peak signal-to-noise ratio in dB of what is drawn at a resolution; all errors count alike.

        `squared_error` is the sum of weighted errors there, if it is known: without weights, nothing need be drawn.
        """
        if squared_error is not None and not self._is_weighted:
            error = squared_error / resolution.picture.numel()
        else:
            error = resolution.render(parameters).sub_(resolution.picture).square_().mean()
        return -10.0 * math.log10(max(float(error), 1e-10))

    def weighted_psnr(self, pixels: NDArray[np.uint8]) -> float:
        """The PSNR in dB of decoded pixels [H, W, 3], each error times its weight: what files are ranked by."""
        levels = to_levels(self.full.picture)
        decoded = torch.tensor(pixels).permute(2, 0, 1).to(levels)
        decoded = functional.interpolate(decoded[None], size=self.full.size, mode="area")[0]
        mean = float((self.full.weights * (decoded - levels).square()).mean(dtype=torch.float64))
        return math.inf if mean == 0.0 else 10.0 * math.log10(255.0**2 / mean)

    def has_psnr(self, parameters: Parameters, min_psnr: float) -> bool:
        """Tell whether the full picture, drawn and rounded to 8 bits, has a PSNR of `min_psnr` dB; unweighted."""
        image = self._renderer.render(parameters.splats(self.size, self.size), self.size, self._measuring())
        errors = to_levels(image).sub_(to_levels(self._picture)).square_()
        most: float = 255.0**2 * 10.0 ** (-0.1 * min_psnr)
        return float(errors.mean(dtype=torch.float64)) <= most

    def curvatures(
        self, parameters: Parameters, generator: torch.Generator, steps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The curvature of the weighted squared error in each Gaussian's parameters, by name in ROWS.

        It is the diagonal of the Gauss-Newton matrix J^T W J, estimated. With J the derivative of all pixels by the
        parameters, W their weights and z a random picture of +1 and -1, the expectation of (J^T W^1/2 z)^2 is that
        diagonal (Bekas, Kokiopoulou and Saad 2007), and one backward pass finds it. A change d of one parameter adds
        about curvature * d^2 to the squared error. All are kept away from zero.

        Args:
            parameters: the Gaussians.
            generator: source of the signs.
            steps: [N, 2, 2], two vectors (x, y) in pixels for each Gaussian: curvatures of its mean are by multiples of
                them. By x and y without them.
        """
        full, num_probes = self.full, self._settings.num_probes
        splats = parameters.splats(self.size, full.size)
        root, rule = full.weights.rsqrt(), ChainRule(self.size, full.size)
        workspace = self._measuring()
        between = self._renderer.render(splats, full.size, workspace).add_(root, alpha=0.5)
        totals = {name: torch.zeros_like(tensor) for name, tensor in parameters.rows.items()}
        compared = torch.empty_like(between)
        for _ in range(num_probes):
            # Against C - W^-1/2 z / 2 the squared error has this gradient, and its kernel is the one that fits anyway.
            # In place, because planes of large pictures take a lot of memory.
            compared.copy_(_coin_tosses(between.shape, generator))
            torch.addcmul(between, compared, root, value=-1.0, out=compared)
            probe = self._renderer.cost(splats, compared, full.weights, workspace=workspace, rule=rule)
            gradients = parameters.named(probe.gradients)
            if steps is not None:
                gradients["means"] = (steps * gradients["means"][:, None]).sum(dim=2)
            for name, total in totals.items():
                total += gradients[name].square() / num_probes
        tiny, floor = torch.finfo(torch.float32).tiny, self._settings.curvature_floor
        return {name: total + floor * total.mean(dim=0) + tiny for name, total in totals.items()}


def _coin_tosses(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Random zeros and ones: 64 of each random number, because numbers take longer than what is done with them."""
    count = shape.numel()
    numbers = torch.randint(-(2**63), 2**63 - 1, (count // 64 + 1,), generator=generator)
    return torch.from_numpy(np.unpackbits(numbers.numpy().view(np.uint8), count=count).reshape(shape))


def _averaged(planes: Tensor, factor: int) -> Tensor:
    """Planes [C, H, W] averaged over blocks whose sides are `factor`, or nearly."""
    size = (-(-planes.shape[1] // factor), -(-planes.shape[2] // factor))
    return functional.interpolate(planes[None], size=size, mode="area")[0]
