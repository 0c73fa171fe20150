"""The last stages of a fit: Gaussians whose vectors are codewords, on the way to the integers of a file.

* `reassign`: codewords and positions are trained by gradient. Every so often the gradient is passed straight through
  the codewords to the Gaussians' own vectors (a Newton step from the codeword, along the Gaussian's own gradient,
  says where its vector would rather be), and Lloyd iterations cluster those vectors anew.
* `refine`: the indices are frozen, and positions and codewords are rounded as the file will round them, with
  straight-through gradients, so that what is rendered is what a decoder will see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from taichi_gs.bitstream import serialize
from taichi_gs.codebook import lloyd
from taichi_gs.fit.grow import decay, learning_rates
from taichi_gs.fit.precision import Precision
from taichi_gs.fit.pull import VECTORS, Clusters, row_curvatures
from taichi_gs.fit.splats import ROWS, RowAdam, Splats
from taichi_gs.fit.target import Target
from taichi_gs.quantize import (
    MAX_GRID,
    bits_for_distortion,
    cell_centers,
    cell_of,
    dequantize_codebook,
    fit_quantizer,
    quantize,
    step_for_distortion,
)
from taichi_gs.quantized import IntArray, QuantizedCodebook, QuantizedGaussians, UniformQuantizer

REASSIGN_EVERY = 25
REASSIGN_RATE = 1.0
REFINE_RATE = 0.6
"""Factors on the learning rates of these stages."""

NEWTON_DAMPING = 4.0
"""Gaussians overlap and move at once: their common curvature is larger than the diagonal that each one sees."""

MAX_NEWTON_STEP = 0.5
"""In the vectors' own units."""

SIZE_MARGIN = 0.997
"""The part of the byte limit that is aimed at before the last training steps move positions between cells."""


class ClusteredFit:
    """Gaussians whose vectors are codewords: the state of the last two stages.

    The optimiser holds the free positions [N, 2], the codewords [K, D] by name in VECTORS, and the background [3].
    """

    def __init__(
        self, adam: RowAdam, clusters: Clusters, target: Target, precision: Precision, generator: torch.Generator
    ) -> None:
        spacing = math.sqrt(target.full[0].numel() / len(adam["means"]))
        tensors = {"means": adam["means"], "background": adam["background"], **clusters.codewords}
        self._adam = RowAdam(tensors, learning_rates(spacing))
        self._indices = clusters.indices
        self._target, self._precision, self._generator = target, precision, generator
        # Fine enough to change nothing, until the curvatures say how fine it has to be.
        self._grid_size = (MAX_GRID, MAX_GRID)
        self._quantizers: dict[str, tuple[UniformQuantizer, ...]] = {}

    def reassign(self, steps: int, report: Callable[[float], None]) -> None:
        """Train codewords and positions, and give the Gaussians new codewords every REASSIGN_EVERY steps."""
        for step in range(steps):
            if step % REASSIGN_EVERY == 0:
                curvatures, gradients, price = self._derivatives()
                self._choose_grid(curvatures["means"], price)
                if step > 0:
                    self._recluster(curvatures, gradients, price)
            splats, order = self._view()
            image = self._target.backward(splats, order, coarse=False)
            self._adam.step(REASSIGN_RATE)
            report(self._target.psnr(image, coarse=False))

    def refine(self, steps: int, report: Callable[[float], None]) -> QuantizedGaussians:
        """Train what the file will hold, indices frozen."""
        curvatures, _, price = self._derivatives()
        self._choose_grid(curvatures["means"], price)
        self._choose_quantizers(curvatures, price)
        # What removing a Gaussian adds to the squared error: the picture is linear in its opacity o, and the
        # curvature is by the logit, of which the derivative of o is o (1 - o / MAX_OPACITY).
        headroom = 1.0 - torch.sigmoid(self._vectors("color_codes")[:, 3])
        usefulness = curvatures["color_codes"][:, 3] / headroom.square()
        usefulness = self._shrink(usefulness, SIZE_MARGIN)
        for step in range(steps):
            splats, order = self._view()
            image = self._target.backward(splats, order, coarse=False)
            self._adam.step(REFINE_RATE * decay(step / steps, final=0.05))
            report(self._target.psnr(image, coarse=False))
        self._shrink(usefulness, 1.0)
        return self._quantized()

    def _vectors(self, name: str) -> Tensor:
        return self._adam[name].detach()[self._indices[name]]

    def _cells(self) -> IntArray:
        return cell_of(self._adam["means"].detach().cpu().numpy(), self._grid_size, self._target.size)

    def _view(self) -> tuple[Splats, np.ndarray]:
        """The picture as a file would hold it, with gradients straight through all rounding, and its blending order."""
        cells = self._cells()
        means = self._adam["means"]
        codewords = {name: self._adam[name] for name in VECTORS}
        rounded = {name: codewords[name].detach().cpu().numpy() for name in VECTORS}
        for name, quantizers in self._quantizers.items():
            rounded[name] = dequantize_codebook(self._codebook(name, quantizers))
            codewords[name] = _straight_through(codewords[name], rounded[name])
        splats = Splats(
            means=_straight_through(means, cell_centers(cells, self._grid_size, self._target.size)),
            log_covariances=codewords["log_covariances"][self._indices["log_covariances"]],
            color_codes=codewords["color_codes"][self._indices["color_codes"]],
            background=_straight_through(self._adam["background"], self._background() / np.float32(255)),
        )
        # The order of the file, in which codewords that round to the same symbols are one.
        shapes, colors = (
            np.unique(rounded[name], axis=0, return_inverse=True)[1].reshape(-1)[self._indices[name].cpu().numpy()]
            for name in VECTORS
        )
        order = np.lexsort((colors, cells[:, 1], cells[:, 0], shapes))
        return splats, order

    def _background(self) -> np.ndarray:
        background: np.ndarray = np.rint(self._adam["background"].detach().cpu().numpy().clip(0.0, 1.0) * 255)
        return background

    def _derivatives(self) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
        """Curvatures and gradients of the squared error by each Gaussian's own parameters, and the price of a bit."""
        splats, order = self._view()
        leaves = {name: getattr(splats, name).detach().requires_grad_() for name in ROWS}
        splats = replace(splats, **leaves, background=splats.background.detach())
        error = self._target.squared_error(self._target.render(splats, order, coarse=False))
        gradients = torch.autograd.grad(error, list(leaves.values()))
        curvatures = row_curvatures(self._target, splats, order, self._generator)
        price = self._precision.bit_price(float(error.detach()), len(splats))
        return curvatures, dict(zip(ROWS, gradients, strict=True)), price

    def _recluster(self, curvatures: dict[str, Tensor], gradients: dict[str, Tensor], price: float) -> None:
        for name in VECTORS:
            weights = NEWTON_DAMPING * curvatures[name]
            newton = (-0.5 * gradients[name] / weights).clamp(-MAX_NEWTON_STEP, MAX_NEWTON_STEP)
            vectors = self._vectors(name) + newton
            codewords, self._indices[name] = lloyd(vectors, weights, self._adam[name].detach(), price)
            self._adam.assign(name, codewords)

    def _choose_grid(self, curvatures: Tensor, price: float) -> None:
        bits = self._precision.position_bits
        if bits is not None:
            self._grid_size = (1 << bits, 1 << bits)
            return
        step = step_for_distortion(float(curvatures.sum()), price, curvatures.numel())
        rows, columns = (min(max(round(side / step), 1), MAX_GRID) for side in self._target.size)
        self._grid_size = (rows, columns)

    def _choose_quantizers(self, curvatures: dict[str, Tensor], price: float) -> None:
        for name in VECTORS:
            codewords = self._adam[name].detach().cpu().numpy()
            fixed = self._precision.channel_bits.get(name, (None,) * codewords.shape[1])
            self._quantizers[name] = tuple(
                fit_quantizer(
                    channel,
                    bits_for_distortion(channel, float(curvature), price, len(channel)) if bits is None else bits,
                )
                for channel, curvature, bits in zip(codewords.T, curvatures[name].sum(dim=0), fixed, strict=True)
            )

    def _codebook(self, name: str, quantizers: tuple[UniformQuantizer, ...]) -> QuantizedCodebook:
        codewords = self._adam[name].detach().cpu().numpy()
        symbols = [quantize(channel, q) for channel, q in zip(codewords.T, quantizers, strict=True)]
        return QuantizedCodebook(np.stack(symbols, axis=1), quantizers)

    def _quantized(self) -> QuantizedGaussians:
        covariance_codebook, color_codebook = (self._codebook(name, self._quantizers[name]) for name in VECTORS)
        covariance_indices, color_indices = (self._indices[name].cpu().numpy() for name in VECTORS)
        return QuantizedGaussians(
            image_size=self._target.size,
            background=self._background().astype(np.uint8),
            grid_size=self._grid_size,
            cells=self._cells(),
            covariance_codebook=covariance_codebook,
            covariance_indices=covariance_indices,
            color_codebook=color_codebook,
            color_indices=color_indices,
        )

    def _shrink(self, usefulness: Tensor, margin: float) -> Tensor:
        """Remove the least useful Gaussians until the file fits `margin` of its limit; return the usefulness left."""
        while self._precision.max_bytes is not None and len(usefulness) > 1:
            num_bytes = len(serialize(self._quantized()))
            excess = num_bytes - math.floor(margin * self._precision.max_bytes)
            if excess <= 0:
                break
            # A little less than the excess's share of the Gaussians, so as not to remove too many; then look again.
            count = max(1, int(0.9 * excess / num_bytes * len(usefulness)))
            kept = usefulness.argsort(descending=True, stable=True)[: max(1, len(usefulness) - count)].sort().values
            usefulness = usefulness[kept]
            self._adam.replace_rows(kept, {"means": self._adam["means"].detach()[:0]})
            self._indices = {name: indices[kept] for name, indices in self._indices.items()}
        return usefulness


def _straight_through(values: Tensor, rounded: np.ndarray) -> Tensor:
    """`rounded` in value, with the gradient of `values`."""
    return values + (torch.from_numpy(rounded).to(values) - values).detach()
