"""The picture at one resolution, and what is drawn to compare with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from taichi_gs.fit.chain_rule import ChainRule
from taichi_gs.fit.parameters import Parameters
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.splats import NO_BLOCKS, Cost
from taichi_gs.fit.workspace import Workspace


@dataclass(frozen=True)
class Resolution:
    """A picture at one resolution, which Gaussians of the full picture are compared with while they are trained.

    Attributes:
        picture: [3, h, w], RGB from 0 to 1.
        weights: [h, w], of each pixel's squared error.
        full_size: (H, W) of the full picture, in whose pixels parameters are.
        renderer: draws them.
        hidden_error: what averaging hides, if it is an average: the weighted squared error of the finer picture where
            each of its blocks is drawn as the one colour that this picture has right.
        importance: a factor on the loss of a step that looks at it.
        importances_of_blocks: of errors that blocks of 4 and of 8 pixels share, see `Renderer.cost`.
        workspace: of the steps.
    """

    picture: Tensor
    weights: Tensor
    full_size: tuple[int, int]
    renderer: Renderer
    hidden_error: float = 0.0
    importance: float = 1.0
    importances_of_blocks: tuple[float, float] = NO_BLOCKS
    workspace: Workspace = field(default_factory=Workspace)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.picture.shape[1], self.picture.shape[2]

    def render(self, parameters: Parameters) -> Tensor:
        """Draw [3, h, w], differentiably; where nobody follows gradients, into memory of the workspace.

        There the next picture, of this resolution or of one that shares its workspace, takes its place.
        """
        return self.renderer.render(parameters.splats(self.full_size, self.size), self.size, self.workspace)

    def cost(self, parameters: Parameters, factor: float = 1.0) -> Cost:
        """The sum of weighted squared errors over pixels and channels with what blocks add to it, and without.

        Gradients are by parameters, times a factor.
        """
        splats, compared = parameters.splats(self.full_size, self.size), (self.picture, self.weights)
        rule = ChainRule(self.full_size, self.size, factor)
        return self.renderer.cost(splats, *compared, self.importances_of_blocks, self.workspace, rule)
