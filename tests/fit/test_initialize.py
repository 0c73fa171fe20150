"""Where the first Gaussians are sampled, and with which sizes and colours, against what the picture asks for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from taichi_gs.fit.initialize import Initialization
from taichi_gs.fit.parameters import Parameters
from taichi_gs.model.blending import Blending

ALL_DETAIL = Initialization(detail=1.0)
"""Nothing is sampled where the picture does not change."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampled(
    picture: Tensor,
    count: int,
    full_size: tuple[int, int] | None = None,
    settings: Initialization | None = None,
    blending: Blending = "normalized",
) -> Parameters:
    size = full_size or (picture.shape[1], picture.shape[2])
    return (settings or Initialization()).sample(picture, count, size, blending, generator())


def rgb_of(codes: Tensor) -> Tensor:
    """Undo YCoCg by solving for it: Y = (R + 2G + B) / 4, Co = (R - B) / 2, Cg = (2G - R - B) / 4."""
    forward = torch.tensor([[0.25, 0.5, 0.25], [0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]])
    return torch.linalg.solve(forward, codes[:, :3].T).T


def edge_picture(size: tuple[int, int] = (24, 32)) -> Tensor:
    """Dark on the left, bright on the right [3, H, W]."""
    picture = torch.full((3, *size), 0.2)
    picture[:, :, size[1] // 2 :] = 0.9
    return picture


def ramp(height: int, width: int, start: int, slopes: tuple[float, float]) -> Tensor:
    """[3, H, W]: up to the column `start` the first slope, then the second."""
    x = torch.arange(width, dtype=torch.float32)
    row = slopes[0] * x.clamp(max=start) + slopes[1] * (x - start).clamp(min=0.0)
    return row.expand(3, height, width)


@pytest.mark.parametrize(("detail", "on_the_edge"), [(0.5, 0.5 + 0.5 / 32), (0.25, 0.25 + 0.75 / 32), (1.0, 1.0)])
def test_the_density_is_part_uniform_and_part_where_the_edges_are(detail: float, on_the_edge: float) -> None:
    density = Initialization(detail=detail).density(edge_picture())
    assert density.shape == (24, 32)
    assert float(density.sum()) == pytest.approx(1.0, abs=1e-5)
    assert bool((density >= 0).all())
    assert set(density.argmax(dim=1).tolist()) == {15}
    assert float(density[:, 15].sum()) == pytest.approx(on_the_edge, abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 6)])
def test_the_density_of_a_flat_picture_is_uniform(size: tuple[int, int]) -> None:
    density = Initialization().density(torch.full((3, *size), 0.4))
    torch.testing.assert_close(density, torch.full(size, 1.0 / (size[0] * size[1])))


def test_samples_lie_where_the_density_is() -> None:
    """The picture rises from its column 8 to its last one, from which it rises no more."""
    means = sampled(ramp(12, 16, 8, (0.0, 0.1)), 4000, (24, 48), ALL_DETAIL).means.detach()
    # In pixels of the full size: a row of the picture is two of them, a column three.
    low, high = torch.tensor([24.0, 0.0]), torch.tensor([45.0, 24.0])
    assert bool((means >= low).all())
    assert bool((means <= high).all())
    # Uniform inside: the moments, to five standard deviations.
    torch.testing.assert_close(means.mean(dim=0), (low + high) / 2, atol=0.6, rtol=0)
    torch.testing.assert_close(means.std(dim=0), (high - low) / 12**0.5, atol=0.3, rtol=0)


def test_samples_follow_a_density_of_two_levels() -> None:
    """Of 19 columns that rise, nine do so three times as steeply."""
    means = sampled(ramp(10, 20, 10, (0.01, 0.03)), 4000, settings=ALL_DETAIL).means.detach()
    assert float((means[:, 0] > 10).float().mean()) == pytest.approx(27 / 37, abs=0.035)
    assert float(means[:, 0].max()) < 19


def test_samples_have_the_colour_of_their_place() -> None:
    picture = torch.rand(3, 9, 14, generator=generator(1))
    parameters = sampled(picture, 300, (18, 14))
    means, codes = parameters.means.detach(), parameters.color_codes.detach()
    columns, lines = means[:, 0].floor().long(), (means[:, 1] / 2).floor().long()
    torch.testing.assert_close(rgb_of(codes), picture[:, lines, columns].T, atol=1e-5, rtol=0)
    # A weight of exp(4 / 4) at the mean, or an opacity of about a half.
    assert bool((codes[:, 3] == 0.25).all())
    torch.testing.assert_close(parameters.background.detach(), picture.mean(dim=(1, 2)))


@pytest.mark.parametrize(("count", "deviation"), [(48, 0.5 * 4), (12, 0.5 * 8), (100_000, 0.5)])
def test_samples_are_as_wide_as_they_are_apart(count: int, deviation: float) -> None:
    """768 pixels, uniformly; 48 samples are 4 apart. None is narrower than half a pixel."""
    shapes = sampled(torch.zeros(3, 12, 16), count, (24, 32)).log_covariances.detach()
    torch.testing.assert_close(torch.exp(0.5 * shapes[:, 0]), torch.full((count,), deviation), rtol=1e-4, atol=0)
    assert not shapes[:, 1:].any()


def test_samples_are_smaller_where_they_are_dense() -> None:
    parameters = sampled(ramp(20, 60, 30, (0.001, 0.004)), 60, settings=ALL_DETAIL)
    deviations, x = torch.exp(0.5 * parameters.log_covariances.detach()[:, 0]), parameters.means.detach()[:, 0]
    sparse, dense = deviations[(x > 5) & (x < 25)], deviations[(x > 35) & (x < 54)]
    torch.testing.assert_close(sparse.max() / dense.max(), torch.tensor(2.0), rtol=1e-3, atol=0)


def test_the_generator_decides_samples() -> None:
    settings = Initialization(size=0.7, amplitude_code=-0.5)
    first, again = (sampled(edge_picture(), 20, settings=settings, blending="alpha") for _ in range(2))
    assert (first.blending, first.order) == ("alpha", None)
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, again.tensors[name])
    assert bool((first.color_codes[:, 3] == -0.5).all())
    wider = first.log_covariances[:, 0] - sampled(edge_picture(), 20).log_covariances[:, 0]
    assert float(wider.detach().max()) == pytest.approx(2 * math.log(1.4), rel=1e-4)
