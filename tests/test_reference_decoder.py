"""The decoder that the package is held against: by hand, and against the package's integers."""

from __future__ import annotations

import numpy as np
import reference_decoder
from example_files import FILE, file_of
from hypothesis import given, settings
from quantized_pictures import PICTURES

from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedGaussians


@given(PICTURES)
@settings(deadline=None, max_examples=25)
def test_the_reference_decoder_reads_the_same(picture: QuantizedGaussians) -> None:
    data = serialize(picture)
    symbols, parsed = reference_decoder.decode_symbols(data), parse(data)
    assert symbols["image_size"] == parsed.image_size
    assert symbols["grid_size"] == parsed.grid_size
    assert symbols["background"] == parsed.background.tolist()
    assert (symbols["blending"], symbols["subdivision"]) == (parsed.blending, parsed.subdivision)
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
    background_only = reference_decoder.decode(file_of())
    assert (background_only == [1, 2, 3]).all()
    assert background_only.shape == (2, 3, 3)


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
