"""The figures of `docs/paper.md`: rate and distortion beside published curves, and crops beside JPEG."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import taichi_gs
from benchmarks import peers
from benchmarks.paper_fits import DEFAULT, PAPER, with_steps
from benchmarks.paper_tables import NOT_MEASURED, whole_table
from benchmarks.paper_times import largest_setting
from benchmarks.peers import PEERS
from benchmarks.provenance import provenance, write_lines
from benchmarks.published import read_curves
from benchmarks.rate_results import curve_through
from benchmarks.tables import NONE, ResultsError, Row, Table, format_value, read_table, settings_comment
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.metrics import bits_per_pixel, psnr
from taichi_gs.pictures.read import read_image

RATE_PLOT, CROPS = "paper-rate.svg", "paper-crops.png"
"""The files beside the document."""

PUBLISHED = {
    "JPEG": "JPEG",
    "BPG 4:4:4": "BPG",
    "VTM": "VTM",
    "Balle2018 hyperprior (MSE)": "Ballé et al. 2018",
    "Minnen2018 (MSE)": "Minnen et al. 2018",
    "Cheng2020 anchor (MSE)": "Cheng et al. 2020",
    "COIN": "COIN",
    "Zhang et al. 2024 (the method implemented here)": "Zhang et al. 2024, Table 1",
}
"""The curves that the paper's Figure 2 has, and what its legend calls them."""

OTHERS = ("JPEG", "HEIC, tune=psnr")
"""Codecs that are measured for Figure 2. HEIC stands for BPG: both are the intra coding of HEVC."""

MIN_RATE, MAX_RATE = 0.03, 0.6
POINTS = ("3", "4")
"""Of Table 1, that Figure 3 shows. At the two lower rates JPEG has no file of full size."""

SIDE, STRIDE = 200, 20
LUMA = (0.299, 0.587, 0.114)
GAP, LABEL_HEIGHT, TITLE_HEIGHT, TITLE_SIZE, LABEL_SIZE = 8, 24, 28, 15, 13
FIGURE3_COLUMNS = ("image", "point", "x", "y", "codec", "bytes", "bpp", "psnr")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Version:
    """A picture as a codec makes it: its name, the size of the file, and what is decoded."""

    codec: str
    num_bytes: int
    pixels: Pixels


def figure2(folder: Path, shown: str) -> str:
    """The caption of Figure 2."""
    table = whole_table(folder / "table1-paper.tsv")
    if table is None:
        return NOT_MEASURED
    found = [name for name in ("table1-paper.tsv", "table1-default-psnr.tsv", "peers.tsv") if (folder / name).exists()]
    links = ", ".join(f"[{name}]({shown}/{name})" for name in found)
    count = len({row["image"] for row in table.measurements})
    return (
        f"![PSNR over bits per pixel, means over the pictures]({RATE_PLOT})\n\n"
        f"The published means are over 24 pictures, and the measured ones over {count}: {links}.\n"
    )


def draw_figure2(folder: Path, out: Path) -> bool:
    """Draw mean PSNRs over mean rates as far as they were measured, and the published curves; False if nothing was."""
    import matplotlib
    from matplotlib.figure import Figure

    from benchmarks.plot import STYLE

    tables = {name: whole_table(folder / f"table1-{name}.tsv") for name in ("paper", "default-psnr")}
    if tables["paper"] is None:
        return False
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 5.2), layout="constrained")
        axis = figure.subplots()
        for (name, table), color in zip(tables.items(), ("#c1121f", "#f4845f"), strict=True):
            label = "taichi_gs, " + {"paper": "paper", "default-psnr": "default, tuned for PSNR"}[name]
            if table is not None:
                _line(axis, [(float(row["bpp"]), float(row["psnr"])) for row in table.means], label, "o-", color, 2.2)
        images = {row["image"] for row in tables["paper"].measurements}
        for (codec, points), color in zip(_measured_means(folder, images).items(), ("#555555", "C4"), strict=False):
            _line(axis, points, f"{codec}, measured here", "s-", color, 1.2)
        for index, (name, label) in enumerate(PUBLISHED.items()):
            points = [point for point in read_curves()[name].points if MIN_RATE <= point[0] <= MAX_RATE]
            color = "black" if "Zhang" in name else f"C{index}"
            _line(axis, points, f"{label}, published", (":", "--", "-.")[index % 3] + ".", color, 1.0)
        ticks = (0.03, 0.05, 0.1, 0.2, 0.3, 0.6)
        axis.set(xscale="log", xlim=(MIN_RATE, MAX_RATE), xlabel="bits per pixel", ylabel="PSNR, dB")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=8.0, loc="upper left")
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return True


def _line(axis: Any, points: list[tuple[float, float]], label: str, style: str, color: str, width: float) -> None:
    rates, values = zip(*points, strict=True)
    axis.plot(rates, values, style, markersize=3.5, color=color, linewidth=width, label=label)


def _measured_means(folder: Path, images: set[str]) -> dict[str, list[tuple[float, float]]]:
    """The mean qualities of other codecs at rates that they reach for every picture; nothing until all are measured."""
    if not (folder / "peers.tsv").exists():
        return {}
    rows = [row for row in read_table(folder / "peers.tsv").rows if row["psnr"] != NONE]
    if {row["image"] for row in rows} != images:
        return {}
    means: dict[str, list[tuple[float, float]]] = {}
    for codec in OTHERS:
        curves = [
            curve_through(
                (row for row in rows if (row["codec"], row["image"]) == (codec, image)), lambda row: float(row["psnr"])
            )
            for image in sorted(images)
        ]
        for rate in np.geomspace(MIN_RATE, MAX_RATE, 25).tolist():
            values = [value for curve in curves if (value := curve.at(rate)) is not None]
            if len(values) == len(images):
                means.setdefault(codec, []).append((rate, statistics.fmean(values)))
    return means


def figure3(folder: Path, shown: str) -> str:
    """The caption of Figure 3."""
    if not (folder / "figure3.tsv").exists():
        return NOT_MEASURED
    alt = "Parts of photographs, each four times: the original, JPEG, and taichi_gs with two presets."
    return f"![{alt}]({CROPS})\n\nThe numbers: [figure3.tsv]({shown}/figure3.tsv).\n"


def make_figure3(paths: list[Path], folder: Path, out: Path, command: str, steps: int | None) -> None:
    """Encode the pictures of Figure 3, write their numbers, and draw them."""
    table = whole_table(folder / "table1-paper.tsv")
    if table is None:
        raise ResultsError("Figure 3 shows pictures that Table 1 chooses: measure table1 first")
    lines = [f"# {line}" for line in (*provenance(command), settings_comment({"steps": steps}))]
    lines.append("\t".join(FIGURE3_COLUMNS))
    rows = []
    for row in chosen_rows(table):
        path = next((path for path in paths if path.stem == row["image"]), None)
        if path is None:
            raise ResultsError(f"Figure 3 needs the picture {row['image']}, which is not there")
        original = as_byte_image(read_image(path))
        versions = versions_of(original, float(row["target_bpp"]), steps)
        x, y = busiest_part(original)
        rows.append(_parts(f"{row['image']}, at most {float(row['target_bpp']):g} bpp", original, versions, (x, y)))
        for version in versions:
            cells = {"image": row["image"], "point": row["point"], "x": x, "y": y, "codec": version.codec}
            cells |= {"bytes": version.num_bytes, "bpp": bits_per_pixel(version.num_bytes, original.shape[:2])}
            cells["psnr"] = psnr(original, version.pixels)
            lines.append("\t".join(format_value(column, cells[column]) for column in FIGURE3_COLUMNS))
    page(rows).save(out, optimize=True)
    write_lines(lines, folder / "figure3.tsv")


def chosen_rows(table: Table) -> list[Row]:
    """Of each point, the rows of the pictures with the highest, the median and the lowest gain over the published PSNR.

    So nobody chooses what is shown.
    """
    chosen = []
    for point in POINTS:
        rows = [row for row in table.measurements if row["point"] == point]
        rows.sort(key=lambda row: -float(row["gain_db"]))
        chosen += [rows[index] for index in sorted({0, len(rows) // 2, len(rows) - 1})]
    return chosen


def versions_of(original: Pixels, rate: float, steps: int | None) -> list[Version]:
    """A picture as JPEG and as this codec make it, at most so many bits per pixel if JPEG has such a file."""
    jpeg = next(peer for peer in PEERS if peer.name == "JPEG")
    most = int(rate * original.shape[0] * original.shape[1] / 8)
    data = peers.encode(original, jpeg, 1.0, largest_setting(jpeg, original, most))
    versions = [Version("JPEG", len(data), peers.decode(data, original.shape[:2]))]
    for options in (PAPER, DEFAULT):
        data = taichi_gs.encode(original, bits_per_pixel=rate, **with_steps(options, steps))
        versions.append(Version(f"taichi_gs, {options['preset']}", len(data), taichi_gs.decode(data)))
    return versions


def busiest_part(pixels: Pixels) -> tuple[int, int]:
    """The place (x, y) of the part with the greatest standard deviation of luma: no codec decides it."""
    luma = pixels.astype(np.float64) @ np.array(LUMA)
    rows, columns = (range(0, max(side - SIDE, 0) + 1, STRIDE) for side in luma.shape)
    places = ((x, y) for y in rows for x in columns)
    return max(places, key=lambda place: float(luma[place[1] : place[1] + SIDE, place[0] : place[0] + SIDE].std()))


PartsRow = list[tuple[Pixels, str]]


def _parts(name: str, original: Pixels, versions: list[Version], place: tuple[int, int]) -> PartsRow:
    """The parts of a row, each with what stands under it."""
    x, y = place

    def part(pixels: Pixels) -> Pixels:
        return pixels[y : y + SIDE, x : x + SIDE]

    row = [(part(original), name)]
    for version in versions:
        rate = bits_per_pixel(version.num_bytes, original.shape[:2])
        row.append((part(version.pixels), f"{rate:.3f} bpp, {psnr(original, version.pixels):.2f} dB"))
    return row


def page(rows: list[PartsRow]) -> Image.Image:
    """Rows of parts with their labels, under the names of the codecs."""
    titles = ("original", "JPEG", "taichi_gs, paper", "taichi_gs, default")
    size = (len(titles) * (SIDE + GAP) - GAP, TITLE_HEIGHT + len(rows) * (SIDE + LABEL_HEIGHT))
    drawn = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(drawn)
    title_font, font = (ImageFont.load_default(size) for size in (TITLE_SIZE, LABEL_SIZE))
    for column, title in enumerate(titles):
        left = column * (SIDE + GAP)
        draw.text((left + SIDE / 2, TITLE_HEIGHT / 2), title, "black", title_font, anchor="mm")
        for number, row in enumerate(rows):
            top = TITLE_HEIGHT + number * (SIDE + LABEL_HEIGHT)
            pixels, label = row[column]
            drawn.paste(Image.fromarray(pixels), (left, top))
            middle = (left + SIDE / 2, top + SIDE + LABEL_HEIGHT / 2)
            draw.text(middle, label, "#444444", font, anchor="mm")
    return drawn
