"""One launch for all: the same with threads and without, with room for its lists and without, and in shared memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from render_scenes import BLENDINGS, SCENES, drawable, order_of
from torch import Tensor

from taichi_gs.fit import at_once, workspace
from taichi_gs.fit.splats import Splats
from taichi_gs.fit.workspace import Workspace
from taichi_gs.kernels import runtime
from taichi_gs.model.blending import Blending

SCENE = "sizes that tiles do not divide"


@pytest.fixture(autouse=True)
def _on_the_cpu() -> None:
    if runtime.start() != "cpu":
        pytest.skip("Taichi runs on a GPU in this process")


def scene_of(blending: Blending) -> tuple[Splats, Tensor]:
    """Gaussians, and a picture of noise to compare them with."""
    size, splats = SCENES[blending][SCENE]
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(2))
    leaves = splats.leaves(torch.float32, "cpu")
    return drawable(type(leaves)(*(t.detach() for t in leaves)), order_of(splats), blending), picture


def results(splats: Splats, picture: Tensor, workspace: Workspace) -> list[np.ndarray]:
    """An image, a cost, gradients and what Gaussians are worth."""
    weights, size = torch.ones_like(picture[0]), (picture.shape[1], picture.shape[2])
    image = at_once.draw_at_once(splats, size, workspace).image
    cost = at_once.cost_at_once(splats, picture, weights, (1.0, 0.5), workspace)
    worth = at_once.removal_errors_at_once(splats, picture, weights, workspace)
    return [image, cost.cost.numpy(), *(t.numpy() for t in cost.gradients), worth.numpy()]


def check_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_threads_change_nothing(blending: Blending, monkeypatch: pytest.MonkeyPatch) -> None:
    splats, picture = scene_of(blending)
    asked: list[float] = []

    def answer(is_worth: bool) -> Callable[[float], bool]:
        return lambda nanoseconds: asked.append(nanoseconds) or is_worth  # type: ignore[func-returns-value]

    both = []
    for is_worth in (False, True):
        monkeypatch.setattr(workspace, "is_worth_sharing", answer(is_worth))
        monkeypatch.setattr(at_once, "has_threads", lambda is_worth=is_worth: is_worth)
        both.append(results(splats, picture, Workspace()))
    assert asked
    check_equal(*both)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_too_little_room_is_made_good_for(blending: Blending, monkeypatch: pytest.MonkeyPatch) -> None:
    splats, picture = scene_of(blending)
    expected = results(splats, picture, Workspace())
    monkeypatch.setattr(at_once, "PAIRS_PER_GAUSSIAN", 0)
    kept = Workspace()
    check_equal(results(splats, picture, kept), expected)
    kept.clear()
    assert kept.room("tile_indices") == 0
    check_equal(results(splats, picture, kept), expected)


def test_memory_is_shared_and_given_back() -> None:
    first = Workspace()
    second = Workspace(first)
    array = first.array("numbers", (4, 5), np.float32)
    assert np.shares_memory(array, second.array("numbers", (7,), np.float32))
    assert not np.shares_memory(array, Workspace().array("numbers", (7,), np.float32))
    second.clear()
    assert first.room("numbers") == 0


def test_loops_that_were_worth_sharing_stay_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "is_worth_sharing", lambda nanoseconds: nanoseconds >= 1000.0)
    first = Workspace()
    second = Workspace(first)
    asked = (("rows", 999.0), ("rows", 1000.0), ("rows", 1.0), ("candidates", 1.0))
    assert [first.shares(*loop) for loop in asked] == [False, True, True, False]
    second.clear()
    assert second.shares("rows", 1.0)
    assert not Workspace().shares("rows", 1.0)
