"""Adam over rows that come and go, against PyTorch's own, and the learning rates that it is given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from taichi_gs.fit.adam import Adam, LearningRates, decay

RATES = {"rows": 0.03, "background": 0.002}
FACTORS = [1.0, 1.0, 0.7, 0.2, 0.5, 1.0]

Tensors = dict[str, Tensor]


def random_tensors(seed: int, n: int = 6) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {
        "rows": torch.randn(n, 2, generator=generator, dtype=torch.float64),
        "background": torch.randn(3, generator=generator, dtype=torch.float64),
    }


def copies_of(tensors: Tensors) -> Tensors:
    return {name: t.clone() for name, t in tensors.items()}


def plain_adam(tensors: Tensors) -> torch.optim.Adam:
    groups = [{"params": [t.requires_grad_()], "lr": RATES[name], "name": name} for name, t in tensors.items()]
    return torch.optim.Adam(groups, betas=(0.9, 0.999), eps=1e-15, foreach=False, fused=False)


def step_plainly(adam: torch.optim.Adam, gradients: Tensors, factor: float) -> None:
    for group in adam.param_groups:
        group["lr"] = RATES[group["name"]] * factor
        group["params"][0].grad = gradients[group["name"]].clone()
    adam.step()


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-10, atol=1e-12)


def test_it_is_adam() -> None:
    tensors, expected = copies_of(random_tensors(0)), random_tensors(0)
    adam, reference = Adam(tensors, RATES), plain_adam(expected)
    for number, factor in enumerate(FACTORS, start=1):
        gradients = random_tensors(number)
        adam.step(tensors, gradients, factor)
        step_plainly(reference, gradients, factor)
        for name in expected:
            assert_equal(tensors[name], expected[name])
            assert_equal(adam.momentum(name), reference.state[expected[name]]["exp_avg"])


def test_momentum_is_zero_before_the_first_step() -> None:
    momentum = Adam(random_tensors(0), RATES).momentum("rows")
    assert torch.equal(momentum, torch.zeros(6, 2, dtype=torch.float64))


def test_values_that_are_changed_in_place_keep_their_moments() -> None:
    tensors, expected = copies_of(random_tensors(0)), random_tensors(0)
    adam, reference = Adam(tensors, RATES), plain_adam(expected)
    for number, factor in enumerate(FACTORS, start=1):
        if number == 4:
            for values in (tensors, expected):
                values["rows"].detach().copy_(random_tensors(99)["rows"])
        gradients = random_tensors(number)
        adam.step(tensors, gradients, factor)
        step_plainly(reference, gradients, factor)
    for name in expected:
        assert_equal(tensors[name], expected[name])


def keep(adam: Adam, tensors: Tensors, kept: Sequence[int], added: Tensor) -> Tensors:
    """The tensors with the rows `kept`, and after them `added`."""
    adam.keep_rows(["rows"], torch.tensor(kept), len(added))
    return copies_of({**tensors, "rows": torch.cat([tensors["rows"][kept], added])})


def test_kept_rows_continue_as_if_the_dropped_ones_had_never_been() -> None:
    """New rows begin with zero moments but share the step count: nothing corrects the bias of their moments.

    At the usual decay rates that makes their first steps up to sqrt(10) times as long as Adam's first steps are.
    """
    kept, before = [4, 1, 5], 3
    tensors, expected = copies_of(random_tensors(0)), random_tensors(0)
    expected["rows"] = expected["rows"][kept]
    adam, reference = Adam(tensors, RATES), plain_adam(expected)
    for number in range(1, before + 1):
        gradients = random_tensors(number)
        adam.step(tensors, gradients, 1.0)
        step_plainly(reference, {**gradients, "rows": gradients["rows"][kept]}, 1.0)

    added = random_tensors(50, n=2)["rows"]
    tensors = keep(adam, {name: t.detach() for name, t in tensors.items()}, kept, added)
    assert_equal(adam.momentum("rows")[:3], reference.state[expected["rows"]]["exp_avg"])
    assert torch.equal(adam.momentum("rows")[3:], torch.zeros(2, 2, dtype=torch.float64))

    values, mean, square = added.clone(), torch.zeros_like(added), torch.zeros_like(added)
    for number in range(before + 1, before + 5):
        gradients = random_tensors(number, n=5)
        adam.step(tensors, gradients, 0.5)
        step_plainly(reference, {**gradients, "rows": gradients["rows"][:3]}, 0.5)
        fresh = gradients["rows"][3:]
        mean, square = 0.9 * mean + 0.1 * fresh, 0.999 * square + 0.001 * fresh**2
        corrected = mean / (1 - 0.9**number), square / (1 - 0.999**number)
        values -= 0.5 * RATES["rows"] * corrected[0] / (corrected[1].sqrt() + 1e-15)
        assert_equal(tensors["rows"][:3], expected["rows"])
        assert_equal(tensors["rows"][3:], values)
        assert_equal(tensors["background"], expected["background"])


def test_rows_can_be_dropped_before_the_first_step() -> None:
    start = random_tensors(0)
    adam = Adam(start, RATES)
    tensors = keep(adam, start, [2], start["rows"][:0])
    adam.step(tensors, random_tensors(1, n=1), 1.0)
    # Adam's first step is the learning rate in every coordinate.
    assert_equal((tensors["rows"] - start["rows"][2:3]).abs(), torch.full((1, 2), 0.03, dtype=torch.float64))


def test_rows_are_dropped_of_the_tensors_that_are_named() -> None:
    start = {name: random_tensors(seed)["rows"] for seed, name in enumerate("abc")}
    kept = torch.tensor([3, 0, 4])
    for names in (["a", "b", "c"], ["b"], []):
        tensors = copies_of(start)
        alone = copies_of({**start, **{name: start[name][kept] for name in names}})
        adams = [Adam(one, dict.fromkeys(start, 0.1)) for one in (tensors, alone)]
        gradients = {name: random_tensors(seed)["rows"] for seed, name in enumerate("abc", start=20)}
        own = {**gradients, **{name: gradients[name][kept] for name in names}}
        adams[0].step(tensors, gradients, 1.0)
        adams[1].step(alone, own, 1.0)
        adams[0].keep_rows(names, kept)
        tensors = copies_of({name: t.detach()[kept] if name in names else t.detach() for name, t in tensors.items()})
        for _ in range(2):
            for name in start:
                assert_equal(tensors[name], alone[name])
                assert_equal(adams[0].momentum(name), adams[1].momentum(name))
            adams[0].step(tensors, own, 0.5)
            adams[1].step(alone, own, 0.5)


def test_positions_move_by_parts_of_the_spacing() -> None:
    rates = LearningRates(means=0.25, log_covariances=0.1, color_codes=0.2, background=0.3)
    assert rates.by_name(8.0) == {"means": 2.0, "log_covariances": 0.1, "color_codes": 0.2, "background": 0.3}


@pytest.mark.parametrize(("start", "final"), [(0.0, 0.1), (0.5, 0.1), (0.0, 0.05), (0.3, 0.0)])
def test_decay_goes_from_one_to_its_final_value(start: float, final: float) -> None:
    assert decay(0.0, start, final) == 1.0
    assert decay(start, start, final) == 1.0
    assert decay((1 + start) / 2, start, final) == pytest.approx((1 + final) / 2)
    assert decay(1.0, start, final) == pytest.approx(final)
    factors = [decay(i / 100, start, final) for i in range(101)]
    assert factors == sorted(factors, reverse=True)
