"""The page of crops: windows are where the similarities differ, and panels show what the files hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from benchmarks import crops


def test_similarity_is_that_of_the_formula_in_each_block() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (19, 24, 3)).astype(np.uint8)
    b = (0.5 * a + rng.integers(0, 100, a.shape)).astype(np.uint8)
    found = crops.similarity(a, b)
    assert found.shape == (2, 3)
    x, y = (pixels[8:16, 16:24].astype(float) @ [0.299, 0.587, 0.114] for pixels in (a, b))
    covariance = np.cov(x.ravel(), y.ravel(), bias=True)[0, 1]
    means = (2 * x.mean() * y.mean() + 6.5025) / (x.mean() ** 2 + y.mean() ** 2 + 6.5025)
    assert found[1, 2] == pytest.approx(means * (2 * covariance + 58.5225) / (x.var() + y.var() + 58.5225))
    np.testing.assert_allclose(crops.similarity(a, a), 1.0)


def test_the_page_has_three_panels_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Image.open(ROOT / "examples" / "photo.png") as photo:
        part = photo.crop((400, 100, 640, 320))
    part.save(tmp_path / "a.png")
    encode = crops.taichi_gs.encode
    monkeypatch.setattr(crops.taichi_gs, "encode", lambda pixels, **options: encode(pixels, steps=20, **options))
    assert crops.main([str(tmp_path), "--out", str(tmp_path / "out" / "page.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a", "a"]
    leads = [float(line.split()[2].rstrip(",")) for line in lines]
    assert leads[0] >= leads[1]
    for line in lines:
        ours, theirs = (int(line.split()[index].replace(",", "")) for index in (3, 5))
        assert ours <= theirs
    with Image.open(tmp_path / "out" / "page.png") as drawn:
        shown = np.asarray(drawn)[crops.TITLE_HEIGHT :, :]
    originals = np.asarray(part)
    for left in (0, 3 * (crops.SIDE + crops.GAP) + 3 * crops.GAP):
        panel = shown[: crops.SIDE, left : left + crops.SIDE]
        assert any(
            np.array_equal(panel, originals[y : y + crops.SIDE, x : x + crops.SIDE])
            for y in range(0, 21, crops.STRIDE)
            for x in range(0, 41, crops.STRIDE)
        )


def test_an_empty_folder_has_no_crops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crops.main([str(tmp_path)]) == 1
    assert "no PNG files" in capsys.readouterr().err
