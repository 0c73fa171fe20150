"""Small files of other codecs against all their files that Pillow makes, and tables of qualities that are known."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

from benchmarks import kodak, small, small_peers, small_tables
from benchmarks.largest_file import PeerFiles
from benchmarks.peers import PEERS, Peer
from benchmarks.small_tables import read_small_results, summarize
from benchmarks.summary import find_results
from benchmarks.tables import (
    MEAN,
    NONE,
    ResultsError,
    Row,
    format_head,
    format_row,
    format_value,
    read_table,
    settings_comment,
)
from taichi_gs.pictures.metrics import psnr, ssimulacra2

Bytes = NDArray[np.uint8]

SCALES = (1.0, 2.0)
WEBP = tuple(range(0, 101, 10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two pictures, a.png and b.png."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    with Image.open(ROOT / "examples" / "photo.png") as photo:
        photo.crop((100, 100, 148, 140)).save(folder / "a.png")
        photo.crop((400, 200, 432, 224)).save(folder / "b.png")
    return folder


@pytest.fixture
def few_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """WebP at few settings, and JPEG, whose files are all too large."""
    webp, jpeg = (next(peer for peer in PEERS if peer.name == name) for name in ("WebP", "JPEG"))
    codecs = {
        "WebP": (
            replace(webp, name="usual", settings=WEBP, scales=SCALES),
            replace(webp, name="fast", settings=WEBP, scales=SCALES, options={"method": 0}),
        ),
        "JPEG": (replace(jpeg, name="large", settings=(90, 95), scales=SCALES),),
    }
    monkeypatch.setattr(small_peers, "CODECS", codecs)


def run(*arguments: object) -> int:
    return small.main([str(argument) for argument in arguments])


# The largest file


@dataclass(frozen=True)
class SizedPeer(Peer):
    """A codec whose files have the sizes that it is told."""

    def encode(self, picture: Image.Image, setting: float) -> bytes:
        return bytes(self.options["sizes"][int(setting)])


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ((10, 20, 30, 40, 50, 60, 70), 45, 3),
        ((10, 20, 30, 40, 50, 60, 70), 40, 3),
        ((10, 20, 30, 40, 50, 60, 70), 999, 6),
        ((10, 20, 30, 40, 50, 60, 70), 9, None),
        ((100, 200), 9, None),
        # Sizes that do not rise at each step.
        ((10, 20, 50, 44, 60, 70, 80), 45, 3),
        ((46, 45, 47, 50, 60, 70, 80), 45, 1),
        ((10, 40, 39, 50, 60, 70, 80), 45, 1),
    ],
)
def test_the_largest_file_that_is_small_enough(sizes: tuple[int, ...], limit: int, expected: int | None) -> None:
    peer = SizedPeer("sized", ".bin", {"sizes": sizes}, "quality", tuple(range(len(sizes))))
    assert PeerFiles(np.zeros((8, 8, 3), np.uint8), peer, 1.0).largest(limit) == expected


def test_settings_go_from_small_files_to_large_ones(folder: Path) -> None:
    pixels = np.asarray(Image.open(folder / "a.png"))
    for variants in small_peers.CODECS.values():
        for peer in variants:
            files = PeerFiles(pixels, peer, 1.0)
            sizes = [len(files.data(peer.settings[index])) for index in (0, len(peer.settings) // 2, -1)]
            assert sizes == sorted(sizes), peer.name
            assert sizes[-1] > 1.2 * sizes[0], peer.name


def test_options_of_libwebp_that_pillow_does_not_pass_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, library = small_peers.CODECS["WebP"]
    picture = Image.open(folder / "a.png")
    assert picture.size == Image.open(io.BytesIO(library.encode(picture, 20))).size
    same = replace(library, options={"method": 6})
    assert same.encode(picture, 20) == usual.encode(picture, 20)
    assert library.encode(picture, 20) != usual.encode(picture, 20)
    monkeypatch.setitem(sys.modules, "webp", None)
    with pytest.raises(ResultsError, match=r"^a codec is missing: pip install '\.\[benchmarks\]' "):
        library.encode(picture, 20)


# The best files


def all_files(path: Path, method: int, size: int) -> list[tuple[int, float, float]]:
    """Bytes, PSNR and SSIMULACRA 2 of the files of WebP that are small enough, scaled up by each of the filters."""
    with Image.open(path) as image:
        picture = image.copy()
    found = []
    for scale in (1, 2):
        smaller = picture.resize((picture.width // scale, picture.height // scale), Image.Resampling.LANCZOS)
        for quality in WEBP:
            file = io.BytesIO()
            smaller.save(file, "WEBP", quality=quality, method=method)
            if len(file.getvalue()) <= size:
                for resampling in (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
                    pair = [np.asarray(other) for other in (picture, Image.open(file).resize(picture.size, resampling))]
                    found.append((len(file.getvalue()), psnr(*pair), ssimulacra2(*pair) or 0.0))
    return found


@pytest.mark.usefixtures("few_codecs")
def test_rows_have_the_best_files_of_all_variants_and_scales(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--peers-only", "--bytes", 40, 200, 400, "--output", tmp_path / "out") == 0
    table = read_table(tmp_path / "out" / "peers.tsv")
    assert table.columns == small_peers.COLUMNS
    assert (
        table.comment("command") == "python -m benchmarks.small pictures --peers-only --bytes 40 200 400 --output out"
    )
    assert "webp " in table.comment("libraries")
    assert len(table.rows) == 2 * (3 + 2 * 3 * 2)
    for row in table.rows:
        if row["codec"] == "JPEG" or row["target_bytes"] == "40":
            assert {row[name] for name in ("bytes", "variant", "scale", "setting", "psnr", "ssimulacra2")} == {NONE}
        elif row["codec"] == "WebP":
            every = [
                file
                for method in (6, 0)
                for file in all_files(folder / f"{row['image']}.png", method, int(row["target_bytes"]))
            ]
            shown = (int(row["bytes"]), float(row["psnr"]), float(row["ssimulacra2"]))
            assert any(file == pytest.approx(shown, abs=1e-3) for file in every)
            column = ("psnr", "ssimulacra2").index(row["best_by"]) + 1
            # The largest file of a scale is not always its best, if nearly.
            assert max(file[column] for file in every) - shown[column] < (0.05, 1.0)[column - 1]
    hashes = [row for row in table.rows if row["target_bytes"] == NONE]
    assert [row["codec"] for row in hashes] == 2 * ["ThumbHash", "BlurHash 4 × 3", "BlurHash 9 × 9"]
    assert [row["bytes"] for row in hashes][1:3] == ["28", "166"]
    assert all(8 < float(row["psnr"]) < 40 for row in hashes)


@pytest.mark.usefixtures("few_codecs")
def test_an_interrupted_run_goes_on_where_it_ended(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "peers.tsv"
    arguments = (folder, "--peers-only", "--bytes", 200, 400, "--output", tmp_path)
    assert run(*arguments) == 0
    whole = out.read_bytes()
    assert run(*arguments) == 0
    assert out.read_bytes() == whole

    table = read_table(out)
    # In the middle of the rows of a codec, and of a row.
    cut = next(index for index, row in enumerate(table.rows) if (row["image"], row["codec"]) == ("b", "WebP")) + 1
    kept = "".join(format_row(table.columns, row) for row in table.rows[:cut])
    out.write_text(format_head(table.comments, table.columns) + kept + "b\tWebP\t4")
    assert run(*arguments) == 0
    again = read_table(out)
    assert again.rows == table.rows
    assert sum(comment.startswith("resumed, commit: ") for comment in again.comments) == 1

    monkeypatch.setattr(small_peers, "NEAR", 9.0)
    assert run(*arguments) == 1
    assert "was made with other options" in capsys.readouterr().err


@pytest.mark.usefixtures("few_codecs")
def test_both_tunings_of_this_codec_are_measured(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(kodak, "main", lambda argv: asked.append(argv) or len(asked) - 1)
    arguments = ("--bytes", 64, 200, "--preset", "fast", "--images", "a", "--output", tmp_path, "--resume")
    # The exit status of the second run tells of a failure.
    assert run(folder, *arguments) == 1
    common = [str(folder), "--preset", "fast"]
    rest = ["--jobs", "1", "--bytes", "64", "200", "--images", "a", "--out"]
    assert asked == [
        [*common, "--tune", "psnr", *rest, str(tmp_path / "taichi_gs-fast-psnr.tsv"), "--resume"],
        [*common, *rest, str(tmp_path / "taichi_gs-fast.tsv"), "--resume"],
    ]
    assert {row["image"] for row in read_table(tmp_path / "peers.tsv").rows} == {"a"}


def test_pictures_that_are_not_there(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--images", "c", "--output", tmp_path) == 1
    assert "there is no picture c in " in capsys.readouterr().err


# Tables


def write_rows(
    path: Path, settings: dict[str, object], columns: tuple[str, ...], rows: list[dict[str, object]]
) -> None:
    texts: list[Row] = [{name: format_value(name, row.get(name)) for name in columns} for row in rows]
    comments = ["cpu: a machine", "cores: 2", settings_comment(settings)]
    path.write_text(format_head(comments, columns) + "".join(format_row(columns, row) for row in texts))


def write_ours(folder: Path, tune: str | None, quality: float) -> None:
    """This codec's files of 64 and 128 bytes, whose PSNR is `quality` and 4 more; the pictures are a and b."""
    rows: list[dict[str, object]] = [
        {"image": image, "target_bytes": size, "psnr": quality + more, "ssimulacra2": quality - 30 + more}
        for image in ("a", "b", MEAN)
        for size, more in ((64, 0.0), (128, 4.0))
    ]
    settings: dict[str, object] = {"preset": "fast"} | ({"tune": tune} if tune else {})
    write_rows(folder / small.results_name("fast", tune), settings, kodak.COLUMNS + kodak.SIZE_COLUMNS, rows)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of two pictures: of 64 bytes "Near" has a file of one picture; of 128, each is the best of one."""
    found = {
        ("a", "Near", 64): 21.0,
        ("b", "Near", 64): None,
        ("a", "Near", 128): 24.0,
        ("b", "Near", 128): 25.0,
        ("a", "Far", 64): None,
        ("b", "Far", 64): None,
        ("a", "Far", 128): 23.0,
        ("b", "Far", 128): 26.0,
    }
    rows: list[dict[str, object]] = []
    for (image, codec, size), quality in found.items():
        for measure in small_peers.MEASURES:
            row: dict[str, object] = {"image": image, "codec": codec, "target_bytes": size, "best_by": measure}
            if quality is not None:
                row |= {"bytes": size - 1, "psnr": quality, "ssimulacra2": quality - 40}
            rows.append(row)
    for image, quality in (("a", 10.0), ("b", 12.0)):
        rows.append({"image": image, "codec": "Hash", "bytes": 25, "psnr": quality, "ssimulacra2": -quality})
    write_rows(tmp_path / "peers.tsv", {"codecs": {"Near": {}, "Far": {}}}, small_peers.COLUMNS, rows)
    write_ours(tmp_path, "psnr", 22.0)
    write_ours(tmp_path, None, 21.0)
    return tmp_path


def cells(text: str) -> list[list[str]]:
    """The rows of the tables in a Markdown text, without the lines under their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|") and "| --" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_tables_show_known_differences(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert small_tables.main([str(results)]) == 0
    text = capsys.readouterr().out
    compared, psnrs, scores, hashes = (cells(text)[start:end] for start, end in ((0, 3), (3, 6), (6, 9), (9, None)))
    # PSNR is compared with --tune psnr, and SSIMULACRA 2 without.
    assert compared[1] == [
        *("64", "22.00", "21.00 (1)", "+1.00 (1)", "Near 1"),
        *("-9.0", "-19.0 (1)", "+10.0 (1)", "Near 1"),
    ]
    assert compared[2] == ["128", "26.00", "25.00", "+1.00", "Near 1, Far 1", "-5.0", "-15.0", "+10.0", "Near 1, Far 1"]
    assert psnrs == [["at most, bytes", "Far", "Near"], ["64", "–", "21.00 (1)"], ["128", "24.50", "24.50"]]
    assert scores[2] == ["128", "-15.5", "-15.5"]
    assert hashes[1] == ["Hash", "25.0", "11.00", "-11.0"]
    assert text.startswith("2 pictures: [taichi_gs-fast-psnr.tsv](")
    assert text.endswith("Measured on a machine, 2 cores.\n")


def test_before_this_codec_is_measured_tables_have_the_others(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in results.glob("taichi_gs-*.tsv"):
        path.unlink()
    assert small_tables.main([str(results)]) == 0
    assert cells(capsys.readouterr().out)[1] == ["64", "21.00 (1)", "Near 1", "-19.0 (1)", "Near 1"]


def test_the_tables_go_into_a_document(results: Path) -> None:
    document = results / "document.md"
    document.write_text("before\n<!-- results: small -->\nold\n<!-- /results: small -->\nafter\n")
    assert small_tables.main([str(results), "--document", str(document), "--block", "small"]) == 0
    text = document.read_text(encoding="utf-8")
    assert find_results(text, "small") == summarize(read_small_results(results), ".")
    assert text.startswith("before\n<!-- results: small -->\n2 pictures")


def test_what_cannot_be_compared(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def failure() -> str:
        assert small_tables.main([str(results)]) == 1
        return capsys.readouterr().err

    ours, others = results / "taichi_gs-fast.tsv", results / "peers.tsv"
    whole = ours.read_text(), others.read_text()
    ours.write_text(whole[0].split(f"\n{MEAN}")[0] + "\n")
    assert "taichi_gs-fast.tsv has not the pictures and sizes of peers.tsv" in failure()
    ours.write_text(whole[0])
    others.write_text(whole[1].replace("\nb\tFar\t128\tpsnr", "\nc\tFar\t128\tpsnr"))
    assert "has not the pictures and sizes of peers.tsv" in failure()
    others.write_text("\n".join(line for line in whole[1].splitlines() if not line.startswith("b\tFar\t128")) + "\n")
    assert "peers.tsv does not have all sizes of all pictures" in failure()
    others.write_text(whole[1])
    ours.unlink()
    assert "with and without --tune psnr" in failure()
    others.unlink()
    assert "run benchmarks.small first" in failure()


def test_the_document_has_the_figures_of_the_results_files() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    tables = summarize(read_small_results(small.OUTPUT / "photos"), "../benchmarks/results/small/photos")
    assert find_results(text, "small") == tables
