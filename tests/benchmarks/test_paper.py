"""The page of the paper's tables: how its results come about, and that it agrees with those that are committed."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from stand_in_codec import StandInCodec

import taichi_gs
from benchmarks import implicit, kodak, paper, paper_figures, paper_tables, paper_times, peers
from benchmarks.provenance import provenance
from benchmarks.summary import find_results
from benchmarks.tables import Table, format_value, mean_rows, read_table, settings_comment, write_table

PAGE = ROOT / "docs" / "paper.md"
IMAGES = ("kodim05", "kodim23")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small pictures that have the names of Kodak's."""
    folder = tmp_path / "kodak"
    folder.mkdir()
    with Image.open(ROOT / "examples" / "photo.png") as photo:
        for name, place in zip(IMAGES, ((100, 100), (400, 200)), strict=True):
            photo.crop((*place, place[0] + 192, place[1] + 180)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def use_codec(monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandInCodec]:
    def use(**options: Any) -> StandInCodec:
        codec = StandInCodec(**options)
        for name in ("encode", "decode", "info"):
            monkeypatch.setitem(vars(taichi_gs), name, getattr(codec, name))
        return codec

    return use


def run(*arguments: object) -> int:
    return paper.main([str(argument) for argument in arguments])


def write_results(path: Path, points: dict[str, list[tuple[float, float]]]) -> None:
    """A results file in which every picture has files of such rates and PSNRs, beside published ones."""
    columns = kodak.COLUMNS + kodak.PUBLISHED_COLUMNS
    rows = []
    for image, measured in points.items():
        for point, (rate, psnr) in enumerate(measured, start=1):
            values = {"image": image, "point": point, "bpp": rate, "psnr": psnr, "target_bpp": 0.1 * point}
            values |= {"published_bpp": 0.1 * point, "published_psnr": 20 + point, "gain_db": psnr - 20 - point}
            rows.append({column: format_value(column, values.get(column)) for column in columns})
    comments = (*provenance("made up"), settings_comment({"preset": "paper", "jobs": 1}))
    write_table(path, Table(comments, columns, (*rows, *mean_rows(columns, rows))))


def cells_of(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_agrees_with_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, block in paper.page_blocks(paper.OUTPUT, "../benchmarks/results/paper").items():
        assert find_results(text, name) == block, f"python -m benchmarks.paper makes {name} anew"


def test_a_page_without_results_says_so(tmp_path: Path) -> None:
    blocks = paper.page_blocks(tmp_path, "results")
    assert len(blocks) == 5
    for block in blocks.values():
        assert block.startswith("Not measured yet")
    assert "| COIN | 336.6627 | 0.0011 | 7.2120 |" in blocks["table2"], "what is quoted needs no measurement"
    assert "Measured here" not in blocks["table2"]
    assert not paper_figures.draw_figure2(tmp_path, tmp_path / "rate.svg")


@pytest.mark.parametrize("failure", [{"fail_at": 5}, {"interrupt_at": 5}])
def test_an_interrupted_run_goes_on_where_it_ended(
    folder: Path,
    tmp_path: Path,
    use_codec: Callable[..., StandInCodec],
    capsys: pytest.CaptureFixture[str],
    failure: dict[str, int],
) -> None:
    output = tmp_path / "results"
    arguments = (folder, "--only", "table3,table1", "--output", output)
    use_codec(**failure)
    assert run(*arguments) == (1 if "fail_at" in failure else 130)
    assert capsys.readouterr().err.count("\n") == 2, "the part, and what happened"
    assert len(read_table(output / "table1-paper.tsv").rows) == 5
    assert run("--output", output) == 0
    assert find_results((output / "paper.md").read_text(encoding="utf-8"), "table1") == paper_tables.NOT_ENDED

    codec = use_codec()
    assert run(*arguments) == 0
    # Table 1 has 2 x 4 files of each of two presets; Table 3 has 4 of the first picture for each of 6 variations.
    assert len(codec.options) == 16 - 5 + 6 * 4
    changes = [{name: options[name] for name in options if name not in ("preset", "bits_per_pixel")}
               for options in codec.options[11::4]]  # fmt: skip
    assert changes[:5] == [{"loss": "l1"}, *({"k": k} for k in (16, 32, 64, 128))]
    growth = changes[5]["hyperparameters"].unconstrained.clone_and_split
    assert (growth.initial_fraction, growth.events(1000)) == (1.0, [])

    done = {path.name: path.read_bytes() for path in output.iterdir()}
    assert run(*arguments) == 0
    assert len(codec.options) == 35
    assert {path.name: path.read_bytes() for path in output.iterdir()} == done
    assert {row["image"] for row in read_table(output / "table3-k16.tsv").measurements} == {"kodim05"}


def test_table_1_compares_with_what_is_published(tmp_path: Path) -> None:
    write_results(tmp_path / "table1-paper.tsv", {"a": [(0.09, 23.0), (0.2, 24.0)], "b": [(0.1, 21.5), (0.21, 30.0)]})
    write_results(tmp_path / "table1-default-psnr.tsv", {"a": [(0.1, 25.0), (0.2, 26.0)]})
    block = paper_tables.table1(tmp_path, "there")
    # The gains are 2, 2, 0.5 and 8; the last file is larger than the published rate.
    assert "in 3 of 4 cases: by 3.12 dB on average, and by 0.50 dB at least. 1 of its files are larger" in block
    rows = cells_of(block)
    assert rows[2] == ["0.1000", "21.00", "0.0950", "22.25", "+1.25", "+0.50", "2 of 2",
                       "0.1000", "25.00", "+4.00", "+4.00", "1 of 1"]  # fmt: skip
    assert rows[3][6] == "1 of 2"
    assert rows[-1] == ["b", "21.00 (0.100)", "21.50", "–", "22.00 (0.200)", "30.00", "–"]


def test_table_3_has_bd_rates(tmp_path: Path) -> None:
    """At equal PSNR, files of `k16` are a tenth larger on one picture, and a fifth on the other."""
    rates, psnrs = (0.1, 0.2, 0.4, 0.8), (20.0, 23.0, 26.5, 29.0)
    points = list(zip(rates, psnrs, strict=True))
    write_results(tmp_path / "table1-paper.tsv", {"a": points, "b": points, "c": points})
    larger = {image: [(rate * factor, psnr) for rate, psnr in points] for image, factor in (("a", 1.1), ("b", 1.2))}
    write_results(tmp_path / "table3-k16.tsv", larger)
    rows = {row[0]: row[1:] for row in cells_of(paper_tables.table3(tmp_path, "there"))}
    assert rows["k = 16"] == ["+79.0", "+15.0", "+10.0 to +20.0", "2"]
    assert rows["k = 32"] == ["+22.2", "not measured yet", "–", "–"]


def test_other_codecs_get_their_largest_file_that_is_small_enough(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_times, "max_bytes", lambda: 2500)
    path = folder / "kodim05.png"
    with Image.open(path) as image:
        picture = image.copy()

    def size_of(name: str, **options: Any) -> int:
        file = io.BytesIO()
        picture.save(file, name, **options)
        return len(file.getvalue())

    row = paper_times.measure(paper_times.Task(path, "JPEG"))
    options: dict[str, Any] = {"optimize": True, "progressive": True, "subsampling": 2}
    best = max(quality for quality in range(1, 51) if size_of("JPEG", quality=quality, **options) <= 2500)
    assert (row["setting"], int(row["bytes"])) == (f"quality {best}", size_of("JPEG", quality=best, **options))

    row = paper_times.measure(paper_times.Task(path, "JPEG 2000"))
    ratio = int(row["setting"].removeprefix("quality_layers "))
    sizes = [
        size_of("JPEG2000", quality_mode="rates", quality_layers=[ratio - less], irreversible=True, mct=1)
        for less in (0, 3)
    ]
    assert sizes[0] == int(row["bytes"]) <= 2500 < sizes[1]


def test_codecs_take_turns_and_networks_have_a_limit(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_times, "PEER_NAMES", ("JPEG", "WebP"))
    codec, output = use_codec(), tmp_path / "results"
    assert run(folder, "--only", "table2,networks", "--steps", 3, "--output", output) == 0
    table = read_table(output / "table2.tsv")
    assert [(row["image"], row["codec"]) for row in table.rows] == [
        (image, name) for image in IMAGES for name in ("paper", "fast", "default", "JPEG", "WebP")
    ]
    assert {options["num_bytes"] for options in codec.options} == {6866}
    rows = read_table(output / "networks.tsv").rows
    assert [(row["image"], row["codec"], row["steps"], row["ended_by"]) for row in rows] == [
        ("kodim05", "COIN", "3", "steps"),
        ("kodim05", "WIRE", "3", "steps"),
    ]
    assert [int(row["bytes"]) for row in rows] == [3606, 64_752]
    block = cells_of(find_results((output / "paper.md").read_text(encoding="utf-8"), "table2"))
    lines = {(row[0], row[1]): row[4:] for row in block if len(row) == 8}
    names = ["taichi_gs, `paper`", "taichi_gs, `fast`", "taichi_gs, `default`", "JPEG", "WebP"]
    assert [name for name, pictures in lines if pictures == "2"] == names
    assert [name for name, pictures in lines if pictures == "1"] == ["COIN", "WIRE", *names]
    assert lines["COIN", "1"] == ["3.606", "–", f"{float(rows[0]['psnr']):.2f}", "all 3 steps"]
    assert lines["WIRE", "1"][:2] == ["64.752", "1 of 1"]
    webp = {row["image"]: float(row["psnr"]) for row in table.rows if row["codec"] == "WebP"}
    assert lines["WebP", "2"][2] == f"{sum(webp.values()) / 2:.2f}"
    assert lines["WebP", "1"][2] == f"{webp['kodim05']:.2f}"

    text = (output / "table2.tsv").read_text(encoding="utf-8")
    (output / "table2.tsv").write_text(text.rpartition("kodim")[0], encoding="utf-8")
    assert "taichi_gs and the codecs of Pillow, whose run has not ended" in paper.page_blocks(output, "x")["table2"]
    (output / "table2.tsv").write_text(text.replace("# cores: ", "# cores: 1"), encoding="utf-8")
    assert run(folder, "--only", "table2", "--steps", 3, "--output", output) == 1
    (output / "table2.tsv").write_text(text, encoding="utf-8")

    # A whole picture is not the whole run.
    first = text[: text.index("\nkodim23") + 1]
    (output / "table2.tsv").write_text(first, encoding="utf-8")
    assert "taichi_gs and the codecs of Pillow, whose run has not ended" in paper.page_blocks(output, "x")["table2"]
    (output / "table2.tsv").write_text(text, encoding="utf-8")

    with (output / "networks.tsv").open("a") as file:
        file.write("kodim05\tCO")  # what a process that is killed can leave
    before = read_table(output / "networks.tsv").rows
    monkeypatch.setattr(implicit, "train", None)
    assert run(folder, "--only", "table2,networks", "--steps", 3, "--output", output) == 0
    assert read_table(output / "networks.tsv").rows == before


def test_the_quality_that_coin_should_have() -> None:
    """Its mean, 23.205 dB at 0.0736 bits per pixel, and Table 1: kodim23 has 23.609 dB at 0.067, the mean 21.801."""
    assert paper_times.published_psnr("COIN", 3606, "kodim23") == pytest.approx(23.205 + 23.609 - 21.801, abs=1e-3)
    assert paper_times.published_psnr("COIN", 3606, "photo") is None
    assert paper_times.published_psnr("WIRE", 64_752, "kodim23") is None


def test_figure_3_shows_pictures_that_nobody_chose(
    folder: Path, tmp_path: Path, use_codec: Callable[..., StandInCodec]
) -> None:
    output = tmp_path / "results"
    output.mkdir()
    gains = {"kodim05": 1.0, "x": 3.0, "kodim23": 2.0, "y": 1.5, "z": 2.5}
    points = {image: [(0.1 * point, 20 + point + gain) for point in range(1, 5)] for image, gain in gains.items()}
    write_results(output / "table1-paper.tsv", points)
    chosen = paper_figures.chosen_rows(read_table(output / "table1-paper.tsv"))
    assert [(row["point"], row["image"]) for row in chosen] == [
        (point, image) for point in ("3", "4") for image in ("x", "kodim23", "kodim05")
    ]
    write_results(output / "table1-paper.tsv", {image: points[image] for image in IMAGES})
    codec = use_codec()
    assert run(folder, "--only", "figure3", "--output", output) == 0
    assert [options["preset"] for options in codec.options] == ["paper", "default"] * 4
    rows = read_table(output / "figure3.tsv").rows
    assert [row["codec"] for row in rows[:3]] == ["JPEG", "taichi_gs, paper", "taichi_gs, default"]
    with Image.open(output / paper_figures.CROPS) as drawn:
        assert drawn.size == (4 * 208 - 8, 28 + 4 * 224)
        assert "](paper-crops.png)" in (output / "paper.md").read_text(encoding="utf-8")


def test_the_part_with_the_greatest_deviation() -> None:
    picture = np.full((400, 600, 3), 90, np.uint8)
    picture[120:320:2, 340:540] = 255
    assert paper_figures.busiest_part(picture) == (340, 120)


def test_figure_2_is_the_same_whenever_it_is_drawn(tmp_path: Path) -> None:
    write_results(tmp_path / "table1-paper.tsv", {"a": [(0.1, 23.0), (0.2, 24.0)]})
    drawings = []
    for name in ("first.svg", "second.svg"):
        assert paper_figures.draw_figure2(tmp_path, tmp_path / name)
        drawings.append((tmp_path / name).read_text(encoding="utf-8"))
    assert drawings[0] == drawings[1]
    for label in ("taichi_gs, paper", "VTM, published", "COIN, published", "Zhang et al. 2024, Table 1, published"):
        assert label in drawings[0]


def test_figure_2_has_other_codecs_at_full_size(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = (replace(peer, settings=peer.settings[3:7:3]) for peer in peers.PEERS)
    monkeypatch.setattr(peers, "PEERS", tuple(few))
    assert run(folder, "--only", "figure2", "--output", tmp_path) == 0
    rows = read_table(tmp_path / "peers.tsv").rows
    assert [(row["image"], row["codec"], row["scale"]) for row in rows] == [
        (image, codec, "1") for image in IMAGES for codec in ("JPEG", "JPEG", *2 * ["HEIC, tune=psnr"])
    ]

    points, drawing = [(0.1, 23.0), (0.2, 24.0)], tmp_path / "paper-rate.svg"
    assert not drawing.exists()
    for images, drawn in ((IMAGES, True), ((*IMAGES, "kodim01"), False)):
        write_results(tmp_path / "table1-paper.tsv", dict.fromkeys(images, points))
        assert run("--output", tmp_path) == 0
        assert ("HEIC, tune=psnr, measured here" in drawing.read_text(encoding="utf-8")) == drawn, (
            "all pictures or no curve"
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "--output", "results"], "no PNG files in missing"),
        (["kodak", "--images", "a", "--output", "results"], "no picture a in kodak"),
        (["kodak", "--steps", "10"], "a trial with other steps or another time needs a folder of its own"),
        (["kodak", "--only", "figure3", "--output", "results"], "measure table1 first"),
    ],
)
def test_what_cannot_be_measured(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    assert run(*arguments) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("paper: error: ")]
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--only", "table1,table4", "there is no part 'table4': choose from table1, "),
        ("--jobs", "0", "a positive number is needed"),
        ("--network-seconds", "0", "a positive number is needed"),
    ],
)
def test_options_that_make_no_sense(option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run("kodak", option, value)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
