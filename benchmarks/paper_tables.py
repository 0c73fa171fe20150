"""The tables of `docs/paper.md`, made from results files alone: what was measured, and what the paper prints."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.curves import bd_rate
from benchmarks.paper_fits import VARIATIONS
from benchmarks.paper_times import PRESETS, max_bytes
from benchmarks.published import read_table2, read_table3
from benchmarks.rate_results import curve_through
from benchmarks.summary import is_better, markdown
from benchmarks.tables import Row, Table, read_table

NOT_MEASURED = "Not measured yet: there are no results for this part.\n"
NOT_ENDED = "Not measured yet: the run has not ended.\n"

NAMES = {
    "l1": "loss l1 alone",
    "k16": "k = 16",
    "k32": "k = 32",
    "k64": "k = 64",
    "k128": "k = 128",
    "no-density-control": "no density control",
}
"""What the rows of Table 3 are called."""


def whole_table(path: Path) -> Table | None:
    """A results file whose run has ended, or None."""
    table = read_table(path) if path.exists() else None
    return table if table and table.means else None


def machine(tables: Iterable[Table]) -> str:
    """What results were measured on, and at which states of the code."""
    tables = list(tables)
    machines = sorted({f"{table.comment('cpu')}, {table.comment('cores')} cores" for table in tables})
    lines = (line.removeprefix("resumed, ") for table in tables for line in table.comments)
    commits = sorted({line.removeprefix("commit: ") for line in lines if line.startswith("commit: ")})
    states = f"commit{'s' if len(commits) > 1 else ''} {' and '.join(commits)}"
    return f"Measured on {'; '.join(machines)}, at {states}.\n"


def table1(folder: Path, shown: str) -> str:
    """The paper's Table 1, with our results beside it; `shown` is what the document calls the folder of results."""
    names = ("table1-paper.tsv", "table1-default-psnr.tsv")
    if not any((folder / name).exists() for name in names):
        return NOT_MEASURED
    paper, default = (whole_table(folder / name) for name in names)
    if paper is None or default is None:
        return NOT_ENDED
    rows = paper.measurements
    gains = [float(row["gain_db"]) for row in rows]
    links = " and ".join(f"[{name}]({shown}/{name})" for name in names)
    parts = [
        f"{_count(rows)} pictures: {links}.\n",
        f"`paper` is better than published in {sum(map(is_better, rows))} of {len(rows)} cases: by "
        f"{statistics.fmean(gains):.2f} dB on average, and by {min(gains):.2f} dB at least. "
        f"{sum(map(_is_larger, rows)) or 'None'} of its files are larger than the published rate.\n",
        "Means over the pictures:\n",
        _table1_means(paper, default),
        "Each picture, at the points 1 to 4. A cell is a PSNR in dB. The number in brackets is the published rate in "
        "bits per pixel:\n",
        _table1_pictures(paper, default),
        f"{machine([paper, default])}",
    ]
    return "\n".join(parts)


def _table1_means(paper: Table, default: Table) -> str:
    header = ["published: bpp", "published: PSNR, dB"]
    for name in ("`paper`", "`default`"):
        header += [f"{name}: {what}" for what in ("bpp", "PSNR, dB", "mean gain, dB", "lowest gain, dB", "better")]
    lines = []
    for mean in paper.means:
        cells = [f"{float(mean['published_bpp']):.4f}", f"{float(mean['published_psnr']):.2f}"]
        for table in (paper, default):
            rows = [row for row in table.measurements if row["point"] == mean["point"]]
            gains = [float(row["gain_db"]) for row in rows]
            cells += [
                f"{statistics.fmean(float(row['bpp']) for row in rows):.4f}",
                f"{statistics.fmean(float(row['psnr']) for row in rows):.2f}",
                f"{statistics.fmean(gains):+.2f}",
                f"{min(gains):+.2f}",
                f"{sum(map(is_better, rows))} of {len(rows)}",
            ]
        lines.append(cells)
    return markdown(header, lines)


def _table1_pictures(paper: Table, default: Table) -> str:
    points = [mean["point"] for mean in paper.means]
    found = {(row["image"], row["point"], name): row for name, table in (("paper", paper), ("default", default))
             for row in table.measurements}  # fmt: skip
    header = ["picture", *(f"{name} {point}" for point in points for name in ("published", "`paper`", "`default`"))]
    lines = []
    for image in sorted({row["image"] for row in paper.measurements}):
        line = [image]
        for point in points:
            row, other = found[image, point, "paper"], found.get((image, point, "default"))
            line.append(f"{float(row['published_psnr']):.2f} ({float(row['published_bpp']):.3f})")
            line += [f"{float(row['psnr']):.2f}", f"{float(other['psnr']):.2f}" if other else "–"]
        lines.append(line)
    return markdown(header, lines)


def table2(folder: Path, shown: str) -> str:
    """The paper's Table 2: what was measured here, and then what is quoted."""
    names = {"table2.tsv": "taichi_gs and the codecs of Pillow", "networks.tsv": "COIN and WIRE"}
    found = {name: read_table(folder / name) for name in names if (folder / name).exists()}
    tables = {name: table for name, table in found.items() if _has_all(table)}
    quoted = markdown(
        ("codec", "encode, s", "decode, s", "model, K"),
        ([name, *("–" if cell is None else f"{cell:.4f}" for cell in row)] for name, row in read_table2().items()),
    )
    header = ("codec", "pictures", "encode, s", "decode, s", "file, K", "too large", "PSNR, dB", "training")
    parts = []
    if "table2.tsv" in tables:
        rows = _measured_times(tables["table2.tsv"].rows)
        link = f"[table2.tsv]({shown}/table2.tsv)"
        parts += [f"Measured here, means over the pictures: {link}.\n", markdown(header, rows)]
    if "networks.tsv" in tables:
        networks = tables["networks.tsv"]
        settings = networks.settings
        images, minutes = settings["images"], settings["seconds"] / 60
        pictures = "picture" if len(images) == 1 else f"{len(images)} pictures"
        others = tables["table2.tsv"].rows if "table2.tsv" in tables else ()
        lines = _measured_times((*networks.rows, *(row for row in others if row["image"] in images)))
        device = {"cpu": "one thread of the processor", "cuda": "the GPU"}[settings["device"]]
        parts += [
            f"COIN and WIRE, and the others on the same {pictures}: [networks.tsv]({shown}/networks.tsv). Networks "
            f"were trained on {device} each, {settings['jobs']} at a time, for {minutes:.3g} minutes at most.\n",
            markdown(header, lines),
        ]
    if tables:
        parts.append(machine(tables.values()))
    parts += [
        f"Not measured yet: {what}{', whose run has not ended' if name in found else ''}.\n"
        for name, what in names.items()
        if name not in tables
    ]
    parts += ["Quoted from Table 2 of the paper, on one RTX 3090:\n", quoted]
    return "\n".join(parts)


def _has_all(table: Table) -> bool:
    """Whether every codec that a table is about has been measured with every picture."""
    settings = table.settings
    codecs = settings.get("networks") or [*settings["presets"], *settings["peers"]]
    return {(row["image"], row["codec"]) for row in table.rows} == set(itertools.product(settings["images"], codecs))


def _measured_times(all_rows: Iterable[Row]) -> Iterable[list[str]]:
    """A line for each codec, in the order in which they come: the means over its rows."""
    most = max_bytes()
    by_codec: dict[str, list[Row]] = {}
    for row in all_rows:
        by_codec.setdefault(row["codec"], []).append(row)
    for codec, rows in by_codec.items():

        def mean(column: str, rows: list[Row] = rows) -> float:
            return statistics.fmean(float(row[column]) for row in rows)

        num_too_large = sum(int(row["bytes"]) > most for row in rows)
        training = "–"
        if "steps" in rows[0]:
            ends = Counter(row["ended_by"] for row in rows)
            counts = ", ".join(end if len(ends) == 1 else f"{end} ({count})" for end, count in sorted(ends.items()))
            training = f"{mean('steps'):,.0f} steps, ended by {counts}"
            if [*ends] == ["steps"]:
                training = f"all {mean('steps'):,.0f} steps"
        yield [
            f"taichi_gs, `{codec}`" if codec in PRESETS else codec,
            str(len(rows)),
            f"{mean('seconds_encode'):.3g}",
            f"{mean('seconds_decode'):.2g}",
            f"{mean('bytes') / 1000:.3f}",
            f"{num_too_large} of {len(rows)}" if num_too_large else "–",
            f"{mean('psnr'):.2f}",
            training,
        ]


def table3(folder: Path, shown: str) -> str:
    """The paper's Table 3: BD-rates of one change of the preset `paper` against the preset as it is."""
    anchor = whole_table(folder / "table1-paper.tsv")
    found = {name: whole_table(folder / f"table3-{name}.tsv") for name in VARIATIONS}
    tables = {name: table for name, table in found.items() if table}
    if not tables:
        return NOT_MEASURED
    if anchor is None:
        return "Not measured yet: the preset as it is, of which Table 1 has the results, is missing.\n"
    published = read_table3()
    lines = []
    for name in VARIATIONS:
        cells = [NAMES[name], f"{published[name]:+.1f}" if name in published else "–"]
        lines.append(cells + (_differences(anchor, tables[name]) if name in tables else ["not measured yet", "–", "–"]))
    links = ", ".join(f"[table3-{name}.tsv]({shown}/table3-{name}.tsv)" for name in tables)
    header = ("change", "published, %", "measured BD-rate, mean, %", "lowest to highest, %", "pictures")
    return "\n".join([markdown(header, lines), f"Files: {links}.\n", machine([anchor, *tables.values()])])


def _differences(anchor: Table, table: Table) -> list[str]:
    """The mean BD-rate over the pictures, its lowest and highest value, and how many pictures there are."""
    values = []
    for image in sorted({row["image"] for row in table.measurements}):
        usual, changed = (
            curve_through((row for row in rows if row["image"] == image), lambda row: float(row["psnr"]))
            for rows in (anchor.measurements, table.measurements)
        )
        difference = bd_rate(usual, changed)
        if difference is not None:
            values.append(difference)
    if not values:
        return ["no overlap", "–", "0"]
    return [f"{statistics.fmean(values):+.1f}", f"{min(values):+.1f} to {max(values):+.1f}", str(len(values))]


def _is_larger(row: Row) -> bool:
    return float(row["bpp"]) > float(row["published_bpp"])


def _count(rows: Iterable[Row]) -> int:
    return len({row["image"] for row in rows})
