"""Timing two states of the code: here one state against itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_fits import photograph

import taichi_gs
from benchmarks import versus
from benchmarks.provenance import ROOT


def test_a_row_has_both_states_and_their_ratio(tmp_path: Path) -> None:
    picture, out = tmp_path / "slope.png", tmp_path / "pairs.tsv"
    Image.fromarray(np.tile(np.arange(48, dtype=np.uint8), (32, 1))).convert("RGB").save(picture)
    assert versus.main([str(ROOT), str(picture), "--runs", "1", "--only", "decompress", "--out", str(out)]) == 0
    comments, table = [], []
    for line in out.read_text(encoding="utf-8").splitlines():
        (comments if line.startswith("#") else table).append(line)
    commit, before = (
        next(line for line in comments if line.startswith(f"# {name}: ")) for name in ("commit", "before")
    )
    assert commit.split()[2].removesuffix("+changes") == before.split()[2]
    assert table[0].split("\t") == list(versus.Row._fields)
    assert [row.split("\t")[3] for row in table[1:]] == ["ms", "MiB"]
    for row in table[1:]:
        one, other, ratio = map(float, row.split("\t")[4:])
        assert ratio == pytest.approx(other / one, abs=2e-3)
        assert one > 1.0


def test_means_are_over_the_pictures_of_a_kind() -> None:
    rows = [
        versus.Row("encode", "a.png", 3, "s", 4.0, 1.0, 0.25),
        versus.Row("encode", "a.png", 3, "MiB", 500.0, 400.0, 0.8),
        versus.Row("encode", "b.png", 3, "s", 2.0, 2.0, 1.0),
        versus.Row("encode", "b.png", 3, "MiB", 300.0, 600.0, 2.0),
        versus.Row("decode", "b.png", 3, "s", 1.0, 1.0, 1.0),
    ]
    seconds, memory = versus.means_of(rows)
    assert seconds == ("encode", "mean of 2 pictures", 3, "s", 3.0, 1.5, pytest.approx(0.5))
    assert memory == ("encode", "mean of 2 pictures", 3, "MiB", 400.0, 500.0, pytest.approx(1.6**0.5))


def test_encoding_says_what_is_in_the_file(tmp_path: Path) -> None:
    picture, file = tmp_path / "photograph.png", tmp_path / "photograph.tgs"
    pixels = (255 * photograph((48, 64))).astype(np.uint8)
    Image.fromarray(pixels).save(picture)
    rows = list(versus._encode_rows(versus.Pair(ROOT, 1), picture, file, "fast", num_bytes=150))
    figures = {row.unit: row.after for row in rows}
    assert list(figures) == ["s", "processor time", "MiB", "bytes", "dB"]
    assert figures["bytes"] == file.stat().st_size <= 150
    mean = np.square(taichi_gs.decode(file.read_bytes()).astype(float) - pixels).mean()
    assert figures["dB"] == pytest.approx(10 * np.log10(255**2 / mean), abs=1e-3)
    assert 0.5 < figures["processor time"] < os.cpu_count() + 0.5
    assert figures["MiB"] > 50.0


@pytest.mark.parametrize(("size", "num_squares"), [((512, 768), 1), ((768, 512), 2), ((300, 200), 1)])
def test_squares_are_of_one_size(size: tuple[int, int], num_squares: int, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.linear_gradient("L").resize(size).save(path)
    squares = list(versus._squares(path))
    assert [square.size for square in squares] == num_squares * [(512, 512)]


def test_a_large_picture_shows_all_pictures(tmp_path: Path) -> None:
    paths = [tmp_path / f"{level}.png" for level in (10, 200)]
    for path, level in zip(paths, (10, 200), strict=True):
        Image.new("RGB", (60, 40), (level, 0, level)).save(path)
    versus._lay_side_by_side(paths, tmp_path / "large.png")
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (4000, 3000)
        assert sorted(large.getcolors() or []) == [(6_000_000, (10, 0, 10)), (6_000_000, (200, 0, 200))]


def test_unknown_sections_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        versus.main([str(ROOT), str(tmp_path / "no.png"), "--only", "encode,nothing"])
    assert "nothing is none of encode, small, decode, decompress, folder, large" in capsys.readouterr().err
