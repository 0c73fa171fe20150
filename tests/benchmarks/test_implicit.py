"""Pictures as networks: against the formulas of their papers, and what training and files do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks import implicit
from benchmarks.implicit import COIN, NETWORKS, WIRE, Limits, Network, Siren, Wavelets, coordinates_of


def numbers_of(parameter: torch.Tensor) -> NDArray[np.complex128]:
    return parameter.detach().numpy().astype(np.complex128)


def waves(height: int = 24, width: int = 30) -> NDArray[np.uint8]:
    """A picture [H, W, 3] that a small network can show."""
    y, x = np.mgrid[:height, :width]
    channels = [np.sin(x / 5), np.cos(y / 4), np.sin((x + y) / 6)]
    return (127.5 + 100 * np.stack(channels, axis=-1)).astype(np.uint8)


def test_coin_has_the_size_of_its_paper() -> None:
    """A layer of w sines has w + 1 numbers for each; the first has two inputs, and the last three outputs."""
    depth, width = 5, 20
    count = width * (2 + 1) + (depth - 1) * width * (width + 1) + 3 * (width + 1)
    assert sum(parameter.numel() for parameter in COIN.make().parameters()) == count == 1803
    assert COIN.num_bytes == 2 * count
    # Its results.json prints 0.07361 bits per pixel; Table 2 of Zhang et al. 7.2120 K.
    assert 8 * COIN.num_bytes / (768 * 512) == pytest.approx(0.07361, rel=0.01)
    assert 4 * count == 7212


def test_wire_is_as_large_as_in_table_2() -> None:
    """The first layer is real. Two more layers of wavelets and the last one are complex: two numbers of four bytes."""
    width = 62
    numbers = 3 * width + 2 * (2 * width * (width + 1) + 3 * (width + 1))
    assert WIRE.num_bytes == 4 * numbers
    assert 0.98 * 65_403.3 < WIRE.num_bytes <= 65_403.3
    assert len(implicit.packed(WIRE, Wavelets(2, width + 1))) > 65_403.3


def test_coordinates_go_from_corner_to_corner() -> None:
    coordinates = coordinates_of((3, 5))
    assert coordinates.shape == (15, 2)
    assert coordinates[0].tolist() == [-1, -1]
    assert coordinates[1].tolist() == [-0.5, -1]
    assert coordinates[5].tolist() == [-1, 0]
    assert coordinates[-1].tolist() == [1, 1]


def test_sines_are_those_of_siren() -> None:
    network, coordinates = Siren(2, 7), coordinates_of((4, 6))
    x = coordinates.double().numpy()
    parameters = [parameter.detach().double().numpy() for parameter in network.parameters()]
    for weight, bias in zip(parameters[0:4:2], parameters[1:4:2], strict=True):
        x = np.sin(30 * (x @ weight.T + bias))
    expected = x @ parameters[4].T + parameters[5]
    np.testing.assert_allclose(network(coordinates).detach().numpy(), expected, atol=1e-4)


def test_wavelets_are_those_of_wire() -> None:
    network, coordinates = Wavelets(1, 5), coordinates_of((4, 6))
    z = coordinates.double().numpy().astype(np.complex128)
    parameters = [numbers_of(parameter) for parameter in network.parameters()]
    for weight, bias in zip(parameters[0:4:2], parameters[1:4:2], strict=True):
        z = z @ weight.T + bias
        z = np.exp(1j * 20 * z - np.abs(30 * z) ** 2)
    expected = (z @ parameters[4].T + parameters[5]).real
    np.testing.assert_allclose(network(coordinates).detach().numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_a_file_holds_the_network(network: Network) -> None:
    torch.manual_seed(1)
    model = network.make()
    data = implicit.packed(network, model)
    assert implicit.packed(network, implicit.unpack(network, data)) == data
    for before, after in zip(model.parameters(), implicit.unpack(network, data).parameters(), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-3 if network is COIN else 0, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_training_makes_the_picture(network: Network) -> None:
    picture = waves()
    quick = replace(network, learning_rate=5e-3, batch=None if network.batch is None else 400)
    errors = []
    for steps in (1, 150):
        trained = implicit.train(quick, picture, Limits(600, steps=steps))
        assert (trained.steps, trained.ended_by) == (steps, "steps")
        drawn = implicit.draw(implicit.unpack(quick, implicit.packed(quick, trained.network)), picture.shape[:2])
        assert (drawn.shape, drawn.dtype) == (picture.shape, np.uint8)
        errors.append(float(np.mean((drawn.astype(float) - picture) ** 2)))
    assert errors[1] < errors[0] / 8


def test_gradients_of_portions_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = waves()
    models = []
    for chunk in (100, 10_000):
        monkeypatch.setattr(implicit, "CHUNK", chunk)
        models.append(implicit.train(COIN, picture, Limits(600, steps=5)).network)
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_a_batch_has_a_part_of_the_learning_rate() -> None:
    """Adam's first step moves every weight by the learning rate, whatever its gradient is."""
    picture = waves()
    moved = []
    for batch in (None, 72):
        network = replace(WIRE, batch=batch)
        torch.manual_seed(0)
        before = network.make().state_dict()
        after = implicit.train(network, picture, Limits(600, steps=1)).network.state_dict()
        moved.append(max(float((after[name] - before[name]).abs().max()) for name in before if "others" not in name))
    assert moved[1] == pytest.approx(moved[0] * 72 / (24 * 30), rel=1e-3)


def test_the_best_weights_of_the_second_half_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = (0.1, 0.5, 0.4, 0.2, 0.3, 0.6)
    weights: list[dict[str, torch.Tensor]] = []

    def differentiate(model: torch.nn.Module, *_: object) -> float:
        """The error that the step should have, for weights that any gradient changes."""
        weights.append({name: weight.clone() for name, weight in model.state_dict().items()})
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        return errors[len(weights) - 1]

    monkeypatch.setattr(implicit, "_differentiate", differentiate)
    kept = implicit.train(COIN, waves(), Limits(600, steps=len(errors))).network.state_dict()
    assert [all((kept[name] == each[name]).all() for name in kept) for each in weights] == [False] * 3 + [True] + [
        False
    ] * 2


def test_what_ends_training() -> None:
    picture = waves()
    assert implicit.train(COIN, picture, Limits(600, psnr=1.0)).ended_by == "quality"
    trained = implicit.train(COIN, picture, Limits(0.2, psnr=99.0))
    assert (trained.ended_by, trained.steps < COIN.steps) == ("time", True)
