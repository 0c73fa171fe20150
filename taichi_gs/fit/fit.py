"""The fit: from a picture to the integers of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from taichi_gs.fit.clustering import pull
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.objective import Target
from taichi_gs.fit.quantization_aware import ClusteredFit
from taichi_gs.fit.unconstrained import fit_free, num_free
from taichi_gs.model.quantized import QuantizedGaussians

FREE, PULL, SETTLE = 0.2, 0.45, 0.15
"""The stages' shares of the steps; refining has the rest."""

PSNR_EVERY = 10
"""Steps from one measurement of the PSNR to the next: on CUDA each one waits for all steps before."""


def fit(image: Tensor, config: FitConfig, report: Callable[[int, float], None]) -> QuantizedGaussians:
    """Fit Gaussians to a picture [3, H, W], RGB from 0 to 1, and return them quantised.

    `report(step, psnr)` is called after every step, with the PSNR in dB that was measured last, at the resolution of
    its step; that of the last step always is.
    """
    with _one_pytorch_thread():
        return _fit(image, config, report)


def _fit(image: Tensor, config: FitConfig, report: Callable[[int, float], None]) -> QuantizedGaussians:
    generator = torch.Generator().manual_seed(config.seed)
    done, psnr = 0, 0.0

    def tick(squared_error: Tensor, *, coarse: bool) -> None:
        nonlocal done, psnr
        if done % PSNR_EVERY == 0 or done == config.steps - 1:
            psnr = target.psnr(squared_error, coarse)
        done += 1
        report(done, psnr)

    free, pulling, settling = (max(1, round(share * config.steps)) for share in (FREE, PULL, SETTLE))
    target = Target(image, config.loss, num_free(config, image[0].numel()))
    adam = fit_free(target, config, free, generator, tick)
    clusters = pull(adam, target, config, pulling, generator, tick)
    clustered = ClusteredFit(adam, clusters, target, config, generator)
    clustered.settle(settling, tick)
    return clustered.refine(config.steps - free - pulling - settling, tick).canonical()


@contextmanager
def _one_pytorch_thread() -> Iterator[None]:
    """Keep PyTorch's operations on one thread of the CPU.

    They are small beside Taichi's kernels, and between them PyTorch's threads would spin on the cores that Taichi's
    threads need. Sums also come out the same whatever the number of cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
