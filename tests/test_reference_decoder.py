"""The decoder that the package is held against: by hand, and against the package's integers."""

from __future__ import annotations

import numpy as np
import reference_decoder
from conformance.raw import background_of, file_of, payload_of
from example_files import FILE, FULL_FILE
from hypothesis import given, settings
from quantized_pictures import PICTURES

from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedGaussians


@given(PICTURES)
@settings(deadline=None, max_examples=40)
def test_the_reference_decoder_reads_the_same(picture: QuantizedGaussians) -> None:
    data = serialize(picture)
    symbols, parsed = reference_decoder.decode_symbols(data), parse(data)
    for name in ("image_size", "grid_size", "blending", "subdivision", "is_gray"):
        assert symbols[name] == getattr(parsed, name)
    assert symbols["background"] == parsed.background.tolist()
    assert (parsed.grain.tolist() if parsed.grain is not None else None) == symbols.get("grain")
    for name in ("cells", "offsets"):
        assert symbols[name] == list(map(tuple, getattr(parsed, name).tolist()))
    lattice = lattice_of_picture(parsed)
    assert symbols["lattices"] == list(zip(*lattice.levels.T[::-1].tolist(), lattice.shears.tolist(), strict=True))
    for name in ("covariance", "color"):
        assert symbols[f"{name}_indices"] == getattr(parsed, f"{name}_indices").tolist()
        codebook = getattr(parsed, f"{name}_codebook")
        assert symbols[f"{name}_symbols"].tolist() == codebook.symbols.tolist()
        expected = [
            q.minimum + q.step * column for q, column in zip(codebook.quantizers, codebook.symbols.T, strict=True)
        ]
        np.testing.assert_array_equal(symbols[f"{name}_values"], np.array(expected).T)


def test_the_reference_decoder_draws_a_picture() -> None:
    picture = reference_decoder.decode(FILE)
    assert picture.shape == (24, 32, 3)
    assert picture.std() > 0
    background_only = reference_decoder.decode(file_of(payload=payload_of(*background_of(1, 2, 3))))
    assert (background_only == [17, 34, 51]).all()
    assert background_only.shape == (2, 3, 3)


def white_by_hand(x: int, y: int) -> int:
    modulus = 2**32
    h = (x % modulus * 0x9E3779B1 + y % modulus * 0x85EBCA6B) % modulus
    h = (h ^ (h >> 15)) * 0x2C1B3C6D % modulus
    h = (h ^ (h >> 12)) * 0x297A2D39 % modulus
    return sum((h ^ (h >> 15)).to_bytes(4, "little")) - 510


def test_the_noise_by_hand() -> None:
    noise = reference_decoder.noise(60, 70)
    assert noise.shape == (60, 70)
    for x, y in [(0, 0), (69, 59), (0, 59), (33, 7)]:
        parts = [(2 - abs(i)) * (2 - abs(j)) * white_by_hand(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        assert noise[y, x] == sum(parts)
    assert abs(reference_decoder.noise(1000, 1000).std() / 886.8 - 1) < 0.01
    assert abs(reference_decoder.noise(1000, 1000).mean()) < 10


def test_grain_is_drawn_if_asked_for() -> None:
    plain, grainy = reference_decoder.decode(FULL_FILE), reference_decoder.decode(FULL_FILE, with_grain=True)
    differences = grainy.astype(int) - plain
    assert 1 < np.abs(differences).max() < 40
    # The same in each channel, but for rounding and clipping.
    inside = (plain > 45) & (plain < 210)
    shown = inside.all(axis=2)
    assert shown.any()
    assert np.ptp(differences[shown], axis=1).max() <= 1
    np.testing.assert_array_equal(reference_decoder.decode(FILE, with_grain=True), reference_decoder.decode(FILE))


def test_the_reference_renderer_by_hand() -> None:
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    values, vectors = np.linalg.eigh(covariance)
    logarithm = vectors @ np.diag(np.log(values)) @ vectors.T
    m, v = (logarithm[0, 0] + logarithm[1, 1]) / 2, logarithm[0, 1]
    picture = reference_decoder.render(
        means=[[1.5, 1.0], [2.5, 0.5]],
        log_covariances=[[m, logarithm[0, 0] - m, v], [0.0, 0.0, 0.0]],
        colors=[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]],
        amplitudes=[0.5, 0.8],
        background=[0.1, 0.2, 0.3],
        image_size=(2, 4),
    )
    distance = np.array([1.0, -0.5])
    alpha = 0.5 * np.exp(-0.5 * distance @ np.linalg.inv(covariance) @ distance)
    expected = alpha * np.array([1, 0, 0.5]) + (1 - alpha) * (
        0.8 * np.array([0, 1, 0]) + 0.2 * np.array([0.1, 0.2, 0.3])
    )
    np.testing.assert_allclose(picture[0, 2], expected, rtol=1e-12)


def test_the_reference_renderer_by_hand_normalized() -> None:
    # At the only pixel 2 and 3 exp(-1/2), less 1/64, and one below 1/64 that does not count.
    picture = reference_decoder.render(
        means=[[0.5, 0.5], [0.5, 1.5], [0.5, 3.5]],
        log_covariances=[[0.0, 0.0, 0.0]] * 3,
        colors=[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [9.0, 9.0, 9.0]],
        amplitudes=[2.0, 3.0, 1.4],
        background=[0.1, 0.2, 0.3],
        image_size=(1, 1),
        blending="normalized",
    )
    first, second = 2 - 1 / 64, 3 * np.exp(-0.5) - 1 / 64
    expected = np.array([first + 0.1 / 16, second + 0.2 / 16, first / 2 + 0.3 / 16]) / (first + second + 1 / 16)
    np.testing.assert_allclose(picture[0, 0], expected, rtol=1e-12)
