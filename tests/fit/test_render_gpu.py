"""What the renderer on a GPU waits for, and that it computes the same bits in every run, as on a CPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from conftest import ROOT
from operations import Operations
from render_scenes import BLENDINGS, SCENES, drawable, gradients, order_of, pixel_weights
from twins import Splats

from taichi_gs.fit.device import renderer_on
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.tile_tensors import COUNT_EVERY
from taichi_gs.fit.workspace import Workspace
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form
from taichi_gs.model.blending import Blending


@pytest.mark.parametrize("blending", BLENDINGS)
def test_the_gpu_form_reads_one_number_back(blending: Blending) -> None:
    """And no operation copies to another device, or has a result whose size depends on the values in a tensor."""
    size, scene = SCENES[blending]["sizes that tiles do not divide"]
    leaves = scene.leaves(torch.float32, runtime.start())
    order = torch.from_numpy(order_of(scene)).to(leaves.means.device)
    target = torch.zeros(3, *size, device=leaves.means.device)
    for order_given in (order, None):
        splats = drawable(leaves, order_given, blending)
        with Operations() as whole:
            picture = Renderer("gpu").render(splats, size)
        with Operations() as backward:
            picture.backward(torch.ones_like(picture))
        with Operations() as removal:
            Renderer("gpu").removal_errors(splats, target, target[0] + 1)
        assert whole.waiting == ["_local_scalar_dense"]
        assert removal.waiting == ["_local_scalar_dense"]
        assert len(backward.names) > 10
        assert backward.waiting == []


@pytest.mark.parametrize("blending", BLENDINGS)
def test_with_a_workspace_the_gpu_form_reads_it_once_in_a_while(blending: Blending) -> None:
    """And has the same picture, error and gradients, bit by bit."""
    size, splats = SCENES[blending]["sizes that tiles do not divide"]
    device = runtime.start()
    order, target = torch.from_numpy(order_of(splats)).to(device), torch.full((3, *size), 0.3, device=device)
    weights = pixel_weights(size).float().to(device)

    def results(leaves: Splats, workspace: Workspace | None, *, drawing: bool) -> list[torch.Tensor]:
        if drawing:
            image = Renderer("gpu").render(drawable(leaves, order, blending), size, workspace)
            image.backward(image.detach() - target)
            return [image.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]
        found = Renderer("gpu").cost(drawable(leaves, order, blending), target, weights, workspace=workspace)
        return [found.cost, *found.gradients.tensors]

    for drawing in (False, True):
        workspace, counted = Workspace(), []
        expected = results(splats.leaves(torch.float32, device), None, drawing=drawing)
        assert len(expected) == 6
        for _ in range(2 * COUNT_EVERY):
            leaves = splats.leaves(torch.float32, device)
            with Operations() as operations:
                found = results(leaves, workspace, drawing=drawing)
            counted.append(operations.waiting)
            for one, other in zip(found, expected, strict=True):
                assert one.isfinite().all()
                assert torch.equal(one, other)
        assert counted == 2 * [["_local_scalar_dense"], *([[]] * (COUNT_EVERY - 1))]


def test_where_every_launch_waits_pairs_are_counted_always() -> None:
    copied = Renderer("gpu", always_waits=True)
    expected = {"cpu": Renderer("cpu"), "cuda": Renderer("gpu"), "vulkan": copied, "metal": copied}
    assert {arch: renderer_on(arch) for arch in get_args(runtime.Arch)} == expected
    size, splats = SCENES["normalized"]["whole tiles"]
    leaves, workspace = splats.leaves(torch.float32, runtime.start()), Workspace()
    for _ in range(3):
        with Operations() as operations:
            copied.render(drawable(leaves, None, "normalized"), size, workspace)
        assert operations.waiting == ["_local_scalar_dense"]


@pytest.mark.parametrize("blending", BLENDINGS)
def test_pixels_and_gradients_are_the_same_in_every_run(form: Form, blending: Blending) -> None:
    size, splats = SCENES[blending]["600 in one tile"]
    order = order_of(splats)
    grad = torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    runs = []
    for _ in range(4):
        ours = splats.leaves(torch.float32, runtime.start())
        picture = Renderer(form).render(drawable(ours, order, blending), size)
        runs.append([picture.detach(), *gradients(ours, picture, grad)])
    for run in runs[1:]:
        for one, other in zip(run, runs[0], strict=True):
            assert torch.equal(one, other)


SCRIPT = """
import hashlib, itertools, json, sys
sys.path.insert(0, sys.argv[2])
from taichi_gs.kernels import runtime
runtime.start("cpu")
import taichi, torch
from render_scenes import drawable, pixel_weights
from twins import random_splats
from taichi_gs.fit.device import renderer_on
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.resolution import Resolution
size = (83, 121)
splats = random_splats(300, size)
order = torch.arange(300).numpy()
target, weights = torch.zeros(3, *size), pixel_weights(size).float()
def all_hashes():
    hashes = {}
    for blending, form in itertools.product(("alpha", "normalized"), ("cpu", "gpu")):
        leaves = splats.leaves(torch.float32)
        scene, renderer = drawable(leaves, order, blending), Renderer(form)
        picture = renderer.render(scene, size)
        picture.square().sum().backward()
        arrays = [picture.detach(), *(t.grad.clone() for t in leaves)]
        found = renderer.cost(scene, target, weights)
        arrays += [found.cost, *found.gradients, renderer.removal_errors(scene, target, weights)]
        hashes[f"{blending} {form}"] = [hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest() for t in arrays]
    return hashes
print(json.dumps({"threads": taichi.cfg.cpu_max_num_threads, "hashes": runtime.call(all_hashes)}))
"""


def test_any_number_of_threads_computes_the_same_bits(
    python: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for num_threads in (1, 2):
        monkeypatch.setenv("TI_CPU_MAX_NUM_THREADS", str(num_threads))
        result = python("-c", SCRIPT, str(num_threads), str(ROOT / "tests"))
        assert result.stderr == ""
        results.append(json.loads(result.stdout))
    assert [result["threads"] for result in results] == [1, 2]
    assert results[0]["hashes"] == results[1]["hashes"]
    assert {len(set(hashes)) for hashes in results[0]["hashes"].values()} == {12}
