"""The published figures, against what their sources print about them."""

from __future__ import annotations

import json

import pytest

from benchmarks.published import ANCHORS, read_curves, read_table1, read_table2, read_table3

AVERAGES = [(0.042, 20.735), (0.066, 21.801), (0.125, 23.164), (0.183, 23.985)]
"""The last row of the paper's Table 1."""


def test_table_1_has_the_averages_that_the_paper_prints() -> None:
    table = read_table1()
    assert list(table) == [f"kodim{number:02}" for number in range(1, 25)]
    for point, (rate, psnr) in enumerate(AVERAGES):
        rows = [points[point] for points in table.values()]
        # Rates are printed with three digits, so that their mean may differ by half of the last one.
        assert sum(row[0] for row in rows) / 24 == pytest.approx(rate, abs=5e-4)
        assert sum(row[1] for row in rows) / 24 == pytest.approx(psnr, abs=1e-3)


def test_every_curve_says_its_source_and_rises() -> None:
    curves = read_curves()
    assert len(curves) > 20
    for name, curve in curves.items():
        assert len(curve.source) > 5, name
        assert len(curve.points) > 1, name
        assert sorted(psnr for _, psnr in curve.points) == [psnr for _, psnr in curve.points], name
    zhang = next(curve for name, curve in curves.items() if name.startswith("Zhang et al. 2024"))
    assert zhang.points == AVERAGES
    assert "doi.org/10.1561/116.20240025" in json.loads(ANCHORS.read_text(encoding="utf-8"))["zhang2024_source"]


def test_table_2_has_the_size_of_a_known_model() -> None:
    """CompressAI's model of Ballé et al. 2018, with 128 and 192 channels, has 5,075,843 parameters of four bytes."""
    table = read_table2()
    assert table["Ballé et al. 2018"].size == pytest.approx(4 * 5_075_843 / 1024, abs=1e-4)
    assert table["JPEG"].size is None
    assert max(table, key=lambda name: table[name].seconds_encode) == "WIRE"


def test_table_3_has_the_published_differences() -> None:
    assert read_table3() == {"l1": 5.7, "k16": 79.0, "k32": 22.2, "k64": 20.0, "k128": 20.3}
