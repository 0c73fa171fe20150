"""Pictures at other resolutions and parts of them, against the formulas evaluated point by point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from quantized_pictures import quantized_picture

import taichi_gs
from fuzz.hostile_files import crowd
from taichi_gs import LimitError, Limits, OptionError
from taichi_gs.decoder import parts
from taichi_gs.decoder.parts import Reach, divide
from taichi_gs.decoder.projection import Projected
from taichi_gs.decoder.viewport import Viewport, choose_viewport
from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.model.blending import Blending
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.gaussians import Gaussians

BLENDINGS: list[Blending] = ["alpha", "normalized"]
CUTOFFS = {"alpha": 1 / 255, "normalized": 1 / 64}

Bytes = NDArray[np.uint8]


def file_of(blending: Blending, **options: Any) -> bytes:
    return serialize(quantized_picture(blending=blending, **{"num_gaussians": 60, "seed": 3, **options}))


def gaussians_of(data: bytes) -> Gaussians:
    return dequantize_gaussians(parse(data))


def parts_of(viewport: Viewport, gaussians: Gaussians) -> list[tuple[int, int, Projected]]:
    projected = viewport.project(gaussians)
    return list(divide(projected, Reach.of(projected), viewport.samples))


def colors_at(gaussians: Gaussians, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The formulas of `gaussians.py` at the points (x, y) of the picture's own plane: [len(y), len(x), 3], 0 to 1."""
    m, u, v = gaussians.log_covariances.astype(np.float64).T
    values, vectors = np.linalg.eigh(np.stack([np.stack([m + u, v], -1), np.stack([v, m - u], -1)], -2))
    inverses = np.einsum("nij,nj,nkj->nik", vectors, np.exp(-values), vectors)
    points = np.stack(np.meshgrid(x, y), axis=2)
    d = points - gaussians.means.astype(np.float64)[:, None, None]
    weights = gaussians.amplitudes[:, None, None] * np.exp(-0.5 * np.einsum("nyxi,nij,nyxj->nyx", d, inverses, d))
    cutoff = CUTOFFS[gaussians.blending]
    if gaussians.blending == "normalized":
        weights = np.maximum(weights - cutoff, 0)
        sums = np.einsum("nyx,nc->yxc", weights, gaussians.colors) + gaussians.background / 16
        return (sums / (weights.sum(axis=0) + 1 / 16)[:, :, None]).clip(0, 1)
    weights = np.where(weights >= cutoff, weights, 0)
    passed = np.cumprod(np.concatenate([np.ones_like(weights[:1]), 1 - weights]), axis=0)
    front = np.einsum("nyx,nc->yxc", weights * passed[:-1], gaussians.colors)
    return (front + passed[-1][:, :, None] * gaussians.background).clip(0, 1)


def pixels_at(
    gaussians: Gaussians, size: tuple[int, int], region: tuple[int, int, int, int], samples: tuple[int, int] = (1, 1)
) -> NDArray[np.float64]:
    """The pixels of a region of the picture at (width, height), 0 to 255, each the mean of (across, down) samples."""
    left, top, width, height = region
    across, down = samples
    x = (left + (np.arange(width * across) + 0.5) / across) * gaussians.image_size[1] / size[0]
    y = (top + (np.arange(height * down) + 0.5) / down) * gaussians.image_size[0] / size[1]
    return 255 * colors_at(gaussians, x, y).reshape(height, down, width, across, 3).mean(axis=(1, 3))


def assert_near(pixels: Bytes, expected: NDArray[np.float64]) -> None:
    """Assert that pixels are what was expected, rounded, but for one level where float32 rounds the other way."""
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    # The rounding itself, and in alpha blending a Gaussian more or less at its cut-off, which is one level at most.
    assert np.abs(pixels - expected).max() <= 1.51
    assert np.abs(pixels - expected).mean() <= 0.3


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("size", [(64, 48), (80, 60), (33, 25), (64, 24), (35, 90)])
def test_larger_pictures_are_the_same_formulas_at_more_points(blending: Blending, size: tuple[int, int]) -> None:
    data = file_of(blending)
    assert_near(taichi_gs.decode(data, size=size), pixels_at(gaussians_of(data), size, (0, 0, *size)))


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(
    ("size", "samples"),
    [((16, 12), (2, 2)), ((31, 23), (2, 2)), ((12, 30), (3, 1)), ((4, 3), (4, 4)), ((1, 1), (4, 4))],
)
def test_pixels_of_smaller_pictures_are_means(
    blending: Blending, size: tuple[int, int], samples: tuple[int, int]
) -> None:
    data = file_of(blending)
    expected = pixels_at(gaussians_of(data), size, (0, 0, *size), samples)
    assert_near(taichi_gs.decode(data, size=size), expected)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("factor", [2, 4])
def test_halves_and_quarters_are_the_averaged_picture(blending: Blending, factor: int) -> None:
    data = file_of(blending, image_size=(48, 64), num_gaussians=300)
    whole = taichi_gs.decode(data).astype(float)
    expected = whole.reshape(48 // factor, factor, 64 // factor, factor, 3).mean(axis=(1, 3))
    assert np.abs(taichi_gs.decode(data, scale=1 / factor) - expected).max() <= 1.01


@pytest.mark.parametrize("blending", BLENDINGS)
def test_the_own_size_is_the_plain_picture(blending: Blending) -> None:
    data = file_of(blending)
    whole = taichi_gs.decode(data)
    for options in ({"scale": 1}, {"scale": 1.0}, {"size": (32, 24)}, {"region": (0, 0, 32, 24)}):
        np.testing.assert_array_equal(taichi_gs.decode(data, **options), whole)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("scale", [1, 2.5, 0.4])
def test_a_region_is_cut_out_of_the_whole(blending: Blending, scale: float) -> None:
    data = file_of(blending, image_size=(70, 90), num_gaussians=200)
    whole = taichi_gs.decode(data, scale=scale).astype(int)
    height, width = whole.shape[:2]
    assert (height, width) == (70 * scale, 90 * scale)
    for left, top, columns, rows in (
        (0, 0, 5, 5),
        (17, 13, 9, 15),
        (3, 0, width - 3, 7),
        (width - 1, height - 1, 1, 1),
    ):
        part = taichi_gs.decode(data, scale=scale, region=(left, top, columns, rows))
        assert part.shape == (rows, columns, 3)
        assert np.abs(part - whole[top : top + rows, left : left + columns]).max() <= 1


@pytest.mark.parametrize("scale", [2, 0.5])
def test_bands_have_no_seams(monkeypatch: pytest.MonkeyPatch, scale: float) -> None:
    data = file_of("normalized", image_size=(70, 90), num_gaussians=200)
    whole = taichi_gs.decode(data, scale=scale).astype(int)
    monkeypatch.setattr(parts, "SAMPLES_PER_PART", 90 * 8)
    assert len(parts_of(choose_viewport((70, 90), scale=scale), gaussians_of(data))) > 2
    assert np.abs(taichi_gs.decode(data, scale=scale) - whole).max() <= 1
    monkeypatch.setattr(parts, "SIDE_OF_PART", 16)
    assert np.abs(taichi_gs.decode(data, scale=scale) - whole).max() <= 1


def test_many_pairs_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = serialize(quantized_picture(num_gaussians=300, image_size=(150, 90)))
    whole = taichi_gs.decode(data).astype(int)
    monkeypatch.setattr(parts, "PAIRS_PER_PART", 60)
    found = parts_of(choose_viewport((150, 90)), gaussians_of(data))
    assert len(found) > 10
    covered = np.zeros((150, 90), dtype=int)
    for left, top, part in found:
        height, width = part.image_size
        assert (left % 16, top % 16) == (0, 0)
        covered[top : top + height, left : left + width] += 1
        assert max(height, width) <= 16 or Reach.of(part).num_pairs <= 60
    assert (covered == 1).all()
    assert np.abs(taichi_gs.decode(data) - whole).max() <= 1


@pytest.mark.parametrize(("size", "samples"), [((50, 30), (3, 3)), ((60, 40), (3, 3)), ((150, 30), (3, 1))])
def test_parts_of_averaged_pictures_have_whole_pixels(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], samples: tuple[int, int]
) -> None:
    data = serialize(quantized_picture(num_gaussians=300, image_size=(90, 150)))
    whole = taichi_gs.decode(data, size=size).astype(int)
    monkeypatch.setattr(parts, "PAIRS_PER_PART", 200)
    viewport = choose_viewport((90, 150), size=size)
    assert viewport.samples == samples
    found = parts_of(viewport, gaussians_of(data))
    assert len(found) > 3
    for left, top, part in found:
        corners = (top, left), (top + part.image_size[0], left + part.image_size[1])
        assert not (np.array(corners) % samples).any()
    assert np.abs(taichi_gs.decode(data, size=size) - whole).max() <= 1


def test_a_part_knows_few_gaussians_at_a_time() -> None:
    """Thousands of Gaussians where four tiles meet are divided once, and not again and again."""
    gaussians = gaussians_of(serialize(crowd(4000, 0, (64, 64))))
    viewport = Viewport((64, 64), (0, 0, 64, 64))
    projected = viewport.project(gaussians)
    reach = Reach.of(projected)
    assert reach.num_pairs == 4 * 4000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PAIRS_PER_PART", 1000)
        sizes = [len(part.means) for _, _, part in divide(projected, reach, (1, 1))]
    assert sorted(sizes) == [0] * (len(sizes) - 4) + [4000] * 4


def test_pictures_far_from_the_corner_are_as_exact() -> None:
    """The means of a part are counted from its corner, and rounded only then."""
    size = (65535, 3)
    picture = quantized_picture(num_gaussians=400, image_size=size[::-1], columns=65535)
    cells = np.stack([np.ones(400, np.int64), np.arange(65135, 65535)], axis=1)
    data = serialize(replace(picture, cells=cells))
    gaussians = gaussians_of(data)
    assert gaussians.means.dtype == np.float64
    region = (65100, 0, 435, 3)
    assert_near(taichi_gs.decode(data)[:, 65100:], pixels_at(gaussians, size, region))


def test_many_samples_are_not_drawn_beyond_the_limit() -> None:
    """What is a pixel smaller would have four samples a pixel; a smaller limit leaves one, in regions as well."""
    for max_pixels, samples in ((32_100, (2, 2)), (32_000, (1, 1))):
        limits = Limits(max_pixels=max_pixels)
        assert choose_viewport((96, 96), size=(95, 95), limits=limits).samples == samples
        assert choose_viewport((96, 96), size=(95, 95), region=(1, 1, 9, 9), limits=limits).samples == samples
    limits = Limits(max_pixels=96 * 96)
    assert choose_viewport((96, 96), size=(40, 40), limits=limits).samples == (2, 2)
    # A whole that cannot be drawn leaves its regions what they need, and what they may have.
    for width, samples in ((108, (3, 1)), (109, (1, 1))):
        viewport = choose_viewport((96, 96), size=(100_000, 32), region=(5, 0, width, 32), limits=limits)
        assert viewport.samples == samples


@pytest.mark.parametrize("blending", BLENDINGS)
def test_a_small_part_of_a_huge_picture(blending: Blending) -> None:
    data = file_of(blending, seed=5)
    gaussians = gaussians_of(data)
    size, region = (32 * 5000, 24 * 5000), (16 * 5000, 12 * 5000, 20, 30)
    assert_near(taichi_gs.decode(data, size=size, region=region), pixels_at(gaussians, size, region))


def test_only_gaussians_that_reach_the_region_are_drawn() -> None:
    data = file_of("normalized", image_size=(600, 800), num_gaussians=400)
    gaussians = gaussians_of(data)
    view = Viewport((600, 800), (10, 20, 30, 40))
    [(_, _, band)] = parts_of(view, gaussians)
    assert band.image_size == (40, 30)
    assert 0 < len(band.means) < 0.1 * len(gaussians)
    # Those that were left out are nowhere above their cut-off in there.
    kept = {tuple(mean) for mean in band.means}
    left_out = [i for i, mean in enumerate(gaussians.means) if tuple(np.float32(mean - [10, 20])) not in kept]
    rows = ("means", "log_covariances", "colors", "amplitudes")
    alone = replace(gaussians, **{name: getattr(gaussians, name)[left_out] for name in rows})
    colors = colors_at(alone, np.arange(10, 40) + 0.5, np.arange(20, 60) + 0.5)
    np.testing.assert_allclose(colors, np.broadcast_to(gaussians.background, colors.shape), atol=1e-6)


def test_a_picture_without_gaussians() -> None:
    data = file_of("normalized", num_gaussians=0)
    pixels = taichi_gs.decode(data, scale=2, region=(1, 2, 3, 4))
    assert pixels.shape == (4, 3, 3)
    np.testing.assert_array_equal(pixels, np.broadcast_to(taichi_gs.decode(data)[0, 0], pixels.shape))


@pytest.mark.parametrize(
    ("image_size", "scale", "expected"),
    [((3, 5), 0.5, (2, 3)), ((3, 5), 0.01, (1, 1)), ((512, 768), 2.5, (1280, 1920)), ((1, 7), 1.3, (1, 9))],
)
def test_scaled_sides_are_rounded(image_size: tuple[int, int], scale: float, expected: tuple[int, int]) -> None:
    assert choose_viewport(image_size, scale=scale).image_size == expected


def test_numbers_of_numpy_are_numbers() -> None:
    wanted = choose_viewport((24, 32), size=(64, 48), region=(1, 2, 3, 4))
    assert choose_viewport((24, 32), size=tuple(np.array([64, 48])), region=tuple(np.array([1, 2, 3, 4]))) == wanted
    assert choose_viewport((24, 32), scale=np.float32(2), region=(1, 2, 3, 4)) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "positive number, not 0"),
        ({"scale": -1.0}, "positive number"),
        ({"scale": float("nan")}, "positive number"),
        ({"scale": float("inf")}, "positive number"),
        ({"scale": "2"}, "positive number, not '2'"),
        ({"scale": 2, "size": (4, 4)}, "exclude each other"),
        ({"size": (0, 4)}, "at least 1x1"),
        ({"size": (4, -4)}, "at least 1x1"),
        ({"size": (4.0, 4)}, "2 whole numbers"),
        ({"size": 4}, "2 whole numbers"),
        ({"size": (1, 2, 3)}, "2 whole numbers"),
        ({"region": (0, 0, 4)}, "4 whole numbers"),
        ({"region": (0, 0, 33, 4)}, "reaches beyond a picture of 32x24"),
        ({"region": (-1, 0, 4, 4)}, "reaches beyond a picture"),
        ({"region": (0, 24, 1, 1)}, "reaches beyond a picture"),
        ({"region": (0, 0, 0, 1)}, "a region has at least 1x1 pixels, not 0x1"),
        ({"scale": 0.5, "region": (0, 0, 17, 12)}, "reaches beyond a picture of 16x12"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        taichi_gs.decode(file_of("normalized"), **options)


def test_limits_hold_for_what_is_drawn() -> None:
    data, limits = file_of("normalized"), Limits(max_pixels=1000, max_side=70)
    assert taichi_gs.decode(data, limits=limits).shape == (24, 32, 3)
    for options in ({"scale": 1.3}, {"size": (71, 1)}, {"size": (100, 100), "region": (0, 0, 50, 21)}):
        with pytest.raises(LimitError, match="more than the limit, 1,000 and 70 a side"):
            taichi_gs.decode(data, limits=limits, **options)
    assert taichi_gs.decode(data, limits=limits, scale=100, region=(0, 0, 50, 20)).shape == (20, 50, 3)
    for options in ({"scale": 1000}, {"size": (65536, 1)}):
        with pytest.raises(LimitError, match="89,478,485 and 65,535 a side"):
            taichi_gs.decode(data, **options)
    for options in ({"scale": 1e6}, {"scale": 1e308}, {"scale": 10**400}, {"size": (10**30, 1)}):
        with pytest.raises(LimitError, match="16,777,216 pixels a side"):
            taichi_gs.decode(data, region=(0, 0, 1, 1), **options)
