"""What all kernels of a form compute in single precision, to compare devices. Also a program that writes it to a file.

python kernel_results.py DEVICE FORM FILE
"""

from __future__ import annotations

import sys
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from render_scenes import BLENDINGS, SCENES, drawable, order_of, pixel_weights
from twins import Splats

from taichi_gs.fit.render import Renderer
from taichi_gs.fit.splats import Candidates
from taichi_gs.kernels import runtime
from taichi_gs.kernels.assign import make_assign
from taichi_gs.kernels.runtime import Form
from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import Blending

Arrays = dict[str, NDArray[Any]]

NAMES = (
    "sizes that tiles do not divide",
    "one pixel",
    "600 in one tile",
    "no Gaussians",
    "all off the picture",
    "100 times longer than wide",
)
"""The scenes."""


def kernel_results(form: Form) -> Arrays:
    """The results by name; to be called where kernels run."""
    results = {f"assignment, {number}": array for number, array in enumerate(_assignment(form))}
    for blending in BLENDINGS:
        for name in NAMES:
            size, splats = SCENES[blending][name]
            for number, array in enumerate(_drawing(size, splats, blending, form)):
                results[f"{blending}, {name}, {number}"] = array
    return results


def _drawing(size: tuple[int, int], splats: Splats, blending: Blending, form: Form) -> list[NDArray[Any]]:
    """A picture and its gradients, costs and theirs, and what removals and replacements change."""
    order = order_of(splats) if blending == "alpha" else None
    weights, target = pixel_weights(size).float(), torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    leaves, renderer = splats.leaves(torch.float32), Renderer(form, always_waits=True)
    scene = drawable(leaves, order, blending)
    picture = renderer.render(scene, size)
    picture.backward(target)  # type: ignore[no-untyped-call]
    results = [picture.detach(), *leaves.gradients()]
    for importances in ((0.0, 0.0), (2.5, 2.0)):
        found = renderer.cost(scene, target, weights, importances)
        results += [found.cost, found.squared_error, *found.gradients]
    results.append(renderer.removal_errors(scene, target, weights))
    if blending == "normalized":
        rows = torch.arange(len(splats.means))
        others = drawable(Splats(*(t.detach() for t in leaves)), None, blending)
        results.append(renderer.replacement_errors(scene, Candidates(rows.flip(0), others), target, weights))
    return [t.numpy() for t in results]


def _assignment(form: Form) -> list[NDArray[Any]]:
    """The codewords of vectors, and their costs."""
    draw, count = np.random.default_rng(0).random, 1000
    inputs = [draw(shape, np.float32) for shape in ((count, 3), (count, 3), (64, 3), (64,))]
    indices, costs = np.empty(count, np.int32), np.empty(count, np.float32)
    make_assign(ti.f32, 3, form)(*inputs, indices, costs)
    return [indices, costs]


if __name__ == "__main__":
    device, form, file = sys.argv[1:]
    assert form in get_args(Form)
    runtime.start(device)
    np.savez(file, **runtime.call(kernel_results, form))
