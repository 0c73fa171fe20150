"""Tables and plots of the comparison with other codecs, of curves whose differences are known; docs/results.md."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from straight_curves import line

from benchmarks import compare, kodak, peers, rate, rate_results
from benchmarks.plot import _MARKERS, _PEERS
from benchmarks.rate_results import read_results
from benchmarks.summary import find_results
from benchmarks.tables import (
    MEAN,
    NONE,
    Row,
    format_head,
    format_row,
    format_value,
    settings_comment,
)

RATES = (0.05, 0.1, 0.2, 0.4)


def write_rows(path: Path, settings: dict[str, Any], columns: tuple[str, ...], rows: list[Row]) -> None:
    comments = ["cpu: a machine", "cores: 2", settings_comment(settings)]
    path.write_text(format_head(comments, columns) + "".join(format_row(columns, row) for row in rows))


def point(image: str, rate: float, quality: float, **cells: object) -> Row:
    others = {"scale": "1", "ms_ssim": quality / 40, "ssimulacra2": 2 * quality}
    values = {"image": image, "bpp": rate, "psnr": quality, **others, **cells}
    row = dict.fromkeys((*kodak.COLUMNS, *peers.COLUMNS), NONE)
    return row | {column: format_value(column, value) for column, value in values.items()}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two pictures' results: this codec is 1 dB above "Even", and "High" and "Low" reach part of its rates or none."""
    ours: list[Row] = []
    for target in RATES:
        reached = 0.9 * target
        psnrs = {image: quality + 3 * math.log2(reached / 0.1) for image, quality in (("a", 24.0), ("b", 28.0))}
        ours += [point(image, reached, psnr, preset="fast", target_bpp=target) for image, psnr in psnrs.items()]
        ours.append(point(MEAN, reached, sum(psnrs.values()) / 2, preset="fast", target_bpp=target))
    ours.sort(key=lambda row: row["image"] == MEAN)
    write_rows(tmp_path / "taichi_gs-fast.tsv", {"preset": "fast"}, kodak.COLUMNS, ours)

    others: list[Row] = []
    for name, rates in {
        "Even": {"a": (0.02, 0.1, 1), "b": (0.01, 0.2, 0.5)},
        "High": {"a": (0.08, 1), "b": (2, 3)},
    }.items():
        for image, quality in (("a", 23.0), ("b", 27.0)):
            curve = line(rates[image], quality)
            others += [
                point(image, rate, psnr, codec=name, setting=index)
                for index, (rate, psnr) in enumerate(zip(curve.rates, curve.qualities, strict=True))
            ]
    # Smaller pictures, scaled up, lift "Even" to this codec's own curve.
    others += [
        point(image, rate, psnr, codec="Even", scale="2", setting=index)
        for image, quality in (("a", 24.0), ("b", 28.0))
        for index, (rate, psnr) in enumerate(zip(*vars(line((0.02, 0.04), quality)).values(), strict=True))
    ]
    others += [
        point(image, rate, 20 + rate, codec="Low", setting=index)
        for image in "ab"
        for index, rate in enumerate((0.01, 0.02))
    ]
    write_rows(tmp_path / "peers.tsv", {}, peers.COLUMNS, others)
    published = [point(MEAN, rate, 20 + 10 * rate, codec="Somebody", source="there") for rate in (0.1, 0.3, 0.7)]
    write_rows(tmp_path / "published.tsv", {}, rate.PUBLISHED_COLUMNS, published)
    return tmp_path


def cells(text: str) -> list[list[str]]:
    """The rows of the tables in a Markdown text."""
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("|")]


def test_tables_show_known_differences(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main([str(results)]) == 0
    text = capsys.readouterr().out
    rows = cells(text)
    psnrs, ms_ssims, scores, differences = rows[:6], rows[6:12], rows[12:18], rows[18:]
    header = ["at most, bpp", "bpp", "taichi_gs", "Even", "High", "Low"]
    assert psnrs[0] == ms_ssims[0] == scores[0] == header
    # At 0.36 bits per pixel both pictures have 3 log2 3.6 dB more than at 0.1.
    ours = 26 + 3 * math.log2(3.6)
    assert psnrs[5] == ["0.4", "0.3600", f"{ours:.2f}", f"{ours - 1:.2f}", "–", "–"]
    assert ms_ssims[5][2:4] == [f"{ours / 40:.4f}", f"{(ours - 1) / 40:.4f}"]
    assert scores[5][2:4] == [f"{2 * ours:.1f}", f"{2 * (ours - 1):.1f}"]
    names = ("PSNR", "MS-SSIM", "SSIMULACRA 2")
    assert differences[0][1:] == [
        name for measure in names for name in (f"{measure}, full size", f"{measure}, all scales")
    ]
    # A dB is worth a third of a doubling; where "Even" has smaller pictures, it is nearer.
    even = [float(cell.split()[0]) for cell in differences[2][1:3]]
    assert even[0] == pytest.approx(-20.6)
    assert -20.6 < even[1] < 0
    assert differences[3][1] == "-20.6 (1)"
    assert differences[4][1:] == ["no overlap"] * 6
    assert f"2 pictures: [taichi_gs-fast.tsv]({results.as_posix()}/taichi_gs-fast.tsv)" in text
    assert text.endswith("Measured on a machine, 2 cores.\n")


def test_the_tables_go_into_a_document(results: Path) -> None:
    document = results / "document.md"
    document.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    assert compare.main([str(results), "--document", str(document)]) == 0
    text = document.read_text(encoding="utf-8")
    assert find_results(text) == compare.summarize(read_results(results), ".")
    assert text.startswith("before\n<!-- results -->\n###")
    assert text.endswith("<!-- /results -->\nafter\n")


def test_published_means_are_shown_next_to_those_of_the_same_pictures(results: Path) -> None:
    assert read_results(results).published == ()


def test_the_plot_is_the_same_whenever_it_is_drawn(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_results, "KODAK_PICTURES", 2)
    plots = [results / "one.svg", results / "two.svg"]
    for plot in plots:
        assert compare.main([str(results), "--plot", str(plot)]) == 0
    one, two = (plot.read_text(encoding="utf-8") for plot in plots)
    assert one == two
    for label in ("taichi_gs, fast", "Even", "Somebody, published", "PSNR, dB", "MS-SSIM", "SSIMULACRA 2"):
        assert f">{label}</text>" in one, label
    assert "<image" not in one
    assert "dc:date" not in one


def test_what_cannot_be_compared(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, others = results / "taichi_gs-fast.tsv", results / "peers.tsv"
    whole = ours.read_text(), others.read_text()

    def failure() -> str:
        assert compare.main([str(results)]) == 1
        ours.write_text(whole[0])
        others.write_text(whole[1])
        return capsys.readouterr().err

    ours.write_text(whole[0].split(f"\n{MEAN}")[0] + "\n")
    assert "taichi_gs-fast.tsv has no mean row" in failure()
    others.write_text("\n".join(whole[1].splitlines()[:-1]) + "\n")
    assert "peers.tsv does not have all pictures" in failure()
    others.write_text("\n".join(whole[1].splitlines()[:4]) + "\n")
    assert "peers.tsv does not have all pictures" in failure()
    (results / "taichi_gs-best.tsv").write_text(whole[0].replace("\nb\t", "\nc\t"))
    assert "are not of the same pictures" in failure()
    ours.unlink()
    (results / "taichi_gs-best.tsv").unlink()
    assert "run benchmarks.rate first" in failure()


# docs/results.md


@pytest.mark.parametrize("block", ["kodak", "photos"])
def test_the_document_has_the_figures_of_the_results_files(block: str) -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    tables = compare.summarize(read_results(rate.OUTPUT / block), f"../benchmarks/results/rate/{block}")
    assert find_results(text, block) == tables


def test_the_documents_links_lead_to_files() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    assert "rate.svg" in targets
    for target in targets:
        assert target.startswith("https://") or (ROOT / "docs" / target).exists(), target


def test_each_codec_has_a_look_of_its_own() -> None:
    looks = [(_MARKERS[i % len(_MARKERS)], _PEERS[i % len(_PEERS)]) for i in range(len(peers.PEERS))]
    assert len(set(looks)) == len(looks)


def test_the_documents_plot_shows_what_was_measured() -> None:
    plot = (ROOT / "docs" / "rate.svg").read_text(encoding="utf-8")
    found = read_results(rate.OUTPUT / "kodak")
    labels = [name.removesuffix(".tsv").replace("-", ", ", 1) for name in found.ours]
    for label in labels:
        assert f">{label}</text>" in plot, label
