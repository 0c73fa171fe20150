"""The fit: from a picture to the integers of a file, in four stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from taichi_gs.fit.adam import LearningRates
from taichi_gs.fit.clustering import Clustering
from taichi_gs.fit.codeword_search import CodewordSearch
from taichi_gs.fit.codeword_training import CodewordTraining
from taichi_gs.fit.config import FitConfig
from taichi_gs.fit.final_search import FinalSearch
from taichi_gs.fit.lagrangian import Lagrangian
from taichi_gs.fit.objective import GaussianCounts, Objective, ObjectiveSettings
from taichi_gs.fit.parameters import Bounds, Parameters
from taichi_gs.fit.pytorch_threads import one_pytorch_thread
from taichi_gs.fit.quantization_aware import QuantizationAware
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.resolution import Resolution
from taichi_gs.fit.stage import Stage
from taichi_gs.fit.symbol_search import SymbolSearch
from taichi_gs.fit.tuning import TUNINGS, Tuning
from taichi_gs.fit.unconstrained import Unconstrained
from taichi_gs.model.quantized import QuantizedGaussians


@dataclass(frozen=True)
class Schedule:
    """How many of the steps each stage has.

    Attributes:
        unconstrained, clustering, codeword_training: shares of the steps, of the stages of these names; the last stage,
            quantisation-aware training, has the rest.
        psnr_every: steps from one measurement of the PSNR to the next: each one draws the picture, if errors have
            weights, and on a GPU waits for all steps before.
    """

    unconstrained: float = 0.2
    clustering: float = 0.45
    codeword_training: float = 0.15
    psnr_every: int = 50


@dataclass(frozen=True)
class Hyperparameters:
    """All choices of a fit that no user is asked for; each has the documentation of its class.

    If there is a `tuning`, it replaces the one that the configuration names.
    """

    schedule: Schedule = field(default_factory=Schedule)
    tuning: Tuning | None = None
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    rates: LearningRates = field(default_factory=LearningRates)
    bounds: Bounds = field(default_factory=Bounds)
    lagrangian: Lagrangian = field(default_factory=Lagrangian)
    unconstrained: Unconstrained = field(default_factory=Unconstrained)
    clustering: Clustering = field(default_factory=Clustering)
    codeword_training: CodewordTraining = field(default_factory=CodewordTraining)
    quantization_aware: QuantizationAware = field(default_factory=QuantizationAware)


_SHORT_SEARCH = CodewordSearch(rounds=2, num_kept=2)

LARGE_PICTURES = Hyperparameters(
    clustering=Clustering(prune_every=5, lloyd_iterations=3),
    codeword_training=CodewordTraining(searches=(0.0, 1.0), search=_SHORT_SEARCH),
    quantization_aware=QuantizationAware(
        searches=(0.5,), search=_SHORT_SEARCH, final_search=FinalSearch(codewords=None, sweeps=0)
    ),
)
"""Of pictures whose codebooks have thousands of codewords: to search them would take a quarter of a fit."""

SHORT_STEPS = 300
"""Fits of fewer steps are short."""

SHORT_FITS = Hyperparameters(
    quantization_aware=QuantizationAware(final_search=FinalSearch(symbols=SymbolSearch(max_tries=8), sweeps=1))
)
"""Of short fits: a search takes as long as in long ones, and these are for those who wait."""


def make_objective(
    picture: Tensor, config: FitConfig, renderer: Renderer, hyperparameters: Hyperparameters | None = None
) -> Objective:
    """Return what a fit to a picture [3, H, W], RGB from 0 to 1, on the renderer's device, is judged by."""
    chosen = hyperparameters or Hyperparameters()
    counts = GaussianCounts(chosen.unconstrained.num_gaussians(config, picture[0].numel()), config.num_gaussians)
    tuning = chosen.tuning or TUNINGS[config.tune]
    return Objective(picture, config.loss, counts, renderer, tuning, chosen.objective)


def fit(
    objective: Objective,
    config: FitConfig,
    progress: Callable[[int, float], None],
    hyperparameters: Hyperparameters | None = None,
) -> QuantizedGaussians:
    """Fit Gaussians to a picture and return them quantised, in canonical order.

    Args:
        objective: what they are judged by, made by `make_objective` for this fit alone.
        config: what is asked for.
        progress: called as progress(step, psnr) after every step, with the PSNR in dB that was measured last, at the
            resolution of its step; that of the last step always is.
        hyperparameters: how it is done; None leaves it to the size of the picture that is looked at, and to the number
            of steps.
    """
    usual = LARGE_PICTURES if objective.is_large else SHORT_FITS if config.steps < SHORT_STEPS else Hyperparameters()
    # PyTorch's small operations are faster without autograd's bookkeeping.
    with one_pytorch_thread(), torch.inference_mode():
        return _run_stages(objective, config, progress, hyperparameters or usual)


def _run_stages(
    objective: Objective, config: FitConfig, progress: Callable[[int, float], None], chosen: Hyperparameters
) -> QuantizedGaussians:
    schedule, done, psnr = chosen.schedule, 0, 0.0

    def listen(drawn: Parameters, squared_error: Tensor, resolution: Resolution) -> None:
        nonlocal done, psnr
        if done % schedule.psnr_every == 0 or done == config.steps - 1:
            # Half the picture has a higher PSNR, and would make the numbers go up and down.
            shown = objective.coarse if resolution is objective.coarse else objective.full
            psnr = objective.psnr(drawn, shown, squared_error if resolution is shown else None)
        done += 1
        with torch.inference_mode(mode=False):  # the caller's code may need autograd
            progress(done, psnr)

    generator = torch.Generator().manual_seed(config.seed)
    stage = Stage(objective, config, chosen.rates, chosen.bounds, chosen.lagrangian, generator, listen)
    shares = (schedule.unconstrained, schedule.clustering, schedule.codeword_training)
    first, second, third = (max(1, round(share * config.steps)) for share in shares)
    parameters, adam = chosen.unconstrained.run(stage, first)
    coded = chosen.clustering.run(stage, parameters, adam, second)
    objective.free_memory()
    coded, adam = chosen.codeword_training.run(stage, coded, third)
    return chosen.quantization_aware.run(stage, coded, adam, config.steps - first - second - third)
