"""The third stage of a fit: codewords and positions are trained, and each Gaussian keeps the codewords that it has.

Nothing is rounded yet: how finely to round is chosen by how well these Gaussians can do.
"""

from __future__ import annotations

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.parameters import CodebookParameters, Parameters
from taichi_gs.fit.stage import Stage


def train_codewords(stage: Stage, parameters: CodebookParameters, steps: int) -> Adam:
    """Train parameters in place, and return what Adam remembers of them."""
    adam = Adam(parameters.tensors, stage.rates.by_name(stage.objective.spacing(len(parameters))))
    for _ in range(steps):
        train_step(stage, parameters, adam, parameters.expanded().ordered())
    return adam


def train_step(
    stage: Stage,
    parameters: CodebookParameters,
    adam: Adam,
    drawn: Parameters,
    factor: float = 1.0,
) -> None:
    """Take a step down the loss of what is drawn of the parameters, every learning rate multiplied by `factor`."""
    resolution = stage.objective.full
    squared_error = stage.objective.backward(drawn, resolution)
    adam.step(parameters.tensors, factor)
    stage.constrain(parameters.tensors)
    stage.listener(drawn, squared_error, resolution)
