"""How often a fit on a GPU would make the host wait for the device, seen on a CPU."""

from __future__ import annotations

import pytest
from operations import Operations
from small_fits import config_of, noise

from taichi_gs.fit import position_search, rounding
from taichi_gs.fit.fit import Hyperparameters, fit, make_objective
from taichi_gs.fit.quantization_aware import QuantizationAware
from taichi_gs.fit.render import Renderer
from taichi_gs.model.blending import Blending

STEPS = 200
"""Enough for stages that are longer than what happens in them now and then."""


@pytest.fixture(autouse=True)
def _tensors_are_no_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU. On the CPU, where nothing is waited for, positions are rounded by NumPy."""
    for module in (rounding, position_search):
        monkeypatch.setattr(module, "raw", lambda tensor: tensor)


def waiting_of(blending: Blending, loss: str, hyperparameters: Hyperparameters | None = None) -> list[list[str]]:
    """What makes the host wait in each step of a whole fit, from one call of the progress listener to the next."""
    config, waited = config_of(30, 8, blending=blending, loss=loss, steps=STEPS), []
    objective = make_objective(noise(40, 56), config, Renderer("gpu"), hyperparameters)
    with Operations() as operations:
        fit(objective, config, lambda step, psnr: waited.append(operations.take_waiting()), hyperparameters)
    assert len(waited) == STEPS
    return waited


def fewest_at_rest(waited: list[list[str]]) -> int:
    """The least number of steps that wait for nothing, of any ten in a row."""
    return min(sum(not waits for waits in waited[first : first + 10]) for first in range(STEPS - 9))


@pytest.mark.parametrize(
    ("blending", "loss"), [("normalized", "l2"), ("alpha", "l2"), ("alpha", "l1"), ("alpha", "l1-ssim")]
)
def test_most_steps_wait_for_nothing(blending: Blending, loss: str) -> None:
    waited = waiting_of(blending, loss)
    # In the first step the host counts pairs and measures the PSNR, in the last one it measures again.
    assert waited[0]
    assert waited[-1]
    assert fewest_at_rest(waited) >= 6


@pytest.mark.parametrize("blending", ["normalized", "alpha"])
def test_steps_that_find_lattices_wait(blending: Blending) -> None:
    """So the test above can fail: codewords are copied to the host wherever lattices follow them."""
    every_step = Hyperparameters(quantization_aware=QuantizationAware(lattices_every=1))
    waited = waiting_of(blending, "l2", every_step)
    assert fewest_at_rest(waited) == 0
