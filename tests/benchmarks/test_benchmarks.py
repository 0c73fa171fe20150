"""The benchmarks: a stand-in codec for what they do with files, rows and figures, and the real one once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stand_in_codec import StandInCodec

import taichi_gs
from benchmarks import ablation, kodak, summary
from benchmarks.published import TABLE1_KEY
from benchmarks.tables import MEAN, NONE, ResultsError, Row, Table, mean_rows, read_table
from taichi_gs.encoder.version import ENCODER_VERSION

PUBLISHED = {"a": [[0.5, 10.0], [1.0, 99.0]], "b": [[0.5, 12.0], [1.0, 13.0]], "unused": []}


@pytest.fixture
def use_codec(monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandInCodec]:
    def use(**options: Any) -> StandInCodec:
        codec = StandInCodec(**options)
        for name in ("encode", "decode", "info"):
            monkeypatch.setitem(vars(taichi_gs), name, getattr(codec, name))
        return codec

    return use


@pytest.fixture
def folder(tmp_path: Path, picture: NDArray[np.uint8]) -> Path:
    """A folder of two pictures, a.png and b.png, and something else."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "b.png")
    Image.fromarray(picture[:, ::2]).save(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(*arguments: object) -> int:
    return kodak.main([str(argument) for argument in arguments])


def test_a_run_writes_a_row_for_each_picture_and_their_mean(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]
) -> None:
    codec, out = use_codec(), tmp_path / "results.tsv"
    assert run(folder, "--k", 8, "--steps", 5, "--out", out) == 0
    assert codec.options == [{"preset": "default", "k": 8, "steps": 5, "device": "auto"}] * 2

    table = read_table(out)
    assert table.columns == kodak.COLUMNS
    assert [row["image"] for row in table.rows] == ["a", "b", MEAN]
    a, b, mean = table.rows
    assert (a["width"], a["height"], a["preset"], a["target_bpp"]) == ("16", "24", "default", NONE)
    assert float(a["bpp"]) == pytest.approx(8 * int(a["bytes"]) / (16 * 24), abs=1e-5)
    assert a["num_gaussians"] == a["bytes"]
    assert (a["covariance_k"], a["color_k"]) == ("3", "4")
    assert 20 < float(b["psnr"]) < 60
    assert 0.8 < float(b["ms_ssim"]) <= 1
    assert float(b["seconds_decode"]) < float(b["seconds_encode"]) + 1
    for column in ("bpp", "psnr", "ms_ssim"):
        assert float(mean[column]) == pytest.approx((float(a[column]) + float(b[column])) / 2, abs=1e-4)
    assert (mean["width"], mean["height"]) == (NONE, NONE)


def test_a_results_file_says_how_it_was_made_but_not_where(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]
) -> None:
    use_codec()
    out = tmp_path / "results.tsv"
    assert run(folder, "--images", "a", "--out", out) == 0
    table = read_table(out)
    assert table.comment("command") == "python -m benchmarks.kodak pictures --images a --out results.tsv"
    assert all(map(table.comment, ["commit", "date", "cpu", "cores", "versions"]))
    assert table.settings == {"preset": "default", "device": "auto", "jobs": 1}
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_without_a_file_the_rows_go_to_stdout(
    folder: Path, use_codec: Callable[..., StandInCodec], capsys: pytest.CaptureFixture[str]
) -> None:
    use_codec()
    assert run(folder, "--images", "b") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    assert [line.split("\t")[0] for line in lines] == ["image", "b", MEAN]


def test_several_rates_have_a_mean_each(folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]) -> None:
    codec, out = use_codec(), tmp_path / "results.tsv"
    assert run(folder, "--bpp", 0.5, 1, "--out", out) == 0
    assert [options["bits_per_pixel"] for options in codec.options] == [0.5, 0.5, 1, 1]
    means = read_table(out).means
    assert [mean["target_bpp"] for mean in means] == ["0.50000", "1.00000"]


def test_several_sizes_have_a_mean_each(folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]) -> None:
    codec, out = use_codec(), tmp_path / "results.tsv"
    assert run(folder, "--bytes", 64, 128, "--out", out) == 0
    assert [options["num_bytes"] for options in codec.options] == [64, 64, 128, 128]
    table = read_table(out)
    assert [row["target_bytes"] for row in table.measurements] == ["64", "64", "128", "128"]
    assert [(mean["target_bytes"], mean["target_bpp"]) for mean in table.means] == [("64", NONE), ("128", NONE)]
    assert run(folder, "--bytes", 64, 128, "--out", out, "--resume") == 0
    assert len(codec.options) == 4


def test_published_points_are_compared(folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]) -> None:
    codec, out, anchors = use_codec(), tmp_path / "results.tsv", tmp_path / "anchors.json"
    anchors.write_text(json.dumps({TABLE1_KEY: PUBLISHED}))
    assert run(folder, "--preset", "paper", "--table1", anchors, "--out", out) == 0
    assert [options["bits_per_pixel"] for options in codec.options] == [0.5, 1.0, 0.5, 1.0]
    table = read_table(out)
    assert [(row["image"], row["point"]) for row in table.rows] == [
        *(("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")),
        *((MEAN, "1"), (MEAN, "2")),
    ]
    for row in table.rows:
        expected = float(row["psnr"]) - float(row["published_psnr"])
        assert float(row["gain_db"]) == pytest.approx(expected, abs=2e-4)
    assert [mean["published_psnr"] for mean in table.means] == ["11.0000", "56.0000"]


def test_the_papers_figures_are_in_the_repository(
    tmp_path: Path, picture: NDArray[np.uint8], use_codec: Callable[..., StandInCodec]
) -> None:
    codec, out = use_codec(), tmp_path / "results.tsv"
    Image.fromarray(picture).save(tmp_path / "kodim05.png")
    assert run(tmp_path, "--preset", "paper", "--out", out, "--table1") == 0
    assert [options["bits_per_pixel"] for options in codec.options] == [0.040, 0.067, 0.120, 0.174]
    published = [float(row["published_psnr"]) for row in read_table(out).measurements]
    assert published == [16.625, 17.541, 18.702, 19.574]


def test_versions_of_the_encoder_are_not_mixed(
    folder: Path,
    tmp_path: Path,
    use_codec: Callable[..., StandInCodec],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "results.tsv"
    use_codec(fail_at=1)
    assert run(folder, "--out", out) == 1
    assert read_table(out).comment("encoder") == str(ENCODER_VERSION)
    first, codec = out.read_bytes(), use_codec()
    monkeypatch.setattr(kodak, "ENCODER_VERSION", ENCODER_VERSION + 1)
    assert run(folder, "--out", out, "--resume") == 1
    assert "another version of the encoder" in capsys.readouterr().err
    assert (codec.options, out.read_bytes()) == ([], first)


def test_an_interrupted_run_goes_on_where_it_ended(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]
) -> None:
    out = tmp_path / "results.tsv"
    use_codec(fail_at=1)
    assert run(folder, "--out", out) == 1
    assert [row["image"] for row in read_table(out).rows] == ["a"]
    first = read_table(out).rows[0]
    with out.open("a") as file:
        file.write("b\t24\t3")  # what a process that is killed can leave

    codec = use_codec()
    assert run(folder, "--out", out, "--resume") == 0
    assert len(codec.options) == 1
    table = read_table(out)
    assert [row["image"] for row in table.rows] == ["a", "b", MEAN]
    assert table.rows[0] == first
    assert sum(comment.startswith("resumed, commit: ") for comment in table.comments) == 1

    complete = out.read_bytes()
    assert run(folder, "--out", out, "--resume") == 0
    assert len(codec.options) == 1
    assert out.read_bytes() == complete


def test_results_are_not_overwritten_or_mixed(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec], capsys: pytest.CaptureFixture[str]
) -> None:
    use_codec()
    out = tmp_path / "results.tsv"
    assert run(folder, "--out", out) == 0
    complete = out.read_bytes()
    assert run(folder, "--out", out) == 1
    assert "already exists" in capsys.readouterr().err
    assert run(folder, "--k", 4, "--out", out, "--resume") == 1
    assert "other settings" in capsys.readouterr().err
    assert out.read_bytes() == complete


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], "no PNG files in empty"),
        (["missing"], "no PNG files in missing"),
        (["pictures", "--images", "a", "c"], "no picture c in pictures"),
        (["pictures", "--table1", "pictures/notes.txt"], "notes.txt does not hold published figures"),
        (["pictures", "--table1", "some.json"], "some.json has no figures for b"),
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
    Path("empty").mkdir()
    Path("some.json").write_text(json.dumps({TABLE1_KEY: {"a": [[0.5, 20]]}}))
    assert run(*arguments, "--out", "results.tsv") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("results.tsv").exists()


def test_several_processes_measure_with_the_real_codec(
    folder: Path, python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out = tmp_path / "results.tsv"
    few = ["--preset", "fast", "--num-gaussians", "20", "--k", "4", "--steps", "10"]
    result = python("-m", "benchmarks.kodak", str(folder), *few, "--jobs", "2", "--out", str(out))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    table = read_table(out)
    assert [row["image"] for row in table.rows] == ["a", "b", MEAN]
    assert all(1 <= int(row["num_gaussians"]) <= 20 for row in table.measurements)
    assert table.settings["jobs"] == 2


# Tables


def test_means_keep_what_can_be_averaged() -> None:
    columns = ("image", "preset", "target_bpp", "bytes", "psnr", "seconds_decode")
    rows: list[Row] = [
        dict(zip(columns, cells, strict=True))
        for cells in [("a", "fast", "0.1", "1", "inf", "0.1"), ("b", "fast", "0.1", "2", "30.0", NONE)]
    ]
    assert mean_rows(columns, rows) == [
        dict(zip(columns, (MEAN, "fast", "0.10000", "1.5", "inf", NONE), strict=True)),
    ]


@pytest.mark.parametrize(
    ("text", "message"), [("", "not a results file"), ("a b\n", "not a results file"), ("image\tx\nb\n", "do not fit")]
)
def test_what_is_no_results_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(text)
    with pytest.raises(ResultsError, match=message):
        read_table(path)


def test_settings_are_needed() -> None:
    with pytest.raises(ResultsError, match="settings"):
        Table((), ("image",), ()).settings  # noqa: B018


# Summary


@pytest.fixture
def results(folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]) -> list[Path]:
    use_codec()
    plain, compared = tmp_path / "default.tsv", tmp_path / "paper.tsv"
    anchors = tmp_path / "anchors.json"
    # The stand-in's files are larger than half a bit a pixel, and far smaller than a hundred.
    points = [[0.5, 10.0], [100.0, 10.0], [100.0, 99.0]]
    anchors.write_text(json.dumps({TABLE1_KEY: {"a": points, "b": points}}))
    assert run(folder, "--k", 64, "--out", plain) == 0
    assert run(folder, "--preset", "paper", "--table1", anchors, "--out", compared) == 0
    return [compared, plain]


def test_the_summary_shows_means_and_comparisons(results: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert summary.main([str(path) for path in results]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    means, compared = rows[:3], rows[3:]
    assert means[2][:3] == ["[default](default.tsv)", "64", "2"]
    assert means[2][4] == f"{float(read_table(results[1]).means[0]['psnr']):.2f}"
    assert [row[7] for row in compared] == ["better", "--:", "0 of 2", "2 of 2", "0 of 2"]
    assert compared[2][5].startswith("+")
    assert compared[4][6].startswith("-")
    assert lines[-1].startswith("Measured on ")


def test_a_run_that_has_not_ended_is_not_summarised(results: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    results[1].write_text(results[1].read_text().split(f"\n{MEAN}")[0] + "\n")
    assert summary.main([str(results[1])]) == 1
    assert "default.tsv has no mean row" in capsys.readouterr().err


def test_the_summary_goes_into_a_readme(results: list[Path], tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    arguments = [*map(str, results), "--document", str(readme)]
    assert summary.main(arguments) == 0
    text = readme.read_text(encoding="utf-8")
    assert text == f"before\n<!-- results -->\n{summary.summarize(results)}<!-- /results -->\nafter\n"
    assert summary.main(arguments) == 0
    assert readme.read_text(encoding="utf-8") == text

    readme.write_text("no marks")
    assert summary.main(arguments) == 1
    assert readme.read_text() == "no marks"


# Ablation


def test_an_ablation_has_rows_and_a_mean_for_each_variation(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, out, chosen = use_codec(), tmp_path / "ablation.tsv", ("as committed", "alpha blending")
    monkeypatch.setattr(ablation, "VARIATIONS", {name: ablation.VARIATIONS[name] for name in chosen})
    assert ablation.main([str(folder), "--images", "a", "b", "--steps", "7", "--out", str(out)]) == 0
    usual = {"preset": "default", "tune": "psnr", "bits_per_pixel": 0.083, "steps": 7}
    assert codec.options == [usual] * 2 + [{**usual, "blending": "alpha"}] * 2
    header, *rows = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("#")]
    assert tuple(header) == ablation.COLUMNS
    assert [row[:2] for row in rows] == [[variation, image] for variation in chosen for image in ("a", "b", MEAN)]
    first, second, mean = (float(row[3]) for row in rows[:3])
    assert mean == pytest.approx((first + second) / 2, abs=1e-4)
