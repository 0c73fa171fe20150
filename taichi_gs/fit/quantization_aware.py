"""The last stages of a fit: Gaussians whose vectors are codewords, on the way to the integers of a file.

* `settle`: codewords and positions are trained by gradient, each Gaussian keeps the codewords that it has.
* `refine`: positions and codewords are rounded as the file will round them, with straight-through gradients, so that
  what is rendered is what a decoder will see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from taichi_gs.fit.clustering import VECTORS, Clusters, most_useful, row_curvatures
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.objective import Report, Target
from taichi_gs.fit.parameters import ROWS, RowAdam, Splats, area_order
from taichi_gs.fit.quantizers import bits_for_distortion, fit_quantizer, quantize_vectors, step_for_distortion
from taichi_gs.fit.unconstrained import clamp_rows, decay, learning_rates
from taichi_gs.format.bitstream import serialize
from taichi_gs.format.limits import MAX_SIDE
from taichi_gs.model.dequantize import dequantize_vectors
from taichi_gs.model.lattice import MAX_SUBDIVISION, Lattice, lattice_of
from taichi_gs.model.quantized import MAX_BITS, IntArray, QuantizedCodebook, QuantizedGaussians, UniformQuantizer

REFINE_RATE = 0.6
"""The factor on the learning rates while values are rounded."""

LATTICES_EVERY = 10
"""In the last stage, steps from one finding of the lattices to the next. They follow the codewords, which hardly change
in so few steps, and their integers are found on the host, whatever the device."""

CELLS_PER_GAUSSIAN = 16
"""Of the grid whose cells are subdivided. Fewer would leave several Gaussians in a cell, and their order costs bits."""

TRIAL_SUBDIVISION = 4096
"""The subdivision at which the curvatures of positions are measured."""

POSITION_PRICE = 0.5
"""Positions are charged this part of a bit's price: moving a Gaussian moves borders, which curvatures underrate."""

MAX_OCTAVES, OCTAVES_APART = 8.0, 1 / 16
"""Where bytes would be left unused, a bit's price is lowered until the file is as large as it may be, by so many
octaves at most and so exactly."""

SIZE_MARGIN = 0.997
SIZE_CHECKS = (0.0, 0.25, 0.5, 0.75, 0.9)
"""The part of the byte limit that is aimed at, at these points of the last stage: training moves positions between
cells, which costs bytes, and Gaussians that are removed at the very end are not made good for."""

SINGLE_TRIALS = 16
"""Where a PSNR is wanted and no more Gaussians can go together, so many are tried one by one."""


_Indexed = tuple[QuantizedCodebook, IntArray]
"""A codebook and the index [N] of each Gaussian."""


@dataclass(frozen=True)
class _Rounding:
    """How a file will round.

    Attributes:
        quantizers: of the codebooks' channels, by name in VECTORS.
        grid_size, subdivision: of the positions, see `lattice.Lattice`.
    """

    quantizers: dict[str, tuple[UniformQuantizer, ...]]
    grid_size: tuple[int, int]
    subdivision: int


class ClusteredFit:
    """Gaussians whose vectors are codewords: the state of the last two stages.

    The optimiser holds the free positions [N, 2], the codewords [K, D] by name in VECTORS, and the background [3].
    """

    def __init__(
        self, adam: RowAdam, clusters: Clusters, target: Target, config: FitConfig, generator: torch.Generator
    ) -> None:
        spacing = math.sqrt(target.full[0].numel() / len(adam["means"]))
        tensors = {"means": adam["means"], "background": adam["background"], **clusters.codewords}
        self._adam = RowAdam(tensors, learning_rates(spacing))
        self._indices = clusters.indices
        self._target, self._precision, self._blending = target, config.precision, config.blending
        self._generator = generator
        self._min_psnr = config.min_psnr

    def settle(self, steps: int, report: Report) -> None:
        """Train codewords and positions without rounding: how finely to round is chosen by how well they can do."""
        for _ in range(steps):
            self._step(self._view(), 1.0, report)

    def refine(self, steps: int, report: Report) -> QuantizedGaussians:
        """Train what the file will hold, indices frozen."""
        rounding = self._choose_rounding()
        size_checks = {int(part * steps) for part in SIZE_CHECKS}
        for step in range(steps):
            if step in size_checks:
                self._shrink(rounding, SIZE_MARGIN)
            if step in size_checks or step % LATTICES_EVERY == 0:
                lattice = self._lattice(rounding)
            self._step(self._view(rounding, lattice), REFINE_RATE * decay(step / steps, final=0.05), report)
        self._shrink(rounding, 1.0)
        self._trim(rounding)
        return self._quantized(rounding)

    def _step(self, splats: Splats, rate: float, report: Report) -> None:
        squared_error = self._target.backward(splats, coarse=False)
        self._adam.step(rate)
        clamp_rows(self._adam, self._blending, self._target.size)
        report(squared_error, coarse=False)

    def _view(self, rounding: _Rounding | None = None, lattice: Lattice | None = None) -> Splats:
        """The picture as a file would hold it, with gradients straight through all rounding.

        Without a rounding, positions and codewords are not rounded. With one, `lattice` is what positions are rounded
        to, by default that of the codewords as they are. Nothing but finding the lattice makes the host wait.
        """
        means, vectors = self._adam["means"], {name: self._adam[name] for name in VECTORS}
        if rounding is not None:
            symbols = {name: self._symbols(name, rounding) for name in VECTORS}
            for name in VECTORS:
                codewords = dequantize_vectors(symbols[name], rounding.quantizers[name])
                vectors[name] = _straight_through(vectors[name], codewords)
            lattice = lattice or self._lattice(rounding)
            cells, offsets = lattice.nearest(means.detach())
            means = _straight_through(means, lattice.positions(cells, offsets))
        splats = Splats(
            means=means,
            log_covariances=vectors["log_covariances"][self._indices["log_covariances"]],
            color_codes=vectors["color_codes"][self._indices["color_codes"]],
            background=_straight_through(self._adam["background"], self._background() / 255.0),
            blending=self._blending,
        )
        if self._blending == "normalized":
            return splats
        if rounding is None:
            return replace(splats, order=area_order(splats.log_covariances))
        # The order of the file, in which codewords that round to the same symbols are one.
        shapes, colors = (_keys(symbols[name])[self._indices[name]] for name in VECTORS)
        return replace(splats, order=_lexsort(colors, cells[:, 1], cells[:, 0], shapes))

    def _background(self) -> Tensor:
        return torch.round(255.0 * self._adam["background"].detach().clamp(0.0, 1.0))

    def _symbols(self, name: str, rounding: _Rounding) -> Tensor:
        symbols: Tensor = quantize_vectors(self._adam[name].detach(), rounding.quantizers[name])
        return symbols

    def _choose_rounding(self) -> _Rounding:
        """Choose how to round by the price of a bit, and more finely where that would leave bytes unused."""
        splats = self._view()
        splats = replace(splats, **{name: getattr(splats, name).detach().requires_grad_() for name in ROWS})
        error = self._target.decoded_error(splats.squared_error(self._target.size, self._target.full).detach())
        price = self._precision.bit_price(error, len(splats))
        rows = row_curvatures(self._target, splats, self._generator)
        curvatures = {name: rows[name].sum(dim=0) for name in VECTORS}
        trial = self._rounding_for(curvatures, None, price)
        steps: Tensor = self._lattice(trial).steps()
        along_steps = float(row_curvatures(self._target, splats, self._generator, steps)["means"].sum())
        best = self._rounding_for(curvatures, along_steps, price)
        limit = self._precision.max_bytes
        if limit is None or self._num_bytes(best) > SIZE_MARGIN * limit:
            return best
        # By bisection: a file grows as the price of its bits is lowered.
        low, high = 0.0, MAX_OCTAVES
        while high - low > OCTAVES_APART:
            middle = (low + high) / 2
            rounding = self._rounding_for(curvatures, along_steps, price / 2.0**middle)
            if self._num_bytes(rounding) <= SIZE_MARGIN * limit:
                low, best = middle, rounding
            else:
                high = middle
        return best

    def _num_bytes(self, rounding: _Rounding) -> int:
        return len(serialize(self._quantized(rounding).canonical()))

    def _rounding_for(
        self, vector_curvatures: dict[str, Tensor], position_curvature: float | None, price: float
    ) -> _Rounding:
        """The rounding that is worth its bits at `price`; with TRIAL_SUBDIVISION if that is without a curvature."""
        quantizers = {}
        for name in VECTORS:
            codewords = self._adam[name].detach().cpu().numpy()
            fixed = self._precision.channel_bits.get(name, (None,) * codewords.shape[1])
            quantizers[name] = tuple(
                fit_quantizer(
                    channel,
                    bits_for_distortion(channel, float(curvature), price, len(channel)) if bits is None else bits,
                )
                for channel, curvature, bits in zip(codewords.T, vector_curvatures[name], fixed, strict=True)
            )
        count = len(self._adam["means"])
        bits = self._precision.position_bits
        if bits is not None:
            return _Rounding(quantizers, (1 << bits, 1 << bits), 0)
        height, width = self._target.size
        side = math.sqrt(height * width / (CELLS_PER_GAUSSIAN * count))
        grid_size = tuple(min(max(round(length / side), 1), MAX_SIDE) for length in (height, width))
        subdivision = TRIAL_SUBDIVISION
        if position_curvature is not None:
            step = step_for_distortion(position_curvature, POSITION_PRICE * price, 2 * count)
            subdivision = min(max(round(TRIAL_SUBDIVISION / step), 1), MAX_SUBDIVISION)
        return _Rounding(quantizers, (grid_size[0], grid_size[1]), subdivision)

    def _quantized(self, rounding: _Rounding) -> QuantizedGaussians:
        """The integers of a file."""
        codebooks = self._codebooks(rounding)
        (covariance_codebook, covariance_indices), (color_codebook, color_indices) = codebooks
        cells, offsets = self._lattice_of(codebooks, rounding).nearest(self._adam["means"].detach())
        return QuantizedGaussians(
            image_size=self._target.size,
            background=self._background().to(torch.uint8).cpu().numpy(),
            blending=self._blending,
            grid_size=rounding.grid_size,
            cells=cells.cpu().numpy(),
            subdivision=rounding.subdivision,
            offsets=offsets.cpu().numpy(),
            covariance_codebook=covariance_codebook,
            covariance_indices=covariance_indices,
            color_codebook=color_codebook,
            color_indices=color_indices,
        )

    def _codebooks(self, rounding: _Rounding) -> list[_Indexed]:
        """The codebooks of a file and the indices into them, in the order of VECTORS, on the host."""
        return [
            (
                QuantizedCodebook(self._symbols(name, rounding).cpu().numpy(), rounding.quantizers[name]),
                self._indices[name].cpu().numpy(),
            )
            for name in VECTORS
        ]

    def _lattice(self, rounding: _Rounding) -> Lattice:
        """The lattices on which positions stand, on the device."""
        return self._lattice_of(self._codebooks(rounding), rounding)

    def _lattice_of(self, codebooks: list[_Indexed], rounding: _Rounding) -> Lattice:
        covariances, colors = codebooks
        grid_size, image_size = rounding.grid_size, self._target.size
        lattice = lattice_of(*covariances, *colors, grid_size, image_size, rounding.subdivision, self._blending)
        levels, shears = (torch.from_numpy(x).to(self._target.full.device) for x in (lattice.levels, lattice.shears))
        return replace(lattice, levels=levels, shears=shears)

    def _shrink(self, rounding: _Rounding, margin: float) -> None:
        """Remove the least useful Gaussians until the file fits `margin` of its limit."""
        usefulness = None
        while self._precision.max_bytes is not None and len(self._adam["means"]) > 1:
            num_bytes = self._num_bytes(rounding)
            excess = num_bytes - math.floor(margin * self._precision.max_bytes)
            if excess <= 0:
                break
            if usefulness is None:
                usefulness = self._target.removal_errors(self._view(rounding))
            # A little less than the excess's share of the Gaussians, so as not to remove too many; then look again.
            count = max(1, int(0.9 * excess / num_bytes * len(usefulness)))
            kept = most_useful(usefulness, max(1, len(usefulness) - count))
            usefulness = usefulness[kept]
            self._keep(kept)

    def _keep(self, rows: Tensor) -> None:
        self._adam.keep_rows(rows, ["means"])
        self._indices = {name: indices[rows] for name, indices in self._indices.items()}

    def _trim(self, rounding: _Rounding) -> None:
        """Remove the least useful Gaussians, as many as go while the 8-bit picture has the PSNR that is wanted, if any.

        They go in portions, halved where one is too many; in the end a few are tried one by one, because with few
        Gaussians each one counts.
        """
        if self._min_psnr is None:
            return
        splats = self._view(rounding)
        picture = _as_levels(self._target.full)
        most_error: float = 255.0**2 * 10.0 ** (-0.1 * self._min_psnr)

        def is_good(kept: Tensor) -> bool:
            with torch.no_grad():
                image = self._target.render(splats.only(kept), coarse=False)
            return float((_as_levels(image) - picture).square().mean(dtype=torch.float64)) <= most_error

        kept = torch.ones(len(splats), dtype=torch.bool, device=picture.device)
        if not is_good(kept):
            return
        ranking = self._target.removal_errors(splats).argsort(stable=True)
        tried, portion, singles = 0, max(1, len(splats) // 2), SINGLE_TRIALS
        while tried < len(splats) and singles > 0:
            trial = kept.clone()
            trial[ranking[tried : tried + portion]] = False
            if trial.any() and is_good(trial):
                kept, tried = trial, tried + portion
            elif portion > 1:
                portion //= 2
            else:
                tried, singles = tried + 1, singles - 1
        self._keep(kept.nonzero().squeeze(1))


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """`rounded` in value, with the gradient of `values`."""
    return values + (rounded - values).detach()


def _keys(symbols: Tensor) -> Tensor:
    """Integers [K] that are ordered as symbols [K, D] are, the first channel before the others."""
    keys = torch.zeros_like(symbols[:, 0])
    for channel in symbols.unbind(dim=1):
        keys = (keys << MAX_BITS) + channel
    return keys


def _lexsort(*keys: Tensor) -> Tensor:
    """The permutation [N] that sorts by the last of keys [N], ties by the one before it, and so on."""
    order = keys[0].argsort(stable=True)
    for key in keys[1:]:
        order = order[key[order].argsort(stable=True)]
    return order


def _as_levels(image: Tensor) -> Tensor:
    """A picture in levels from 0 to 255, rounded as a decoder does."""
    return torch.floor(255.0 * image.clamp(0.0, 1.0) + 0.5)
