"""The third stage of a fit: codewords and positions are trained, and a few times other codewords are tried.

Nothing is rounded yet: how finely to round is chosen by how well these Gaussians can do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from taichi_gs.fit.adam import Adam
from taichi_gs.fit.codeword_search import CodewordSearch
from taichi_gs.fit.parameters import CODED, CodebookParameters, Parameters
from taichi_gs.fit.stage import Stage


@dataclass(frozen=True)
class CodewordTraining:
    """How the third stage runs.

    Attributes:
        searches: the fractions of the stage after which other codewords are tried.
        search: how they are.
    """

    searches: tuple[float, ...] = (0.0, 0.5, 1.0)
    search: CodewordSearch = field(default_factory=CodewordSearch)

    def run(self, stage: Stage, parameters: CodebookParameters, steps: int) -> tuple[CodebookParameters, Adam]:
        """Train `parameters`, and return them with what Adam remembers of them.

        Tensors are trained in place; the codewords that are returned are those that a Gaussian has in the end.
        """
        adam = Adam(parameters.tensors, stage.rates.by_name(stage.objective.spacing(len(parameters))))
        searches = {int(part * steps) for part in self.searches}
        for step in range(steps):
            if step in searches:
                parameters = self.search.improve(stage, parameters, _unrounded)
            train_step(stage, parameters, adam, _unrounded(parameters))
        if steps in searches:
            parameters = self.search.improve(stage, parameters, _unrounded)
        for name in CODED:  # how finely to round depends on those alone that the file will have
            used = parameters.used_codewords(name)
            parameters = parameters.with_codewords(name, used)
            adam.keep_rows([name], used)
        return parameters, adam


def _unrounded(parameters: CodebookParameters) -> Parameters:
    return parameters.expanded().ordered()


def train_step(
    stage: Stage,
    parameters: CodebookParameters,
    adam: Adam,
    drawn: Parameters,
    factor: float = 1.0,
) -> Tensor:
    """Take a step down the loss of what is drawn of the parameters, every learning rate multiplied by `factor`.

    Return the sum of weighted squared errors before it.
    """
    resolution = stage.objective.full
    squared_error, gradients = stage.objective.differentiate(drawn, resolution)
    stage.listener(drawn, squared_error, resolution)
    adam.step(parameters.tensors, parameters.gradients(gradients), factor)
    stage.constrain(parameters.tensors)
    return squared_error
