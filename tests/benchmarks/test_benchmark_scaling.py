"""The benchmark of decoding at other resolutions, on one small picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import scaling

Bytes = NDArray[np.uint8]


def test_the_benchmark_writes_a_table_and_a_picture(tmp_path: Path, picture: Bytes) -> None:
    path, table, comparison = tmp_path / "a.png", tmp_path / "a.tsv", tmp_path / "b.png"
    Image.fromarray(picture).save(path)
    arguments = [str(path), "--preset", "fast", "--bpp", "4", "--runs", "1", "--part", "3", "2", "10", "12"]
    assert scaling.main([*arguments, "--out", str(table), "--comparison", str(comparison)]) == 0
    names, *rows = [line.split("\t") for line in table.read_text().splitlines() if not line.startswith("#")]
    assert tuple(names) == scaling.COLUMNS
    by_choice = {(row[0], row[1]): dict(zip(names, row, strict=True)) for row in rows}
    assert by_choice["2", "1"]["width"] == "64"
    assert {choice for choice, row in by_choice.items() if row["usual"] == "yes"} == {
        *(("1", "1"), ("2", "1"), ("4", "1")),
        *(("0.5", "2"), ("0.25", "4"), ("0.125", "4")),
    }
    # As many samples as there are pixels to average, and fewer.
    assert float(by_choice["0.5", "2"]["psnr"]) > max(45, float(by_choice["0.5", "1"]["psnr"]))
    image = np.asarray(Image.open(comparison))
    assert image.shape == (24, 20 + 4 + 20, 3)
    np.testing.assert_array_equal(image[:, 20:24], 255)
