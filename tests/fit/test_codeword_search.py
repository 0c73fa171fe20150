"""Codewords that are tried on the picture: what the renderer says of one, and what the search makes of many."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from render_scenes import SCENES, drawable, pixel_weights, splats_of
from small_fits import clustered, config_of
from twins import Splats, render_densely

from taichi_gs.fit.codeword_search import CodewordSearch
from taichi_gs.fit.parameters import CODED, CodebookParameters, Parameters
from taichi_gs.fit.render import Renderer
from taichi_gs.fit.splats import Candidates, Screening
from taichi_gs.fit.stage import Stage
from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form


@pytest.mark.parametrize("scene", SCENES["normalized"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_replacement_errors_are_those_of_replacing(
    scene: str, form: Form, dtype: torch.dtype, tolerance: float
) -> None:
    size, splats = SCENES["normalized"][scene]
    splats = Splats(*(t[:10] for t in splats))
    target = torch.rand(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    weights = pixel_weights(size)
    count, generator = len(splats.means), torch.Generator().manual_seed(6)
    rows = torch.randperm(count, generator=generator)
    others = torch.randperm(3 * count, generator=generator) % max(count, 1)  # three for each
    candidates = Splats(*(t[others] for t in splats[:4]), splats.background)

    def squared_error(drawn: Splats) -> float:
        return float((weights * (render_densely(drawn, np.arange(count), size, "normalized") - target).square()).sum())

    def replaced(k: int) -> Splats:
        own = [t.index_put((rows[k // 3],), other[k]) for t, other in zip(splats[:4], candidates[:4], strict=True)]
        return Splats(*own, splats.background)

    whole = squared_error(splats)
    expected = np.array([squared_error(replaced(k)) - whole for k in range(3 * count)]).reshape(-1, 3)
    inputs, tried = (s.leaves(dtype, runtime.start()) for s in (splats, candidates))
    compared = (target.to(inputs.means), weights.to(inputs.means))
    drawn, other = (drawable(s, None, "normalized") for s in (inputs, tried))
    found = Renderer(form).replacement_errors(drawn, Candidates(rows.to(inputs.means.device), other), *compared)
    assert (found.shape, found.dtype, found.requires_grad) == ((count, 3 if count else 0), dtype, False)
    scale = np.abs(expected).max(initial=1e-3)
    np.testing.assert_allclose(found.cpu().numpy().reshape(-1, 3), expected, rtol=0, atol=tolerance * scale)


def screened(form: Form, sigma: float, num_kept: int, penalties: list[float]) -> tuple[list[float], list[float]]:
    """What five reds in the place of a gray Gaussian change of a red picture, without a screening and with one."""
    gray = splats_of([[32, 32, sigma, 0.2, 0.2, 0.2, 1.0]], [0.0, 0.0, 0.0])
    reds = splats_of([[32, 32, sigma, red, 0.2, 0.2, 1.0] for red in (0.3, 1.0, 0.5, 0.7, 0.1)], [0.0, 0.0, 0.0])
    own, others = (drawable(s.leaves(torch.float32, runtime.start()), None, "normalized") for s in (gray, reds))
    row, picture = torch.zeros(1, dtype=torch.int64, device=own.means.device), torch.full((3, 64, 64), 0.2)
    picture[0] = 0.65
    screening = Screening(torch.tensor([penalties]).to(own.means), num_kept, min_rows=8)
    whole, found = (
        Renderer(form).replacement_errors(own, Candidates(row, others, chosen), picture.to(own.means))
        for chosen in (None, screening)
    )
    return whole[0].tolist(), found[0].tolist()


@pytest.mark.parametrize("num_kept", [1, 2, 4])
@pytest.mark.parametrize("penalties", [[0.0] * 5, [0, 0, 0, 1e6, 0], [0, 1e6, 0, 1e6, -1e6]])
def test_a_screening_keeps_the_best_by_error_and_penalty(form: Form, penalties: list[float], num_kept: int) -> None:
    whole, found = screened(form, 20.0, num_kept, penalties)
    kept = np.argsort(np.add(whole, penalties))[:num_kept]  # the picture is flat, so all rows tell about the same
    expected = [change if n in kept else math.inf for n, change in enumerate(whole)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_screening_leaves_none_out_of_a_few_rows(form: Form) -> None:
    whole, found = screened(form, 1.0, 1, [0.0] * 5)
    assert found == whole
    assert all(map(math.isfinite, found))


def test_more_candidates_than_there_is_room_for_are_refused() -> None:
    splats = SCENES["normalized"]["a narrow picture"][1].leaves(torch.float32, runtime.start())
    drawn = drawable(splats, None, "normalized")
    others = drawable(
        Splats(*(t[:1].repeat_interleave(17, dim=0) for t in splats[:4]), splats.background), None, "normalized"
    )
    with pytest.raises(ValueError, match="17 candidates for a Gaussian are more than 16"):
        Renderer("cpu").replacement_errors(drawn, Candidates(torch.tensor([0]), others), torch.zeros(3, 20, 20))


def lagrangian(stage: Stage, parameters: CodebookParameters, bit_weight: float) -> float:
    """The error of the picture, and the ideal bits of the indices by their own frequencies."""
    bits = 0.0
    for indices in parameters.indices.values():
        counts = np.unique(indices.cpu().numpy(), return_counts=True)[1]
        bits -= float((counts * np.log2(counts / counts.sum())).sum())
    return float(stage.objective.squared_error(unrounded(parameters)).detach()) + bit_weight * bits


def unrounded(parameters: CodebookParameters) -> Parameters:
    return parameters.expanded()


def test_a_search_lowers_the_error_and_its_bits_together() -> None:
    stage, coded, _ = clustered(config_of(60, 16))
    error = stage.objective.squared_error(unrounded(coded)).detach()
    bit_weight = stage.weight_of_a_bit(error, len(coded))
    found = CodewordSearch().improve(stage, coded, unrounded)
    assert lagrangian(stage, found, bit_weight) < 0.98 * lagrangian(stage, coded, bit_weight)
    assert any(not torch.equal(found.indices[name], coded.indices[name]) for name in CODED)
    assert found.means is coded.means
    assert found.codewords is coded.codewords


@pytest.mark.parametrize("name", CODED)
def test_after_many_rounds_no_other_codeword_is_better(name: str) -> None:
    """One Gaussian at a time, all codewords tried by drawing the picture."""
    stage, coded, _ = clustered(config_of(12, 3))
    search = CodewordSearch(num_candidates=100, rounds=50)
    for _ in range(8):
        coded = search.improve(stage, coded, unrounded)
    error = float(stage.objective.squared_error(unrounded(coded)).detach())
    slack = stage.weight_of_a_bit(torch.tensor(error), len(coded)) * math.log2(len(coded) + 3)
    for row in range(len(coded)):
        for k in range(len(coded.codewords[name])):
            own = coded.indices[name].clone()
            own[row] = k
            changed = replace(coded, indices=coded.indices | {name: own})
            assert float(stage.objective.squared_error(unrounded(changed)).detach()) > error - slack


def test_other_blending_keeps_its_codewords() -> None:
    stage, coded, _ = clustered(config_of(20, 5, blending="alpha"))
    assert CodewordSearch().improve(stage, coded, unrounded) is coded
