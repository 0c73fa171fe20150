"""Measuring other codecs: files against those that Pillow itself makes, and which of them are measured."""

from __future__ import annotations

import io
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from benchmarks import compare, kodak, peers, rate
from benchmarks.rate_results import read_results
from benchmarks.tables import (
    MEAN,
    NONE,
    ResultsError,
    read_table,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two pictures that do not compress to nothing, a.png and b.png."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    with Image.open(ROOT / "examples" / "photo.png") as photo:
        photo.crop((100, 100, 300, 280)).save(folder / "a.png")
        photo.crop((400, 200, 592, 328)).save(folder / "b.png")
    return folder


@pytest.fixture
def few_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    few = (replace(peer, settings=peer.settings[3:5], scales=peer.scales[:3:2]) for peer in peers.PEERS)
    monkeypatch.setattr(peers, "PEERS", tuple(few))


def run(*arguments: object) -> int:
    return rate.main([str(argument) for argument in arguments])


def pillow_options(codec: str, setting: int) -> tuple[str, dict[str, Any]]:
    """What the document says of the codecs, spelt out once more."""
    avif = {"quality": setting, "speed": 4, "max_threads": 1, "autotiling": False}
    return {
        "JPEG": ("JPEG", {"quality": setting, "optimize": True, "progressive": True, "subsampling": 2}),
        "JPEG 2000": (
            "JPEG2000",
            {"quality_mode": "rates", "quality_layers": (setting,), "irreversible": True, "mct": 1},
        ),
        "WebP": ("WEBP", {"quality": setting, "method": 6, "lossless": False}),
        "AVIF": ("AVIF", avif),
        "AVIF, tune=psnr": ("AVIF", avif | {"advanced": {"tune": "psnr"}}),
        "AVIF, speed 2": ("AVIF", avif | {"speed": 2}),
        "HEIC": ("HEIF", {"quality": setting}),
        "HEIC, tune=psnr": ("HEIF", {"quality": setting, "enc_params": {"tune": "psnr"}}),
        "JPEG XL": ("JXL", {"quality": setting}),
    }[codec]


@pytest.mark.usefixtures("few_settings")
def test_the_other_codecs_files_are_those_of_pillow(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--peers-only", "--bpp", "0.01,5", "--output", tmp_path / "results") == 0
    table = read_table(tmp_path / "results" / "peers.tsv")
    assert table.columns == peers.COLUMNS
    assert table.comment("command") == "python -m benchmarks.rate pictures --peers-only --bpp 0.01,5 --output results"
    assert all(map(table.comment, ["commit", "date", "cpu", "cores", "versions", "libraries"]))
    assert len(table.rows) == (8 * 2 + 1) * 2 * 2
    for row in table.rows:
        with Image.open(folder / f"{row['image']}.png") as image:
            picture = image.copy()
        size = {("a", "1"): (200, 180), ("a", "2"): (100, 90), ("b", "1"): (192, 128), ("b", "2"): (96, 64)}
        coded = picture.resize(size[row["image"], row["scale"]], Image.Resampling.LANCZOS)
        name, options = pillow_options(row["codec"], int(row["setting"]))
        file = io.BytesIO()
        coded.save(file, name, **options)
        num_bytes = len(file.getvalue())
        assert int(row["bytes"]) == num_bytes, row
        assert float(row["bpp"]) == pytest.approx(8 * num_bytes / (picture.width * picture.height), abs=1e-5)
        if row["scale"] == "2" and 8 * num_bytes / (coded.width * coded.height) > 1:
            assert {row[name] for name in ("psnr", "ms_ssim", "ssimulacra2", "seconds_decode")} == {NONE}
            continue
        with Image.open(file) as image:
            decoded = image.convert("RGB").resize(picture.size, Image.Resampling.BICUBIC)
        mean_square = np.mean((np.asarray(decoded, dtype=np.float64) - np.asarray(picture)) ** 2)
        assert float(row["psnr"]) == pytest.approx(10 * math.log10(255**2 / mean_square), abs=1e-4)
        assert 0.2 < float(row["ms_ssim"]) < 1
        assert -150 < float(row["ssimulacra2"]) < 90


@pytest.mark.usefixtures("few_settings")
def test_quality_is_measured_near_the_rates_that_are_asked_for(folder: Path, tmp_path: Path) -> None:
    arguments = (folder, "--peers-only", "--images", "a", "--output", tmp_path)
    assert run(*arguments, "--bpp", "0.2,0.4") == 0
    rows = [row for row in read_table(tmp_path / "peers.tsv").rows if row["scale"] == "1"]
    assert {0.125 <= float(row["bpp"]) <= 0.64 for row in rows} == {True, False}
    for row in rows:
        assert (row["psnr"] != NONE) == (0.125 <= float(row["bpp"]) <= 0.64)

    # Within other rates, what was left out is measured, and nothing else again; also of codecs that are not named.
    assert run(*arguments, "--bpp", "1", "--codecs", "JPEG") == 0
    table = read_table(tmp_path / "peers.tsv")
    assert table.settings["rates"] == [0.125, 1.6]
    again = {(row["codec"], row["setting"]): row for row in table.rows if row["scale"] == "1"}
    assert len(again) == len(rows)
    for row in rows:
        new = again[row["codec"], row["setting"]]
        assert (new["psnr"] != NONE) == (0.125 <= float(row["bpp"]) <= 1.6)
        assert row["psnr"] == NONE or new == row


def test_codecs_that_are_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    peers._plug_in.cache_clear()
    with pytest.raises(ResultsError, match=r"^a codec is missing: pip install '\.\[benchmarks\]' "):
        peers.encode(np.zeros((8, 8, 3), np.uint8), peers.PEERS[0], 1.0, 50)


def test_settings_go_from_small_files_to_large_ones(folder: Path) -> None:
    with Image.open(folder / "a.png") as image:
        pixels = np.asarray(image)
    for peer in peers.PEERS:
        sizes = [len(peers.encode(pixels, peer, 1.0, setting)) for setting in peer.settings]
        assert sizes == sorted(sizes), peer.name
        assert sizes[-1] > 3 * sizes[0], peer.name


@pytest.mark.usefixtures("few_settings")
def test_rows_of_other_codecs_are_kept_and_missing_ones_added(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "peers.tsv"
    arguments = (folder, "--peers-only", "--output", tmp_path)
    assert run(*arguments, "--images", "a", "--codecs", "JPEG", "AVIF, speed 2") == 0
    assert {row["codec"] for row in read_table(out).rows} == {"JPEG", "AVIF, speed 2"}
    assert run(*arguments, "--images", "a") == 0
    first = read_table(out)
    with out.open("a") as file:
        file.write("b\tJPEG\t3")  # what a process that is killed can leave
    assert run(*arguments) == 0
    table = read_table(out)
    assert table.rows[: len(first.rows)] == first.rows
    assert len(table.rows) == 2 * len(first.rows)
    keys = {(row["image"], row["codec"], row["scale"], row["setting"]) for row in table.rows}
    assert len(keys) == len(table.rows)
    assert sum(comment.startswith("resumed, commit: ") for comment in table.comments) == 2

    complete = out.read_bytes()
    assert run(*arguments) == 0
    assert out.read_bytes() == complete

    out.write_bytes(complete.replace(b'"method": 6', b'"method": 5'))
    assert run(*arguments) == 1
    assert "other options" in capsys.readouterr().err


@pytest.mark.usefixtures("few_settings")
def test_a_run_measures_this_codec_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, rates = taichi_gs.encode, []

    def encode_quickly(image: NDArray[np.float32], **options: Any) -> bytes:
        rates.append(options["bits_per_pixel"])
        return encode(image, **options, steps=10)

    monkeypatch.setitem(vars(taichi_gs), "encode", encode_quickly)
    arguments = (folder, "--preset", "fast", "--bpp", "0.2,0.4", "--images", "b", "--output", tmp_path)
    assert run(*arguments) == 0
    table = read_table(tmp_path / "taichi_gs-fast.tsv")
    assert table.columns == kodak.COLUMNS
    assert [(row["image"], row["target_bpp"]) for row in table.rows] == [
        *(("b", "0.20000"), ("b", "0.40000")),
        *((MEAN, "0.20000"), (MEAN, "0.40000")),
    ]
    assert all(0 < float(row["bpp"]) <= float(row["target_bpp"]) for row in table.rows)
    assert rates == [0.2, 0.4]

    assert run(*arguments) == 1, "results are not overwritten"
    assert run(*arguments, "--resume") == 0
    assert rates == [0.2, 0.4]
    text = compare.summarize(read_results(tmp_path), "there")
    assert f"| 0.2 | {float(table.means[0]['bpp']):.4f} | {float(table.means[0]['psnr']):.2f} |" in text


def test_published_curves_are_copied_as_far_as_they_are_seen(tmp_path: Path) -> None:
    points = [[0.8, 40], [0.7, 39], [0.5, 35], [0.01, 10], [0.1, 20]]
    curves = {name: {"source": f"from {label}", "points": points} for name, label in rate.PUBLISHED.items()}
    curves["COIN"]["points"] = points[:3]  # a single one within the range
    anchors, out = tmp_path / "anchors.json", tmp_path / "published.tsv"
    anchors.write_text(json.dumps({"published": curves}))
    rate.write_published(anchors, out, "command")
    rows = read_table(out).rows
    assert {row["codec"] for row in rows} == set(rate.PUBLISHED.values()) - {"COIN"}
    first = [row for row in rows if row["codec"] == "VVC (VTM)"]
    assert [(float(row["bpp"]), float(row["psnr"])) for row in first] == [(0.1, 20), (0.5, 35), (0.7, 39)]
    assert {row["source"] for row in first} == {"from VVC (VTM)"}


@pytest.mark.usefixtures("few_settings")
def test_curves_are_copied_for_pictures_of_kodak(folder: Path, tmp_path: Path) -> None:
    """They are those that are committed, which an older file of figures had too."""
    committed = read_table(rate.OUTPUT / "kodak" / "published.tsv")
    arguments = ("--peers-only", "--codecs", "JPEG", "--output", tmp_path)
    assert run(folder, "--images", "a", *arguments) == 0
    assert not (tmp_path / "published.tsv").exists()
    (folder / "a.png").rename(folder / "kodim05.png")
    assert run(folder, "--images", "kodim05", *arguments) == 0
    assert read_table(tmp_path / "published.tsv").rows == committed.rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no PNG files in missing"),
        (["pictures", "--images", "a", "c"], "no picture c in pictures"),
        (["pictures", "--codecs", "GIF"], "no codec GIF: choose from JPEG; "),
        (["pictures", "--anchors", "other.json"], "other.json does not hold the published curves"),
        (["pictures", "--anchors", "missing.json"], "missing.json does not hold the published curves"),
    ],
)
def test_what_cannot_be_measured(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("{}")
    assert run(*arguments, "--output", "results") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
