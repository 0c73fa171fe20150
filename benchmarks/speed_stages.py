"""The sections `kernels` and `steps` of `benchmarks.speed`, in a process of their own: rows go to stdout.

The environment says how many threads Taichi, PyTorch and the C twin have; it has to be set before they are imported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.blend_twin import Twin, find_compiler
from benchmarks.measuring import Subject, ratio_in_turn, row, times_in_turn
from taichi_gs.fit.adam import Adam, LearningRates
from taichi_gs.fit.objective import GaussianCounts, Objective
from taichi_gs.fit.parameters import Parameters
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.splats import Splats
from taichi_gs.fit.workspace import Workspace
from taichi_gs.kernels import runtime, tiles
from taichi_gs.kernels.blend import NUM_GRADS, PLANES
from taichi_gs.kernels.dispatch import DTYPES, blend_kernels
from taichi_gs.kernels.gradients import make_gather
from taichi_gs.kernels.projection import make_project
from taichi_gs.kernels.tiles import TILE
from taichi_gs.model.blending import Blending

BLENDINGS: tuple[Blending, ...] = ("normalized", "alpha")
FITTED: Final = "normalized"
"""The blending whose other stages and whose whole step are timed: that of all presets but one."""

Actions = dict[str, Callable[[], Any]]
"""What is timed, by name."""

TOLERANCE = 1e-4
"""Of what the twin draws and of its gradients, on average: its additions and multiplications are fused."""


class Scene:
    """N random Gaussians over a picture, about as wide, as long and as dense as a fit makes them."""

    def __init__(self, width: int, height: int, count: int) -> None:
        rng = np.random.default_rng(0)
        self.size = (height, width)
        self.means = (rng.random((count, 2)) * [width, height]).astype(np.float32)
        # Each pixel lies inside a handful of Gaussians, and these are up to several times as long as wide.
        deviation = 0.5 * (height * width / count) ** 0.5
        self.log_covariances = rng.normal([2 * np.log(deviation), 0, 0], [0.5, 0.5, 0.5], (count, 3)).astype(np.float32)
        self.colors = rng.random((count, 3)).astype(np.float32)
        self.amplitudes = rng.uniform(0.2, 0.9, count).astype(np.float32)
        self.background = np.full(3, 0.5, np.float32)
        self.order = np.arange(count)
        rows, columns = tiles.num_tiles(self.size)
        self.gradient = rng.normal(size=(3, rows * TILE, columns * TILE)).astype(np.float32)

    def project(self, blending: Blending) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The conics [N, 4] and extents [N, 2]."""
        conics, extents = np.empty((len(self.means), 4), np.float32), np.empty((len(self.means), 2), np.float32)
        make_project(DTYPES["float32"], blending)(self.log_covariances, self.amplitudes, conics, extents)
        return conics, extents

    def bin(self, extents: NDArray[np.float32]) -> tiles.TileLists:
        """Which Gaussians reach which tile."""
        return tiles.list_tiles(self.means, extents, self.order, self.size)


def kernel_rows(scene: Scene, threads: int, runs: int, compiler: str | None) -> Iterator[str]:
    """One row a stage of drawing and of its gradient; the blending kernels beside their twins."""
    for blending in BLENDINGS:
        conics, extents = scene.project(blending)
        lists = scene.bin(extents)
        subject = _subject(scene, threads, len(lists.tile_indices))
        if blending == FITTED:
            stages: Actions = {
                "project": lambda: scene.project(FITTED),
                "list_tiles": lambda extents=extents: scene.bin(extents),  # type: ignore[misc]
                "gather": _gather(scene, lists, conics, np.ones((len(lists.tile_indices), NUM_GRADS), np.float32)),
            }
            for stage, stage_times in times_in_turn(stages, runs).items():
                yield row(stage, subject, stage_times)
        with tempfile.TemporaryDirectory() as folder:
            twin = Twin(compiler, blending, Path(folder)) if compiler else None
            for name, actions in blend_actions(scene, blending, conics, extents, lists, twin).items():
                times = times_in_turn(actions, runs)
                ratio = ratio_in_turn(times["kernel"], times["twin"]) if twin else None
                yield row(f"{name}, {blending}", subject, times["kernel"], to_twin=ratio)
                if twin:
                    yield row(f"{name}, {blending}: C twin", subject, times["twin"])


def blend_actions(
    scene: Scene,
    blending: Blending,
    conics: NDArray[np.float32],
    extents: NDArray[np.float32],
    lists: tiles.TileLists,
    twin: Twin | None,
) -> dict[str, Actions]:
    """`forward`, `backward`, and both at once as a step of a fit has them, by "kernel" and, if there is one, by "twin".

    At once is the squared error against a picture: projected, listed, drawn, compared, differentiated and gathered in
    one kernel. Its twin is the two others in succession, which leaves out all else.

    Raises:
        ValueError: if the twin does not compute what the kernel does.
    """
    kernels = blend_kernels(DTYPES["float32"], "cpu", blending)
    splats, pairs = (scene.means, conics, extents, scene.colors), (lists.tile_offsets, lists.tile_indices)
    image = np.empty((PLANES[blending], *scene.gradient.shape[1:]), np.float32)
    picture = np.ascontiguousarray(scene.gradient[:, : scene.size[0], : scene.size[1]])
    target, workspace = torch.from_numpy(picture), Workspace()
    tensors = [torch.from_numpy(array) for array in (*splats, *pairs, image, scene.gradient)]
    gaussians = (scene.means, scene.log_covariances, scene.colors, scene.amplitudes, scene.background)
    means, shapes, colors, amplitudes, background = (torch.from_numpy(array) for array in gaussians)
    drawn = Splats(means, shapes, colors, amplitudes, background, blending)
    forward: Actions = {"kernel": lambda: kernels.forward(*splats, scene.background, *pairs, image)}
    backward: Actions = {"kernel": lambda: kernels.backward(*tensors)}
    at_once: Actions = {"kernel": lambda: Renderer("cpu").cost(drawn, target, workspace=workspace)}
    forward["kernel"]()
    if twin:
        twin_image = np.empty_like(image)
        grad_pairs = np.empty((len(lists.tile_indices), 9), np.float32)
        grad_backgrounds = np.empty((3, len(lists.tile_offsets) - 1), np.float32)
        gradients = (grad_pairs, grad_backgrounds)

        def twin_at_once() -> None:
            twin.forward(splats, scene.background, pairs, twin_image)
            twin.backward(splats, pairs, twin_image, grad_error, *gradients)

        forward["twin"] = lambda: twin.forward(splats, scene.background, pairs, twin_image)
        backward["twin"] = lambda: twin.backward(splats, pairs, image, scene.gradient, *gradients)
        at_once["twin"] = twin_at_once
        forward["twin"]()
        _check_equal(twin_image[:3], image[:3])
        inside = (slice(None), *map(slice, scene.size))
        grad_error = np.zeros_like(scene.gradient)
        grad_error[inside] = 2 * (twin_image[:3][inside] - picture)
        backward["twin"]()
        found_pairs, found_background = backward["kernel"]()
        _check_equal(grad_pairs, found_pairs.numpy())
        _check_equal(grad_backgrounds.sum(axis=1), found_background.numpy())
        at_once["twin"]()
        found = at_once["kernel"]().gradients
        _check_equal(_gather(scene, lists, conics, grad_pairs)(), torch.cat(found[:3], dim=1).numpy())
        _check_equal(grad_backgrounds.sum(axis=1), found.background.numpy())
    return {"forward": forward, "backward": backward, "forward and backward": at_once}


def step_rows(scene: Scene, threads: int, runs: int) -> Iterator[str]:
    """The rows of a whole step on the full picture, of its serial part, and of its last part, optimising, alone.

    A step draws, compares, differentiates and optimises. What the thread that starts kernels computes itself is serial:
    the others wait meanwhile.
    """
    height, width = scene.size
    count = len(scene.means)
    parameters = Parameters(
        means=torch.from_numpy(scene.means),
        log_covariances=torch.from_numpy(scene.log_covariances),
        color_codes=torch.cat([torch.from_numpy(scene.colors), torch.zeros(count, 1)], dim=1),
        background=torch.from_numpy(scene.background),
        blending=FITTED,
    )
    picture = torch.from_numpy(scene.gradient[:, :height, :width].copy()).sigmoid()
    objective = Objective(picture, "l2", GaussianCounts(count), Renderer("cpu"))
    adam = Adam(parameters.tensors, LearningRates().by_name(objective.spacing(count)))
    gradients = {name: torch.ones_like(tensor) for name, tensor in parameters.tensors.items()}

    def step() -> None:
        # No step at all, so that every run has the same Gaussians to draw.
        adam.step(parameters.tensors, objective.differentiate(parameters, objective.full)[1], 0.0)

    def optimize() -> None:
        adam.step(parameters.tensors, gradients, 0.0)

    for name, times in times_in_turn({"whole step": step, "optimiser": optimize}, runs).items():
        yield row(name, _subject(scene, threads), times)
    serial = []
    for _ in range(runs):
        started = time.thread_time()
        step()
        serial.append(1000.0 * (time.thread_time() - started))
    yield row("serial part of the step", _subject(scene, threads), serial)


def _gather(
    scene: Scene, lists: tiles.TileLists, conics: NDArray[np.float32], grad_pairs: NDArray[np.float32]
) -> Callable[[], NDArray[np.float32]]:
    """From the pairs' gradients to those of the Gaussians."""
    grads, kernel = np.empty((len(scene.means), NUM_GRADS), np.float32), make_gather(DTYPES["float32"])

    def gather() -> NDArray[np.float32]:
        kernel(grad_pairs, *lists[2:], scene.log_covariances, scene.amplitudes, conics, grads)
        return grads

    return gather


def _check_equal(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    # On average, because a pixel at the cut-off may count in one of them and not in the other.
    error, size = np.abs(found - expected).mean(), np.abs(expected).mean()
    if not error <= TOLERANCE * size:
        raise ValueError(f"the C twin is off by {error:.1e} in {size:.1e}")


def _subject(scene: Scene, threads: int, num_pairs: int | None = None) -> Subject:
    height, width = scene.size
    pairs = {} if num_pairs is None else {"num_pairs": str(num_pairs)}
    return Subject(
        width=str(width), height=str(height), num_gaussians=str(len(scene.means)), threads=str(threads), **pairs
    )


def main(argv: list[str] | None = None) -> int:
    """Print the rows of one scene and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed_stages")
    parser.add_argument("--sections", nargs="+", choices=("kernels", "steps"), required=True)
    parser.add_argument("--scene", required=True, metavar="WxHxN")
    parser.add_argument("--threads", type=int, required=True, help="those of the environment, for the rows")
    parser.add_argument("--runs", type=int, required=True)
    arguments = parser.parse_args(argv)
    runtime.start("cpu")
    scene = Scene(*map(int, arguments.scene.split("x")))
    if "kernels" in arguments.sections:
        for line in kernel_rows(scene, arguments.threads, arguments.runs, find_compiler()):
            print(line)
    if "steps" in arguments.sections:
        for line in step_rows(scene, arguments.threads, arguments.runs):
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(runtime.call(main))
