"""The benchmark of decoding's time and memory: its pictures, its fit, and a run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import decoding
from taichi_gs.format.bitstream import parse, serialize


def test_a_fit_finds_what_a_sum_is_made_of() -> None:
    terms = [(1.0, pixels, gaussians) for pixels, gaussians in [(1e6, 10.0), (4e6, 10.0), (1e6, 1e5), (3e7, 5e3)]]
    for expected in ([2.0, 3e-6, 0.01], [0.0, 3e-6, 0.01], [2.0, 0.0, 0.01]):
        values = [float(np.dot(expected, term)) for term in terms]
        np.testing.assert_allclose(decoding.fit(terms, values), expected, rtol=1e-9, atol=1e-12)


def test_a_fit_has_no_negative_terms() -> None:
    """More pixels cost less here, which no sum of costs says: what is left is the constant that is nearest."""
    terms = [(1.0, 0.0), (1.0, 0.0), (1.0, 1e6)]
    values = [10.0, 10.0, 8.0]
    start, pixel = decoding.fit(terms, values)
    assert pixel == 0.0
    inverse = 1.0 / np.array(values)
    assert start == pytest.approx(inverse.sum() / np.square(inverse).sum())


@pytest.mark.parametrize(("size", "num_gaussians"), [((4, 4), 1), ((300, 400), 1000)])
def test_pictures_are_what_they_are_called(size: tuple[int, int], num_gaussians: int) -> None:
    picture = parse(serialize(decoding.random_picture(size, num_gaussians)))
    assert (picture.image_size, len(picture)) == (size, num_gaussians)


def test_sizes() -> None:
    for megapixels in (0.01, 0.25, 64):
        height, width = decoding.image_size(megapixels)
        assert height * width == pytest.approx(megapixels * 2**20, rel=0.01)
        assert width / height == pytest.approx(4 / 3, rel=0.02)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the memory")
def test_memory_is_that_of_the_file_alone() -> None:
    """An action that needs 300 MiB for a file of more than 1000 bytes, after one that needs 400 MiB.

    Less than that may be found among what other tests have left free.
    """
    data = serialize(decoding.random_picture((300, 400), 1000))
    bytearray(400 << 20)
    _, mebibytes = decoding.measure(lambda file: bytearray(300 << 20) if len(file) > 1000 else None, data, 1)
    assert mebibytes == pytest.approx(300, abs=4)


def test_the_benchmark_as_a_process(tmp_path: Path) -> None:
    out = tmp_path / "decoding.tsv"
    options = ["--quick", "--runs", "1", "--megapixels", "0.01", "--gaussians", "20", "--out", str(out)]
    assert decoding.main(options) == 0
    text = out.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "# decode: " in text
    header, *rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert tuple(header) == decoding.COLUMNS
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(row["what"], row["series"]) for row in cells] == [
        (what, series) for what in ("parse", "decode") for series in ("pixels", "Gaussians")
    ]
    assert all(0 < float(row["min"]) <= float(row["median"]) <= float(row["max"]) for row in cells)
    assert [row["num_gaussians"] for row in cells] == ["3000", "20"] * 2
